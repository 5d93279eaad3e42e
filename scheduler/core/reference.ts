import { filterPlugins, scorePlugins } from "../plugins/mod.ts";
import type { Evaluation, Evaluator } from "./evaluation.ts";
import type { NodeInfo, PodInfo } from "./node_info.ts";
import { insufficient, lacksExtended, tooManyPods } from "../plugins/node_resources_fit.ts";
import { normalized } from "./plugin.ts";
import { extendedBit, reasonBits, reasonCodes } from "./reasons.ts";
import type { Snapshot } from "./snapshot.ts";

const codeOfPlugin: Readonly<Record<string, number>> = {
  NodeUnschedulable: reasonCodes.unschedulable,
  NodeName: reasonCodes.nodeName,
  TaintToleration: reasonCodes.taints,
  NodeAffinity: reasonCodes.affinity,
  NodePorts: reasonCodes.ports,
};

/** One node's reason, plugin by plugin. */
export function reasonOf(pod: PodInfo, node: NodeInfo): number {
  const { nodeNames } = pod.affinity;
  if (nodeNames !== null && !nodeNames.has(node.name)) return reasonCodes.affinityNames;
  for (const plugin of filterPlugins) {
    const texts = plugin.filter(pod, node);
    if (texts.length > 0) return codeOfPlugin[plugin.name] ?? fitBits(pod, node, texts);
  }
  return 0;
}

function fitBits(pod: PodInfo, node: NodeInfo, texts: readonly string[]): number {
  let bits = 0;
  if (texts.includes(tooManyPods)) bits |= reasonBits.pods;
  if (texts.includes(insufficient("cpu"))) bits |= reasonBits.cpu;
  if (texts.includes(insufficient("memory"))) bits |= reasonBits.memory;
  if (texts.includes(insufficient("ephemeral-storage"))) bits |= reasonBits.ephemeral;
  pod.request.extended.forEach(([name, amount], index) => {
    if (lacksExtended(node, name, amount)) bits |= extendedBit(index);
  });
  return bits;
}

/** The weighted scores of a feasible node by plugin, normalised; what `cluster why` shows. */
export function pluginScores(
  pod: PodInfo,
  node: NodeInfo,
  most: { readonly maxTaints: number; readonly maxAffinity: number },
): Readonly<Record<string, number>> {
  const scores: Record<string, number> = {};
  for (const plugin of scorePlugins) {
    if (!plugin.applies(pod)) continue;
    const max = plugin.name === "TaintToleration" ? most.maxTaints : most.maxAffinity;
    scores[plugin.name] = plugin.weight * normalized(plugin.score(pod, node), max, plugin.normalize);
  }
  return scores;
}

/**
 * The evaluator without tricks: every plugin on every node, as upstream's framework runs them. The oracle of the
 * others, and what a reader should read first.
 */
export function referenceEvaluator(): Evaluator {
  return { evaluate };
}

function evaluate(snapshot: Snapshot, pod: PodInfo): Evaluation {
  const { nodes } = snapshot;
  const reasons = nodes.map((node) => reasonOf(pod, node));
  const fitting = nodes.filter((_, index) => reasons[index] === 0);
  const scores: number[] = nodes.map(() => -1);
  for (const node of fitting) scores[node.index] = 0;
  const mostBy = new Map<string, number>();
  for (const plugin of scorePlugins) {
    if (!plugin.applies(pod)) continue;
    const raw = fitting.map((node) => plugin.score(pod, node));
    const most = raw.reduce((a, b) => Math.max(a, b), 0);
    mostBy.set(plugin.name, most);
    fitting.forEach((node, i) => {
      scores[node.index] = (scores[node.index] ?? 0) +
        plugin.weight * normalized(raw[i] ?? 0, most, plugin.normalize);
    });
  }
  const best = scores.reduce((a, b) => Math.max(a, b), -1);
  const winners = fitting.filter((node) => scores[node.index] === best).map((node) => node.index);
  return {
    feasible: fitting.length,
    best,
    ties: winners.length,
    maxTaints: mostBy.get("TaintToleration") ?? 0,
    maxAffinity: mostBy.get("NodeAffinity") ?? 0,
    pick: (tie) => winners[tie] ?? -1,
    reason: (index) => reasons[index] ?? reasonCodes.affinityNames,
    score: (index) => scores[index] ?? -1,
  };
}
