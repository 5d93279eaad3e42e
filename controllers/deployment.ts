import type { Pod, ReplicaSet } from "../api/gen/types.ts";
import { controllerOf } from "../api/pods.ts";
import { keyOf } from "../client/mod.ts";
import { reconcileDeployment } from "./core/deployment.ts";
import { replicaSetName } from "./core/deployment_sets.ts";
import { ActionError } from "./execute.ts";
import { index, type Informers } from "./informers.ts";
import { followOwned, ownerWaker } from "./owned.ts";
import type { Controller } from "./runner.ts";

export function deploymentController(informers: Informers): Controller {
  const { deployments, pods, replicaSets } = informers;
  const createFailures = new Map<string, string>();

  return {
    name: "deployment",
    keys: () => deployments.list().map(keyOf),
    subscribe(enqueue) {
      const wakeOwner = ownerWaker("Deployment", deployments, enqueue);
      deployments.subscribe({
        added: (object) => enqueue(keyOf(object)),
        updated: (_, object) => enqueue(keyOf(object)),
        deleted: (object) => createFailures.delete(keyOf(object)),
      });
      followOwned(replicaSets, wakeOwner);
      // Recreate waits for the last old pod to be gone; that event reaches no ReplicaSet that still exists, perhaps.
      pods.subscribe({
        deleted(pod) {
          const owner = controllerOf(pod.metadata);
          if (owner?.kind !== "ReplicaSet") return;
          const namespace = pod.metadata?.namespace ?? "";
          const replicaSet = replicaSets.get(`${namespace}/${owner.name}`);
          if (replicaSet !== undefined) wakeOwner(replicaSet);
        },
      });
    },
    async sync(key, turn) {
      const deployment = deployments.get(key);
      if (deployment === undefined) return;
      const { uid = "", namespace = "" } = deployment.metadata ?? {};
      const owned = replicaSets.byIndex(index.controller, uid);
      const recreate = deployment.spec?.strategy?.type === "Recreate";
      const podsOf = (each: Readonly<ReplicaSet>): Readonly<Pod>[] =>
        pods.byIndex(index.controller, each.metadata?.uid ?? "");
      const decision = reconcileDeployment({
        deployment,
        replicaSets: [...owned, ...replicaSets.byIndex(index.orphan, namespace)],
        pods: recreate ? owned.flatMap(podsOf) : [],
        namesake: replicaSets.get(`${namespace}/${replicaSetName(deployment)}`),
        createFailure: createFailures.get(key) ?? null,
      }, turn.now);
      try {
        await turn.carryOut(decision);
        createFailures.delete(key);
      } catch (error) {
        if (error instanceof ActionError && error.action.kind === "create") createFailures.set(key, error.message);
        throw error;
      }
    },
  };
}
