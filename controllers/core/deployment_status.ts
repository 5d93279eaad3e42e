import type { Deployment, DeploymentCondition, DeploymentStatus } from "../../api/gen/types.ts";
import { quote } from "../../api/go_text.ts";
import { formatTime, parseTime } from "../../api/time.ts";
import { withoutZeros } from "./action.ts";
import type { Sets } from "./deployment_sets.ts";
import { fencepostsOf } from "./rolling.ts";

/** Stands for "no deadline", as upstream's maximum int32 does. */
const noDeadlineSeconds = 2_147_483_647;

const countFields = [
  "observedGeneration",
  "replicas",
  "updatedReplicas",
  "readyReplicas",
  "availableReplicas",
  "unavailableReplicas",
] as const;

function hasDeadline(deployment: Readonly<Deployment>): boolean {
  const seconds = deployment.spec?.progressDeadlineSeconds;
  return seconds !== undefined && seconds !== noDeadlineSeconds;
}

export function conditionOf(status: DeploymentStatus | undefined, type: string): DeploymentCondition | undefined {
  return status?.conditions?.find((condition) => condition.type === type);
}

/**
 * Sets a condition. Unchanged status and reason leave it as it is; an unchanged status keeps its lastTransitionTime.
 * @param fresh write even so: only lastUpdateTime is to move
 */
export function withCondition(
  conditions: readonly DeploymentCondition[],
  condition: { type: string; status: string; reason: string; message: string },
  now: number,
  fresh = false,
): DeploymentCondition[] {
  const known = conditions.find((each) => each.type === condition.type);
  if (known?.status === condition.status && known.reason === condition.reason && !fresh) return [...conditions];
  const time = formatTime(now);
  const since = known?.status === condition.status ? known.lastTransitionTime ?? time : time;
  return [
    ...conditions.filter((each) => each.type !== condition.type),
    { ...condition, lastUpdateTime: time, lastTransitionTime: since },
  ];
}

/** Progressing is Unknown while paused, so that the time paused does not count as lack of progress. */
export function pausedConditions(deployment: Readonly<Deployment>, now: number): DeploymentCondition[] {
  const conditions = deployment.status?.conditions ?? [];
  const progressing = conditionOf(deployment.status, "Progressing");
  if (!hasDeadline(deployment) || progressing?.reason === "ProgressDeadlineExceeded") return [...conditions];
  const wasPaused = progressing?.reason === "DeploymentPaused";
  const paused = deployment.spec?.paused === true;
  if (paused === wasPaused) return [...conditions];
  return withCondition(conditions, {
    type: "Progressing",
    status: "Unknown",
    reason: paused ? "DeploymentPaused" : "DeploymentResumed",
    message: paused ? "Deployment is paused" : "Deployment is resumed",
  }, now);
}

/** Numbers and the Available condition, from the ReplicaSets as they are. */
export function countedStatus(
  deployment: Readonly<Deployment>,
  { current, olds }: Sets,
  conditions: readonly DeploymentCondition[],
  now: number,
): DeploymentStatus {
  const all = [...olds, ...(current === null ? [] : [current])].map((member) => member.replicaSet);
  const sum = (count: (replicaSet: typeof all[number]) => number | undefined) =>
    all.reduce((total, replicaSet) => total + (count(replicaSet) ?? 0), 0);
  const available = sum((each) => each.status?.availableReplicas);
  const needed = (deployment.spec?.replicas ?? 1) - fencepostsOf(deployment).unavailable;
  const enough = available >= needed;
  const status: DeploymentStatus = {
    observedGeneration: deployment.metadata?.generation ?? 0,
    replicas: sum((each) => each.status?.replicas),
    updatedReplicas: current?.replicaSet.status?.replicas ?? 0,
    readyReplicas: sum((each) => each.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, sum((each) => each.spec?.replicas ?? 1) - available),
    terminatingReplicas: sum((each) => each.status?.terminatingReplicas),
    ...(deployment.status?.collisionCount === undefined ? {} : { collisionCount: deployment.status.collisionCount }),
    conditions: withCondition(conditions, {
      type: "Available",
      status: enough ? "True" : "False",
      reason: enough ? "MinimumReplicasAvailable" : "MinimumReplicasUnavailable",
      message: enough ? "Deployment has minimum availability." : "Deployment does not have minimum availability.",
    }, now),
  };
  return withoutZeros(status, countFields);
}

