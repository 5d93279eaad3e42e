/** What a Job's pods amount to, counted and not yet counted, and whether the Job is over because of it. */
import type { Job, JobCondition, Pod, SuccessPolicy } from "../../api/gen/types.ts";
import { isPodActive, isPodReady, isPodTerminal } from "../../api/pods.ts";
import { formatTime, parseTime } from "../../api/time.ts";
import { failsIndex, failuresBefore, hasFailed, judge } from "./job_failures.ts";
import { completionIndexOf, parseIndexes } from "./job_indexes.ts";

export const trackingFinalizer = "batch.kubernetes.io/job-tracking";

/** Whether the pod has yet to be counted, or its count to be made final. */
export function isTracked(pod: Readonly<Pod>): boolean {
  return pod.metadata?.finalizers?.includes(trackingFinalizer) === true;
}

export interface IndexView {
  readonly completions: number;
  readonly succeeded: ReadonlySet<number>;
  /** Indexes that failed for good. */
  readonly failed: ReadonlySet<number>;
  /** The latest failed pod of an index that is to be tried again: held until its successor carries on its count. */
  readonly delayed: ReadonlyMap<number, Readonly<Pod>>;
}

export interface Observation {
  readonly pods: readonly Readonly<Pod>[];
  readonly active: readonly Readonly<Pod>[];
  readonly ready: number;
  readonly terminating: readonly Readonly<Pod>[];
  /** Finished, and recorded nowhere yet. */
  readonly newSucceeded: readonly Readonly<Pod>[];
  readonly newFailed: readonly Readonly<Pod>[];
  readonly succeeded: number;
  readonly failed: number;
  /** Null unless the Job is Indexed. */
  readonly indexes: IndexView | null;
}

export function observe(job: Readonly<Job>, pods: readonly Readonly<Pod>[]): Observation {
  const { status, spec } = job;
  const active = pods.filter(isPodActive);
  const { succeeded = [], failed = [] } = status?.uncountedTerminatedPods ?? {};
  const recorded = new Set([...succeeded, ...failed]);
  const indexes = spec?.completionMode === "Indexed" ? observeIndexes(job, pods) : null;
  const fresh = pods.filter((pod) =>
    isTracked(pod) && !recorded.has(pod.metadata?.uid ?? "") && (indexes === null || hasValidIndex(pod, indexes))
  );
  const newSucceeded = fresh.filter((pod) => pod.status?.phase === "Succeeded");
  const newFailed = fresh.filter((pod) => hasFailed(job, pod));
  const counted = newFailed.filter((pod) => judge(job, pod).action !== "Ignore");
  return {
    pods,
    active,
    ready: active.filter(isPodReady).length,
    terminating: pods.filter((pod) => pod.metadata?.deletionTimestamp !== undefined && !isPodTerminal(pod)),
    newSucceeded,
    newFailed,
    succeeded: indexes?.succeeded.size ?? (status?.succeeded ?? 0) + succeeded.length + newSucceeded.length,
    failed: (status?.failed ?? 0) + failed.length + counted.length,
    indexes,
  };
}

export function hasValidIndex(pod: Readonly<Pod>, { completions }: Pick<IndexView, "completions">): boolean {
  const index = completionIndexOf(pod);
  return index !== undefined && index < completions;
}

function observeIndexes(job: Readonly<Job>, pods: readonly Readonly<Pod>[]): IndexView {
  const { status, spec } = job;
  const completions = spec?.completions ?? 0;
  const succeeded = parseIndexes(status?.completedIndexes, completions);
  const failed = parseIndexes(status?.failedIndexes, completions);
  const tracked = pods.filter((pod) => isTracked(pod) && hasValidIndex(pod, { completions }));
  for (const pod of tracked) if (pod.status?.phase === "Succeeded") succeeded.add(completionIndexOf(pod) ?? 0);
  const isEnding = knownTarget(job) !== undefined;
  const latest = new Map<number, Readonly<Pod>>();
  if (spec?.backoffLimitPerIndex !== undefined) {
    for (const pod of tracked) {
      const index = completionIndexOf(pod) ?? 0;
      // The pods of a Job that ends are removed, which fails no index.
      if (!isEnding && failsIndex(job, pod) && !succeeded.has(index)) failed.add(index);
      const known = latest.get(index);
      if (known === undefined || attempts(known) < attempts(pod)) latest.set(index, pod);
    }
  }
  const delayed = [...latest].filter(([index, pod]) =>
    hasFailed(job, pod) && !succeeded.has(index) && !failed.has(index)
  );
  return { completions, succeeded, failed, delayed: new Map(delayed) };
}

