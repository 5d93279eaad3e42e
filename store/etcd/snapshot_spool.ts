import { concatBytes, utf8 } from "../../base/bytes.ts";
import type { Scratch } from "../../platform/mod.ts";
import { pagesAt, revisionOf } from "../pages.ts";
import { type Store, StoreError } from "../types.ts";
import type { BoltPairs } from "./bolt.ts";
import { pairMessage } from "./convert.ts";
import { etcdLimits } from "./limits.ts";
import { etcdCodec } from "./messages.ts";

/**
 * Every pair of a store at one revision, keyed and ordered as etcd keeps its history: by revision, and place among those
 * of the same revision. The store hands them out by key, so they wait in a scratch file; in memory are four numbers each.
 */
export class SnapshotSpool implements BoltPairs {
  readonly revision: number;
  readonly #scratch: Scratch;
  readonly #modRevisions: number[] = [];
  readonly #places: number[] = [];
  readonly #offsets: number[] = [];
  readonly #lengths: number[] = [];
  #order = new Uint32Array(0);

  private constructor(scratch: Scratch, revision: number) {
    this.#scratch = scratch;
    this.revision = revision;
  }

  /** Reads the store at its revision of now. Close it. @throws StoreError, DiskError */
  static async fill(store: Store, openScratch: () => Scratch): Promise<SnapshotSpool> {
    for (let attempt = 1;; attempt++) {
      const spool = new SnapshotSpool(openScratch(), await revisionOf(store));
      try {
        await spool.#fill(store);
        return spool;
      } catch (error) {
        spool.close();
        const overtaken = error instanceof StoreError && error.code === "Compacted";
        if (!overtaken || attempt === etcdLimits.snapshotAttempts) throw error;
      }
    }
  }

  get size(): number {
    return this.#order.length;
  }

  lengthOf(index: number): number {
    return revisionKeyBytes + this.#of(this.#lengths, index);
  }

  key(index: number): Uint8Array {
    return revisionKey(this.#of(this.#modRevisions, index), this.#of(this.#places, index));
  }

  value(index: number): Uint8Array {
    return this.#scratch.read(this.#of(this.#offsets, index), this.#of(this.#lengths, index));
  }

  close(): void {
    this.#scratch.close();
  }

  #of(numbers: readonly number[], index: number): number {
    return numbers[this.#order[index] ?? 0] ?? 0;
  }

  async #fill(store: Store): Promise<void> {
    for await (const page of pagesAt(store, this.revision)) {
      const encoded = page.map((kv) => etcdCodec.encode("KeyValue", pairMessage(kv)));
      let offset = this.#scratch.append(concatBytes(encoded));
      for (const [i, { modRevision }] of page.entries()) {
        const { length } = encoded[i] ?? new Uint8Array(0);
        this.#modRevisions.push(modRevision);
        this.#offsets.push(offset);
        this.#lengths.push(length);
        offset += length;
      }
    }
    this.#order = Uint32Array.from(this.#modRevisions, (_, i) => i)
      .sort((a, b) => (this.#modRevisions[a] ?? 0) - (this.#modRevisions[b] ?? 0) || a - b);
    let before = -1;
    let place = 0;
    for (const i of this.#order) {
      const revision = this.#modRevisions[i] ?? 0;
      place = revision === before ? place + 1 : 0;
      before = revision;
      this.#places[i] = place;
    }
  }
}

/** 8 bytes, `_`, 8 bytes. */
const revisionKeyBytes = 17;

/** `main_sub`, big-endian, so that byte order is history order. */
export function revisionKey(main: number, sub: number): Uint8Array {
  return concatBytes([uint64(main), utf8("_"), uint64(sub)]);
}

export function uint64(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, BigInt(value)));
  return bytes;
}
