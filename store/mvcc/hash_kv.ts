import { crc32c } from "../../base/crc32c.ts";
import { keptVersions } from "./key_index.ts";
import type { Mvcc } from "./mvcc.ts";

/** Keys as the index orders them; `to` null: to the end. */
export interface Section {
  readonly from: string;
  readonly to: string | null;
}

/**
 * CRC-32C over every kept version with modRevision <= `revision`, key by key. A function of the history and the compact
 * revision alone: members that freed memory at different times answer alike (etcd's HashKV).
 */
export function hashKv(mvcc: Mvcc, revision: number): number {
  return hashSection(mvcc, revision, { from: "", to: null }, Infinity).hash;
}

/**
 * As {@linkcode hashKv}, over the keys of one section, cut short at the first key after `bytesMax` bytes.
 * @return `next`: the first key that was left out; null when the section is done
 */
export function hashSection(
  mvcc: Mvcc,
  revision: number,
  { from, to }: Section,
  bytesMax: number,
): { readonly hash: number; readonly next: string | null } {
  const header = new DataView(new ArrayBuffer(40));
  const headerBytes = new Uint8Array(header.buffer);
  let hash = 0;
  let bytes = 0;
  let next: string | null = null;
  mvcc.index.forRange({ from, to, single: false }, (record) => {
    if (bytes >= bytesMax) {
      next = record.text;
      return false;
    }
    for (const kv of keptVersions(record, mvcc.compactRevision)) {
      if (kv.modRevision > revision) break;
      const { value } = kv; // it may have to be read back
      header.setUint32(0, kv.key.length);
      header.setUint32(4, value.length);
      header.setFloat64(8, kv.createRevision);
      header.setFloat64(16, kv.modRevision);
      header.setFloat64(24, kv.version);
      header.setBigInt64(32, kv.lease);
      hash = crc32c(value, crc32c(kv.key, crc32c(headerBytes, hash)));
      bytes += headerBytes.length + kv.key.length + value.length;
    }
    return true;
  });
  return { hash, next };
}
