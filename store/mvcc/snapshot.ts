import { invariant } from "../../base/assert.ts";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { KeyValue, Revision } from "../types.ts";
import { keptVersions, type KeyRecord } from "./key_index.ts";
import type { Mvcc } from "./mvcc.ts";

/**
 * The whole state as bytes, little-endian: magic, revision and compactRevision (f64), the leases (count f64; id i64, TTL
 * f64), the pairs older than the history by key (count f64), the history in its order (count f64). A pair: lengths of
 * key and value (u32), create, mod, version (f64), lease (i64), key, value. Equal states give equal bytes, whatever was
 * freed when; the active alarms (count f64; kind u32, length u32, member id) behind it all. Not msgpack: a snapshot stops the event loop, and this is one copy of the bytes.
 */
const magic = 0x31505353;
const headerBytes = 4 + 8 + 8;
const leaseBytes = 16;
const pairBytes = 4 + 4 + 8 + 8 + 8 + 8;

export function encodeSnapshot(mvcc: Mvcc): Uint8Array {
  const base = olderThanHistory(mvcc);
  const firstKept = mvcc.history.indexOf(mvcc.compactRevision);
  const ids = mvcc.leases.ids();
  let length = headerBytes + 8 + ids.length * leaseBytes + 8 + 8;
  for (const kv of base) length += pairBytes + kv.key.length + kv.value.length;
  for (let i = firstKept; i < mvcc.history.size; i++) {
    const kv = mvcc.history.at(i)?.kv;
    if (kv !== undefined) length += pairBytes + kv.key.length + kv.value.length;
  }
  const alarms = mvcc.alarms.list().map(({ memberId, kind }) => ({ kind, id: utf8(memberId) }));
  length += 8;
  for (const { id } of alarms) length += 8 + id.length;
  const writer = new Writer(length);
  writer.u32(magic);
  writer.f64(mvcc.revision);
  writer.f64(mvcc.compactRevision);
  writer.f64(ids.length);
  for (const id of ids) {
    writer.i64(id);
    writer.f64(mvcc.leases.ttlSeconds(id) ?? 0);
  }
  writer.f64(base.length);
  for (const kv of base) writer.pair(kv);
  writer.f64(mvcc.history.size - firstKept);
  for (let i = firstKept; i < mvcc.history.size; i++) {
    const kv = mvcc.history.at(i)?.kv;
    if (kv !== undefined) writer.pair(kv);
  }
  writer.f64(alarms.length);
  for (const { kind, id } of alarms) {
    writer.u32(kind === "NoSpace" ? 1 : 2);
    writer.u32(id.length);
    writer.raw(id);
  }
  invariant(writer.at === length, "a snapshot is as long as was reckoned");
  return writer.bytes;
}

/** Replaces what `mvcc` holds. Throws RangeError when the bytes end early, BugError when they are no snapshot. */
export function restoreSnapshot(mvcc: Mvcc, bytes: Uint8Array): void {
  const reader = new Reader(bytes);
  invariant(reader.u32() === magic, "these bytes are no snapshot of this store");
  const revision = reader.f64() as Revision;
  mvcc.reset(revision, reader.f64());
  for (let left = reader.f64(); left > 0; left--) mvcc.leases.grant(reader.i64(), reader.f64());
  for (let part = 0; part < 2; part++) {
    for (let left = reader.f64(); left > 0; left--) mvcc.load(reader.pair());
  }
  if (reader.done) return; // written before there were alarms
  for (let left = reader.f64(); left > 0; left--) {
    const kind = reader.u32() === 1 ? "NoSpace" : "Corrupt";
    mvcc.alarms.set({ memberId: fromUtf8(reader.take(reader.u32())), kind }, true);
  }
}

/** The kept versions from before the history, by key: at most one a key. */
function olderThanHistory(mvcc: Mvcc): KeyValue[] {
  const base: KeyValue[] = [];
  mvcc.index.forRange({ from: "", to: null, single: false }, (record: KeyRecord) => {
    const oldest = record.older === null ? record.latest : keptVersions(record, mvcc.compactRevision)[0];
    if (oldest === undefined || oldest.modRevision >= mvcc.compactRevision || oldest.version === 0) return;
    base.push(oldest);
  });
  return base;
}

class Writer {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
    this.#view = new DataView(this.bytes.buffer);
  }

  u32(value: number): void {
    this.#view.setUint32(this.at, value, true);
    this.at += 4;
  }

  f64(value: number): void {
    this.#view.setFloat64(this.at, value, true);
    this.at += 8;
  }

  i64(value: bigint): void {
    this.#view.setBigInt64(this.at, value, true);
    this.at += 8;
  }

  raw(bytes: Uint8Array): void {
    this.bytes.set(bytes, this.at);
    this.at += bytes.length;
  }

  pair(kv: KeyValue): void {
    this.u32(kv.key.length);
    this.u32(kv.value.length);
    this.f64(kv.createRevision);
    this.f64(kv.modRevision);
    this.f64(kv.version);
    this.i64(kv.lease);
    this.raw(kv.key);
    this.raw(kv.value);
  }
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  f64(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8, true);
  }

  i64(): bigint {
    this.#at += 8;
    return this.#view.getBigInt64(this.#at - 8, true);
  }

  /** Copies, so that no pair keeps the whole snapshot alive. */
  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) throw new RangeError("the snapshot ends inside a pair");
    this.#at += length;
    return this.#bytes.slice(this.#at - length, this.#at);
  }

  pair(): KeyValue {
    const keyLength = this.u32();
    const valueLength = this.u32();
    const createRevision = this.f64() as Revision;
    const modRevision = this.f64() as Revision;
    const version = this.f64();
    const lease = this.i64();
    return { key: this.take(keyLength), value: this.take(valueLength), createRevision, modRevision, version, lease };
  }
}
