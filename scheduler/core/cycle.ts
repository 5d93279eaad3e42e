import { must } from "../../base/assert.ts";
import type { Prng } from "../../base/prng.ts";
import { bestNodes, type NodeVerdict, rejectedNodes } from "./decision.ts";
import { diagnose, noNodesMessage } from "./diagnosis.ts";
import type { Evaluator } from "./evaluation.ts";
import type { PodInfo } from "./node_info.ts";
import type { Snapshot } from "./snapshot.ts";

/** What one cycle decided. `nodes`: see {@linkcode DecisionRecord}. */
export type Decision =
  & { readonly evaluated: number; readonly feasible: number; readonly nodes: readonly NodeVerdict[] }
  & (
    | { readonly ok: true; readonly node: string; readonly score: number; readonly tie: number; readonly ties: number }
    | { readonly ok: false; readonly message: string; readonly plugins: readonly string[] }
  );

export interface CycleOptions {
  /** How many nodes to name in the decision. */
  readonly explain: number;
}

/**
 * Decides where `pod` runs: filter all nodes, score the feasible ones, choose among the best by `random`. Upstream too
 * chooses evenly among the best; where it samples them one by one, this draws once. Every node is looked at, unlike
 * upstream, which by default stops at a share of a large cluster.
 */
export function decide(
  snapshot: Snapshot,
  pod: PodInfo,
  deps: { readonly evaluator: Evaluator; readonly random: Prng },
  options: CycleOptions,
): Decision {
  const evaluated = snapshot.nodes.length;
  if (evaluated === 0) {
    return { ok: false, evaluated, feasible: 0, nodes: [], message: noNodesMessage, plugins: [] };
  }
  const evaluation = deps.evaluator.evaluate(snapshot, pod);
  const { feasible, best, ties } = evaluation;
  if (feasible === 0) {
    const nodes = rejectedNodes(snapshot, pod, evaluation, options.explain);
    return { ok: false, evaluated, feasible, nodes, ...diagnose(snapshot, pod, evaluation) };
  }
  const tie = ties > 1 ? deps.random.int(ties) : 0;
  const chosen = must(snapshot.nodes[evaluation.pick(tie)], "the best score belongs to a node");
  const nodes = bestNodes(snapshot, pod, evaluation, chosen.index, options.explain);
  return { ok: true, node: chosen.name, score: best, tie, ties, evaluated, feasible, nodes };
}
