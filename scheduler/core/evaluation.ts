import type { PodInfo } from "./node_info.ts";
import type { Snapshot } from "./snapshot.ts";

/** What filter and score found for one pod; valid until the evaluator's next call. Indexes are the snapshot's. */
export interface Evaluation {
  readonly feasible: number;
  /** The best total score; -1 when no node is feasible. */
  readonly best: number;
  /** How many nodes have it. */
  readonly ties: number;
  /** The largest raw scores among feasible nodes, which normalising divides by. */
  readonly maxTaints: number;
  readonly maxAffinity: number;
  /** Index of the `tie`-th of the nodes that have the best score, in order of index. */
  pick(tie: number): number;
  /** See {@linkcode reasonCodes}. */
  reason(index: number): number;
  /** Total score; -1 when not feasible. */
  score(index: number): number;
}

/** Filters and scores all nodes. Pure but for its own memory. */
export interface Evaluator {
  evaluate(snapshot: Snapshot, pod: PodInfo): Evaluation;
}
