import { findUntoleratedTaint, tolerates } from "../../api/pods.ts";
import type { Node } from "../../api/gen/types.ts";
import type { PodInfo } from "../core/node_info.ts";
import type { FilterPlugin, ScorePlugin } from "../core/plugin.ts";

export const taintReason = "node(s) had untolerated taint(s)";

const hardEffects = ["NoSchedule", "NoExecute"];

function repels(pod: PodInfo, node: Readonly<Node>): boolean {
  const taints = node.spec?.taints;
  if (taints === undefined || taints.length === 0) return false;
  return findUntoleratedTaint(taints, pod.pod.spec?.tolerations, hardEffects) !== undefined;
}

/** A node with a NoSchedule or NoExecute taint takes only pods that tolerate it. */
export const taintToleration: FilterPlugin = {
  name: "TaintToleration",
  filter: (pod, node) => repels(pod, node.node) ? [taintReason] : [],
  preemptible: () => false,
  hint(pod, event) {
    switch (event.kind) {
      case "NodeAdd":
        return !repels(pod, event.node);
      case "NodeUpdate":
        return repels(pod, event.old) && !repels(pod, event.node);
      default:
        return event.kind === "PodUpdate";
    }
  },
};

/** PreferNoSchedule taints of the node that the pod does not tolerate. */
export function softTaints(pod: PodInfo, node: Readonly<Node>): number {
  const taints = node.spec?.taints;
  if (taints === undefined || taints.length === 0) return 0;
  const tolerations = pod.pod.spec?.tolerations ?? [];
  let count = 0;
  for (const taint of taints) {
    if (taint.effect !== "PreferNoSchedule") continue;
    if (!tolerations.some((toleration) => tolerates(toleration, taint))) count++;
  }
  return count;
}

/** Fewer such taints are better. */
export const taintTolerationScore: ScorePlugin = {
  name: "TaintToleration",
  weight: 3,
  score: (pod, node) => softTaints(pod, node.node),
  normalize: "least",
  applies: () => true,
};
