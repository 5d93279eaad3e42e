/** The typed loader of score.wasm. Columns live in the instance's memory; only scalars cross the boundary. */
import { nodeColumnCount, resultWordCount, slotColumnCount } from "./layout.ts";
import scoreModule from "./score_module.js";

export * from "./layout.ts";

/** The functions of asm/assembly/score.ts; all addresses in bytes. */
interface ScoreExports {
  readonly memory: WebAssembly.Memory;
  filter(
    base: number,
    capacity: number,
    count: number,
    slot: number,
    extra: number,
    reasons: number,
    result: number,
    cpu: number,
    memory: number,
    ephemeral: number,
    anyRequest: number,
  ): void;
  score(
    base: number,
    capacity: number,
    count: number,
    slot: number,
    reasons: number,
    scores: number,
    result: number,
    nonZeroCpu: number,
    nonZeroMemory: number,
    cpu: number,
    memory: number,
    balanced: number,
  ): void;
  pick(scores: number, count: number, best: number, tie: number): number;
}

/** What a pod asks for: millicores, bytes. `nonZero*` with the defaults for containers that ask for nothing. */
export interface ScoreRequest {
  readonly cpu: number;
  readonly memory: number;
  readonly ephemeral: number;
  /** Whether it asks for any resource, extended ones included. */
  readonly any: boolean;
  readonly nonZeroCpu: number;
  readonly nonZeroMemory: number;
}

/** The columns and the calls; `capacity` nodes, a multiple of four, and a fixed number of slots. */
export interface ScoreEngine {
  readonly capacity: number;
  readonly slots: number;
  /** By column index of {@linkcode nodeColumns}. */
  readonly columns: readonly Float64Array[];
  /** One slot's three columns. */
  slot(index: number): { readonly code: Int32Array; readonly taints: Int32Array; readonly affinity: Int32Array };
  readonly extra: Int32Array;
  readonly reasons: Int32Array;
  readonly scores: Int32Array;
  /** Words of {@linkcode resultWords}; written by filter and score. */
  readonly result: Int32Array;
  filter(count: number, slot: number, useExtra: boolean, request: ScoreRequest): void;
  score(count: number, slot: number, request: ScoreRequest): void;
  /** Index of the `tie`-th node with the best score. */
  pick(count: number, best: number, tie: number): number;
}

/** Byte offsets of one engine's arrays in its memory. */
function place(capacity: number, slots: number): {
  base: number;
  slot: number;
  extra: number;
  reasons: number;
  scores: number;
  result: number;
  bytes: number;
} {
  // The first kilobyte stays free: the compiler may keep constants there.
  const base = 1024;
  const slot = base + nodeColumnCount * capacity * 8;
  const extra = slot + slots * slotColumnCount * capacity * 4;
  const reasons = extra + capacity * 4;
  const scores = reasons + capacity * 4;
  const result = scores + capacity * 4;
  return { base, slot, extra, reasons, scores, result, bytes: result + resultWordCount * 4 };
}

/**
 * A fresh instance with room for `capacity` nodes; memory starts as zeros. To grow, make another and fill it again.
 * @param capacity at least 4; rounded up to a multiple of four
 */
export function createScoreEngine(capacity: number, slots: number): ScoreEngine {
  const rounded = Math.max(4, Math.ceil(capacity / 4) * 4);
  const at = place(rounded, slots);
  const instance = new WebAssembly.Instance(scoreModule);
  // The module's own exports, as asm/assembly/score.ts declares them; score_test.ts calls each.
  const wasm = instance.exports as unknown as ScoreExports;
  const missing = at.bytes - wasm.memory.buffer.byteLength;
  if (missing > 0) wasm.memory.grow(Math.ceil(missing / 65536));
  const buffer = wasm.memory.buffer;
  const ints = (offset: number, length = rounded) => new Int32Array(buffer, offset, length);
  const slotBytes = slotColumnCount * rounded * 4;
  const slotViews = Array.from({ length: slots }, (_, index) => {
    const start = at.slot + index * slotBytes;
    return { code: ints(start), taints: ints(start + rounded * 4), affinity: ints(start + rounded * 8) };
  });
  return {
    capacity: rounded,
    slots,
    columns: Array.from(
      { length: nodeColumnCount },
      (_, index) => new Float64Array(buffer, at.base + index * rounded * 8, rounded),
    ),
    slot(index) {
      const views = slotViews[index];
      if (views === undefined) throw new RangeError(`No slot ${index}: there are ${slots}`);
      return views;
    },
    extra: ints(at.extra),
    reasons: ints(at.reasons),
    scores: ints(at.scores),
    result: ints(at.result, resultWordCount),
    filter(count, slot, useExtra, request) {
      wasm.filter(
        at.base,
        rounded,
        count,
        at.slot + slot * slotBytes,
        useExtra ? at.extra : 0,
        at.reasons,
        at.result,
        request.cpu,
        request.memory,
        request.ephemeral,
        request.any ? 1 : 0,
      );
    },
    score(count, slot, request) {
      wasm.score(
        at.base,
        rounded,
        count,
        at.slot + slot * slotBytes,
        at.reasons,
        at.scores,
        at.result,
        request.nonZeroCpu,
        request.nonZeroMemory,
        request.cpu,
        request.memory,
        request.cpu !== 0 || request.memory !== 0 ? 1 : 0,
      );
    },
    pick: (count, best, tie) => wasm.pick(at.scores, count, best, tie),
  };
}
