import { maxNodeScore, type ScorePlugin } from "../core/plugin.ts";

/**
 * How alike the used shares of cpu and memory are: 100 when equal (or when the node lacks one of the two), 50 when one
 * is full and the other empty. The operations and their order are upstream's, so the rounding is too.
 */
export function balance(
  used: { readonly cpu: number; readonly memory: number },
  allocatable: { readonly cpu: number; readonly memory: number },
): number {
  if (allocatable.cpu === 0 || allocatable.memory === 0) return maxNodeScore;
  const cpu = Math.min(used.cpu / allocatable.cpu, 1);
  const memory = Math.min(used.memory / allocatable.memory, 1);
  const deviation = Math.abs((cpu - memory) / 2);
  return Math.trunc((1 - deviation) * maxNodeScore);
}

/**
 * Prefers nodes whose balance the pod improves: 75 leaves it as it is, 100 turns the worst into the best.
 * @see kubernetes/kubernetes#135573, in v1.36
 */
export const nodeResourcesBalancedAllocation: ScorePlugin = {
  name: "NodeResourcesBalancedAllocation",
  weight: 1,
  score(pod, { allocatable, used }) {
    const after = { cpu: used.cpu + pod.request.cpu, memory: used.memory + pod.request.memory };
    const half = maxNodeScore / 2;
    return half + Math.trunc((half + balance(after, allocatable) - balance(used, allocatable)) / 2);
  },
  normalize: "none",
  applies: (pod) => pod.request.cpu !== 0 || pod.request.memory !== 0,
};
