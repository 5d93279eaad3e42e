import { concatBytes, prefixEnd, utf8 } from "../../base/bytes.ts";
import { type KeyValue, type LeaseId, type Store, StoreError, type StoreEvent, type WatchRequest } from "../types.ts";
import { etcdLimits } from "./limits.ts";

/**
 * Who comes first, as etcd's locks and elections settle it: each contender creates a key of its own under the name, bound
 * to its lease; the oldest key wins, and each waits only for the one created before it.
 */
export interface Place {
  readonly key: Uint8Array;
  readonly lease: LeaseId;
  /** Create revision of the key: the smaller, the earlier. */
  readonly revision: number;
  /** The pair that was there already; null when this call has made it. */
  readonly existing: KeyValue | null;
}

export function prefixOf(name: Uint8Array): Uint8Array {
  return concatBytes([name, utf8("/")]);
}

/** @param lease 0n: a new one of etcd's session length, which nobody renews */
export async function takePlace(store: Store, name: Uint8Array, lease: LeaseId, value: Uint8Array): Promise<Place> {
  const id = lease === 0n ? (await store.leaseGrant(etcdLimits.sessionTtlSeconds)).id : lease;
  const key = concatBytes([prefixOf(name), utf8(BigInt.asUintN(64, id).toString(16))]);
  const response = await store.txn({
    compare: [{ key, op: "=", target: "create", value: 0 }],
    success: [{ kind: "put", key, value, lease: id }],
    failure: [{ kind: "range", request: { key } }],
  });
  const [answer] = response.responses;
  const existing = answer?.kind === "range" ? answer.response.kvs[0] ?? null : null;
  return { key, lease: id, revision: existing?.createRevision ?? response.revision, existing };
}

/** Resolves with the revision at which no older key is left. Rejects with the signal's reason. */
export async function waitForTurn(store: Store, name: Uint8Array, place: Place, signal: AbortSignal): Promise<number> {
  const key = prefixOf(name);
  for (;;) {
    const older = await store.range({
      key,
      rangeEnd: prefixEnd(key),
      maxCreateRevision: place.revision - 1,
      sort: { by: "create", order: "descend" },
      limit: 1,
    });
    const [last] = older.kvs;
    if (place.revision <= 1 || last === undefined) return older.revision;
    await follow(
      store,
      { key: last.key, startRevision: older.revision + 1 },
      signal,
      (event) => event.type === "delete",
    );
  }
}

/** The oldest key under the name: who holds it; null when there is none. */
export async function holder(store: Store, name: Uint8Array): Promise<{ kv: KeyValue | null; revision: number }> {
  const key = prefixOf(name);
  const sort = { by: "create", order: "ascend" } as const;
  const { kvs, revision } = await store.range({ key, rangeEnd: prefixEnd(key), sort, limit: 1 });
  return { kv: kvs[0] ?? null, revision };
}

/** Gives the place up, when it is still the same. */
export async function leavePlace(store: Store, key: Uint8Array, revision: number): Promise<number> {
  const response = await store.txn({
    compare: [{ key, op: "=", target: "create", value: revision }],
    success: [{ kind: "delete", key }],
    failure: [],
  });
  return response.revision;
}

/**
 * Watches until `seen` answers true. A watch that is lost goes on where it was.
 * @throws StoreError Compacted and the like; the signal's reason
 */
export async function follow(
  store: Store,
  request: WatchRequest & { readonly startRevision: number },
  signal: AbortSignal,
  seen: (event: StoreEvent) => boolean,
): Promise<void> {
  let startRevision = request.startRevision;
  for (;;) {
    signal.throwIfAborted();
    const ended = Promise.withResolvers<StoreError | "seen" | null>();
    const watch = store.watch({ ...request, startRevision }, {
      onEvents(events, revision) {
        startRevision = revision + 1;
        if (events.some(seen)) ended.resolve("seen");
      },
      onClose: (error) => ended.resolve(error),
    });
    const abort = () => ended.resolve(null);
    signal.addEventListener("abort", abort, { once: true });
    const how = await ended.promise;
    signal.removeEventListener("abort", abort);
    watch.cancel();
    if (how === "seen") return;
    if (how !== null && how.code !== "Unavailable") throw how;
  }
}
