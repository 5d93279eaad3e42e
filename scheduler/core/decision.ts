import type { Evaluation } from "./evaluation.ts";
import type { NodeInfo, PodInfo } from "./node_info.ts";
import { pluginScores } from "./reference.ts";
import { reasonTexts } from "./reasons.ts";
import type { Snapshot } from "./snapshot.ts";

/** One node in a decision's record. */
export type NodeVerdict =
  | { readonly node: string; readonly total: number; readonly scores: Readonly<Record<string, number>> }
  | { readonly node: string; readonly reasons: readonly string[] };

/** What was decided about a pod and why; enough to decide it again from the same snapshot. */
export interface DecisionRecord {
  /** Counts the scheduler's cycles from 1. */
  readonly cycle: number;
  readonly pod: string;
  readonly uid: string;
  /** Wall clock, milliseconds. */
  readonly at: number;
  readonly attempt: number;
  readonly snapshotVersion: number;
  /** The scheduler's seed, and which of the best nodes its generator chose. */
  readonly seed: number;
  readonly tie: number | null;
  readonly ties: number;
  readonly evaluated: number;
  readonly feasible: number;
  /** Null: none fitted. */
  readonly node: string | null;
  readonly message: string;
  /** The best nodes of a success, best first, the chosen one first of all; of a failure, nodes in order of name. */
  readonly nodes: readonly NodeVerdict[];
}

/** The best nodes with their scores by plugin, the chosen one first. @param count at most so many */
export function bestNodes(
  snapshot: Snapshot,
  pod: PodInfo,
  evaluation: Evaluation,
  chosen: number,
  count: number,
): NodeVerdict[] {
  const best: { index: number; total: number }[] = [];
  const others = count - 1;
  for (let index = 0; others > 0 && index < snapshot.nodes.length; index++) {
    const total = evaluation.score(index);
    if (total < 0 || index === chosen) continue;
    if (best.length === others && total <= (best[others - 1]?.total ?? -1)) continue;
    insert(best, { index, total }, others, (a, b) => a.total > b.total);
  }
  best.unshift({ index: chosen, total: evaluation.score(chosen) });
  const verdicts: NodeVerdict[] = [];
  for (const { index, total } of best) {
    const node = snapshot.nodes[index];
    if (node !== undefined) verdicts.push({ node: node.name, total, scores: pluginScores(pod, node, evaluation) });
  }
  return verdicts;
}

/** Why nodes were rejected, in order of name. @param count at most so many */
export function rejectedNodes(
  snapshot: Snapshot,
  pod: PodInfo,
  evaluation: Evaluation,
  count: number,
): NodeVerdict[] {
  const first: NodeInfo[] = [];
  for (const node of snapshot.nodes) {
    if (evaluation.reason(node.index) !== 0) insert(first, node, count, (a, b) => a.name < b.name);
  }
  return first.map((node) => ({ node: node.name, reasons: reasonTexts(evaluation.reason(node.index), pod, node) }));
}

/** Keeps `list` sorted and at most `limit` long: a whole sort of 5,000 nodes would cost more than the decision. */
function insert<T>(list: T[], item: T, limit: number, before: (a: T, b: T) => boolean): void {
  const last = list[list.length - 1];
  if (list.length >= limit && (last === undefined || !before(item, last))) return;
  let at = list.length;
  for (let other = list[at - 1]; at > 0 && other !== undefined && before(item, other); other = list[at - 1]) at--;
  list.splice(at, 0, item);
  if (list.length > limit) list.pop();
}

/** The last decisions, in a ring. */
export class DecisionLog {
  readonly #ring: DecisionRecord[] = [];
  readonly #size: number;
  #next = 0;

  constructor(size: number) {
    this.#size = size;
  }

  add(record: DecisionRecord): void {
    this.#ring[this.#next] = record;
    this.#next = (this.#next + 1) % this.#size;
  }

  /** Newest first. @param pod `namespace/name` or a uid; all when absent */
  list(pod?: string): DecisionRecord[] {
    const found = this.#ring.filter((record) => pod === undefined || record.pod === pod || record.uid === pod);
    return found.sort((a, b) => b.cycle - a.cycle);
  }
}
