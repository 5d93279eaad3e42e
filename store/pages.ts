import { concatBytes } from "../base/bytes.ts";
import { storeLimits } from "./limits.ts";
import { type KeyValue, type Store, StoreError } from "./types.ts";

const everything = new Uint8Array([0]);

/**
 * Every pair at `revision`, by key, page by page: a page holds about {@linkcode storeLimits.pageBytes}, more only when a
 * page of small pairs is followed by large ones. @throws StoreError Compacted when that overtakes it
 */
export async function* pagesAt(store: Store, revision: number): AsyncGenerator<readonly KeyValue[]> {
  let key = everything;
  let limit: number = storeLimits.pageKeysFirst;
  for (;;) {
    let page;
    try {
      page = await store.range({ key, rangeEnd: everything, revision, limit });
    } catch (error) {
      if (!(error instanceof StoreError && error.code === "TooLarge") || limit === 1) throw error;
      limit = Math.ceil(limit / 4);
      continue;
    }
    yield page.kvs;
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return;
    key = concatBytes([last.key, everything]); // the first key behind it
    limit = nextLimit(page.kvs);
  }
}

/** As many as would have filled a page, by the pairs that were seen last. */
function nextLimit(kvs: readonly KeyValue[]): number {
  let bytes = 0;
  for (const { key, value } of kvs) bytes += key.length + value.length;
  const wanted = Math.floor(storeLimits.pageBytes * kvs.length / Math.max(1, bytes));
  return Math.max(1, Math.min(storeLimits.pageKeysMax, wanted));
}

/** The store's revision now: what a reader of all pages begins with. */
export async function revisionOf(store: Store): Promise<number> {
  const { revision } = await store.range({ key: everything, rangeEnd: everything, countOnly: true });
  return revision;
}
