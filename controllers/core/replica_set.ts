import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from "../../api/gen/types.ts";
import { matchesSelector, selectorFromLabels, selectorFromObject } from "../../api/labels.ts";
import { isPodActive, isPodAvailable, isPodReady, isPodTerminal } from "../../api/pods.ts";
import { pods, replicaSets, type ResourceInfo } from "../../api/resources.ts";
import { formatTime } from "../../api/time.ts";
import { type Action, decide, type Decision, sameJson, withoutZeros } from "./action.ts";
import { claim } from "./claim.ts";
import { podsToDelete } from "./pod_ranking.ts";
import { nextAvailable, podCreation, podDeletion, podFromTemplate } from "./replica_pods.ts";

export interface ReplicaSetView {
  readonly replicaSet: Readonly<ReplicaSet>;
  /** What it is: a ReplicaSet unless said otherwise. A ReplicationController is kept by the same rules. */
  readonly info?: ResourceInfo;
  /** Pods of the namespace that it controls, and those that nothing controls. */
  readonly pods: readonly Readonly<Pod>[];
  /** Active pods of ReplicaSets with the same owner, by node; used when pods are to be deleted. */
  readonly neighbours: ReadonlyMap<string, number>;
  /** What went wrong the last time, if it did. */
  readonly failure: { readonly verb: "create" | "delete"; readonly message: string } | null;
  /** Pods that may be created or deleted at once. */
  readonly burst: number;
}

/** Keeps as many pods as the ReplicaSet asks for. @param now ms since the epoch */
export function reconcileReplicaSet(view: ReplicaSetView, now: number): Decision {
  const { replicaSet, info = replicaSets } = view;
  const spec = replicaSet.spec;
  const selector = selectorFromObject(spec?.selector);
  if (spec === undefined || selector === undefined || selector.length === 0) return decide([]);
  const candidates = view.pods.filter((pod) => !isPodTerminal(pod));
  const { owned, actions } = claim({ info, object: replicaSet }, selector, pods, candidates);
  const active = owned.filter(isPodActive);
  const terminating = owned.length - active.length;
  if (replicaSet.metadata?.deletionTimestamp === undefined) actions.push(...scale(view, active, now));

  const status = statusOf(view, active, terminating, now);
  // Scaling changes pods, not this object, so the status may be written beside it; but first, or a failure to create
  // would keep the condition that tells of it from being written.
  const changed = !sameJson(status, replicaSet.status ?? {});
  const update: Action[] = changed
    ? [{ kind: "updateStatus", info, object: { ...replicaSet, status } as ReplicaSet }]
    : [];
  return decide([...update, ...actions], nextAvailable(active, spec.minReadySeconds ?? 0, now));
}

function scale(view: ReplicaSetView, active: readonly Readonly<Pod>[], now: number): Action[] {
  const { replicaSet, burst, info = replicaSets } = view;
  const surplus = active.length - (replicaSet.spec?.replicas ?? 1);
  if (surplus < 0) {
    const template = replicaSet.spec?.template ?? {};
    const objects = Array.from(
      { length: Math.min(-surplus, burst) },
      () => podFromTemplate(info, replicaSet, template),
    );
    return [podCreation(info, replicaSet, objects)];
  }
  if (surplus === 0) return [];
  const doomed = podsToDelete(active, Math.min(surplus, burst), view.neighbours, now);
  return [podDeletion(info, replicaSet, doomed)];
}

function statusOf(
  view: ReplicaSetView,
  active: readonly Readonly<Pod>[],
  terminatingReplicas: number,
  now: number,
): ReplicaSetStatus {
  const { replicaSet, info = replicaSets } = view;
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0;
  const template = selectorFromLabels(replicaSet.spec?.template?.metadata?.labels);
  const { conditions: _, ...before } = replicaSet.status ?? { replicas: 0 };
  const conditions = conditionsOf(view, now);
  const counted: ReplicaSetStatus = {
    ...before,
    replicas: active.length,
    fullyLabeledReplicas: active.filter((pod) => matchesSelector(template, pod.metadata?.labels)).length,
    readyReplicas: active.filter(isPodReady).length,
    availableReplicas: active.filter((pod) => isPodAvailable(pod, minReadySeconds, now)).length,
    ...(info === replicaSets ? { terminatingReplicas } : {}),
    observedGeneration: Math.max(before.observedGeneration ?? 0, replicaSet.metadata?.generation ?? 0),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
  return withoutZeros(counted, ["fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"]);
}

function conditionsOf({ replicaSet, failure }: ReplicaSetView, now: number): ReplicaSetCondition[] {
  const before = replicaSet.status?.conditions ?? [];
  const others = before.filter((condition) => condition.type !== "ReplicaFailure");
  if (failure === null) return others;
  // The first failure stays until it is over: each retry's words would only make the object change all the time.
  const known = before.find((condition) => condition.type === "ReplicaFailure");
  return [
    ...others,
    known ?? {
      type: "ReplicaFailure",
      status: "True",
      lastTransitionTime: formatTime(now),
      reason: failure.verb === "create" ? "FailedCreate" : "FailedDelete",
      message: failure.message,
    },
  ];
}
