import { searchOneKey } from "./linearizability_search.ts";

/**
 * Is a history of concurrent operations on registers linearizable? Wing and Gong's search ("Testing and Verifying
 * Concurrent Objects", 1993) with Lowe's memory of (state, done set) ("Testing for Linearizability", 2017), one key at a
 * time, which is sound because linearizability is local (Herlihy and Wing, 1990).
 *
 * Every write of a history carries a value of its own, so that a value names a version: "if the object is still as I saw
 * it" is a comparison with the value that was seen, and a write whose answer never came needs no version invented.
 */

/** A value; null: the key does not exist. */
export type RegisterValue = string | null;

export type RegisterAction =
  | { readonly kind: "get" }
  /** Takes effect when the key does not exist. */
  | { readonly kind: "create"; readonly value: string }
  /** Takes effect when the key exists. */
  | { readonly kind: "put"; readonly value: string }
  /** Takes effect when the key holds `expected`. */
  | { readonly kind: "swap"; readonly expected: string; readonly value: string }
  /** Takes effect when the key holds `expected`; null: when it exists. */
  | { readonly kind: "delete"; readonly expected: RegisterValue };

export type RegisterOutcome =
  /** A get's answer. */
  | { readonly kind: "read"; readonly value: RegisterValue }
  /** A write took effect. */
  | { readonly kind: "done" }
  /** A write took no effect, its condition did not hold. */
  | { readonly kind: "refused" }
  /** Nobody knows: it took effect at some time after its call, or never. */
  | { readonly kind: "unknown" };

export interface RegisterOperation {
  /** Who did it; operations of one client do not overlap. For drawing alone. */
  readonly client: number;
  readonly key: string;
  readonly action: RegisterAction;
  readonly outcome: RegisterOutcome;
  /** Any unit, one clock. */
  readonly calledAt: number;
  /** Ignored where the outcome is unknown: such an operation returns at infinity. */
  readonly returnedAt: number;
}

export interface CheckOptions {
  /** Steps of the search over all keys before it gives up. */
  readonly stepsMax?: number;
  /** What a key may hold at first; default: it does not exist. */
  readonly initial?: (key: string) => readonly RegisterValue[];
}

export type Verdict =
  | { readonly verdict: "linearizable"; readonly steps: number }
  | {
    readonly verdict: "violated";
    readonly steps: number;
    readonly key: string;
    /** The operations on `key`, by call. */
    readonly history: readonly RegisterOperation[];
  }
  /** The search was given up: nothing is proven. */
  | { readonly verdict: "undecided"; readonly steps: number; readonly key: string };

export const defaultStepsMax = 20_000_000;

export function checkLinearizable(history: readonly RegisterOperation[], options: CheckOptions = {}): Verdict {
  const stepsMax = options.stepsMax ?? defaultStepsMax;
  let steps = 0;
  const byKey = Map.groupBy(history, (operation) => operation.key);
  for (const key of [...byKey.keys()].sort()) {
    const operations = [...byKey.get(key) ?? []].sort((a, b) => a.calledAt - b.calledAt);
    const initials = options.initial?.(key) ?? [null];
    let explained = false;
    for (const initial of initials) {
      const found = searchOneKey(operations, initial, stepsMax - steps);
      steps += found.steps;
      if (found.result === "exhausted") return { verdict: "undecided", steps, key };
      if (found.result === "explained") {
        explained = true;
        break;
      }
    }
    if (!explained) return { verdict: "violated", steps, key, history: operations };
  }
  return { verdict: "linearizable", steps };
}
