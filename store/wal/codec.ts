import { crc32c } from "../../base/crc32c.ts";
import { crc32 } from "../../platform/crc32.ts";
import { ByteReader, ByteWriter, entriesBytes, readEntries, writeEntries } from "../raft/binary.ts";
import { type Configuration, readConfiguration, writeConfiguration } from "../raft/configuration.ts";
import type { Entry, HardState, SnapshotPoint } from "../raft/messages.ts";

/**
 * The log on disk is a chain of frames. One frame is one durable save, so a crash keeps or loses it whole, and a frame
 * is written only after the one before it was synced. That tells a torn write from rot: a bad frame with a good one
 * behind it had been synced once.
 *
 *     0 magic u32 | 4 payload length u32 | 8 sequence float64 | 16 previous checksum u32 | 20 checksum u32 | payload | 0..
 *
 * The checksum (CRC-32) covers the first 20 bytes and the payload, hence the chain. Frames start at multiples of 8, so
 * that a header's first 8 bytes never straddle two sectors. The rest of a segment is zeros, or what the segment held in a
 * former life: frames with lower numbers, whole or in part.
 */
const magic = 0x53577232; // "SWr2"
/** "SWr1": as now, with a CRC-32C. Read, no longer written. */
const magicCrc32c = 0x53577231;
const headerBytes = 24;
const alignment = 8;

export interface SegmentStart {
  readonly clusterId: string;
  readonly memberId: string;
  readonly segment: number;
}

export type WalRecord =
  | { readonly kind: "segmentStart"; readonly start: SegmentStart }
  | { readonly kind: "hardState"; readonly hardState: HardState }
  | { readonly kind: "entries"; readonly entries: readonly Entry[] }
  /** A snapshot of this point is complete on disk. */
  | { readonly kind: "snapshotMark"; readonly point: SnapshotPoint }
  /** In the first segment: who belonged to the cluster before any entry. Later ones are in entries and snapshots. */
  | { readonly kind: "configuration"; readonly configuration: Configuration };

/** Where the chain stands: the last frame's number and checksum. */
export interface ChainPoint {
  readonly sequence: number;
  readonly checksum: number;
}

export const chainStart: ChainPoint = { sequence: 0, checksum: 0 };

/**
 * @param writer to use again, with what it gave out before
 * @return the frame, padded, and the chain after it
 */
export function encodeFrame(
  chain: ChainPoint,
  records: readonly WalRecord[],
  writer: ByteWriter = new ByteWriter(0),
): { bytes: Uint8Array<ArrayBuffer>; chain: ChainPoint } {
  const sequence = chain.sequence + 1;
  let payloadBytes = 256;
  for (const record of records) if (record.kind === "entries") payloadBytes += entriesBytes(record.entries);
  writer.reset(headerBytes + payloadBytes);
  writer.u32(magic);
  writer.u32(0);
  writer.counter(sequence);
  writer.u32(chain.checksum);
  writer.u32(0);
  for (const record of records) writeRecord(writer, record);
  const length = writer.length - headerBytes;
  writer.patchU32(4, length);
  const checksum = checksumOf(crc32, writer.finish(), 0, length);
  writer.patchU32(20, checksum);
  writer.zeros((alignment - (writer.length % alignment)) % alignment);
  return { bytes: writer.finish(), chain: { sequence, checksum } };
}

function checksumOf(crc: typeof crc32, bytes: Uint8Array, at: number, length: number): number {
  const head = crc(bytes.subarray(at, at + 20));
  return crc(bytes.subarray(at + headerBytes, at + headerBytes + length), head);
}

function writeRecord(writer: ByteWriter, record: WalRecord): void {
  switch (record.kind) {
    case "segmentStart":
      writer.u8(1);
      writer.text(record.start.clusterId);
      writer.text(record.start.memberId);
      writer.counter(record.start.segment);
      return;
    case "hardState":
      writer.u8(2);
      writer.counter(record.hardState.term);
      writer.counter(record.hardState.commit);
      writer.u8(record.hardState.vote === null ? 0 : 1);
      writer.text(record.hardState.vote ?? "");
      return;
    case "entries":
      writer.u8(3);
      writeEntries(writer, record.entries);
      return;
    case "snapshotMark":
      writer.u8(4);
      writer.counter(record.point.index);
      writer.counter(record.point.term);
      return;
    case "configuration":
      writer.u8(5);
      writeConfiguration(writer, record.configuration);
      return;
  }
}

