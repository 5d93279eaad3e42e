import { crc32c } from "../../base/crc32c.ts";
import { ByteReader, ByteWriter } from "../raft/binary.ts";
import type { SnapshotPoint } from "../raft/messages.ts";

/** "SWs1" | checksum u32 over all that follows | index | term | length (float64 each) | the state machine's bytes. */
const magic = 0x53577331;
export const snapshotHeaderBytes = 32;

/** @param data in one or more parts */
export function encodeSnapshotHeader(point: SnapshotPoint, ...data: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(snapshotHeaderBytes);
  writer.u32(magic);
  writer.u32(0);
  writer.counter(point.index);
  writer.counter(point.term);
  writer.counter(data.reduce((length, part) => length + part.length, 0));
  writer.patchU32(4, data.reduce((sum, part) => crc32c(part, sum), crc32c(writer.finish().subarray(8))));
  return writer.finish();
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
