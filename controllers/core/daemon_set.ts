import type { ControllerRevision, DaemonSet, DaemonSetStatus, Node, Pod } from "../../api/gen/types.ts";
import { selectorFromObject } from "../../api/labels.ts";
import { isPodAvailable, isPodReady, isPodTerminal } from "../../api/pods.ts";
import { controllerRevisions, daemonSets, pods } from "../../api/resources.ts";
import { type Action, byCreation, decide, type Decision, sameJson, sooner, withoutZeros } from "./action.ts";
import { claim } from "./claim.ts";
import {
  claimRevisions,
  type History,
  historyOf,
  revisionHash,
  templatePatch,
  truncateHistory,
} from "./controller_revision.ts";
import {
  daemonPod,
  isUpdated,
  placementOf,
  revisionLabel,
  targetNode,
  templateGeneration,
  verdictOn,
} from "./daemon_pods.ts";
import { type FailedPod, manage } from "./daemon_nodes.ts";
import { type Changes, type DaemonState, roll } from "./daemon_rolling.ts";
import { nextAvailable, podCreation, podDeletion } from "./replica_pods.ts";

export interface DaemonSetView {
  readonly daemonSet: Readonly<DaemonSet>;
  readonly nodes: readonly Readonly<Node>[];
  /** Pods of the namespace that it controls, and those that nothing controls. */
  readonly pods: readonly Readonly<Pod>[];
  /** The same of ControllerRevisions. */
  readonly revisions: readonly Readonly<ControllerRevision>[];
  /** What has this name in the namespace, whoever owns it. */
  readonly revisionNamed: (name: string) => Readonly<ControllerRevision> | undefined;
  /** Nodes whose pod failed and was replaced lately. */
  readonly failed: ReadonlyMap<string, FailedPod>;
  /** Pods that may be created, and deleted, at once. */
  readonly burst: number;
}

export interface DaemonSetDecision extends Decision {
  /** Nodes whose failed pod is deleted now; the next one that fails there waits longer. */
  readonly failedOn: readonly string[];
}

/**
 * One pod on each node that should have one; its history, its rollout. One step at a time: a rollout goes on only when
 * every node has what it should have otherwise. @param now ms since the epoch
 */
export function reconcileDaemonSet(view: DaemonSetView, now: number): DaemonSetDecision {
  const { daemonSet } = view;
  const { spec, metadata, status } = daemonSet;
  const selector = selectorFromObject(spec?.selector);
  if (spec === undefined || selector === undefined || selector.length === 0) return step([]);
  if (metadata?.deletionTimestamp !== undefined) return step([]);
  const owner = { info: daemonSets, object: daemonSet };
  const claimed = claim(owner, selector, pods, view.pods);
  const revisions = claimRevisions(owner, selector, view.revisions);
  // Adoption changes what the next step sees; take that step first.
  const adoptions = [...revisions.actions, ...claimed.actions];
  if (adoptions.length > 0) return step(adoptions);

  const history = historyOf(
    {
      ...owner,
      data: templatePatch(spec.template),
      labels: spec.template.metadata?.labels,
      hashLabel: revisionLabel,
      collisionCount: status?.collisionCount,
    },
    revisions.owned,
    view.revisionNamed,
  );
  if (history.duplicates.length > 0) return step([...history.actions, ...withoutDuplicates(history, claimed.owned)]);
  const state = stateOf(view, claimed.owned, history, now);
  const managed = manage(state, view.failed);
  const updates = spec.updateStrategy?.type !== "OnDelete";
  const changes = isIdle(managed) && updates ? roll(state) : managed;
  const used = new Set(claimed.owned.map((pod) => pod.metadata?.labels?.[revisionLabel]));
  const actions = [
    ...history.actions,
    // Scaling changes pods, not this object, so the status may be written beside it; but first, or a failure to create
    // would keep the status from being written.
    ...statusUpdate(state, history),
    ...managed.notes,
    ...podActions(state, changes, view.burst),
    ...truncateHistory(
      history.olds,
      spec.revisionHistoryLimit ?? 10,
      (each) => used.has(revisionHash(each, revisionLabel)),
    ),
  ];
  const wait = sooner(managed.wakeAfterMs, nextAvailable(claimed.owned, spec.minReadySeconds ?? 0, now));
  return { ...decide(actions, wait), failedOn: managed.failedOn };
}

function step(actions: readonly Action[]): DaemonSetDecision {
  return { ...decide(actions), failedOn: [] };
}

