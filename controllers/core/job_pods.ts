/** Which of a Job's pods to make and to remove. */
import type { Job, Pod } from "../../api/gen/types.ts";
import { jobs, pods as podsInfo } from "../../api/resources.ts";
import type { Action } from "./action.ts";
import {
  backoffLeft,
  type BackoffRecord,
  failuresBefore,
  finishedAt,
  judge,
  replacesOnlyFailed,
} from "./job_failures.ts";
import { completionIndexOf, failureCountKey, firstPending, ignoredFailureCountKey, withIndex } from "./job_indexes.ts";
import { hasValidIndex, type IndexView, isTracked, type Observation, trackingFinalizer } from "./job_observation.ts";
import { podsToDelete } from "./pod_ranking.ts";
import { podCreation, podDeletion, podFromTemplate } from "./replica_pods.ts";

export interface PodChanges {
  readonly actions: Action[];
  /** Milliseconds until a pod may be made whose predecessor failed. */
  readonly waitMs?: number;
}

/** Brings the active pods to as many as there is work for. @param now ms since the epoch */
export function managePods(
  job: Readonly<Job>,
  seen: Observation,
  backoff: BackoffRecord,
  { burst, now }: { readonly burst: number; readonly now: number },
): PodChanges {
  const wanted = job.spec?.suspend === true ? 0 : wantedActive(job, seen);
  const surplus = removable(seen, wanted, now).slice(0, burst);
  if (surplus.length > 0) return { actions: removeUncounted(job, surplus) };
  if (job.spec?.suspend === true) return { actions: [] };
  const waiting = replacesOnlyFailed(job) ? seen.terminating.length : 0;
  const missing = wanted - waiting - seen.active.length;
  if (missing <= 0) return { actions: [] };
  const perIndex = job.spec?.backoffLimitPerIndex !== undefined;
  const waitMs = perIndex ? 0 : backoffLeft(backoff, now);
  if (waitMs > 0) return { actions: [], waitMs };
  if (seen.indexes === null) {
    return create(job, Array.from({ length: Math.min(missing, burst) }, () => podOf(job)));
  }
  return createIndexed(job, seen, seen.indexes, { count: Math.min(missing, burst), now });
}

function wantedActive({ spec }: Readonly<Job>, { active, succeeded, indexes }: Observation): number {
  const parallelism = spec?.parallelism ?? 1;
  // Without a number of completions, one success says that the work is done: who is left may end.
  if (spec?.completions === undefined) return succeeded > 0 ? Math.min(active.length, parallelism) : parallelism;
  return Math.max(0, Math.min(spec.completions - succeeded - (indexes?.failed.size ?? 0), parallelism));
}

/** First those whose index is nobody's or taken, then, of the others, the least advanced. */
function removable(seen: Observation, wanted: number, now: number): Readonly<Pod>[] {
  const { active, indexes } = seen;
  const atLeast = Math.max(0, active.length - wanted);
  if (indexes === null) return podsToDelete(active, atLeast, new Map(), now);
  const removed: Readonly<Pod>[] = [];
  const left: Readonly<Pod>[] = [];
  for (const group of Map.groupBy(active, completionIndexOf).values()) {
    const valid = group[0] !== undefined && hasValidIndex(group[0], indexes);
    const surplus = podsToDelete(group, valid ? group.length - 1 : group.length, new Map(), now);
    removed.push(...surplus);
    left.push(...group.filter((pod) => !surplus.includes(pod)));
  }
  return [...removed, ...podsToDelete(left, atLeast - removed.length, new Map(), now)];
}

function createIndexed(
  job: Readonly<Job>,
  seen: Observation,
  indexes: IndexView,
  { count, now }: { readonly count: number; readonly now: number },
): PodChanges {
  const indexesOf = (pods: readonly Readonly<Pod>[]) =>
    new Set(pods.map(completionIndexOf).filter((index) => index !== undefined));
  const taken = [indexes.succeeded, indexes.failed, indexesOf(seen.active)];
  if (replacesOnlyFailed(job)) taken.push(indexesOf(seen.terminating));
  const waits = new Map<number, number>();
  for (const [index, pod] of indexes.delayed) {
    const { counted, ignored } = failuresBefore(pod);
    const left = backoffLeft({ failures: counted + ignored + 1, lastFailureMs: finishedAt(pod) }, now);
    if (left > 0) waits.set(index, left);
  }
  const later = new Set(waits.keys());
  const name = job.metadata?.name ?? "";
  const pods = firstPending([...taken, later], count, indexes.completions)
    .map((index) => withIndex(podOf(job), name, index, failureCounts(job, indexes.delayed.get(index))));
  const changes = create(job, pods);
  return waits.size === 0 ? changes : { ...changes, waitMs: Math.min(...waits.values()) };
}

/** What the next pod of an index is told of those before it. */
function failureCounts(job: Readonly<Job>, last: Readonly<Pod> | undefined): Record<string, string> {
  if (job.spec?.backoffLimitPerIndex === undefined) return {};
  if (last === undefined) return { [failureCountKey]: "0" };
  const { counted, ignored } = failuresBefore(last);
  const isIgnored = judge(job, last).action === "Ignore";
  const skipped = ignored + (isIgnored ? 1 : 0);
  return {
    [failureCountKey]: String(counted + (isIgnored ? 0 : 1)),
    ...(skipped === 0 ? {} : { [ignoredFailureCountKey]: String(skipped) }),
  };
}

function podOf(job: Readonly<Job>): Pod {
  const pod = podFromTemplate(jobs, job, job.spec?.template ?? {});
  return { ...pod, metadata: { ...pod.metadata, finalizers: [...pod.metadata?.finalizers ?? [], trackingFinalizer] } };
}

function create(job: Readonly<Job>, objects: Pod[]): PodChanges {
  if (objects.length === 0) return { actions: [] };
  return { actions: [podCreation(jobs, job, objects)] };
}

/** Pods that are removed because they are not needed are no failures: they are let go before they are deleted. */
function removeUncounted(job: Readonly<Job>, surplus: readonly Readonly<Pod>[]): Action[] {
  return [...surplus.filter(isTracked).map(release), podDeletion(jobs, job, surplus)];
}

/** Lets a pod go, on condition that it is what it was decided on: it may have finished meanwhile. */
export function release(pod: Readonly<Pod>): Action {
  const finalizers = (pod.metadata?.finalizers ?? []).filter((each) => each !== trackingFinalizer);
  return { kind: "patch", info: podsInfo, object: pod, patch: { metadata: { finalizers } } };
}
