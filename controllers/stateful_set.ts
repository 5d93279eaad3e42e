import type { PersistentVolumeClaim } from "../api/gen/types.ts";
import { statefulSets as info } from "../api/resources.ts";
import { keyOf } from "../client/mod.ts";
import { revisionsViewOf } from "./controller_revision.ts";
import { isClaimOf } from "./core/stateful_claims.ts";
import { reconcileStatefulSet } from "./core/stateful_set.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import { claimable, followOwned, ownerWaker } from "./owned.ts";
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
      const wakeOwner = ownerWaker(info.kind, statefulSets, enqueue);
      followOwned(pods, wakeOwner);
      followOwned(informers.controllerRevisions, wakeOwner);
      followClaims(informers, enqueue);
    },
    async sync(key, turn) {
      const statefulSet = statefulSets.get(key);
      if (statefulSet === undefined) return;
      const { namespace = "" } = statefulSet.metadata ?? {};
      await turn.carryOut(reconcileStatefulSet({
        statefulSet,
        pods: claimable(pods, statefulSet),
        ...revisionsViewOf(informers, statefulSet),
        claimNamed: (name) => persistentVolumeClaims.get(`${namespace}/${name}`),
        burst: limits.burstReplicas,
      }, turn.now));
    },
  };
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
