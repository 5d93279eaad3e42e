import type { KubeObject } from "../api/meta.ts";
import { controllerOf } from "../api/pods.ts";
import { type Informer, keyOf } from "../client/mod.ts";
import { index } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Enqueue } from "./runner.ts";

/** What a core decides about: the children that `owner` controls, and those of its namespace that nothing controls. */
export function claimable<T extends KubeObject>(children: Informer<T>, owner: Readonly<KubeObject>): Readonly<T>[] {
  const { uid = "", namespace = "" } = owner.metadata ?? {};
  return [...children.byIndex(index.controller, uid), ...children.byIndex(index.orphan, namespace)];
}

/** Calls `changed` with each child that comes, changes or goes; with what it was, too, when it changes hands. */
export function followOwned<T extends KubeObject>(children: Informer<T>, changed: (child: Readonly<T>) => void): void {
  children.subscribe({
    added: changed,
    updated(old, child) {
      // The compiler does not see that a Readonly<T> is a KubeObject when T extends it.
      const [before, after] = [old as KubeObject, child as KubeObject];
      if (controllerOf(before.metadata)?.uid !== controllerOf(after.metadata)?.uid) changed(old);
      changed(child);
    },
    deleted: changed,
  });
}

/**
 * Wakes the owner of a child; an orphan may be anybody's: few exist, so all of its namespace look at it.
 * @param kind of the owners
 */
export function ownerWaker<O extends KubeObject>(
  kind: string,
  owners: Informer<O>,
  enqueue: Enqueue,
): (child: Readonly<KubeObject>) => void {
  return ({ metadata }) => {
    const owner = controllerOf(metadata);
    const namespace = metadata?.namespace ?? "";
    if (owner !== undefined) {
      if (owner.kind === kind) enqueue(`${namespace}/${owner.name}`, limits.gatherMs);
      return;
    }
    // Nobody's selector matches what has no labels.
    if ((metadata?.labels ?? null) === null) return;
    for (const each of owners.byIndex(index.namespace, namespace)) enqueue(keyOf(each as KubeObject), limits.gatherMs);
  };
}
