import type {
  ControllerRevision,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
  StatefulSetStatus,
} from "../../api/gen/types.ts";
import { selectorFromObject } from "../../api/labels.ts";
import { isPodAvailable, isPodReady } from "../../api/pods.ts";
import { pods, statefulSets } from "../../api/resources.ts";
import { type Action, decide, type Decision, sameJson, withoutZeros } from "./action.ts";
import { claim } from "./claim.ts";
import {
  byRevision,
  claimRevisions,
  type History,
  historyOf,
  templatePatch,
  truncateHistory,
} from "./controller_revision.ts";
import { nextAvailable } from "./replica_pods.ts";
import { ordinalIn, replicasOf, revisionOf } from "./stateful_pods.ts";
import { type StatefulState, stepsOf } from "./stateful_steps.ts";

export interface StatefulSetView {
  readonly statefulSet: Readonly<StatefulSet>;
  /** Pods of the namespace that it controls, and those that nothing controls. */
  readonly pods: readonly Readonly<Pod>[];
  /** The same of ControllerRevisions. */
  readonly revisions: readonly Readonly<ControllerRevision>[];
  /** What has this name in the namespace, whoever owns it. */
  readonly revisionNamed: (name: string) => Readonly<ControllerRevision> | undefined;
  readonly claimNamed: (name: string) => Readonly<PersistentVolumeClaim> | undefined;
  /** Pods that may be created at once. */
  readonly burst: number;
}

/**
 * Pods with names of their own, made in order and removed in reverse; their claims, their history, their rollout.
 * @param now ms since the epoch
 * @see kubernetes pkg/controller/statefulset
 */
export function reconcileStatefulSet(view: StatefulSetView, now: number): Decision {
  const { statefulSet } = view;
  const { spec, metadata, status } = statefulSet;
  const selector = selectorFromObject(spec?.selector);
  if (spec === undefined || selector === undefined || selector.length === 0) return decide([]);
  const owner = { info: statefulSets, object: statefulSet };
  const isMember = (pod: Readonly<Pod>) => ordinalOf(statefulSet, pod) !== undefined;
  const claimed = claim(owner, selector, pods, view.pods, isMember);
  const revisions = claimRevisions(owner, selector, view.revisions);
  // Adoption changes what the next step sees; take that step first.
  const adoptions = [...revisions.actions, ...claimed.actions];
  if (adoptions.length > 0) return decide(adoptions);

  const history = historyOf(
    {
      ...owner,
      data: templatePatch(spec.template),
      labels: spec.template.metadata?.labels,
      hashLabel: "controller.kubernetes.io/hash",
      collisionCount: status?.collisionCount ?? 0,
    },
    revisions.owned,
    view.revisionNamed,
  );
  const members = claimed.owned.map((pod) => [ordinalOf(statefulSet, pod) ?? -1, pod] as const);
  const state: StatefulState = {
    set: statefulSet,
    pods: new Map(members.sort(([a], [b]) => a - b)),
    current: revisions.owned.find((each) => each.metadata?.name === status?.currentRevision) ?? history.current,
    update: history.current,
    claimNamed: view.claimNamed,
    burst: view.burst,
    now,
  };
  const update = statusUpdate(state, history.collisionCount);
  if (metadata?.deletionTimestamp !== undefined) return decide(update);
  const actions = [
    ...history.actions,
    // Steps change pods, not this object, so the status may be written beside them; but first, or a failure to create
    // would keep it from being written.
    ...update,
    ...stepsOf(state),
    ...withoutOldHistory(state, history),
  ];
  return decide(actions, nextAvailable(claimed.owned, spec.minReadySeconds ?? 0, now));
}

function ordinalOf(set: Readonly<StatefulSet>, pod: Readonly<Pod>): number | undefined {
  return ordinalIn(set, pod.metadata?.name ?? "");
}

/** What is in use does not count towards the limit. */
function withoutOldHistory({ set, pods, current }: StatefulState, { olds, duplicates }: History): Action[] {
  const used = new Set([current.metadata?.name, ...[...pods.values()].map(revisionOf)]);
  const unused = [...olds, ...duplicates].filter((each) => !used.has(each.metadata?.name)).sort(byRevision);
  return truncateHistory(unused, set.spec?.revisionHistoryLimit ?? 10, () => false);
}

function statusUpdate(state: StatefulState, collisionCount: number | undefined): Action[] {
  const { set } = state;
  const status = statusOf(state, collisionCount);
  if (sameJson(status, set.status ?? {})) return [];
  return [{ kind: "updateStatus", info: statefulSets, object: { ...set, status } as StatefulSet }];
}

function statusOf(state: StatefulState, collisionCount: number | undefined): StatefulSetStatus {
  const { set, now } = state;
  const pods = [...state.pods.values()];
  const current = state.current.metadata?.name ?? "";
  const update = state.update.metadata?.name ?? "";
  const ready = pods.filter((pod) => pod.status?.phase === "Running" && isPodReady(pod));
  const staying = pods.filter((pod) => pod.metadata?.deletionTimestamp === undefined);
  const ofRevision = (name: string) => staying.filter((pod) => revisionOf(pod) === name).length;
  const counts = {
    replicas: pods.length,
    readyReplicas: ready.length,
    availableReplicas: ready.filter((pod) => isPodAvailable(pod, set.spec?.minReadySeconds ?? 0, now)).length,
    updatedReplicas: ofRevision(update),
  };
  const isComplete = set.spec?.updateStrategy?.type === "RollingUpdate" &&
    [counts.updatedReplicas, counts.readyReplicas, counts.replicas].every((count) => count === replicasOf(set));
  const status: StatefulSetStatus = {
    ...set.status,
    ...counts,
    currentReplicas: isComplete ? counts.updatedReplicas : ofRevision(current),
    currentRevision: isComplete ? update : current,
    updateRevision: update,
    observedGeneration: set.metadata?.generation ?? 0,
    collisionCount: collisionCount ?? 0,
  };
  return withoutZeros(status, ["observedGeneration", "readyReplicas", "currentReplicas", "updatedReplicas"]);
}
