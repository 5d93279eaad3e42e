import { invariant } from "../../base/assert.ts";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Alarm, KeyValue, LeaseId, Revision } from "../types.ts";
import { keptVersions, type KeyRecord } from "./key_index.ts";
import type { Mvcc } from "./mvcc.ts";

/**
 * The whole state as bytes, little-endian: magic, revision and compactRevision (f64), the leases (count f64; id i64, TTL
 * f64, what a checkpoint left of it or 0 f64), the active alarms (count f64; kind u32, length u32, member id), the pairs older than the history by key, the
 * history in its order; behind each of the two lists a u32 of ones. A pair: lengths of key and value (u32), create, mod,
 * version (f64), lease (i64), key, value. Equal states give equal bytes, whatever was freed when. Not msgpack: this is
 * one copy of the bytes.
 */
const magic = 0x33505353;
/** Of snapshots whose leases have no checkpoints. */
const uncheckpointedMagic = 0x32505353;
/** Of snapshots with counts before the lists, and the alarms behind. */
const countedMagic = 0x31505353;
const endOfList = 0xffffffff;

/** A part is at least this long; the last one may be shorter. */
const partBytes = 256 * 1024;
/** Keys looked at for one part: those without an old version cost time and give no bytes. */
const keysPerPart = 4_096;

/**
 * The state as of now, in parts that are made one by one while commands go on being applied: versions do not change, and
 * none is freed before the end. Close it, whether it was read to its end or not.
 */
export class SnapshotOfMvcc {
  readonly #mvcc: Mvcc;
  readonly #revision: Revision;
  readonly #compactRevision: number;
  readonly #first: Writer;
  #closed = false;

  constructor(mvcc: Mvcc) {
    this.#mvcc = mvcc;
    this.#revision = mvcc.revision;
    this.#compactRevision = mvcc.compactRevision;
    this.#first = writeFirst({
      revision: mvcc.revision,
      compactRevision: mvcc.compactRevision,
      leases: mvcc.leases.ids().map((id) => ({
        id,
        ttlSeconds: mvcc.leases.ttlSeconds(id) ?? 0,
        checkpointSeconds: mvcc.leases.checkpointSeconds(id),
      })),
      alarms: mvcc.alarms.list(),
    });
    mvcc.pins++;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#mvcc.pins--;
  }

  /** Once. Throws when it was closed in between. */
  *parts(): Generator<Uint8Array> {
    this.#checkOpen();
    const writer = this.#first;
    for (let from: string | null = ""; from !== null;) {
      from = this.#writeOlder(writer, from);
      yield writer.take();
      this.#checkOpen();
    }
    writer.u32(endOfList);
    const { history } = this.#mvcc;
    for (let i = history.indexOf(this.#compactRevision);; i++) {
      const kv = history.at(i)?.kv;
      if (kv === undefined || kv.modRevision > this.#revision) break;
      writer.pair(kv);
      if (writer.length < partBytes) continue;
      yield writer.take();
      this.#checkOpen();
    }
    writer.u32(endOfList);
    yield writer.take();
  }

  /** Much may have happened before the caller came back for more. */
  #checkOpen(): void {
    if (this.#closed) throw new Error("The snapshot was closed before its end");
  }

  /**
   * The kept versions from before the history, by key: at most one a key.
   * @return the key to go on from, or null
   */
  #writeOlder(writer: Writer, from: string): string | null {
    let left = keysPerPart;
    let next: string | null = null;
    this.#mvcc.index.forRange({ from, to: null, single: false }, (record: KeyRecord) => {
      if (left-- === 0 || writer.length >= partBytes) {
        next = record.text;
        return false;
      }
      const oldest = record.older === null ? record.latest : keptVersions(record, this.#compactRevision)[0];
      if (oldest === undefined || oldest.modRevision >= this.#compactRevision || oldest.version === 0) return true;
      writer.pair(oldest);
      return true;
    });
    return next;
  }
}

/**
 * The snapshot of a store that begins with given pairs, all of them from before its oldest readable revision. They come
 * one by one, by key; parts leave as they fill.
 */
export class SettledSnapshot {
  readonly #writer: Writer;

  constructor({ revision, leases }: { readonly revision: number; readonly leases: ReadonlyMap<LeaseId, number> }) {
    const granted = [...leases].map(([id, ttlSeconds]) => ({ id, ttlSeconds, checkpointSeconds: 0 }))
      .sort((a, b) => a.id < b.id ? -1 : 1);
    this.#writer = writeFirst({ revision, compactRevision: revision, leases: granted, alarms: [] });
  }

  /** A part, when one is full. */
  add(kv: KeyValue): Uint8Array | null {
    this.#writer.pair(kv);
    return this.#writer.length < partBytes ? null : this.#writer.take();
  }

