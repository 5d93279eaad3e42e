import { crc32c } from "../../base/crc32c.ts";
import { crc32 } from "../../platform/crc32.ts";
import { ByteReader, ByteWriter } from "../raft/binary.ts";
import type { SnapshotPoint } from "../raft/messages.ts";

/**
 * "SWs3" | checksum u32 | index | term | length (float64 each) | the state machine's bytes. The checksum (CRC-32) is over
 * those bytes, then index, term and length: how long a snapshot is shows when it is written.
 */
const magic = 0x53577333;
/** "SWs2": as now, with a CRC-32C. */
const crc32cMagic = 0x53577332;
/** "SWs1": the CRC-32C is over all that follows it, in the order of the file. */
const inOrderMagic = 0x53577331;
export const snapshotHeaderBytes = 32;

/** @param checksum of all the data, summed part by part: a large one at once would hold the event loop for its length */
export function encodeSnapshotHeader(point: SnapshotPoint, length: number, checksum: number): Uint8Array {
  const writer = new ByteWriter(snapshotHeaderBytes);
  writer.u32(magic);
  writer.u32(0);
  writer.counter(point.index);
  writer.counter(point.term);
  writer.counter(length);
  const header = writer.finish();
  new DataView(header.buffer, header.byteOffset).setUint32(4, crc32(header.subarray(8), checksum));
  return header;
}

/** Null: damaged. */
export function decodeSnapshot(bytes: Uint8Array): { point: SnapshotPoint; data: Uint8Array } | null {
  if (bytes.length < snapshotHeaderBytes) return null;
  const reader = new ByteReader(bytes);
  const kind = reader.u32();
  const data = bytes.subarray(snapshotHeaderBytes);
  const fields = bytes.subarray(8, snapshotHeaderBytes);
  if (reader.u32() !== checksumOf(kind, fields, data)) return null;
  const point = { index: reader.counter(), term: reader.counter() };
  return reader.counter() === data.length ? { point, data } : null;
}

/** Null: these bytes are no snapshot. */
function checksumOf(kind: number, fields: Uint8Array, data: Uint8Array): number | null {
  switch (kind) {
    case magic:
      return crc32(fields, crc32(data));
    case crc32cMagic:
      return crc32c(fields, crc32c(data));
    case inOrderMagic:
      return crc32c(data, crc32c(fields));
  }
  return null;
}
