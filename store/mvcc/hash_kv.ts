import { crc32c } from "../../base/crc32c.ts";
import { keptVersions } from "./key_index.ts";
import type { Mvcc } from "./mvcc.ts";

/**
 * CRC-32C over every kept version with modRevision <= `revision`, key by key. A function of the history and the compact
 * revision alone: members that freed memory at different times answer alike (etcd's HashKV).
 */
export function hashKv(mvcc: Mvcc, revision: number): number {
  const header = new DataView(new ArrayBuffer(40));
  const headerBytes = new Uint8Array(header.buffer);
  let hash = 0;
  mvcc.index.forRange({ from: "", to: null, single: false }, (record) => {
    for (const kv of keptVersions(record, mvcc.compactRevision)) {
      if (kv.modRevision > revision) break;
      header.setUint32(0, kv.key.length);
      header.setUint32(4, kv.value.length);
      header.setFloat64(8, kv.createRevision);
      header.setFloat64(16, kv.modRevision);
      header.setFloat64(24, kv.version);
      header.setBigInt64(32, kv.lease);
      hash = crc32c(kv.value, crc32c(kv.key, crc32c(headerBytes, hash)));
    }
  });
  return hash;
}
