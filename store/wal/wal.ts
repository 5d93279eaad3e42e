import { invariant } from "../../base/assert.ts";
import { type Disk, DiskError, type DiskFile } from "../../platform/mod.ts";
import type { Configuration } from "../raft/configuration.ts";
import type { HardState, LogIndex, SnapshotPoint } from "../raft/messages.ts";
import { ByteWriter } from "../raft/binary.ts";
import { type ChainPoint, encodeFrame, type SegmentStart, type WalRecord } from "./codec.ts";
import { maxKeptFrameBytes, recycledMax, spareAtShare, writeChunkBytes } from "./limits.ts";
import { digits } from "./snapshot_files.ts";

export interface Segment {
  readonly number: number;
  readonly path: string;
  /** The highest index of any entry in it, 0 without entries: what a snapshot must cover before it may go. */
  lastIndex: LogIndex;
  /** The file's size. */
  bytes: number;
}

/** What the next segment is made of: a file under a temporary name. */
interface Spare {
  readonly file: DiskFile;
  readonly path: string;
}

export interface WalOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly identity: { readonly clusterId: string; readonly memberId: string };
  readonly segmentBytes: number;
  /** The segment after the current one could not be laid out for want of space; the current one goes on. */
  readonly onNoSpace?: () => void;
  /** Written when the directory is new: who belongs to the cluster before any entry. */
  readonly configuration?: Configuration;
}

/** Where recovery left the log. */
export interface WalPosition {
  readonly segments: Segment[];
  /** The last segment, open, good up to `offset`. */
  readonly file: DiskFile;
  readonly offset: number;
  /** What is laid out; beyond it the next segment begins. */
  readonly capacity: number;
  readonly chain: ChainPoint;
  readonly hardState: HardState;
  readonly mark: SnapshotPoint;
}

/**
 * Appends frames to segments. Each call is one write and one sync; calls run one after another. After a failure the
 * file's content is unknown (fsyncgate): every later call fails too, and the member must stop.
 */
