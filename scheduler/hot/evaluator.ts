import { resultWords, type ScoreEngine } from "../../asm/mod.ts";
import type { Evaluator } from "../core/evaluation.ts";
import { Columns } from "./columns.ts";
import { type Kernel, twinKernel } from "./twin.ts";

/** How long filter and score take, in the unit of `now`. */
export interface KernelTimes {
  now(): number;
  filtered(took: number): void;
  scored(took: number): void;
}

/**
 * Filters and scores in columns. One evaluator serves one snapshot.
 * @param kind `wasm`, or `twin` for the same work in TypeScript @param times told of every evaluation; null: nobody is
 */
export function hotEvaluator(kind: "wasm" | "twin" = "wasm", times: KernelTimes | null = null): Evaluator {
  const columns = new Columns();
  let engine: ScoreEngine | undefined;
  let kernel: Kernel | undefined;
  return {
    evaluate(snapshot, pod) {
      columns.sync(snapshot);
      if (engine !== columns.engine || kernel === undefined) {
        engine = columns.engine;
        kernel = kind === "wasm" ? engine : twinKernel(engine);
      }
      const { reasons, scores, result } = engine;
      const { count } = columns;
      const word = (index: number): number => result[index] ?? 0;
      const startedAt = times === null ? 0 : times.now();
      const slot = columns.slot(snapshot, pod);
      kernel.filter(count, slot, columns.extra(snapshot, pod), pod.request);
      const feasible = word(resultWords.feasible);
      const filteredAt = times === null ? 0 : times.now();
      if (feasible > 0) kernel.score(count, slot, pod.request);
      else scores.fill(-1, 0, count);
      if (times !== null) {
        times.filtered(filteredAt - startedAt);
        // As upstream: where no node is left, nothing is scored.
        if (feasible > 0) times.scored(times.now() - filteredAt);
      }
      const best = feasible > 0 ? word(resultWords.best) : -1;
      const using = kernel;
      return {
        feasible,
        best,
        ties: feasible > 0 ? word(resultWords.ties) : 0,
        maxTaints: word(resultWords.maxTaints),
        maxAffinity: word(resultWords.maxAffinity),
        pick: (tie) => using.pick(count, best, tie),
        reason: (index) => reasons[index] ?? 0,
        score: (index) => scores[index] ?? -1,
      };
    },
  };
}
