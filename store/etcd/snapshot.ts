import { utf8 } from "../../base/bytes.ts";
import { protobufCodec } from "../../base/protobuf.ts";
import { grpcCode, GrpcError, type GrpcMethod, type GrpcStream } from "../../platform/grpc/mod.ts";
import { DiskError } from "../../platform/mod.ts";
import type { Store } from "../types.ts";
import { boltDatabase, boltPairs } from "./bolt.ts";
import { etcdError } from "./errors.ts";
import { announcedStorageVersion, etcdLimits } from "./limits.ts";
import { etcdCodec } from "./messages.ts";
import { type Facade, streamError } from "./service.ts";
import { revisionKey, SnapshotSpool, uint64 } from "./snapshot_spool.ts";

/**
 * Maintenance.Snapshot: the current pairs at one revision and the leases, as the database file that etcd itself would send:
 * `etcdctl snapshot restore` makes a real etcd of it. The history before that revision is marked as compacted. However
 * large the store, this process holds a few numbers for each pair, and what the client has yet to read of some pages.
 */
export function snapshotService(facade: Facade): [path: string, method: GrpcMethod][] {
  let underWay = 0;
  const answer = async (call: GrpcStream) => {
    // Each takes as much of the disk as the store is large.
    if (underWay >= etcdLimits.snapshotsMax) throw etcdError("tooManyRequests");
    underWay++;
    try {
      const spool = await SnapshotSpool.fill(facade.store, facade.openScratch);
      try {
        await send(call, spool, facade);
      } finally {
        spool.close();
      }
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      throw new GrpcError(grpcCode.resourceExhausted, error.message);
    } finally {
      underWay--;
    }
  };
  return [["/etcdserverpb.Maintenance/Snapshot", {
    kind: "stream",
    open(call) {
      call.onMessage = () => void answer(call).catch((error) => call.end(streamError(error, facade.log)));
    },
  }]];
}

async function send(call: GrpcStream, spool: SnapshotSpool, { store, headers, sha256, timers }: Facade): Promise<void> {
  const { revision } = spool;
  const { bytes, pages } = boltDatabase([
    ...["alarm", "auth", "authRoles", "authUsers", "cluster", "members", "members_removed"].map((name) => ({
      name,
      pairs: boltPairs([]),
    })),
    { name: "key", pairs: spool },
    { name: "lease", pairs: boltPairs(await readLeases(store)) },
    {
      name: "meta",
      pairs: boltPairs([
        [utf8("consistent_index"), uint64(0)],
        [utf8("finishedCompactRev"), revisionKey(revision, 0)],
        [utf8("scheduledCompactRev"), revisionKey(revision, 0)],
      ]),
    },
  ]);
  const hash = await sha256();
  let sent = 0;
  let sentAtOnce = 0;
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
    sentAtOnce += page.length;
    if (call.bufferedBytes > etcdLimits.streamCongestedBytes) await drained(call);
    else if (sentAtOnce >= etcdLimits.snapshotTurnBytes) await timers.sleep(0); // others have their turn
    else continue;
    sentAtOnce = 0;
  }
  call.send(etcdCodec.encode("SnapshotResponse", { blob: hash.digest(), version: announcedStorageVersion }));
  call.end();
}

/** Resolves when the client has read; rejects when it has gone. */
function drained(call: GrpcStream): Promise<void> {
  return new Promise((resolve, reject) => {
    if (call.signal.aborted) reject(call.signal.reason);
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
