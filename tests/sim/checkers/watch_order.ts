/** One change as a watch delivered it. */
export interface WatchedChange {
  readonly revision: number;
  readonly key: string;
  readonly value: string | null;
}

/**
 * Holds what one resumed watch delivered against the whole history: nothing missing, nothing twice, nothing out of
 * order, nothing that did not happen. @return the first thing wrong
 */
export function checkWatch(delivered: readonly WatchedChange[], history: readonly WatchedChange[]): string | null {
  for (let i = 0; i < Math.max(delivered.length, history.length); i++) {
    const got = delivered[i];
    const want = history[i];
    if (got === undefined) return `the watch ended before revision ${want?.revision}, ${want?.key}`;
    if (want === undefined) return `the watch delivered revision ${got.revision}, which is not in the history`;
    if (got.revision !== want.revision || got.key !== want.key || got.value !== want.value) {
      return `at place ${i} the watch delivered ${JSON.stringify(got)}, the history has ${JSON.stringify(want)}`;
    }
  }
  return null;
}
