import { concatBytes, utf8 } from "../../base/bytes.ts";
import { protobufCodec } from "../../base/protobuf.ts";
import type { GrpcMethod, GrpcStream } from "../../platform/grpc/mod.ts";
import { type KeyValue, type Store, StoreError } from "../types.ts";
import { boltDatabase } from "./bolt.ts";
import { pairMessage } from "./convert.ts";
import { announcedStorageVersion, etcdLimits } from "./limits.ts";
import { etcdCodec } from "./messages.ts";
import { type Facade, streamError } from "./service.ts";

/**
 * Maintenance.Snapshot: the current pairs at one revision and the leases, as the database file that etcd itself would send:
 * `etcdctl snapshot restore` makes a real etcd of it. The history before that revision is marked as compacted.
 */
export function snapshotService(facade: Facade): [path: string, method: GrpcMethod][] {
  return [["/etcdserverpb.Maintenance/Snapshot", {
    kind: "stream",
    open(call) {
      call.onMessage = () => void send(call, facade).catch((error) => call.end(streamError(error, facade.log)));
    },
  }]];
}

async function send(call: GrpcStream, { store, headers, sha256 }: Facade): Promise<void> {
  const { revision, pairs } = await readAll(store);
  const { bytes, pages } = boltDatabase([
    ...["alarm", "auth", "authRoles", "authUsers", "cluster", "members", "members_removed"].map((name) => ({
      name,
      pairs: [],
    })),
    { name: "key", pairs },
    { name: "lease", pairs: await readLeases(store) },
    {
      name: "meta",
      pairs: [
        [utf8("consistent_index"), uint64(0)],
        [utf8("finishedCompactRev"), revisionBytes(revision, 0)],
        [utf8("scheduledCompactRev"), revisionBytes(revision, 0)],
      ],
    },
  ]);
  const hash = await sha256();
  let sent = 0;
  for (const page of pages) {
    for (let at = 0; at < page.length; at += etcdLimits.snapshotBlobBytes) {
      const blob = page.subarray(at, at + etcdLimits.snapshotBlobBytes);
      hash.update(blob);
      sent += blob.length;
      if (call.signal.aborted) return;
      call.send(
        etcdCodec.encode("SnapshotResponse", { header: headers.at(revision), blob, remaining_bytes: bytes - sent }),
      );
    }
    if (call.bufferedBytes > etcdLimits.streamCongestedBytes) await drained(call);
  }
  call.send(etcdCodec.encode("SnapshotResponse", { blob: hash.digest(), version: announcedStorageVersion }));
  call.end();
}

/** Resolves when the client has read; rejects when it has gone. */
function drained(call: GrpcStream): Promise<void> {
  return new Promise((resolve, reject) => {
    call.onDrained = resolve;
    call.signal.addEventListener("abort", () => reject(call.signal.reason), { once: true });
  });
}

const leaseCodec = protobufCodec({ Lease: { ID: [1, "id64"], TTL: [2, "int64"], RemainingTTL: [3, "int64"] } });

async function readLeases(store: Store): Promise<[Uint8Array, Uint8Array][]> {
  const leases: [Uint8Array, Uint8Array][] = [];
  for (const ID of await store.leases()) {
    const { grantedTtlSeconds, ttlSeconds } = await store.leaseTimeToLive(ID);
    if (ttlSeconds >= 0) leases.push([uint64(ID), leaseCodec.encode("Lease", { ID, TTL: grantedTtlSeconds })]);
  }
  return leases;
}

/** Every pair at one revision, keyed as etcd keys its history: revision, and place among those of the same revision. */
async function readAll(store: Store): Promise<{ revision: number; pairs: [Uint8Array, Uint8Array][] }> {
  const pairs: [Uint8Array, Uint8Array][] = [];
  const places = new Map<number, number>();
  let revision = 0;
  let bytes = 0;
  let limit: number = etcdLimits.snapshotPageKeys;
  for (let key: Uint8Array = new Uint8Array([0]);;) {
    const page = await store.range({ key, rangeEnd: new Uint8Array([0]), limit, ...(revision > 0 ? { revision } : {}) })
      .catch((error) => {
        if (!(error instanceof StoreError) || error.code !== "TooLarge" || limit === 1) throw error;
        return null;
      });
    if (page === null) {
      limit = Math.max(1, Math.floor(limit / 4));
      continue;
    }
    if (revision === 0) revision = page.revision;
    for (const kv of page.kvs) {
      const place = places.get(kv.modRevision) ?? 0;
      places.set(kv.modRevision, place + 1);
      const value = etcdCodec.encode("KeyValue", pairMessage(kv));
      pairs.push([revisionBytes(kv.modRevision, place), value]);
      bytes += value.length;
    }
    if (bytes > etcdLimits.snapshotBytesMax) throw new StoreError("TooLarge", `Cannot save over ${bytes} bytes`);
    const last: KeyValue | undefined = page.kvs.at(-1);
    if (!page.more || last === undefined) return { revision, pairs };
    key = concatBytes([last.key, new Uint8Array([0])]);
  }
}

function uint64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)));
  return bytes;
}

/** `main_sub`, big-endian, so that byte order is history order. */
function revisionBytes(main: number, sub: number): Uint8Array {
  return concatBytes([uint64(main), utf8("_"), uint64(sub)]);
}
