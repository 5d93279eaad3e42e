import { toLatin1 } from "../../base/bytes.ts";

/** Keys in [from, to) as latin1 texts; `to` null: no upper bound. One key k is [k, k + "\0"). */
export interface Interval {
  readonly from: string;
  readonly to: string | null;
  /** The range was given as one key. */
  readonly single: boolean;
}

/** etcd's reading of (key, rangeEnd): absent or empty: one key; `[0]`: everything from `key` on. */
export function intervalOf(key: Uint8Array, rangeEnd: Uint8Array | undefined): Interval {
  const from = toLatin1(key);
  if (rangeEnd === undefined || rangeEnd.length === 0) return { from, to: from + "\0", single: true };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { from, to: null, single: false };
  return { from, to: toLatin1(rangeEnd), single: false };
}

export function contains(interval: Interval, key: string): boolean {
  return key >= interval.from && (interval.to === null || key < interval.to);
}