/** All replicas are of the current template and available, and none of the old are left. */
export function isComplete(deployment: Readonly<Deployment>, status: DeploymentStatus): boolean {
  const desired = deployment.spec?.replicas ?? 1;
  const { updatedReplicas = 0, replicas = 0, availableReplicas = 0 } = status;
  return updatedReplicas === desired && replicas === desired && availableReplicas === desired &&
    (status.observedGeneration ?? 0) >= (deployment.metadata?.generation ?? 0);
}

function hasProgressed(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const number = (
    status: DeploymentStatus,
    field: "replicas" | "updatedReplicas" | "readyReplicas" | "availableReplicas",
  ) => status[field] ?? 0;
  const old = (status: DeploymentStatus) => number(status, "replicas") - number(status, "updatedReplicas");
  return number(after, "updatedReplicas") > number(before, "updatedReplicas") || old(after) < old(before) ||
    number(after, "readyReplicas") > number(before, "readyReplicas") ||
    number(after, "availableReplicas") > number(before, "availableReplicas");
}

/**
 * {@linkcode countedStatus} plus what a rollout says of itself: Progressing with upstream's reasons, ReplicaFailure
 * handed up from the ReplicaSets. `wakeAfterMs`: when lack of progress would exceed the deadline.
 */
export function rolloutStatus(
  deployment: Readonly<Deployment>,
  sets: Sets,
  conditions: readonly DeploymentCondition[],
  now: number,
): { status: DeploymentStatus; wakeAfterMs?: number } {
  const status = countedStatus(deployment, sets, conditions, now);
  let next = status.conditions ?? [];
  let wakeAfterMs: number | undefined;
  const progressing = next.find((condition) => condition.type === "Progressing");
  const settled = (status.replicas ?? 0) === (status.updatedReplicas ?? 0) &&
    progressing?.reason === "NewReplicaSetAvailable";
  if (!hasDeadline(deployment)) next = next.filter((condition) => condition.type !== "Progressing");
  else if (!settled) {
    const subject = sets.current === null
      ? `Deployment ${quote(deployment.metadata?.name ?? "")}`
      : `ReplicaSet ${quote(sets.current.share.name)}`;
    const deadlineMs = (deployment.spec?.progressDeadlineSeconds ?? 0) * 1000;
    const leftMs = (parseTime(progressing?.lastUpdateTime ?? "") ?? now) + deadlineMs - now;
    const progress = (state: string, reason: string, text: string, fresh = false) =>
      withCondition(next, { type: "Progressing", status: state, reason, message: `${subject} ${text}` }, now, fresh);
    if (isComplete(deployment, status)) {
      next = progress("True", "NewReplicaSetAvailable", "has successfully progressed.");
    } else if (hasProgressed(deployment.status ?? {}, status)) {
      next = progress("True", "ReplicaSetUpdated", "is progressing.", true);
      wakeAfterMs = deadlineMs + 1000;
    } else if (progressing?.reason === "ProgressDeadlineExceeded") {
      // Reported already.
    } else if (progressing !== undefined && progressing.reason !== "NewReplicaSetAvailable" && leftMs < 0) {
      next = progress("False", "ProgressDeadlineExceeded", "has timed out progressing.");
    } else if (progressing !== undefined) {
      wakeAfterMs = leftMs + 1000;
    }
  }
  const members = [...(sets.current === null ? [] : [sets.current]), ...sets.olds];
  const failure = members.flatMap((member) => member.replicaSet.status?.conditions ?? [])
    .find((condition) => condition.type === "ReplicaFailure");
  next = failure === undefined ? next.filter((condition) => condition.type !== "ReplicaFailure") : withCondition(
    next,
    { type: failure.type, status: failure.status, reason: failure.reason ?? "", message: failure.message ?? "" },
    now,
  );
  return { status: { ...status, conditions: next }, ...(wakeAfterMs === undefined ? {} : { wakeAfterMs }) };
}
