import type { Pod, PodDisruptionBudget } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { controllerOf, isPodReady } from "../../api/pods.ts";
import { podDisruptionBudgets } from "../../api/resources.ts";
import { formatTime, parseTime } from "../../api/time.ts";
import { decide, type Decision, sameJson, sooner } from "./action.ts";

export interface DisruptionView {
  readonly budget: Readonly<PodDisruptionBudget>;
  /** Pods that the budget selects. */
  readonly pods: readonly Readonly<Pod>[];
  /** spec.replicas of what controls pods, by its uid; what is not here is not known. */
  readonly scales: ReadonlyMap<string, number>;
}

/** An evicted pod that is still there after this was not deleted, and counts again (upstream's DeletionTimeout). */
const deletionTimeoutMs = 120_000;

/**
 * How many of a budget's pods may be evicted now. Evictions take from `disruptionsAllowed` and name their pod; a named
 * pod counts as gone until it is.
 * @param now ms since the epoch
 * @see kubernetes pkg/controller/disruption
 */
export function reconcileBudget({ budget, pods, scales }: DisruptionView, now: number): Decision {
  if (budget.metadata?.deletionTimestamp !== undefined) return decide([]);
  const expected = expectation(budget, pods, scales);
  if (typeof expected === "string") return failed(budget, expected, now);
  const { disrupted, wakeAfterMs } = stillDisrupted(budget, pods, now);
  const living = pods.filter((pod) => pod.metadata?.deletionTimestamp === undefined);
  const healthy = living.filter((pod) => !(nameOf(pod) in disrupted) && isPodReady(pod)).length;
  const spare = expected.pods > 0 ? Math.max(0, healthy - expected.healthy) : 0;
  const status = {
    observedGeneration: budget.metadata?.generation ?? 0,
    ...(Object.keys(disrupted).length > 0 ? { disruptedPods: disrupted } : {}),
    disruptionsAllowed: spare,
    currentHealthy: healthy,
    desiredHealthy: expected.healthy,
    expectedPods: expected.pods,
    conditions: [condition(budget, spare > 0, spare > 0 ? "SufficientPods" : "InsufficientPods", "", now)],
  };
  return decide(sameStatus(status, budget.status) ? [] : [update(budget, status)], wakeAfterMs);
}

function nameOf(pod: Readonly<Pod>): string {
  return pod.metadata?.name ?? "";
}

/** How many pods there should be, and how many of them must stay healthy; a text when that cannot be told. */
function expectation(
  { spec }: Readonly<PodDisruptionBudget>,
  pods: readonly Readonly<Pod>[],
  scales: ReadonlyMap<string, number>,
): { readonly pods: number; readonly healthy: number } | string {
  const { minAvailable, maxUnavailable } = spec ?? {};
  if (maxUnavailable === undefined && typeof minAvailable !== "string") {
    return { pods: pods.length, healthy: minAvailable ?? 0 };
  }
  const counted = new Map<string, number>();
  for (const pod of pods) {
    const uid = controllerOf(pod.metadata)?.uid;
    if (uid === undefined) continue;
    const scale = scales.get(uid);
    if (scale === undefined) return `found no controllers for pod "${nameOf(pod)}"`;
    counted.set(uid, scale);
  }
  const total = [...counted.values()].reduce((sum, scale) => sum + scale, 0);
  if (maxUnavailable !== undefined) return { pods: total, healthy: Math.max(0, total - share(maxUnavailable, total)) };
  return { pods: total, healthy: share(minAvailable ?? 0, total) };
}

/** A number, or a percentage of `total`, rounded up. */
function share(value: number | string, total: number): number {
  return typeof value === "number" ? value : Math.ceil(Number.parseInt(value, 10) * total / 100);
}

/** Evicted pods that are still to go, and when to look whether they went. */
function stillDisrupted({ status }: Readonly<PodDisruptionBudget>, pods: readonly Readonly<Pod>[], now: number) {
  const disrupted: Record<string, string> = {};
  let wakeAfterMs: number | undefined;
  for (const pod of pods) {
    const since = status?.disruptedPods?.[nameOf(pod)];
    if (since === undefined || pod.metadata?.deletionTimestamp !== undefined) continue;
    const left = (parseTime(since) ?? 0) + deletionTimeoutMs - now;
    if (left < 0) continue;
    disrupted[nameOf(pod)] = since;
    wakeAfterMs = sooner(wakeAfterMs, left + 1);
  }
  return { disrupted, wakeAfterMs };
}

/** What cannot be judged may not be disrupted. */
function failed(budget: Readonly<PodDisruptionBudget>, why: string, now: number): Decision {
  const status = {
    ...budget.status,
    disruptionsAllowed: 0,
    conditions: [condition(budget, false, "SyncFailed", why, now)],
  };
  return decide(sameStatus(status, budget.status) ? [] : [update(budget, status)]);
}

function condition(
  budget: Readonly<PodDisruptionBudget>,
  allowed: boolean,
  reason: string,
  message: string,
  now: number,
) {
  const status = allowed ? "True" : "False";
  const before = budget.status?.conditions?.find((it) => it.type === "DisruptionAllowed");
  const since = before?.status === status ? before.lastTransitionTime : formatTime(now);
  const observedGeneration = budget.metadata?.generation ?? 0;
  return { type: "DisruptionAllowed", status, observedGeneration, lastTransitionTime: since, reason, message };
}

/** Zeros may be left out of what was stored. */
function sameStatus(status: object, stored: object | undefined): boolean {
  const zeros = { disruptionsAllowed: 0, currentHealthy: 0, desiredHealthy: 0, expectedPods: 0 };
  return sameJson({ ...zeros, ...status }, { ...zeros, ...stored });
}

function update(budget: Readonly<PodDisruptionBudget>, status: object) {
  return { kind: "updateStatus", info: podDisruptionBudgets, object: { ...budget, status } as KubeObject } as const;
}
