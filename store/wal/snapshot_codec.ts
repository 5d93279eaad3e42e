import { crc32c } from "../../base/crc32c.ts";
import { ByteReader, ByteWriter } from "../raft/binary.ts";
import type { SnapshotPoint } from "../raft/messages.ts";

/** "SWs1" | checksum u32 over all that follows | index | term | length (float64 each) | the state machine's bytes. */
const magic = 0x53577331;
export const snapshotHeaderBytes = 32;

/**
 * The header of a snapshot whose `length` bytes are still to be summed, part by part: a checksum over all of a large one
 * at once would hold the event loop for its length. @return the header, and the checksum to go on from
 */
export function beginSnapshotHeader(point: SnapshotPoint, length: number): { header: Uint8Array; checksum: number } {
  const writer = new ByteWriter(snapshotHeaderBytes);
  writer.u32(magic);
  writer.u32(0);
  writer.counter(point.index);
  writer.counter(point.term);
  writer.counter(length);
  const header = writer.finish();
  return { header, checksum: crc32c(header.subarray(8)) };
}

/** @param checksum gone on over all the data */
export function endSnapshotHeader(header: Uint8Array, checksum: number): void {
  new DataView(header.buffer, header.byteOffset).setUint32(4, checksum);
}

/** Null: damaged. */
export function decodeSnapshot(bytes: Uint8Array): { point: SnapshotPoint; data: Uint8Array } | null {
  if (bytes.length < snapshotHeaderBytes) return null;
  const reader = new ByteReader(bytes);
  if (reader.u32() !== magic || reader.u32() !== crc32c(bytes.subarray(8))) return null;
  const point = { index: reader.counter(), term: reader.counter() };
  const data = bytes.subarray(snapshotHeaderBytes);
  return reader.counter() === data.length ? { point, data } : null;
}
