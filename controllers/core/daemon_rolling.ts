import type { DaemonSet, Pod } from "../../api/gen/types.ts";
import { scaledValue } from "../../api/int_or_string.ts";
import { isPodAvailable } from "../../api/pods.ts";
import { isUpdated, type TemplateMark, type Verdict } from "./daemon_pods.ts";

/** What a DaemonSet has on its nodes, as its steps see it. */
export interface DaemonState extends TemplateMark {
  readonly daemonSet: Readonly<DaemonSet>;
  /** Every node that there is, by name. */
  readonly verdicts: ReadonlyMap<string, Verdict>;
  /** Its pods by the node they are on or meant for, the one that counts first; no entry is empty. */
  readonly podsByNode: ReadonlyMap<string, readonly Readonly<Pod>[]>;
  /** ms since the epoch */
  readonly now: number;
}

/** Pods to make, by node, and to delete. */
export interface Changes {
  readonly createOn: string[];
  readonly remove: Readonly<Pod>[];
}

export interface Limits {
  readonly surge: number;
  readonly unavailable: number;
}

/** Both rounded up; never both 0 where there is something to roll. @param desired nodes that are to have a pod */
export function limitsOf(daemonSet: Readonly<DaemonSet>, desired: number): Limits {
  const { type, rollingUpdate } = daemonSet.spec?.updateStrategy ?? {};
  if (type !== "RollingUpdate") return { surge: 0, unavailable: 0 };
  const surge = scaledValue(rollingUpdate?.maxSurge ?? 0, desired, "up") ?? 0;
  const unavailable = scaledValue(rollingUpdate?.maxUnavailable ?? 1, desired, "up") ?? 0;
  return { surge, unavailable: desired > 0 && surge === 0 && unavailable === 0 ? 1 : unavailable };
}

/** Whether a new pod may stand beside the old one of its node. */
export function allowsSurge(daemonSet: Readonly<DaemonSet>): boolean {
  return limitsOf(daemonSet, 1).surge > 0;
}

/** One step of a rolling update. It is taken only when every node has what it should have otherwise. */
export function roll(state: DaemonState): Changes {
  // Most of the time nothing is old: not worth a look at every node.
  if ([...state.podsByNode.values()].every((pods) => pods.every((pod) => isUpdated(pod, state)))) {
    return { createOn: [], remove: [] };
  }
  const desired = [...state.verdicts.values()].filter((each) => each === "run").length;
  const limits = limitsOf(state.daemonSet, desired);
  return limits.surge === 0 ? replace(state, limits.unavailable) : surge(state, limits.surge, desired);
}

type Pair = { readonly now: Readonly<Pod> | undefined; readonly old: Readonly<Pod> | undefined };

/** The pods of each node that has or should have some, by name: the present and the old one; null where there are more. */
function pairs(state: DaemonState): [string, Pair | null][] {
  const { verdicts, podsByNode } = state;
  const missing = [...verdicts].filter(([name, verdict]) => verdict === "run" && !podsByNode.has(name));
  return [
    ...[...podsByNode].map(([name, pods]): [string, Pair | null] => {
      const staying = pods.filter((pod) => pod.metadata?.deletionTimestamp === undefined);
      const [current, ...moreCurrent] = staying.filter((pod) => isUpdated(pod, state));
      const [old, ...moreOld] = staying.filter((pod) => !isUpdated(pod, state));
      return [name, moreCurrent.length + moreOld.length > 0 ? null : { now: current, old }];
    }),
    ...missing.map(([name]): [string, Pair] => [name, { now: undefined, old: undefined }]),
  ].sort(([a], [b]) => a < b ? -1 : 1);
}

/**
 * Deletes old pods; the nodes get new ones when those are gone. Old pods that are not available go at once, others
 * while fewer than `maxUnavailable` nodes are without. Invariant: an available pod is deleted only into that room.
 */
function replace(state: DaemonState, maxUnavailable: number): Changes {
  let unavailable = 0;
  const useless: Readonly<Pod>[] = [];
  const candidates: Readonly<Pod>[] = [];
  for (const [, pair] of pairs(state)) {
    if (pair === null || (pair.now === undefined) === (pair.old === undefined)) unavailable++;
    else if (pair.now !== undefined) unavailable += isAvailable(state, pair.now) ? 0 : 1;
    else if (pair.old !== undefined) (isAvailable(state, pair.old) ? candidates : useless).push(pair.old);
  }
  // What a rollout leaves behind that another one overtakes must not make more room. @see kubernetes#123232
  unavailable += useless.length;
  const room = Math.max(0, maxUnavailable - unavailable);
  return { createOn: [], remove: [...useless, ...candidates.slice(0, room)] };
}

/**
 * Makes new pods beside old ones on at most `maxSurge` nodes, and deletes an old pod when the new one is available. Nodes
 * whose old pod is not available get a new one whatever the surge. Where a node is not to have a pod any more, its old one
 * stays until as many are available as there are nodes that should have one.
 */
function surge(state: DaemonState, maxSurge: number, desired: number): Changes {
  let surging = 0;
  let available = 0;
  const remove: Readonly<Pod>[] = [];
  const misplaced: Readonly<Pod>[] = [];
  const needy: string[] = [];
  const candidates: string[] = [];
  for (const [name, pair] of pairs(state)) {
    if (pair === null) {
      surging++;
      continue;
    }
    const { now, old } = pair;
    const oldAvailable = old !== undefined && isAvailable(state, old);
    const newAvailable = now !== undefined && isAvailable(state, now);
    if (old === undefined ? newAvailable : oldAvailable) available++;
    if (old === undefined) continue;
    if (now === undefined) {
      if (state.verdicts.get(name) !== "run") misplaced.push(old);
      else (oldAvailable ? candidates : needy).push(name);
    } else if (!oldAvailable) {
      remove.push(old);
    } else {
      surging++;
      if (newAvailable) remove.push(old);
    }
  }
  const spare = Math.max(0, available - desired);
  const room = Math.max(0, maxSurge - surging);
  return { createOn: [...needy, ...candidates.slice(0, room)], remove: [...remove, ...misplaced.slice(0, spare)] };
}

function isAvailable({ daemonSet, now }: DaemonState, pod: Readonly<Pod>): boolean {
  return isPodAvailable(pod, daemonSet.spec?.minReadySeconds ?? 0, now);
}
