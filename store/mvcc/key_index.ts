import { BTree } from "../../base/btree.ts";
import { emptyBytes } from "../../base/bytes.ts";
import type { KeyValue, Revision } from "../types.ts";
import type { Interval } from "./interval.ts";
import { PlacedVersion, valueLength } from "./overflow.ts";

/**
 * All kept versions of one key. A version is the KeyValue that readers get, so a read allocates nothing; a deletion is
 * one with version 0 (a tombstone). Invariant: modRevision ascends through `older`, then `latest`.
 */
export interface KeyRecord {
  /** The key as latin1 text; `latest.key` has its bytes. */
  readonly text: string;
  latest: KeyValue;
  /** Null for the many keys with one version. */
  older: KeyValue[] | null;
}

/** Bookkeeping bytes counted for each version beside key and value. */
const versionOverheadBytes = 96;

export function versionBytes(kv: KeyValue): number {
  return versionOverheadBytes + kv.key.length + valueLength(kv);
}

export function isTombstone(kv: KeyValue): boolean {
  return kv.version === 0;
}

export function tombstone(key: Uint8Array, revision: Revision): KeyValue {
  return { key, value: emptyBytes, createRevision: 0 as Revision, modRevision: revision, version: 0, lease: 0n };
}

/** The newest version with modRevision <= `revision`, a tombstone included. */
export function versionAt(record: KeyRecord, revision: number): KeyValue | undefined {
  if (record.latest.modRevision <= revision) return record.latest;
  return record.older?.[olderAfter(record.older, revision) - 1];
}

/** The place of the first of `older` with modRevision > `revision`. */
function olderAfter(older: readonly KeyValue[], revision: number): number {
  let low = 0;
  let high = older.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((older[middle] as KeyValue).modRevision <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The live pair at `revision`. */
export function liveAt(record: KeyRecord, revision: number): KeyValue | undefined {
  const kv = versionAt(record, revision);
  return kv === undefined || kv.version === 0 ? undefined : kv;
}

/** The ordered index of every key that has a kept version. */
export class KeyIndex {
  readonly #tree = new BTree<KeyRecord>();
  #bytes = 0;

  get size(): number {
    return this.#tree.size;
  }

  /** Keys, values and bookkeeping of all kept versions. */
  get bytes(): number {
    return this.#bytes;
  }

  get(text: string): KeyRecord | undefined {
    return this.#tree.get(text);
  }

  /** Adds `kv` as the newest version of its key. */
  append(record: KeyRecord | undefined, text: string, kv: KeyValue): KeyRecord {
    this.#bytes += versionBytes(kv);
    if (record === undefined) {
      const fresh: KeyRecord = { text, latest: kv, older: null };
      this.#tree.set(text, fresh);
      return fresh;
    }
    if (record.older === null) record.older = [record.latest];
    else record.older.push(record.latest);
    record.latest = kv;
    return record;
  }

  /** Visits records in key order until `visit` returns false. */
  forRange(interval: Interval, visit: (record: KeyRecord) => boolean | void): void {
    if (interval.single) {
      const record = this.#tree.get(interval.from);
      if (record !== undefined) visit(record);
      return;
    }
    this.#tree.forRange(interval.from, interval.to, visit);
  }

  clear(): void {
    this.#tree.clear();
    this.#bytes = 0;
  }

  /** Drops what no read at >= `compactRevision` can see; a tombstone exactly there stays, a watch may still start there. */
  prune(record: KeyRecord, compactRevision: number): void {
    // Dropped whole by an earlier entry of the history; the key may live again, in a record of its own.
    if (this.#tree.get(record.text) !== record) return;
    const kept = keptVersions(record, compactRevision);
    const total = 1 + (record.older?.length ?? 0);
    if (kept.length === total) return;
    const all = [...(record.older ?? []), record.latest];
    for (let i = 0; i < total - kept.length; i++) {
      const dropped = all[i] as KeyValue;
      this.#bytes -= versionBytes(dropped);
      if (dropped instanceof PlacedVersion) dropped.release();
    }
    const latest = kept.pop();
    if (latest === undefined) {
      this.#tree.delete(record.text);
      return;
    }
    record.latest = latest;
    record.older = kept.length === 0 ? null : kept;
  }
}

/**
 * The versions of `record`, oldest first, that a store compacted at `compactRevision` holds: the newest one <= it (unless
 * that is a tombstone from before it) and all after it. A function of the history alone, so that replicas which have
 * freed memory at different times still write equal snapshots. The kept ones are always a suffix.
 */
export function keptVersions(record: KeyRecord, compactRevision: number): KeyValue[] {
  const all = record.older === null ? [record.latest] : [...record.older, record.latest];
  let first = 0;
  while (first + 1 < all.length && (all[first + 1] as KeyValue).modRevision <= compactRevision) first++;
  const oldest = all[first] as KeyValue;
  if (oldest.version === 0 && oldest.modRevision < compactRevision) first++;
  return first === 0 ? all : all.slice(first);
}