function isIdle({ createOn, remove }: Changes): boolean {
  return createOn.length + remove.length === 0;
}

/** Pods of a revision that is about to go for another that holds the same get that one's label. */
function withoutDuplicates({ current, duplicates }: History, owned: readonly Readonly<Pod>[]): Action[] {
  const hash = revisionHash(current, revisionLabel);
  const doomed = new Set(duplicates.map((each) => revisionHash(each, revisionLabel)));
  const relabelled = owned.filter(({ metadata }) => doomed.has(metadata?.labels?.[revisionLabel] ?? ""));
  return [
    ...relabelled.map((object): Action => ({
      kind: "patch",
      info: pods,
      object,
      patch: { metadata: { labels: { [revisionLabel]: hash } } },
    })),
    { kind: "delete", info: controllerRevisions, objects: duplicates },
  ];
}

function stateOf(view: DaemonSetView, owned: readonly Readonly<Pod>[], history: History, now: number): DaemonState {
  const { daemonSet } = view;
  const placement = placementOf(daemonSet);
  const byName = new Map<string, Readonly<Pod>[]>();
  for (const pod of owned) {
    // Finished, and held only by a finalizer or by whoever removes it: nothing is left to do about it.
    if (isPodTerminal(pod) && pod.metadata?.deletionTimestamp !== undefined) continue;
    const name = targetNode(pod);
    if (name === undefined) continue;
    const there = byName.get(name);
    if (there === undefined) byName.set(name, [pod]);
    else there.push(pod);
  }
  for (const there of byName.values()) if (there.length > 1) there.sort(scheduledFirst);
  const verdicts = view.nodes.map((node) => [node.metadata?.name ?? "", verdictOn(node, placement)] as const);
  return {
    daemonSet,
    hash: revisionHash(history.current, revisionLabel),
    generation: templateGeneration(daemonSet),
    verdicts: new Map(verdicts),
    podsByNode: byName,
    now,
  };
}

/** The pod that counts for its node comes first: one that is on it, the oldest. */
function scheduledFirst(a: Readonly<Pod>, b: Readonly<Pod>): number {
  return Number(!a.spec?.nodeName) - Number(!b.spec?.nodeName) || byCreation(a, b);
}

function podActions({ daemonSet, hash }: DaemonState, { createOn, remove }: Changes, burst: number): Action[] {
  const made = createOn.slice(0, burst).map((node) => daemonPod(daemonSet, node, hash));
  // What cannot be created (a quota, say) must not keep pods that have to go.
  return [
    ...(remove.length === 0 ? [] : [podDeletion(daemonSets, daemonSet, remove.slice(0, burst))]),
    ...(made.length === 0 ? [] : [podCreation(daemonSets, daemonSet, made)]),
  ];
}

function statusUpdate(state: DaemonState, history: History): Action[] {
  const { daemonSet } = state;
  const status = statusOf(state, history.collisionCount);
  if (sameJson(status, daemonSet.status ?? {})) return [];
  return [{ kind: "updateStatus", info: daemonSets, object: { ...daemonSet, status } as DaemonSet }];
}

/** Of several pods on a node the first counts. */
function statusOf(state: DaemonState, collisionCount: number | undefined): DaemonSetStatus {
  const { daemonSet, verdicts, podsByNode, now } = state;
  const counts = {
    currentNumberScheduled: 0,
    desiredNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
    updatedNumberScheduled: 0,
    numberAvailable: 0,
  };
  for (const [name, verdict] of verdicts) {
    const pod = podsByNode.get(name)?.[0];
    if (verdict !== "run") {
      if (pod !== undefined) counts.numberMisscheduled++;
      continue;
    }
    counts.desiredNumberScheduled++;
    if (pod === undefined) continue;
    counts.currentNumberScheduled++;
    if (isPodReady(pod)) counts.numberReady++;
    if (isPodAvailable(pod, daemonSet.spec?.minReadySeconds ?? 0, now)) counts.numberAvailable++;
    if (isUpdated(pod, state)) counts.updatedNumberScheduled++;
  }
  const status: DaemonSetStatus = {
    ...daemonSet.status,
    ...counts,
    numberUnavailable: counts.desiredNumberScheduled - counts.numberAvailable,
    observedGeneration: daemonSet.metadata?.generation ?? 0,
    ...(collisionCount === undefined ? {} : { collisionCount }),
  };
  return withoutZeros(status, ["observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable"]);
}
