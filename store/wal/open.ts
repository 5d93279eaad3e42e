import { type Disk, DiskError } from "../../platform/mod.ts";
import type { Configuration } from "../raft/configuration.ts";
import type { Entry, HardState, SnapshotPoint } from "../raft/messages.ts";
import { StoreError } from "../types.ts";
import { type ChainPoint, chainStart, decodeSegment, encodeFrame, type SegmentContent } from "./codec.ts";
import { firstSegmentBytes } from "./limits.ts";
import { LogReplay } from "./recovery.ts";
import { SnapshotFiles } from "./snapshot_files.ts";
import {
  fillZeros,
  openingRecords,
  type Segment,
  segmentPath,
  sparePath,
  sparePattern,
  Wal,
  type WalOptions,
  zeroedFile,
} from "./wal.ts";

export interface Storage {
  readonly wal: Wal;
  readonly snapshots: SnapshotFiles;
  readonly restored: {
    readonly hardState: HardState;
    readonly snapshot: SnapshotPoint;
    /** Null: no snapshot, index 0. */
    readonly snapshotData: Uint8Array | null;
    /** Contiguous, behind the snapshot. */
    readonly entries: readonly Entry[];
  };
  /** Of the time before any entry; null when the log no longer reaches back so far. */
  readonly firstConfiguration: Configuration | null;
  /** Bytes of a torn write that were cut off. */
  readonly tornBytes: number;
}

const segmentPattern = /^([0-9]{16})\.wal$/;
const noSnapshot: SnapshotPoint = { index: 0, term: 0 };

/**
 * Opens a member's data directory, making it if it is new. What a crash left half-written is cut off; damage to what had
 * been synced is refused.
 * @throws StoreError Corrupt
 */
export async function openStorage(options: WalOptions): Promise<Storage> {
  const { disk, directory } = options;
  await disk.mkdir(directory);
  const snapshots = new SnapshotFiles(disk, directory);
  const segments = await listSegments(disk, directory);
  await snapshots.clean();
  const replay = new LogReplay();
  if (segments.length === 0) {
    if ((await snapshots.list()).length > 0) throw corrupt(directory, "snapshots but no log");
    await syncAncestors(disk, directory);
    const wal = await createWal(options);
    const restored = { hardState: replay.hardState, snapshot: noSnapshot, snapshotData: null, entries: [] };
    return { wal, snapshots, restored, firstConfiguration: options.configuration ?? null, tornBytes: 0 };
  }
  const last = await replaySegments(options, segments, replay);
  const snapshot = await chooseSnapshot(directory, snapshots, replay);
  const wal = await reopenWal(options, segments, last, replay);
  const { tail, end, size } = last;
  const tornBytes = tail === "torn" ? size - end : 0;
  return { wal, snapshots, restored: snapshot, firstConfiguration: replay.configuration, tornBytes };
}

/** And removes what is none. */
async function listSegments(disk: Disk, directory: string): Promise<Segment[]> {
  const segments: Segment[] = [];
  for (const name of await disk.list(directory)) {
    const path = `${directory}/${name}`;
    const digits = segmentPattern.exec(name)?.[1];
    if (digits !== undefined) segments.push({ number: Number(digits), path, lastIndex: 0, bytes: 0 });
    else if (sparePattern.test(name)) await disk.remove(path);
  }
  return segments; // names are sorted, and so padded that the numbers are too
}

async function replaySegments(
  options: WalOptions,
  segments: readonly Segment[],
  replay: LogReplay,
): Promise<SegmentContent & { size: number }> {
  let chain: ChainPoint | null = null;
  /** Where the segment before ends in bytes that are no frame: of its former life, if this one goes on from there. */
  let doubt: StoreError | null = null;
  for (const [i, segment] of segments.entries()) {
    const before = segments[i - 1];
    if (before !== undefined && segment.number !== before.number + 1) {
      throw corrupt(segment.path, `segment ${before.number + 1} is missing`);
    }
    const bytes = await options.disk.readFile(segment.path);
    segment.bytes = bytes.length;
    const content: SegmentContent = decodeSegment(bytes, chain);
    if (content.frames.length === 0 && doubt !== null) throw doubt;
    checkIdentity(options, segment, content);
    const isLast = i === segments.length - 1;
    const damage = corrupt(segment.path, `damaged at byte ${content.end}`);
    if (content.tail === "corrupt") throw damage;
    doubt = content.tail === "torn" ? damage : null;
    for (const record of content.frames.flat()) {
      replay.take(record);
      if (record.kind === "entries") {
        segment.lastIndex = Math.max(segment.lastIndex, record.entries.at(-1)?.index ?? 0);
      }
    }
    chain = content.chain;
    if (isLast) return { ...content, size: bytes.length };
  }
  throw corrupt(options.directory, "no segment");
}