function readRecord(reader: ByteReader): WalRecord {
  const type = reader.u8();
  switch (type) {
    case 1: {
      const clusterId = reader.text();
      const memberId = reader.text();
      return { kind: "segmentStart", start: { clusterId, memberId, segment: reader.counter() } };
    }
    case 2: {
      const term = reader.counter();
      const commit = reader.counter();
      const voted = reader.u8() === 1;
      const vote = reader.text();
      return { kind: "hardState", hardState: { term, commit, vote: voted ? vote : null } };
    }
    case 3:
      return { kind: "entries", entries: readEntries(reader) };
    case 4: {
      const index = reader.counter();
      return { kind: "snapshotMark", point: { index, term: reader.counter() } };
    }
    case 5:
      return { kind: "configuration", configuration: readConfiguration(reader) };
    default:
      throw new RangeError(`unknown record type ${type}`);
  }
}

interface FrameAt {
  readonly sequence: number;
  readonly previousChecksum: number;
  readonly checksum: number;
  /** Offset behind the frame and its padding. */
  readonly end: number;
  readonly payload: Uint8Array;
}

/** The frame at `at` if its own checksum holds, wherever in the chain it belongs. */
function frameAt(bytes: Uint8Array, at: number): FrameAt | null {
  if (bytes.length - at < headerBytes) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, headerBytes);
  const kind = view.getUint32(0);
  if (kind !== magic && kind !== magicCrc32c) return null;
  const length = view.getUint32(4);
  if (length > bytes.length - at - headerBytes) return null;
  const checksum = view.getUint32(20);
  if (checksumOf(kind === magic ? crc32 : crc32c, bytes, at, length) !== checksum) return null;
  return {
    sequence: view.getFloat64(8),
    previousChecksum: view.getUint32(16),
    checksum,
    end: Math.ceil((at + headerBytes + length) / alignment) * alignment,
    payload: bytes.subarray(at + headerBytes, at + headerBytes + length),
  };
}

export interface SegmentContent {
  readonly frames: readonly (readonly WalRecord[])[];
  readonly chain: ChainPoint;
  /** Offset behind the last good frame. */
  readonly end: number;
  /**
   * `clean`: zeros behind the end. `stale`: frames from before (and perhaps a torn write). `torn`: the rest is a write that
   * no sync had covered. `corrupt`: something that had been synced is damaged.
   */
  readonly tail: Tail;
}

type Tail = "clean" | "stale" | "torn" | "corrupt";

/** Reads a segment. @param chain where the segment before it ended; null for the oldest one kept */
export function decodeSegment(bytes: Uint8Array, chain: ChainPoint | null): SegmentContent {
  const frames: WalRecord[][] = [];
  let last = chain;
  let at = 0;
  for (;;) {
    const frame = frameAt(bytes, at);
    if (frame === null || (last !== null && frame.sequence <= last.sequence)) break;
    const follows = last === null ||
      (frame.sequence === last.sequence + 1 && frame.previousChecksum === last.checksum);
    if (!follows) return { frames, chain: last ?? chainStart, end: at, tail: "corrupt" };
    try {
      const reader = new ByteReader(frame.payload);
      const records: WalRecord[] = [];
      while (!reader.done) records.push(readRecord(reader));
      frames.push(records);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { frames, chain: last ?? chainStart, end: at, tail: "corrupt" }; // the checksum holds, the content does not
    }
    last = { sequence: frame.sequence, checksum: frame.checksum };
    at = frame.end;
  }
  return { frames, chain: last ?? chainStart, end: Math.min(at, bytes.length), tail: judgeTail(bytes, at, last) };
}

function judgeTail(bytes: Uint8Array, from: number, last: ChainPoint | null): Tail {
  let zero = true;
  for (let i = from; i < bytes.length; i++) {
    if (bytes[i] !== 0) {
      zero = false;
      break;
    }
  }
  if (zero) return "clean";
  let stale = false;
  for (let at = from; at + headerBytes <= bytes.length; at += alignment) {
    if (bytes[at] !== magic >>> 24) continue; // most of a segment, and no frame: do not look closer
    const frame = frameAt(bytes, at);
    if (frame === null) continue;
    if (frame.sequence > (last?.sequence ?? 0)) return "corrupt";
    stale = true;
  }
  return stale ? "stale" : "torn";
}