  /** The last part. */
  end(): Uint8Array {
    this.#writer.u32(endOfList);
    this.#writer.u32(endOfList); // there is no history
    return this.#writer.take();
  }
}

interface Beginning {
  readonly revision: number;
  readonly compactRevision: number;
  /** By id. */
  readonly leases: readonly { readonly id: LeaseId; readonly ttlSeconds: number; readonly checkpointSeconds: number }[];
  readonly alarms: readonly Alarm[];
}

function writeFirst({ revision, compactRevision, leases, alarms }: Beginning): Writer {
  const writer = new Writer();
  writer.u32(magic);
  writer.f64(revision);
  writer.f64(compactRevision);
  writer.f64(leases.length);
  for (const { id, ttlSeconds, checkpointSeconds } of leases) {
    writer.i64(id);
    writer.f64(ttlSeconds);
    writer.f64(checkpointSeconds);
  }
  writer.f64(alarms.length);
  for (const { memberId, kind } of alarms) {
    const id = utf8(memberId);
    writer.u32(kind === "NoSpace" ? 1 : 2);
    writer.u32(id.length);
    writer.raw(id);
  }
  return writer;
}

/** All of it at once: for tests, and checkers. */
export function encodeSnapshot(mvcc: Mvcc): Uint8Array {
  const snapshot = new SnapshotOfMvcc(mvcc);
  try {
    return concatBytes([...snapshot.parts()]);
  } finally {
    snapshot.close();
  }
}

/** Replaces what `mvcc` holds. Throws RangeError when the bytes end early, BugError when they are no snapshot. */
export function restoreSnapshot(mvcc: Mvcc, bytes: Uint8Array): void {
  const reader = new Reader(bytes);
  const kind = reader.u32();
  const known = [magic, uncheckpointedMagic, countedMagic].includes(kind);
  invariant(known, "these bytes are no snapshot of this store");
  const revision = reader.f64() as Revision;
  mvcc.reset(revision, reader.f64());
  for (let left = reader.f64(); left > 0; left--) {
    const id = reader.i64();
    mvcc.leases.grant(id, reader.f64());
    if (kind === magic) mvcc.leases.checkpoint({ id, remainingSeconds: reader.f64() });
  }
  if (kind !== countedMagic) {
    readAlarms(mvcc, reader);
    for (let list = 0; list < 2; list++) {
      for (let length = reader.u32(); length !== endOfList; length = reader.u32()) mvcc.load(reader.pair(length));
    }
    return;
  }
  for (let list = 0; list < 2; list++) {
    for (let left = reader.f64(); left > 0; left--) mvcc.load(reader.pair(reader.u32()));
  }
  if (!reader.done) readAlarms(mvcc, reader); // written before there were alarms
}

function readAlarms(mvcc: Mvcc, reader: Reader): void {
  for (let left = reader.f64(); left > 0; left--) {
    const kind = reader.u32() === 1 ? "NoSpace" : "Corrupt";
    mvcc.alarms.set({ memberId: fromUtf8(reader.take(reader.u32())), kind }, true);
  }
}

/** Grows as needed, and hands out what it has. */
class Writer {
  #bytes = new Uint8Array(partBytes + 64 * 1024);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  get length(): number {
    return this.#at;
  }

  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#at);
    this.#at = 0;
    return taken;
  }

  #room(length: number): number {
    const at = this.#at;
    this.#at += length;
    if (this.#at <= this.#bytes.length) return at;
    const larger = new Uint8Array(Math.max(this.#at, 2 * this.#bytes.length));
    larger.set(this.#bytes.subarray(0, at));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
    return at;
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  f64(value: number): void {
    const at = this.#room(8);
    this.#view.setFloat64(at, value, true);
  }

  i64(value: bigint): void {
    const at = this.#room(8);
    this.#view.setBigInt64(at, value, true);
  }

  raw(bytes: Uint8Array): void {
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
  }

  pair(kv: KeyValue): void {
    const { value } = kv; // it may have to be read back
    this.u32(kv.key.length);
    this.u32(value.length);
    this.f64(kv.createRevision);
    this.f64(kv.modRevision);
    this.f64(kv.version);
    this.i64(kv.lease);
    this.raw(kv.key);
    this.raw(value);
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

  pair(keyLength: number): KeyValue {
    const valueLength = this.u32();
    const createRevision = this.f64() as Revision;
    const modRevision = this.f64() as Revision;
    const version = this.f64();
    const lease = this.i64();
    return { key: this.take(keyLength), value: this.take(valueLength), createRevision, modRevision, version, lease };
  }
}
