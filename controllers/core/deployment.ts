import type { Deployment, DeploymentCondition, DeploymentStatus, Pod, ReplicaSet } from "../../api/gen/types.ts";
import { quote } from "../../api/go_text.ts";
import { selectorFromObject } from "../../api/labels.ts";
import { controllerOf, isPodTerminal } from "../../api/pods.ts";
import { deployments, replicaSets } from "../../api/resources.ts";
import { type Action, decide, type Decision, sameJson } from "./action.ts";
import { claim } from "./claim.ts";
import {
  annotateCurrent,
  announceScaling,
  cleanUp,
  isSaturated,
  isScaling,
  newReplicaSet,
  nextRevision,
  patchesOf,
  replicaSetName,
  revisionAnnotation,
  revisionOf,
  sameTemplate,
  type Sets,
  setsOf,
} from "./deployment_sets.ts";
import { countedStatus, isComplete, pausedConditions, rolloutStatus, withCondition } from "./deployment_status.ts";
import { fencepostsOf, newShareSize, scaleProportionally, type Share, shrinkOld } from "./rolling.ts";

export interface DeploymentView {
  readonly deployment: Readonly<Deployment>;
  /** ReplicaSets of the namespace that it controls, and those that nothing controls. */
  readonly replicaSets: readonly Readonly<ReplicaSet>[];
  /** Pods of the Deployment's ReplicaSets, terminating ones too. */
  readonly pods: readonly Readonly<Pod>[];
  /** What has the name that the next ReplicaSet would get, whoever owns it. */
  readonly namesake: Readonly<ReplicaSet> | undefined;
  /** Why the last try to create a ReplicaSet failed, if it did. */
  readonly createFailure: string | null;
}

/**
 * One step of a Deployment: at most one change of sizes, then the status; the next step follows when the informers show
 * the change. @param now ms since the epoch
 */
export function reconcileDeployment(view: DeploymentView, now: number): Decision {
  const { deployment } = view;
  const selector = selectorFromObject(deployment.spec?.selector);
  if (deployment.spec === undefined || selector === undefined || selector.length === 0) return decide([]);
  const { owned, actions } = claim(
    { info: deployments, object: deployment },
    selector,
    replicaSets,
    view.replicaSets,
  );
  // Adoption changes what the next step sees; take that step first.
  if (actions.length > 0) return decide(actions);
  const sets = setsOf(deployment, owned);
  if (deployment.metadata?.deletionTimestamp !== undefined) return finish(view, sets, [], "counted", now);
  if (deployment.spec.paused === true || isScaling(deployment, sets)) return sync(view, sets, now);
  if (deployment.spec.strategy?.type === "Recreate") return recreate(view, sets, now);
  return roll(view, sets, now);
}

/** Paused, or another size: existing ReplicaSets are resized, no new one is made. */
function sync(view: DeploymentView, sets: Sets, now: number): Decision {
  const { deployment } = view;
  if (sets.current !== null) annotateCurrent(deployment, sets.current, nextRevision(sets.olds));
  resize(deployment, sets);
  const tidy = deployment.spec?.paused === true ? cleanUp(deployment, sets.olds) : [];
  return finish(view, sets, [...patchesOf(deployment, sets), ...tidy], "counted", now);
}

function resize(deployment: Readonly<Deployment>, sets: Sets): void {
  const desired = deployment.spec?.replicas ?? 1;
  const shares = sharesOf(sets);
  const active = shares.filter((share) => share.replicas > 0);
  if (active.length <= 1) {
    const only = active[0] ?? sets.current?.share ?? shares.at(-1);
    if (only !== undefined) only.replicas = desired;
  } else if (isSaturated(deployment, sets.current)) {
    for (const old of sets.olds) old.share.replicas = 0;
  } else if (deployment.spec?.strategy?.type !== "Recreate") {
    scaleProportionally(active, desired, fencepostsOf(deployment), deployment.status?.replicas ?? 0);
  }
}

function roll(view: DeploymentView, sets: Sets, now: number): Decision {
  const { deployment } = view;
  const desired = deployment.spec?.replicas ?? 1;
  const fenceposts = fencepostsOf(deployment);
  if (sets.current === null) {
    const empty: Share = { name: "", age: Infinity, replicas: 0, present: 0, available: 0, maxReplicasBefore: 0 };
    return create(view, sets, newShareSize(empty, [...sharesOf(sets), empty], desired, fenceposts), now);
  }
  annotateCurrent(deployment, sets.current, nextRevision(sets.olds));
  const size = newShareSize(sets.current.share, sharesOf(sets), desired, fenceposts);
  // One step at a time: growing uses the room that shrinking would have to leave.
  if (size !== sets.current.share.replicas) sets.current.share.replicas = size;
  else shrinkOld(sets.current.share, sets.olds.map((old) => old.share), desired, fenceposts);
  return finish(view, sets, [...patchesOf(deployment, sets), ...tidyWhenComplete(deployment, sets)], "rollout", now);
}

