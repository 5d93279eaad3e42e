import type { Pod, ReplicaSet } from "../api/gen/types.ts";
import type { KubeObject } from "../api/meta.ts";
import { replicaSets, replicationControllers, type ResourceInfo } from "../api/resources.ts";
import { controllerOf, isPodActive } from "../api/pods.ts";
import { type Informer, keyOf } from "../client/mod.ts";
import type { Decision } from "./core/action.ts";
import { reconcileReplicaSet, type ReplicaSetView } from "./core/replica_set.ts";
import { asReplicaSet } from "./core/replication_controller.ts";
import { ActionError } from "./execute.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import { followOwned, ownerWaker } from "./owned.ts";
import type { Controller } from "./runner.ts";

export function replicaSetController(informers: Informers): Controller {
  return replicasController(informers, replicaSets, informers.replicaSets, (set) => set);
}

export function replicationController(informers: Informers): Controller {
  return replicasController(informers, replicationControllers, informers.replicationControllers, asReplicaSet);
}

/** @param read the object as a ReplicaSet, by whose rules it is kept */
function replicasController<T extends KubeObject>(
  { pods }: Informers,
  info: ResourceInfo,
  owners: Informer<T>,
  read: (owner: Readonly<T>) => Readonly<ReplicaSet>,
): Controller {
  const failures = new Map<string, NonNullable<ReplicaSetView["failure"]>>();

  /** Active pods of all its kind that have the same owner, by node. */
  function neighboursOf(ownerUid: string | undefined, own: readonly Readonly<Pod>[]): Map<string, number> {
    const related = ownerUid === undefined
      ? own
      : owners.byIndex(index.controller, ownerUid).flatMap(({ metadata }) =>
        pods.byIndex(index.controller, metadata?.uid ?? "")
      );
    const counts = new Map<string, number>();
    for (const pod of related) {
      const node = pod.spec?.nodeName ?? "";
      if (isPodActive(pod)) counts.set(node, (counts.get(node) ?? 0) + 1);
    }
    return counts;
  }

  // The compiler does not see that a Readonly<T> is a KubeObject when T extends it.
  const nameOf = (owner: Readonly<T>) => keyOf(owner as KubeObject);

  return {
    name: info.singular,
    queueName: info.kind === "ReplicationController" ? "replicationmanager" : "replicaset",
    keys: () => owners.list().map(nameOf),
    subscribe(enqueue) {
      owners.subscribe({
        added: (object) => enqueue(nameOf(object)),
        updated: (_, object) => enqueue(nameOf(object)),
        deleted: (object) => failures.delete(nameOf(object)),
      });
      followOwned(pods, ownerWaker(info.kind, owners, enqueue));
    },
    async sync(key, turn) {
      const object = owners.get(key);
      if (object === undefined) return;
      const replicaSet = read(object);
      const { uid = "", namespace = "" } = replicaSet.metadata ?? {};
      const owned = pods.byIndex(index.controller, uid);
      const view: ReplicaSetView = {
        replicaSet,
        info,
        pods: [...owned, ...pods.byIndex(index.orphan, namespace)],
        neighbours: owned.length > (replicaSet.spec?.replicas ?? 1)
          ? neighboursOf(controllerOf(replicaSet.metadata)?.uid, owned)
          : new Map(),
        failure: failures.get(key) ?? null,
        burst: limits.burstReplicas,
      };
      const decision = statusWrittenTo(object, reconcileReplicaSet(view, turn.now));
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

/** The status belongs to the object as it is served, however the core read it. */
function statusWrittenTo(object: Readonly<KubeObject>, decision: Decision): Decision {
  const actions = decision.actions.map((action) =>
    action.kind === "updateStatus"
      ? { ...action, object: { ...object, status: (action.object as ReplicaSet).status } as KubeObject }
      : action
  );
  return { ...decision, actions };
}
