/** Counting each finished pod once. */
import type { Job, JobCondition, Pod, UncountedTerminatedPods } from "../../api/gen/types.ts";
import { isPodTerminal } from "../../api/pods.ts";
import type { Action } from "./action.ts";
import { hasFailed, judge } from "./job_failures.ts";
import { completionIndexOf } from "./job_indexes.ts";
import { hasValidIndex, isTracked, type Observation } from "./job_observation.ts";
import { release } from "./job_pods.ts";

export interface Account {
  /** Counted for good. Indexed Jobs count successes by index instead. */
  readonly succeeded: number;
  readonly failed: number;
  readonly uncounted: UncountedTerminatedPods;
  /** Pods to let go once the status is stored. */
  readonly releases: readonly Action[];
  /** Nothing is left to count. */
  readonly isSettled: boolean;
}

/**
 * A finished pod goes through three states, each stored before the next: held by the finalizer; held and listed by uid;
 * listed and no longer held. What is listed and not held is counted and struck off in one write.
 */
export function settle(
  job: Readonly<Job>,
  seen: Observation,
  target: JobCondition | undefined,
  uncountedMax: number,
): Account {
  const held = new Set(seen.pods.filter(isTracked).map((pod) => pod.metadata?.uid ?? ""));
  const listed = job.status?.uncountedTerminatedPods ?? {};
  const succeeded = (listed.succeeded ?? []).filter((uid) => held.has(uid));
  const failed = (listed.failed ?? []).filter((uid) => held.has(uid));
  const counts = {
    succeeded: (job.status?.succeeded ?? 0) + (listed.succeeded ?? []).length - succeeded.length,
    failed: (job.status?.failed ?? 0) + (listed.failed ?? []).length - failed.length,
  };
  const releases: Action[] = [];
  let waiting = 0;
  for (const pod of seen.pods) {
    if (!isTracked(pod) || !isOver(job, seen, pod, target)) continue;
    const uid = pod.metadata?.uid ?? "";
    const list = listFor(job, seen, pod, target);
    if (list !== null && !succeeded.includes(uid) && !failed.includes(uid)) {
      if (succeeded.length + failed.length >= uncountedMax) {
        waiting++;
        continue;
      }
      (list === "succeeded" ? succeeded : failed).push(uid);
    }
    releases.push(release(pod));
  }
  return {
    ...counts,
    uncounted: {
      ...(succeeded.length === 0 ? {} : { succeeded }),
      ...(failed.length === 0 ? {} : { failed }),
    },
    releases,
    isSettled: waiting === 0 && releases.length === 0 && succeeded.length + failed.length === 0,
  };
}

/** Whether the pod has nothing more to tell. */
function isOver(
  job: Readonly<Job>,
  { indexes }: Observation,
  pod: Readonly<Pod>,
  target: JobCondition | undefined,
): boolean {
  if (pod.status?.phase === "Succeeded" || job.metadata?.deletionTimestamp !== undefined) return true;
  // Of a Job that ends, every pod is asked to go; those that have been asked are not waited for.
  if (target !== undefined && (isPodTerminal(pod) || pod.metadata?.deletionTimestamp !== undefined)) return true;
  if (!hasFailed(job, pod)) return false;
  const delayed = indexes?.delayed.get(completionIndexOf(pod) ?? -1);
  return delayed === undefined || delayed.metadata?.uid !== pod.metadata?.uid;
}

function listFor(
  job: Readonly<Job>,
  { indexes }: Observation,
  pod: Readonly<Pod>,
  target: JobCondition | undefined,
): "succeeded" | "failed" | null {
  if (pod.status?.phase === "Succeeded") return indexes === null ? "succeeded" : null;
  if (indexes !== null && !hasValidIndex(pod, indexes)) return null;
  const failed = hasFailed(job, pod) || target?.type === "FailureTarget";
  const isAsked = isPodTerminal(pod) || pod.metadata?.deletionTimestamp !== undefined;
  return failed && isAsked && judge(job, pod).action !== "Ignore" ? "failed" : null;
}