/** All old pods go before the first new one comes. */
function recreate(view: DeploymentView, sets: Sets, now: number): Decision {
  const { deployment } = view;
  const desired = deployment.spec?.replicas ?? 1;
  if (sets.current !== null) annotateCurrent(deployment, sets.current, nextRevision(sets.olds));
  if (sets.olds.some((old) => old.share.replicas > 0)) {
    for (const old of sets.olds) old.share.replicas = 0;
    return finish(view, sets, patchesOf(deployment, sets), "rollout", now);
  }
  const currentUid = sets.current?.replicaSet.metadata?.uid;
  const oldPods = view.pods.some((pod) => controllerOf(pod.metadata)?.uid !== currentUid && !isPodTerminal(pod));
  if (oldPods || sets.olds.some((old) => (old.replicaSet.status?.replicas ?? 0) > 0)) {
    return finish(view, sets, patchesOf(deployment, sets), "rollout", now);
  }
  if (sets.current === null) return create(view, sets, desired, now);
  sets.current.share.replicas = desired;
  return finish(view, sets, [...patchesOf(deployment, sets), ...tidyWhenComplete(deployment, sets)], "rollout", now);
}

function tidyWhenComplete(deployment: Readonly<Deployment>, sets: Sets): Action[] {
  return isComplete(deployment, deployment.status ?? {}) ? cleanUp(deployment, sets.olds) : [];
}

function sharesOf(sets: Sets): Share[] {
  const members = [...sets.olds, ...(sets.current === null ? [] : [sets.current])];
  return members.map((member) => member.share).sort((a, b) => a.age - b.age);
}

/** Makes the ReplicaSet of the current template. A name taken by a stranger is a hash collision: count it, hash anew. */
function create(view: DeploymentView, sets: Sets, replicas: number, now: number): Decision {
  const { deployment, namesake, createFailure } = view;
  if (namesake !== undefined && !isOurs(deployment, namesake)) {
    const status = countedStatus(deployment, sets, pausedConditions(deployment, now), now);
    const collisionCount = (deployment.status?.collisionCount ?? 0) + 1;
    return decide([writeStatus(deployment, { ...status, collisionCount })]);
  }
  const revision = nextRevision(sets.olds);
  const object = newReplicaSet(deployment, replicas, revision);
  const name = replicaSetName(deployment);
  const action: Action = {
    kind: "create",
    info: replicaSets,
    object,
    ...(replicas > 0 ? { done: announceScaling(deployment, name, 0, replicas) } : {}),
  };
  const failed = createFailure !== null;
  const conditions = hasProgressDeadline(deployment)
    ? withCondition(pausedConditions(deployment, now), {
      type: "Progressing",
      status: failed ? "False" : "True",
      reason: failed ? "ReplicaSetCreateError" : "NewReplicaSetCreated",
      message: createFailure ?? `Created new replica set ${quote(name)}`,
    }, now)
    : pausedConditions(deployment, now);
  const status = countedStatus(deployment, sets, conditions, now);
  const update = sameJson(status, deployment.status ?? {}) ? [] : [writeStatus(deployment, status)];
  // After a failure its condition is written first: the creation may well fail again and end the round.
  return decide(failed ? [...update, action] : [action, ...update]);
}

function isOurs(deployment: Readonly<Deployment>, replicaSet: Readonly<ReplicaSet>): boolean {
  return controllerOf(replicaSet.metadata)?.uid === deployment.metadata?.uid &&
    sameTemplate(replicaSet.spec?.template, deployment.spec?.template);
}

function hasProgressDeadline(deployment: Readonly<Deployment>): boolean {
  return deployment.spec?.progressDeadlineSeconds !== undefined;
}

/** Ends the step: the changes decided, then the Deployment's own revision or, once that is right, its status. */
function finish(
  view: DeploymentView,
  sets: Sets,
  actions: readonly Action[],
  status: "counted" | "rollout",
  now: number,
): Decision {
  const { deployment } = view;
  const revision = sets.current === null ? 0 : Math.max(revisionOf(sets.current.replicaSet), nextRevision(sets.olds));
  if (sets.current !== null && revisionOf(deployment) !== revision) {
    // The status would be refused now, since this changes the resourceVersion it was computed from.
    // Through `status`, as upstream: an annotation set on the object itself counts as a new generation.
    const patch = { metadata: { annotations: { [revisionAnnotation]: String(revision) } } };
    const set = { kind: "patch", info: deployments, object: deployment, patch, subresource: "status" } as const;
    return decide([...actions, set]);
  }
  const conditions = foundConditions(deployment, sets, now);
  const { status: next, wakeAfterMs } = status === "rollout"
    ? rolloutStatus(deployment, sets, conditions, now)
    : { status: countedStatus(deployment, sets, conditions, now), wakeAfterMs: undefined };
  const update = sameJson(next, deployment.status ?? {}) ? [] : [writeStatus(deployment, next)];
  return decide([...actions, ...update], wakeAfterMs);
}

/** A ReplicaSet that was there before progress was watched begins its deadline now. */
function foundConditions(deployment: Readonly<Deployment>, sets: Sets, now: number): DeploymentCondition[] {
  const conditions = pausedConditions(deployment, now);
  const known = conditions.some((condition) => condition.type === "Progressing");
  if (known || sets.current === null || !hasProgressDeadline(deployment)) return conditions;
  return withCondition(conditions, {
    type: "Progressing",
    status: "True",
    reason: "FoundNewReplicaSet",
    message: `Found new replica set ${quote(sets.current.share.name)}`,
  }, now);
}

function writeStatus(deployment: Readonly<Deployment>, status: DeploymentStatus): Action {
  const object: Deployment = { ...deployment, status };
  return { kind: "updateStatus", info: deployments, object };
}
