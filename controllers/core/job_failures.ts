/** How a Job's pods fail: what the failure policy says of it, and how long to wait before the next one. */
import type { Job, Pod, PodFailurePolicyRule } from "../../api/gen/types.ts";
import { podCondition } from "../../api/pods.ts";
import { parseTime } from "../../api/time.ts";
import { failureCountKey, ignoredFailureCountKey } from "./job_indexes.ts";

const backoffMs = 10_000;
/** Upstream's constant; its documentation still speaks of six minutes. */
const maxBackoffMs = 600_000;

/** Pods that failed since one last succeeded. Kept in memory: a new leader begins anew, as upstream's does. */
export interface BackoffRecord {
  readonly failures: number;
  /** ms since the epoch */
  readonly lastFailureMs: number;
}

export const noFailures: BackoffRecord = { failures: 0, lastFailureMs: 0 };

/** The record after pods have finished that were not seen before. */
export function recordFinished(
  record: BackoffRecord,
  succeeded: readonly Readonly<Pod>[],
  failed: readonly Readonly<Pod>[],
): BackoffRecord {
  if (succeeded.length === 0 && failed.length === 0) return record;
  const lastSuccessMs = Math.max(-Infinity, ...succeeded.map(finishedAt));
  const after = failed.map(finishedAt).filter((time) => time > lastSuccessMs);
  const before = succeeded.length === 0 ? record : noFailures;
  return after.length === 0
    ? before
    : { failures: before.failures + after.length, lastFailureMs: Math.max(...after, before.lastFailureMs) };
}

/** Milliseconds to wait before a failed pod is replaced: 10 s, doubled with each failure. @param now ms since the epoch */
export function backoffLeft({ failures, lastFailureMs }: BackoffRecord, now: number): number {
  if (failures === 0) return 0;
  const wait = Math.min(backoffMs * 2 ** Math.min(failures - 1, 30), maxBackoffMs);
  return Math.max(0, lastFailureMs + wait - now);
}

/** When the last container ended; else when the pod ceased to be ready or was deleted; ms since the epoch. */
export function finishedAt(pod: Readonly<Pod>): number {
  const ends = (pod.status?.containerStatuses ?? []).map((each) => each.state?.terminated?.finishedAt);
  const times = ends.map((text) => parseTime(text ?? "")).filter((time) => time !== undefined);
  if (ends.length > 0 && times.length === ends.length) return Math.max(...times);
  const ready = podCondition(pod, "Ready");
  const unready = ready?.status === "False" ? parseTime(ready.lastTransitionTime ?? "") : undefined;
  if (unready !== undefined) return unready;
  const deleted = parseTime(pod.metadata?.deletionTimestamp ?? "");
  if (deleted !== undefined) return deleted - (pod.metadata?.deletionGracePeriodSeconds ?? 0) * 1000;
  return parseTime(pod.metadata?.creationTimestamp ?? "") ?? 0;
}

/** A pod is replaced only when it has failed for good, not as soon as it is being deleted. */
export function replacesOnlyFailed({ spec }: Readonly<Job>): boolean {
  return spec?.podReplacementPolicy === "Failed" || spec?.podFailurePolicy !== undefined;
}

/** A pod on its way out that has not succeeded has failed, unless the Job waits for it to be over. */
export function hasFailed(job: Readonly<Job>, pod: Readonly<Pod>): boolean {
  if (pod.status?.phase === "Failed") return true;
  return !replacesOnlyFailed(job) && pod.metadata?.deletionTimestamp !== undefined &&
    pod.status?.phase !== "Succeeded";
}

export interface Judgement {
  readonly action: "Ignore" | "Count" | "FailJob" | "FailIndex";
  /** Why the Job fails. */
  readonly message: string;
}

/** What the first rule that matches says of a failed pod; where none does, the failure counts. */
export function judge({ spec }: Readonly<Job>, pod: Readonly<Pod>): Judgement {
  const { namespace, name } = pod.metadata ?? {};
  for (const [index, rule] of (spec?.podFailurePolicy?.rules ?? []).entries()) {
    const cause = matchExitCode(rule, pod) ?? matchCondition(rule, pod);
    if (cause === undefined) continue;
    const message = `${cause.before}${namespace}/${name} ${cause.after} matching ${rule.action} rule at index ${index}`;
    const { action } = rule;
    if (action === "Ignore" || action === "Count" || action === "FailJob") return { action, message };
    if (action === "FailIndex" && spec?.backoffLimitPerIndex !== undefined) return { action, message };
  }
  return { action: "Count", message: "" };
}

interface Cause {
  readonly before: string;
  readonly after: string;
}

function matchExitCode({ onExitCodes }: PodFailurePolicyRule, pod: Readonly<Pod>): Cause | undefined {
  if (onExitCodes === undefined) return undefined;
  const statuses = [...pod.status?.containerStatuses ?? [], ...pod.status?.initContainerStatuses ?? []];
  for (const { name, state } of statuses) {
    const code = state?.terminated?.exitCode ?? 0;
    if (code === 0 || (onExitCodes.containerName ?? name) !== name) continue;
    if (onExitCodes.values.includes(code) === (onExitCodes.operator === "In")) {
      return { before: `Container ${name} for pod `, after: `failed with exit code ${code}` };
    }
  }
  return undefined;
}

function matchCondition({ onExitCodes, onPodConditions }: PodFailurePolicyRule, pod: Readonly<Pod>): Cause | undefined {
  if (onExitCodes !== undefined) return undefined;
  const found = onPodConditions?.find(({ type, status }) => podCondition(pod, type)?.status === (status ?? "True"));
  return found === undefined ? undefined : { before: "Pod ", after: `has condition ${found.type}` };
}

/** Failures of the pod's index before it. */
export function failuresBefore({ metadata }: Readonly<Pod>): { readonly counted: number; readonly ignored: number } {
  const read = (key: string) => Number.parseInt(metadata?.annotations?.[key] ?? "0", 10) || 0;
  return { counted: read(failureCountKey), ignored: read(ignoredFailureCountKey) };
}

/** Whether its index has failed for good with this pod. */
export function failsIndex(job: Readonly<Job>, pod: Readonly<Pod>): boolean {
  if (!hasFailed(job, pod)) return false;
  const { action } = judge(job, pod);
  if (action === "FailIndex") return true;
  return action !== "Ignore" && failuresBefore(pod).counted >= (job.spec?.backoffLimitPerIndex ?? Infinity);
}