/** A segment exists under its name only with its first frame synced, so that frame must be there. */
function checkIdentity(options: WalOptions, segment: Segment, content: SegmentContent): void {
  const first = content.frames[0]?.[0];
  if (first?.kind !== "segmentStart") throw corrupt(segment.path, "its first frame is damaged");
  const { clusterId, memberId, segment: number } = first.start;
  if (number !== segment.number) throw corrupt(segment.path, `it says it is segment ${number}`);
  if (clusterId !== options.identity.clusterId || memberId !== options.identity.memberId) {
    throw corrupt(segment.path, `it belongs to member ${memberId} of cluster ${clusterId}`);
  }
}

/** The newest snapshot that has its mark, can be read, and that the log joins. */
async function chooseSnapshot(
  directory: string,
  snapshots: SnapshotFiles,
  replay: LogReplay,
): Promise<Storage["restored"]> {
  if (replay.problem !== null) throw corrupt(directory, replay.problem);
  if (replay.hardState.commit > replay.lastIndex) {
    throw corrupt(
      directory,
      `entries up to ${replay.hardState.commit} were committed, the log ends at ${replay.lastIndex}`,
    );
  }
  const { hardState } = replay;
  for (const point of await snapshots.list()) {
    if (!replay.marks.some((mark) => mark.index === point.index && mark.term === point.term)) continue;
    const entries = replay.entriesAfter(point);
    const snapshotData = entries === null ? null : await snapshots.read(point);
    if (entries !== null && snapshotData !== null) return { hardState, snapshot: point, snapshotData, entries };
  }
  const entries = replay.entriesAfter(noSnapshot);
  if (entries === null) throw corrupt(directory, "no readable snapshot that the log joins");
  return { hardState, snapshot: noSnapshot, snapshotData: null, entries };
}

/**
 * A new directory is as durable as the name it has in its parent, and so on up. Before the first segment every one is
 * synced: an earlier start may have made them and died. One that we may not open was not made by us.
 */
async function syncAncestors(disk: Disk, directory: string): Promise<void> {
  for (let path = directory; path !== ""; path = path.slice(0, path.lastIndexOf("/"))) {
    const parent = path.slice(0, Math.max(path.startsWith("/") ? 1 : 0, path.lastIndexOf("/"))) || ".";
    try {
      await disk.syncDirectory(parent);
    } catch (error) {
      if (!(error instanceof DiskError && error.kind === "permission")) throw error;
    }
    if (!path.includes("/")) return;
  }
}

async function createWal(options: WalOptions): Promise<Wal> {
  const { disk, directory, identity } = options;
  const capacity = Math.min(firstSegmentBytes, options.segmentBytes);
  const file = await zeroedFile(options, capacity);
  const hardState: HardState = { term: 0, vote: null, commit: 0 };
  const records = openingRecords({ ...identity, segment: 1 }, hardState, noSnapshot);
  const { configuration } = options;
  if (configuration !== undefined) records.push({ kind: "configuration", configuration });
  const { bytes, chain } = encodeFrame(chainStart, records);
  await file.writeAt(0, bytes);
  await file.sync();
  const path = segmentPath(directory, 1);
  await disk.rename(sparePath(directory), path);
  await disk.syncDirectory(directory);
  const segments: Segment[] = [{ number: 1, path, lastIndex: 0, bytes: capacity }];
  return new Wal(options, { segments, file, offset: bytes.length, capacity, chain, hardState, mark: noSnapshot });
}

/** Zeroes what is behind the end before anything is written there: two crashes must not make one good-looking frame. */
async function reopenWal(
  options: WalOptions,
  segments: Segment[],
  last: SegmentContent & { size: number },
  replay: LogReplay,
): Promise<Wal> {
  const path = segments.at(-1)?.path ?? "";
  const file = await options.disk.open(path, {});
  try {
    if (last.tail === "torn") {
      await file.truncate(last.end);
      await fillZeros(file, last.end, Math.max(options.segmentBytes, last.end));
    } else if (last.tail === "stale") await fillZeros(file, last.end, last.size);
    await file.sync(); // a frame that was read from the page cache may not be on the platter, and we build on it now
    const { mark } = replay;
    const { chain, end: offset } = last;
    const capacity = await file.size();
    return new Wal(options, { segments, file, offset, capacity, chain, hardState: replay.hardState, mark });
  } catch (error) {
    file.close();
    throw error;
  }
}

function corrupt(where: string, what: string): StoreError {
  return new StoreError("Corrupt", `Cannot use the log at ${where}: ${what}`);
}
