import type { Pod } from "../api/gen/types.ts";
import { controllerOf, isPodActive } from "../api/pods.ts";
import { keyOf } from "../client/mod.ts";
import { reconcileReplicaSet, type ReplicaSetView } from "./core/replica_set.ts";
import { ActionError } from "./execute.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller } from "./runner.ts";

export function replicaSetController(informers: Informers): Controller {
  const { pods, replicaSets } = informers;
  const failures = new Map<string, NonNullable<ReplicaSetView["failure"]>>();

  /** Active pods of the ReplicaSets that have the same owner, by node. */
  function neighboursOf(ownerUid: string | undefined, own: readonly Readonly<Pod>[]): Map<string, number> {
    const related = ownerUid === undefined
      ? own
      : replicaSets.byIndex(index.controller, ownerUid).flatMap(({ metadata }) =>
        pods.byIndex(index.controller, metadata?.uid ?? "")
      );
    const counts = new Map<string, number>();
    for (const pod of related) {
      const node = pod.spec?.nodeName ?? "";
      if (isPodActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    return counts;
  }

  return {
    name: "replicaset",
    keys: () => replicaSets.list().map(keyOf),
    subscribe(enqueue) {
      function enqueueFor(pod: Readonly<Pod>): void {
        const owner = controllerOf(pod.metadata);
        const namespace = pod.metadata?.namespace ?? "";
        if (owner !== undefined) {
          if (owner.kind === "ReplicaSet") enqueue(`${namespace}/${owner.name}`, limits.gatherMs);
          return;
        }
        // An orphan may be anybody's: few exist, so all ReplicaSets of its namespace look at it.
        if ((pod.metadata?.labels ?? null) === null) return;
        for (const each of replicaSets.byIndex(index.namespace, namespace)) enqueue(keyOf(each), limits.gatherMs);
      }
      replicaSets.subscribe({
        added: (object) => enqueue(keyOf(object)),
        updated: (_, object) => enqueue(keyOf(object)),
        deleted: (object) => failures.delete(keyOf(object)),
      });
      pods.subscribe({
        added: enqueueFor,
        updated(old, pod) {
          if (controllerOf(old.metadata)?.uid !== controllerOf(pod.metadata)?.uid) enqueueFor(old);
          enqueueFor(pod);
        },
        deleted: enqueueFor,
      });
    },
    async sync(key, turn) {
      const replicaSet = replicaSets.get(key);
      if (replicaSet === undefined) return;
      const { uid = "", namespace = "" } = replicaSet.metadata ?? {};
      const owned = pods.byIndex(index.controller, uid);
      const view: ReplicaSetView = {
        replicaSet,
        pods: [...owned, ...pods.byIndex(index.orphan, namespace)],
        neighbours: owned.length > (replicaSet.spec?.replicas ?? 1)
          ? neighboursOf(controllerOf(replicaSet.metadata)?.uid, owned)
          : new Map(),
        failure: failures.get(key) ?? null,
        burst: limits.burstReplicas,
      };
      const decision = reconcileReplicaSet(view, turn.now);
      try {
        await turn.carryOut(decision);
      } catch (error) {
        if (error instanceof ActionError) {
          const { kind } = error.action;
          if (kind === "createMany") failures.set(key, { verb: "create", message: error.message });
          if (kind === "delete") failures.set(key, { verb: "delete", message: error.message });
        }
        throw error;
      }
      const wrotePods = decision.actions.some((action) => action.kind === "createMany" || action.kind === "delete");
      if (wrotePods) failures.delete(key);
    },
  };
}
