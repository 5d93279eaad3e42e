import type { Disk } from "../../platform/mod.ts";
import { Directory } from "../directory.ts";
import { SettledSnapshot } from "../mvcc/snapshot.ts";
import { votersOnly } from "../raft/configuration.ts";
import { type LeaseId, StoreError } from "../types.ts";
import { segmentBytes as defaultSegmentBytes } from "../wal/limits.ts";
import { openStorage } from "../wal/open.ts";
import { backupBlocks, type BackupSummary, readBackup } from "./format.ts";

/**
 * Added to the backup's revision. More than any store writes in between, so that no revision that a client has seen since
 * the backup is ever used twice; all of them count as compacted. etcd's `--bump-revision` is given the same by its guide.
 */
const revisionBump = 1_000_000_000;

export interface RestoredState {
  readonly summary: BackupSummary;
  /** The restored store's revision, and the oldest one that can be watched from. */
  readonly revision: number;
  /** The state machine's snapshot, read from the backup once more each time: neither is ever in memory as a whole. */
  readonly parts: () => AsyncIterable<Uint8Array>;
}

/** Reads a whole backup and says what a new cluster begins with. @throws StoreError as `readBackup`, as do the parts */
export async function readState(disk: Disk, path: string): Promise<RestoredState> {
  const leases = new Map<LeaseId, number>();
  const summary = await readBackup(disk, path, (block) => {
    // They come last, and go first in a snapshot.
    if (block.kind === "leases") { for (const { id, ttlSeconds } of block.leases) leases.set(id, ttlSeconds); }
  });
  const revision = summary.revision + revisionBump;
  return { summary, revision, parts: () => partsOf(disk, path, { revision, leases }) };
}

async function* partsOf(
  disk: Disk,
  path: string,
  about: { readonly revision: number; readonly leases: ReadonlyMap<LeaseId, number> },
): AsyncGenerator<Uint8Array> {
  const snapshot = new SettledSnapshot(about);
  for await (const block of backupBlocks(disk, path)) {
    if (block.kind !== "pairs") continue;
    for (const kv of block.pairs) {
      const part = snapshot.add(kv);
      if (part !== null) yield part;
    }
  }
  yield snapshot.end();
}

/** Entry 1 of a log that never was: what every member of the new cluster begins behind. */
const beginning = { index: 1, term: 1 };

/**
 * Lays out a new member's data directory, so that it starts with the restored state. Each member of the new cluster needs the same.
 * @throws StoreError InvalidArgument when the directory has anything in it
 */
export async function seedMember(
  member: {
    readonly clusterId: string;
    readonly id: string;
    readonly memberIds: readonly string[];
    readonly dataDirectory: string;
    readonly segmentBytes?: number;
  },
  { parts }: RestoredState,
  disk: Disk,
): Promise<void> {
  const { clusterId, id, memberIds, dataDirectory } = member;
  if (await disk.stat(dataDirectory) !== null && (await disk.list(dataDirectory)).length > 0) {
    throw new StoreError("InvalidArgument", `Cannot restore into ${dataDirectory}: it is not empty`);
  }
  const configuration = votersOnly(memberIds);
  const storage = await openStorage({
    disk,
    directory: dataDirectory,
    configuration,
    identity: { clusterId, memberId: id },
    segmentBytes: member.segmentBytes ?? defaultSegmentBytes,
  });
  try {
    const withMembers = async function* () {
      yield new Directory(configuration).encode();
      yield* parts();
    };
    await storage.snapshots.write(beginning, withMembers());
    const hardState = { term: beginning.term, vote: null, commit: beginning.index };
    await storage.wal.append([{ kind: "snapshotMark", point: beginning }, { kind: "hardState", hardState }]);
  } finally {
    await storage.wal.close();
  }
}
