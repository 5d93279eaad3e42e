import type { Overflow, Place } from "../../base/overflow.ts";
import { SlabPlace, type Slabs } from "../../base/slabs.ts";
import type { KeyValue, LeaseId, Revision } from "../types.ts";

export interface MemoryOptions {
  /** Where values lie that stay in memory. */
  readonly slabs: Slabs;
  /** Where values of superseded versions go: watches that start in the past and reads at old revisions still find them. */
  readonly overflow: Overflow;
  /** Values of the history that stay in memory, the newest ones. Values of living keys always do. */
  readonly residentBytes: number;
  /** Shorter values are not worth a place of their own. */
  readonly valueBytesMin: number;
  /** Commands come out of log entries that stay as they are: a short value that is most of its entry shares its bytes. */
  readonly sharesCommands?: boolean;
}

/** A version whose value lies in a slab while it is recent or lives, and in the overflow afterwards. */
export class PlacedVersion implements KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
  readonly lease: LeaseId;
  #place: Place | SlabPlace;

  constructor(kv: KeyValue, place: SlabPlace) {
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

  /** A copy, each time. */
  get value(): Uint8Array {
    return this.#place.read();
  }

  /** See {@linkcode Place.move}. */
  move(): number {
    return this.#place instanceof SlabPlace ? 0 : this.#place.move();
  }

  get inMemory(): boolean {
    return this.#place instanceof SlabPlace;
  }

  /** To the overflow; where the disk does not take it, it stays. */
  moveTo(overflow: Overflow): void {
    const from = this.#place;
    // The history may still name a version that compaction has dropped.
    if (!(from instanceof SlabPlace) || !from.held) return;
    const place = overflow.put(from.view());
    if (place === null) return;
    this.#place = place;
    from.release();
  }

  /** It was compacted away. */
  release(): void {
    this.#place.release();
  }
}

/** The version as it is kept. */
export function placed(kv: KeyValue, { slabs, valueBytesMin }: MemoryOptions): KeyValue {
  return kv.value.length < valueBytesMin ? kv : new PlacedVersion(kv, slabs.put(kv.value));
}

/** The version as readers get it: bytes of its own, whatever becomes of the place. */
export function resident(kv: KeyValue): KeyValue {
  if (!(kv instanceof PlacedVersion)) return kv;
  const { key, value, createRevision, modRevision, version, lease } = kv;
  return { key, value, createRevision, modRevision, version, lease };
}

export function valueLength(kv: KeyValue): number {
  return kv instanceof PlacedVersion ? kv.valueLength : kv.value.length;
}
