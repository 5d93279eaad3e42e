import type { FilterPlugin, ScorePlugin } from "../core/plugin.ts";
import { nodeAffinity, nodeAffinityScore } from "./node_affinity.ts";
import { nodeName } from "./node_name.ts";
import { nodePorts } from "./node_ports.ts";
import { nodeResourcesBalancedAllocation } from "./node_resources_balanced_allocation.ts";
import { nodeResourcesFit, nodeResourcesFitScore } from "./node_resources_fit.ts";
import { nodeUnschedulable } from "./node_unschedulable.ts";
import { taintToleration, taintTolerationScore } from "./taint_toleration.ts";

/** In upstream's order: a node's reasons are those of the first plugin that rejects it. */
export const filterPlugins: readonly FilterPlugin[] = [
  nodeUnschedulable,
  nodeName,
  taintToleration,
  nodeAffinity,
  nodePorts,
  nodeResourcesFit,
];

export const scorePlugins: readonly ScorePlugin[] = [
  taintTolerationScore,
  nodeAffinityScore,
  nodeResourcesFitScore,
  nodeResourcesBalancedAllocation,
];

export function filterPlugin(name: string): FilterPlugin | undefined {
  return filterPlugins.find((plugin) => plugin.name === name);
}
