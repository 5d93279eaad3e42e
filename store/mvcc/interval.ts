import { toLatin1 } from "../../base/bytes.ts";

/** Longer keys take the general way, which bounds what goes on the stack. */
const directKeyBytes = 256;

/**
 * A key's latin1 text, as {@linkcode toLatin1}: every operation needs it two or three times, and for keys of usual length
 * `apply` takes 0.35 us where spreading takes 2 us.
 */
export function keyText(key: Uint8Array): string {
  // A Uint8Array is array-like, which is all that `apply` asks for.
  return key.length > directKeyBytes ? toLatin1(key) : Reflect.apply(String.fromCharCode, null, key) as string;
}

/** Keys in [from, to) as latin1 texts; `to` null: no upper bound. One key k is [k, k + "\0"). */
export interface Interval {
  readonly from: string;
  readonly to: string | null;
  /** The range was given as one key. */
  readonly single: boolean;
}

/** etcd's reading of (key, rangeEnd): absent or empty: one key; `[0]`: everything from `key` on. */
export function intervalOf(key: Uint8Array, rangeEnd: Uint8Array | undefined): Interval {
  const from = keyText(key);
  if (rangeEnd === undefined || rangeEnd.length === 0) return { from, to: from + "\0", single: true };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { from, to: null, single: false };
  return { from, to: keyText(rangeEnd), single: false };
}

export function contains(interval: Interval, key: string): boolean {
  return key >= interval.from && (interval.to === null || key < interval.to);
}
