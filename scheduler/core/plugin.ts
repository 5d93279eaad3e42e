import type { ClusterEvent } from "./events.ts";
import type { NodeInfo, PodInfo } from "./node_info.ts";

/** The best score of a plugin for a node. */
export const maxNodeScore = 100;

export interface FilterPlugin {
  readonly name: string;
  /** Why the pod cannot run on the node; empty when this plugin lets it. */
  filter(pod: PodInfo, node: NodeInfo): readonly string[];
  /** Of a node it rejected: whether removing pods from it could help (upstream's Unschedulable). */
  preemptible(pod: PodInfo, node: NodeInfo): boolean;
  /** Whether `event` may make `pod`, which this plugin rejected, fit: the queueing hint. */
  hint(pod: PodInfo, event: ClusterEvent): boolean;
}

export interface ScorePlugin {
  readonly name: string;
  readonly weight: number;
  /** The raw score of a feasible node. */
  score(pod: PodInfo, node: NodeInfo): number;
  /** How raw scores become 0 to 100: as they are, or relative to the best raw score, or that reversed. */
  readonly normalize: "none" | "most" | "least";
  /** False: the plugin has nothing to say about this pod and adds nothing. */
  applies(pod: PodInfo): boolean;
}

/** Upstream's DefaultNormalizeScore, for one score. @param most the largest raw score among the feasible nodes */
export function normalized(raw: number, most: number, mode: ScorePlugin["normalize"]): number {
  if (mode === "none") return raw;
  const share = most === 0 ? 0 : Math.floor((maxNodeScore * raw) / most);
  return mode === "most" ? share : maxNodeScore - share;
}
