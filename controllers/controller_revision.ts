import type { ControllerRevision } from "../api/gen/types.ts";
import type { KubeObject } from "../api/meta.ts";
import { controllerOf } from "../api/pods.ts";
import { type Informer, keyOf } from "../client/mod.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Enqueue } from "./runner.ts";

/** What a core needs of the revisions: see `historyOf` and `claimRevisions`. */
export interface RevisionsView {
  /** Of the owner's namespace: what the owner controls, and what nothing controls. */
  readonly revisions: readonly Readonly<ControllerRevision>[];
  readonly revisionNamed: (name: string) => Readonly<ControllerRevision> | undefined;
}

export function revisionsViewOf({ controllerRevisions }: Informers, owner: Readonly<KubeObject>): RevisionsView {
  const { uid = "", namespace = "" } = owner.metadata ?? {};
  return {
    revisions: [
      ...controllerRevisions.byIndex(index.controller, uid),
      ...controllerRevisions.byIndex(index.orphan, namespace),
    ],
    revisionNamed: (name) => controllerRevisions.get(`${namespace}/${name}`),
  };
}

/**
 * Wakes the owners of changed revisions; an orphan may be anybody's.
 * @param kind of the owners
 */
export function followRevisions<T extends KubeObject>(
  { controllerRevisions }: Informers,
  kind: string,
  owners: Informer<T>,
  enqueue: Enqueue,
): void {
  function enqueueFor({ metadata }: Readonly<ControllerRevision>): void {
    const owner = controllerOf(metadata);
    const namespace = metadata?.namespace ?? "";
    if (owner !== undefined) {
      if (owner.kind === kind) enqueue(`${namespace}/${owner.name}`, limits.gatherMs);
      return;
    }
    // The compiler does not see that a Readonly<T> is a KubeObject when T extends it.
    for (const each of owners.byIndex(index.namespace, namespace)) enqueue(keyOf(each as KubeObject), limits.gatherMs);
  }
  controllerRevisions.subscribe({
    added: enqueueFor,
    updated(old, revision) {
      if (controllerOf(old.metadata)?.uid !== controllerOf(revision.metadata)?.uid) enqueueFor(old);
      enqueueFor(revision);
    },
    deleted: enqueueFor,
  });
}
