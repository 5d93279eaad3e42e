import type { PersistentVolumeClaim, Pod } from "../api/gen/types.ts";
import { controllerOf } from "../api/pods.ts";
import { statefulSets as info } from "../api/resources.ts";
import { keyOf } from "../client/mod.ts";
import { followRevisions, revisionsViewOf } from "./controller_revision.ts";
import { isClaimOf } from "./core/stateful_claims.ts";
import { reconcileStatefulSet } from "./core/stateful_set.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller, Enqueue } from "./runner.ts";

export function statefulSetController(informers: Informers): Controller {
  const { persistentVolumeClaims, pods, statefulSets } = informers;
  return {
    name: info.singular,
    keys: () => statefulSets.list().map(keyOf),
    subscribe(enqueue) {
      statefulSets.subscribe({
        added: (object) => enqueue(keyOf(object)),
        updated: (_, object) => enqueue(keyOf(object)),
      });
      followPods(informers, enqueue);
      followClaims(informers, enqueue);
      followRevisions(informers, info.kind, statefulSets, enqueue);
    },
    async sync(key, turn) {
      const statefulSet = statefulSets.get(key);
      if (statefulSet === undefined) return;
      const { uid = "", namespace = "" } = statefulSet.metadata ?? {};
      await turn.carryOut(reconcileStatefulSet({
        statefulSet,
        pods: [...pods.byIndex(index.controller, uid), ...pods.byIndex(index.orphan, namespace)],
        ...revisionsViewOf(informers, statefulSet),
        claimNamed: (name) => persistentVolumeClaims.get(`${namespace}/${name}`),
        burst: limits.burstReplicas,
      }, turn.now));
    },
  };
}

function followPods({ pods, statefulSets }: Informers, enqueue: Enqueue): void {
  function enqueueFor(pod: Readonly<Pod>): void {
    const owner = controllerOf(pod.metadata);
    const namespace = pod.metadata?.namespace ?? "";
    if (owner !== undefined) {
      if (owner.kind === info.kind) enqueue(`${namespace}/${owner.name}`, limits.gatherMs);
      return;
    }
    // An orphan may be anybody's: few exist, so all of its namespace look at it.
    if ((pod.metadata?.labels ?? null) === null) return;
    for (const each of statefulSets.byIndex(index.namespace, namespace)) enqueue(keyOf(each), limits.gatherMs);
  }
  pods.subscribe({
    added: enqueueFor,
    updated(old, pod) {
      if (controllerOf(old.metadata)?.uid !== controllerOf(pod.metadata)?.uid) enqueueFor(old);
      enqueueFor(pod);
    },
    deleted: enqueueFor,
  });
}

/** A pod may wait for the claim of an earlier one to be gone. */
function followClaims({ persistentVolumeClaims, statefulSets }: Informers, enqueue: Enqueue): void {
  persistentVolumeClaims.subscribe({
    deleted({ metadata }: Readonly<PersistentVolumeClaim>) {
      for (const set of statefulSets.byIndex(index.namespace, metadata?.namespace ?? "")) {
        if (isClaimOf(set, metadata?.name ?? "")) enqueue(keyOf(set), limits.gatherMs);
      }
    },
  });
}
