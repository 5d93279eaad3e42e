import type { Evaluation } from "./evaluation.ts";
import type { PodInfo } from "./node_info.ts";
import { nodePorts } from "../plugins/node_ports.ts";
import { nodeResourcesFit } from "../plugins/node_resources_fit.ts";
import { isPreciseCode, preFilterReason, reasonBits, reasonCodes, reasonTexts, rejectingPlugin } from "./reasons.ts";
import type { Snapshot } from "./snapshot.ts";

/** Why a pod fits nowhere. */
export interface Diagnosis {
  /** Kubernetes's sentence, for the Event and the condition. */
  readonly message: string;
  /** The plugins that rejected it, sorted: whose queueing hints decide when to try again. */
  readonly plugins: readonly string[];
}

export const noNodesMessage = "no nodes available to schedule pods";

/** `N reason` joined by commas in upstream's order: the texts sorted as strings, number first. */
function histogram(counts: ReadonlyMap<string, number>): string {
  return [...counts].map(([text, count]) => `${count} ${text}`).sort().join(", ");
}

/**
 * Words for a pod that no node can take. @param evaluation with `feasible` 0
 * @see k8s.io/kubernetes pkg/scheduler/framework/types.go, FitError
 */
export function diagnose(snapshot: Snapshot, pod: PodInfo, evaluation: Evaluation): Diagnosis {
  const total = snapshot.nodes.length;
  const before = preFilterReason(pod);
  if (before !== null) {
    const preemption = preemptionMessage(pod, new Map([[notHelpful, total]]), total);
    return { message: `0/${total} nodes are available: ${before}.${preemption}`, plugins: ["NodeAffinity"] };
  }
  const counts = new Map<string, number>();
  const plugins = new Set<string>();
  for (const [code, indexes] of byCode(snapshot, pod, evaluation)) {
    plugins.add(rejectingPlugin(code));
    for (const [index, times] of indexes) {
      const node = snapshot.nodes[index];
      if (node === undefined) continue;
      for (const text of reasonTexts(code, pod, node)) counts.set(text, (counts.get(text) ?? 0) + times);
    }
  }
  const preemption = preemptionOf(snapshot, pod, evaluation);
  return {
    message: `0/${total} nodes are available: ${histogram(counts)}.${preemption}`,
    plugins: [...plugins].sort(),
  };
}

/** Codes with a node that has each and how many share its texts; one entry a node where texts may differ. */
function byCode(
  snapshot: Snapshot,
  pod: PodInfo,
  evaluation: Evaluation,
): Map<number, [index: number, times: number][]> {
  const codes = new Map<number, [number, number][]>();
  for (let index = 0; index < snapshot.nodes.length; index++) {
    const code = evaluation.reason(index);
    const entries = codes.get(code);
    if (entries === undefined) codes.set(code, [[index, 1]]);
    else if (isPreciseCode(code, pod) && entries[0] !== undefined) entries[0][1]++;
    else entries.push([index, 1]);
  }
  return codes;
}

const notHelpful = "Preemption is not helpful for scheduling";
const noVictims = "No preemption victims found for incoming pod";

/**
 * Upstream's second sentence, about preemption. Preempting is not built, so it is said only where upstream would find no
 * victim either: every node is hopeless, or holds no pod of a lower priority. Otherwise: nothing.
 */
function preemptionOf(snapshot: Snapshot, pod: PodInfo, evaluation: Evaluation): string {
  const below = snapshot.hasBelow(pod.priority);
  const counts = new Map<string, number>();
  const add = (text: string) => counts.set(text, (counts.get(text) ?? 0) + 1);
  for (const node of snapshot.nodes) {
    if (!preemptible(evaluation.reason(node.index), pod, node.index, snapshot)) {
      add(notHelpful);
      continue;
    }
    if (below && pod.pod.spec?.preemptionPolicy !== "Never") {
      for (const other of node.pods.values()) if (other.priority < pod.priority) return "";
    }
    add(noVictims);
  }
  return preemptionMessage(pod, counts, snapshot.nodes.length);
}

function preemptible(code: number, pod: PodInfo, index: number, snapshot: Snapshot): boolean {
  const node = snapshot.nodes[index];
  if (node === undefined) return false;
  if (code === reasonCodes.ports) return nodePorts.preemptible(pod, node);
  return code >= reasonBits.pods && nodeResourcesFit.preemptible(pod, node);
}

function preemptionMessage(pod: PodInfo, counts: ReadonlyMap<string, number>, total: number): string {
  if (pod.pod.spec?.preemptionPolicy === "Never") return " preemption: not eligible due to preemptionPolicy=Never.";
  return ` preemption: 0/${total} nodes are available: ${histogram(counts)}.`;
}
