import type { Disk } from "../../platform/mod.ts";
import { Directory } from "../directory.ts";
import { Mvcc } from "../mvcc/mvcc.ts";
import { encodeSnapshot } from "../mvcc/snapshot.ts";
import { votersOnly } from "../raft/configuration.ts";
import { type Revision, StoreError } from "../types.ts";
import { segmentBytes as defaultSegmentBytes } from "../wal/limits.ts";
import { openStorage } from "../wal/open.ts";
import { type BackupSummary, readBackup } from "./format.ts";

/**
 * Added to the backup's revision. More than any store writes in between, so that no revision that a client has seen since
 * the backup is ever used twice; all of them count as compacted. etcd's `--bump-revision` is given the same by its guide.
 */
const revisionBump = 1_000_000_000;

export interface RestoredState {
  readonly summary: BackupSummary;
  /** The restored store's revision, and the oldest one that can be watched from. */
  readonly revision: number;
  /** The state machine's snapshot. */
  readonly state: Uint8Array;
}

/** Reads a whole backup and makes the state that a new cluster begins with. @throws StoreError as `readBackup` */
export async function readState(disk: Disk, path: string): Promise<RestoredState> {
  const mvcc = new Mvcc();
  const versions: Parameters<Mvcc["load"]>[0][] = [];
  const summary = await readBackup(disk, path, (block) => {
    if (block.kind === "pairs") { for (const kv of block.pairs) versions.push(kv); }
    else for (const { id, ttlSeconds } of block.leases) mvcc.leases.grant(id, ttlSeconds);
  });
  const revision = summary.revision + revisionBump;
  const leases = mvcc.leases.ids().map((id) => ({ id, ttlSeconds: mvcc.leases.ttlSeconds(id) ?? 0 }));
  mvcc.reset(revision as Revision, revision);
  for (const { id, ttlSeconds } of leases) mvcc.leases.grant(id, ttlSeconds);
  for (const kv of versions) mvcc.load(kv);
  return { summary, revision, state: encodeSnapshot(mvcc) };
}

/** Entry 1 of a log that never was: what every member of the new cluster begins behind. */
const beginning = { index: 1, term: 1 };

/**
 * Lays out a new member's data directory, so that it starts with `state`. Each member of the new cluster needs the same.
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
  state: Uint8Array,
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
    await storage.snapshots.write(beginning, [new Directory(configuration).encode(), state]);
    const hardState = { term: beginning.term, vote: null, commit: beginning.index };
    await storage.wal.append([{ kind: "snapshotMark", point: beginning }, { kind: "hardState", hardState }]);
  } finally {
    await storage.wal.close();
  }
}