function attempts(pod: Readonly<Pod>): number {
  const { counted, ignored } = failuresBefore(pod);
  return counted + ignored;
}

export function jobCondition({ status }: Readonly<Job>, type: string): JobCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type && condition.status === "True");
}

function knownTarget(job: Readonly<Job>): JobCondition | undefined {
  return jobCondition(job, "FailureTarget") ?? jobCondition(job, "SuccessCriteriaMet");
}

export function isJobFinished(job: Readonly<Job>): boolean {
  return jobCondition(job, "Complete") !== undefined || jobCondition(job, "Failed") !== undefined;
}

export function newCondition(
  type: string,
  reason: string,
  message: string,
  now: number,
  status: "True" | "False" = "True",
): JobCondition {
  const time = formatTime(now);
  return { type, status, reason, message, lastProbeTime: time, lastTransitionTime: time };
}

/**
 * The condition that says how the Job will end, `FailureTarget` or `SuccessCriteriaMet`, as soon as that is certain; its
 * pods may still have to go. Completion by numbers is not among them: extra pods are first removed like any surplus.
 */
export function targetOf(job: Readonly<Job>, seen: Observation, now: number): JobCondition | undefined {
  const known = knownTarget(job);
  if (known !== undefined) return known;
  const fail = (reason: string, message: string) => newCondition("FailureTarget", reason, message, now);
  const culprit = seen.pods.filter((pod) => hasFailed(job, pod)).map((pod) => judge(job, pod))
    .find(({ action }) => action === "FailJob");
  if (culprit !== undefined) return fail("PodFailurePolicy", culprit.message);
  if (seen.failed > (job.spec?.backoffLimit ?? 6) || restartsExceed(job, seen.pods)) {
    return fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
  }
  const left = deadlineLeft(job, now);
  if (left !== undefined && left <= 0) {
    return fail("DeadlineExceeded", "Job was active longer than specified deadline");
  }
  if (seen.indexes === null) return undefined;
  const failedIndexes = seen.indexes.failed.size;
  if (failedIndexes > (job.spec?.maxFailedIndexes ?? Infinity)) {
    return fail("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes");
  }
  if (failedIndexes > 0 && failedIndexes + seen.succeeded >= seen.indexes.completions) {
    return fail("FailedIndexes", "Job has failed indexes");
  }
  const rule = matchedRule(job.spec?.successPolicy, seen.indexes);
  if (rule === undefined) return undefined;
  return newCondition("SuccessCriteriaMet", "SuccessPolicy", `Matched rules at index ${rule}`, now);
}

/** Milliseconds until the Job has been active for too long; undefined when it may be for ever, or is suspended. */
export function deadlineLeft(job: Readonly<Job>, now: number): number | undefined {
  const { spec, status } = job;
  const start = parseTime(status?.startTime ?? "");
  if (spec?.activeDeadlineSeconds === undefined || start === undefined) return undefined;
  // A Job that is being resumed still has the start time from before; resuming it begins anew.
  if (spec.suspend === true || jobCondition(job, "Suspended") !== undefined) return undefined;
  return start + spec.activeDeadlineSeconds * 1000 - now;
}

/** Containers restarted in place count against the limit too. */
function restartsExceed({ spec }: Readonly<Job>, pods: readonly Readonly<Pod>[]): boolean {
  if (spec?.template.spec?.restartPolicy !== "OnFailure") return false;
  let restarts = 0;
  for (const { status } of pods) {
    if (status?.phase !== "Running" && status?.phase !== "Pending") continue;
    for (const each of [...status.initContainerStatuses ?? [], ...status.containerStatuses ?? []]) {
      restarts += each.restartCount;
    }
  }
  const limit = spec.backoffLimit ?? 6;
  return limit === 0 ? restarts > 0 : restarts >= limit;
}

function matchedRule(policy: SuccessPolicy | undefined, indexes: IndexView): number | undefined {
  const found = policy?.rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return indexes.succeeded.size >= (succeededCount ?? Infinity);
    const wanted = parseIndexes(succeededIndexes, indexes.completions);
    const have = [...wanted].filter((index) => indexes.succeeded.has(index)).length;
    return have >= (succeededCount ?? wanted.size);
  });
  return found === -1 ? undefined : found;
}
