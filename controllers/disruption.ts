import type { Pod, PodDisruptionBudget, ReplicaSet, ReplicationController, StatefulSet } from "../api/gen/types.ts";
import { matchesLabelSelector } from "../api/labels.ts";
import { keyOf } from "../client/mod.ts";
import { reconcileBudget } from "./core/disruption.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller } from "./runner.ts";

type Replicated = ReplicaSet | ReplicationController | StatefulSet;

/** Keeps the status of PodDisruptionBudgets, by which evictions are allowed. */
export function disruptionController(informers: Informers): Controller {
  const { podDisruptionBudgets, pods, replicaSets, replicationControllers, statefulSets } = informers;

  function podsOf(budget: Readonly<PodDisruptionBudget>): Readonly<Pod>[] {
    return pods.byIndex(index.namespace, budget.metadata?.namespace ?? "").filter((pod) => isSelected(budget, pod));
  }

  return {
    name: "disruption",
    keys: () => podDisruptionBudgets.list().map(keyOf),
    subscribe(enqueue) {
      podDisruptionBudgets.subscribe({
        added: (budget) => enqueue(keyOf(budget)),
        updated: (_, budget) => enqueue(keyOf(budget)),
      });
      const inNamespace = (namespace: string | undefined) =>
        podDisruptionBudgets.byIndex(index.namespace, namespace ?? "");
      const ofPod = (pod: Readonly<Pod>) => {
        for (const budget of inNamespace(pod.metadata?.namespace)) {
          if (isSelected(budget, pod)) enqueue(keyOf(budget), limits.gatherMs);
        }
      };
      pods.subscribe({
        added: ofPod,
        updated: (old, pod) => {
          ofPod(old);
          ofPod(pod);
        },
        deleted: ofPod,
      });
      const rescaled = (old: Readonly<Replicated>, set: Readonly<Replicated>) => {
        if (old.spec?.replicas === set.spec?.replicas) return;
        for (const budget of inNamespace(set.metadata?.namespace)) enqueue(keyOf(budget), limits.gatherMs);
      };
      replicaSets.subscribe({ updated: rescaled });
      replicationControllers.subscribe({ updated: rescaled });
      statefulSets.subscribe({ updated: rescaled });
    },
    async sync(key, turn) {
      const budget = podDisruptionBudgets.get(key);
      if (budget === undefined) return;
      const namespace = budget.metadata?.namespace ?? "";
      const sets: Readonly<Replicated>[] = [
        ...replicaSets.byIndex(index.namespace, namespace),
        ...replicationControllers.byIndex(index.namespace, namespace),
        ...statefulSets.byIndex(index.namespace, namespace),
      ];
      const scales = new Map(sets.map((set) => [set.metadata?.uid ?? "", set.spec?.replicas ?? 1]));
      await turn.carryOut(reconcileBudget({ budget, pods: podsOf(budget), scales }, turn.now));
    },
  };
}

/** An empty selector of policy/v1 selects every pod of the namespace. */
function isSelected({ spec }: Readonly<PodDisruptionBudget>, pod: Readonly<Pod>): boolean {
  return spec?.selector !== undefined && matchesLabelSelector(spec.selector, pod.metadata?.labels);
}
