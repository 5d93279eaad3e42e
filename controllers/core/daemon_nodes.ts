import type { Pod } from "../../api/gen/types.ts";
import { isPodAvailable, isPodReady } from "../../api/pods.ts";
import { daemonSets } from "../../api/resources.ts";
import { type Action, announcer, byCreation, sooner } from "./action.ts";
import { isUpdated } from "./daemon_pods.ts";
import { allowsSurge, type Changes, type DaemonState } from "./daemon_rolling.ts";

/** Of a node on which a daemon failed: how long the next failed one stays, from when. */
export interface FailedPod {
  readonly delayMs: number;
  /** ms since the epoch */
  readonly since: number;
}

/** The first failed pod goes at once, later ones after 1 s, 2 s, 4 s, up to 15 min (upstream's). */
const firstDelayMs = 1_000;
const longestDelayMs = 15 * 60_000;

/** What is remembered when a failed pod is deleted. A node that was quiet for long begins anew. */
export function failedAgain(before: FailedPod | undefined, now: number): FailedPod {
  const delayMs = before === undefined || isForgotten(before, now)
    ? firstDelayMs
    : Math.min(2 * before.delayMs, longestDelayMs);
  return { delayMs, since: now };
}

export function isForgotten({ since }: FailedPod, now: number): boolean {
  return now - since > 2 * longestDelayMs;
}

export interface Managed extends Changes {
  readonly notes: Action[];
  readonly failedOn: string[];
  readonly wakeAfterMs: number | undefined;
}

/**
 * A pod for each node that should have one and has none, and no pod for others; finished pods go, so that their nodes
 * get new ones, and so does all but one of several on a node. A pod in deletion counts until it is gone.
 */
export function manage(state: DaemonState, failed: ReadonlyMap<string, FailedPod>): Managed {
  const { verdicts, podsByNode } = state;
  const found = { createOn: [] as string[], remove: [] as Readonly<Pod>[], notes: [] as Action[] };
  const failedOn: string[] = [];
  let wakeAfterMs: number | undefined;
  for (const [name, verdict] of verdicts) {
    const pods = podsByNode.get(name);
    if (pods === undefined) {
      if (verdict === "run") found.createOn.push(name);
      continue;
    }
    const staying = pods.filter((pod) => pod.metadata?.deletionTimestamp === undefined);
    if (verdict === "leave") {
      found.remove.push(...staying);
      continue;
    }
    const before = failed.get(name);
    const waitMs = before === undefined || isForgotten(before, state.now)
      ? 0
      : before.since + before.delayMs - state.now;
    const running = staying.filter(({ status }) => status?.phase !== "Failed" && status?.phase !== "Succeeded");
    for (const pod of staying) {
      if (pod.status?.phase === "Succeeded") {
        found.remove.push(pod);
        found.notes.push(finished(state, pod, name));
      } else if (pod.status?.phase === "Failed" && waitMs > 0) {
        wakeAfterMs = sooner(wakeAfterMs, waitMs);
      } else if (pod.status?.phase === "Failed") {
        if (!failedOn.includes(name)) failedOn.push(name);
        found.remove.push(pod);
        found.notes.push(finished(state, pod, name));
      }
    }
    found.remove.push(...surplus(state, running));
  }
  // The scheduler cannot bind these, and nobody else deletes them.
  for (const [name, pods] of podsByNode) {
    if (verdicts.has(name)) continue;
    found.remove.push(...pods.filter((pod) => !pod.spec?.nodeName && pod.metadata?.deletionTimestamp === undefined));
  }
  found.createOn.sort();
  found.remove.sort(byCreation);
  return { ...found, failedOn, wakeAfterMs };
}

/** @param running pods of one node, the one that counts first */
function surplus(state: DaemonState, running: readonly Readonly<Pod>[]): Readonly<Pod>[] {
  const { daemonSet, now } = state;
  if (running.length <= 1 || !allowsSurge(daemonSet)) return running.slice(1);
  const current = running.find((pod) => isUpdated(pod, state));
  const old = running.find((pod) => !isUpdated(pod, state));
  const others = running.filter((pod) => pod !== current && pod !== old);
  if (current === undefined || old === undefined) return others;
  const isReplaced = !isPodReady(old) || isPodAvailable(current, daemonSet.spec?.minReadySeconds ?? 0, now);
  return isReplaced ? [...others, old] : others;
}

function finished({ daemonSet }: DaemonState, { metadata, status }: Readonly<Pod>, node: string): Action {
  const pod = `${metadata?.namespace ?? ""}/${metadata?.name ?? ""}`;
  const announce = announcer(daemonSets, daemonSet);
  const event = status?.phase === "Failed"
    ? announce("Warning", "FailedDaemonPod", `Found failed daemon pod ${pod} on node ${node}, will try to kill it`)
    : announce(
      "Normal",
      "SucceededDaemonPod",
      `Found succeeded daemon pod ${pod} on node ${node}, will try to delete it`,
    );
  return { kind: "announce", event };
}