export class Wal {
  readonly #options: WalOptions;
  readonly #segments: Segment[];
  #file: DiskFile;
  #offset: number;
  #capacity: number;
  #chain: ChainPoint;
  #hardState: HardState;
  #mark: SnapshotPoint;
  /** Where frames are put together: each has been written when the next begins. */
  #writer = new ByteWriter();
  /** Ready ahead of time. */
  #spare: Promise<Spare | null> | null = null;
  /** Files of former segments: laid out already, and whatever they hold has lower numbers than what comes over it. */
  readonly #recycled: string[] = [];
  #tail: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: WalOptions, position: WalPosition) {
    this.#options = options;
    this.#segments = position.segments;
    this.#file = position.file;
    this.#offset = position.offset;
    this.#capacity = position.capacity;
    this.#chain = position.chain;
    this.#hardState = position.hardState;
    this.#mark = position.mark;
  }

  get segmentCount(): number {
    return this.#segments.length;
  }

  /** Durable when it resolves. */
  append(records: readonly WalRecord[]): Promise<void> {
    this.#tail = this.#tail.then(() => this.#append(records));
    return this.#tail;
  }

  /** Removes the oldest segments whose entries are all <= `index`; never the one being written. */
  async release(index: LogIndex): Promise<void> {
    const old: Segment[] = [];
    while (this.#segments.length > 1 && (this.#segments[0]?.lastIndex ?? 0) <= index) {
      const segment = this.#segments.shift();
      if (segment !== undefined) old.push(segment);
    }
    const { disk, directory, segmentBytes } = this.#options;
    for (const segment of old) {
      const recycled = segment.bytes === segmentBytes && this.#recycled.length < recycledMax
        ? recycledPath(directory, segment.number)
        : null;
      await (recycled === null ? disk.remove(segment.path) : disk.rename(segment.path, recycled));
      // Oldest first, and each before the next: a crash may keep any of several removals, and what is left must be a chain.
      await disk.syncDirectory(directory);
      if (recycled !== null) this.#recycled.push(recycled);
    }
  }

  /** Gives back the space of former segments; the next ones are laid out anew. */
  async dropRecycled(): Promise<void> {
    const { disk } = this.#options;
    for (const path of this.#recycled.splice(0)) await disk.remove(path);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#tail.catch(() => {}); // its caller has heard of it
    (await this.#spare)?.file.close();
    this.#file.close();
  }

  async #append(records: readonly WalRecord[]): Promise<void> {
    if (this.#writer.capacity > maxKeptFrameBytes) this.#writer = new ByteWriter();
    let frame = encodeFrame(this.#chain, records, this.#writer);
    if (this.#offset > 0 && this.#offset + frame.bytes.length > this.#capacity) {
      await this.#cut();
      frame = encodeFrame(this.#chain, records, this.#writer);
    }
    await this.#file.writeAt(this.#offset, frame.bytes);
    await this.#file.sync();
    this.#offset += frame.bytes.length;
    if (this.#offset > this.#capacity * spareAtShare) this.#spare ??= this.#prepareSpare();
    this.#chain = frame.chain;
    const segment = this.#segments.at(-1);
    invariant(segment !== undefined, "there is a segment to write to");
    segment.bytes = Math.max(segment.bytes, this.#offset);
    for (const record of records) {
      if (record.kind === "hardState") this.#hardState = record.hardState;
      if (record.kind === "snapshotMark" && record.point.index > this.#mark.index) this.#mark = record.point;
      if (record.kind === "entries") {
        segment.lastIndex = Math.max(segment.lastIndex, record.entries.at(-1)?.index ?? 0);
      }
    }
  }

  /** Goes on in a new segment. It opens with everything that would be lost with the older ones. */
  async #cut(): Promise<void> {
    const number = (this.#segments.at(-1)?.number ?? 0) + 1;
    const { disk, directory, identity } = this.#options;
    const spare = await this.#spare ?? await this.#newSpare();
    const path = segmentPath(directory, number);
    const { bytes, chain } = encodeFrame(
      this.#chain,
      openingRecords({ ...identity, segment: number }, this.#hardState, this.#mark),
    );
    await spare.file.writeAt(0, bytes);
    await spare.file.sync();
    await disk.rename(spare.path, path);
    await disk.syncDirectory(directory); // a later crash must find the segment that holds what we acknowledge
    this.#file.close();
    this.#file = spare.file;
    this.#offset = bytes.length;
    this.#capacity = this.#options.segmentBytes;
    this.#chain = chain;
    this.#segments.push({ number, path, lastIndex: 0, bytes: this.#options.segmentBytes });
    this.#spare = null;
  }

  /** A former segment costs nothing; zeros cost as much as the log that will be written over them. */
  async #newSpare(): Promise<Spare> {
    const { disk, directory, segmentBytes } = this.#options;
    const path = this.#recycled.shift();
    if (path !== undefined) return { file: await disk.open(path, {}), path };
    return { file: await zeroedFile(this.#options, segmentBytes), path: sparePath(directory) };
  }

  /** A failure here is no harm: the cut tries again and reports it. */
  #prepareSpare(): Promise<Spare | null> {
    return this.#newSpare().catch((error) => {
      if (error instanceof DiskError && error.kind === "noSpace") this.#options.onNoSpace?.();
      return null;
    });
  }
}

export function segmentPath(directory: string, number: number): string {
  return `${directory}/${digits(number)}.wal`;
}

export function sparePath(directory: string): string {
  return `${directory}/spare.tmp`;
}

function recycledPath(directory: string, number: number): string {
  return `${directory}/spare-${digits(number)}.tmp`;
}

/** Names of files that are no segments yet, or no longer. */
export const sparePattern = /^spare(-[0-9]{16})?\.tmp$/;

export function openingRecords(start: SegmentStart, hardState: HardState, mark: SnapshotPoint): WalRecord[] {
  return [
    { kind: "segmentStart", start },
    { kind: "hardState", hardState },
    { kind: "snapshotMark", point: mark },
  ];
}

/** A synced file of zeros under the spare's name. */
export async function zeroedFile(options: WalOptions, length: number): Promise<DiskFile> {
  const file = await options.disk.open(sparePath(options.directory), { create: true, truncate: true });
  try {
    await fillZeros(file, 0, length);
    await file.sync();
    return file;
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Each chunk is synced before the next: all of it at once would hold up the log's own syncs for its length. */
export async function fillZeros(file: DiskFile, from: number, to: number): Promise<void> {
  const zeros = new Uint8Array(Math.min(writeChunkBytes, Math.max(0, to - from)));
  for (let at = from; at < to; at += zeros.length) {
    await file.writeAt(at, zeros.subarray(0, Math.min(zeros.length, to - at)));
    await file.sync();
  }
}
