/** One change as a watch delivered it. */
export interface WatchedChange {
  readonly revision: number;
  readonly key: string;
  readonly value: string | null;
}

/** What one watch of the whole key space delivered, however often it had to begin again. */
export interface WatchedStream {
  readonly changes: WatchedChange[];
  /** Before the change at place `at` the watch was told Compacted and began again from revision `from`. */
  readonly restarts: { readonly at: number; readonly from: number }[];
}

/**
 * Holds what watches delivered against each other and against the rule that every revision from 2 on has a change: each
 * stream goes from revision to revision without a gap, a step back or a repetition, but for what it was told is
 * compacted; and all streams have the same changes, in the same order, at the same revision.
 * @return the first thing wrong
 */
export function checkWatches(streams: readonly WatchedStream[]): string | null {
  const known = new Map<number, string>();
  for (const [i, { changes, restarts }] of streams.entries()) {
    let revision = 1;
    let at = 0;
    while (at < changes.length) {
      const first = changes[at] as WatchedChange;
      const restart = restarts.findLast((each) => each.at === at);
      const expected = restart?.from ?? revision + 1;
      if (first.revision !== expected) {
        return `watch ${i} delivered revision ${first.revision} where ${expected} was due`;
      }
      const end = changes.findIndex((change, k) => k > at && change.revision !== first.revision);
      const all = changes.slice(at, end < 0 ? changes.length : end);
      const text = all.map(({ key, value }) => `${key}=${value}`).join(" ");
      const other = known.get(first.revision);
      if (other !== undefined && other !== text) {
        return `at revision ${first.revision} watch ${i} delivered [${text}], another watch [${other}]`;
      }
      known.set(first.revision, text);
      revision = first.revision;
      at += all.length;
    }
  }
  return null;
}
