import type { Overflow, Place } from "../../base/overflow.ts";
import type { KeyValue, LeaseId, Revision } from "../types.ts";

export interface MemoryOptions {
  /** Where values of superseded versions go: watches that start in the past and reads at old revisions still find them. */
  readonly overflow: Overflow;
  /** Values of the history that stay in memory, the newest ones. Values of living keys always do. */
  readonly residentBytes: number;
  /** Shorter values stay where they are. */
  readonly valueBytesMin: number;
  /** Commands come out of log entries that stay as they are: a value that is most of its entry shares its bytes. */
  readonly sharesCommands?: boolean;
}

/** A version whose value lies in the overflow: an index entry of a hundred bytes instead of the value. */
export class OverflownVersion implements KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
  readonly lease: LeaseId;
  readonly #place: Place;

  constructor(kv: KeyValue, place: Place) {
    this.key = kv.key;
    this.createRevision = kv.createRevision;
    this.modRevision = kv.modRevision;
    this.version = kv.version;
    this.lease = kv.lease;
    this.#place = place;
  }

  get valueLength(): number {
    return this.#place.length;
  }

  /** Reads it back, each time. */
  get value(): Uint8Array {
    return this.#place.read();
  }

  /** See {@linkcode Place.move}. */
  move(): number {
    return this.#place.move();
  }

  /** It was compacted away. */
  release(): void {
    this.#place.release();
  }
}

/** Null: the value is short, or the disk does not take it, and it stays in memory. */
export function overflown(kv: KeyValue, { overflow, valueBytesMin }: MemoryOptions): OverflownVersion | null {
  if (kv instanceof OverflownVersion || kv.value.length < valueBytesMin) return null;
  const place = overflow.put(kv.value);
  return place === null ? null : new OverflownVersion(kv, place);
}

/** The version as readers get it: bytes of its own, whatever becomes of the overflow. */
export function resident(kv: KeyValue): KeyValue {
  if (!(kv instanceof OverflownVersion)) return kv;
  const { key, value, createRevision, modRevision, version, lease } = kv;
  return { key, value, createRevision, modRevision, version, lease };
}

export function valueLength(kv: KeyValue): number {
  return kv instanceof OverflownVersion ? kv.valueLength : kv.value.length;
}
