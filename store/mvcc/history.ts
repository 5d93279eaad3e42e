import { Deque } from "../../base/deque.ts";
import type { KeyValue, StoreEvent } from "../types.ts";
import { type KeyRecord, versionAt } from "./key_index.ts";
import { resident } from "./overflow.ts";

/** One write, in the order of the log: by revision, then by its place in the transaction. */
export interface HistoryEntry {
  readonly kv: KeyValue;
  readonly record: KeyRecord;
}

/** Every kept write in revision order: what a watch that starts in the past reads. */
export class History {
  readonly #entries = new Deque<HistoryEntry>();

  get size(): number {
    return this.#entries.size;
  }

  append(entry: HistoryEntry): void {
    this.#entries.push(entry);
  }

  at(index: number): HistoryEntry | undefined {
    return this.#entries.at(index);
  }

  /** Index of the first entry with modRevision >= `revision`; `size` when there is none. */
  indexOf(revision: number): number {
    let low = 0;
    let high = this.#entries.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      const entry = this.#entries.at(middle);
      if (entry !== undefined && entry.kv.modRevision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Removes and returns the oldest entry when it is from before `revision`. */
  shiftBefore(revision: number): HistoryEntry | undefined {
    const first = this.#entries.at(0);
    return first !== undefined && first.kv.modRevision < revision ? this.#entries.shift() : undefined;
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** The pair that `entry` replaced, when a store compacted at `compactRevision` still knows it. */
export function previousOf(entry: HistoryEntry, compactRevision: number): KeyValue | undefined {
  // At the boundary itself the older version may or may not have been freed: never answer by luck.
  if (entry.kv.modRevision <= compactRevision) return undefined;
  const before = versionAt(entry.record, entry.kv.modRevision - 1);
  return before === undefined || before.version === 0 ? undefined : resident(before);
}

export function eventOf(version: KeyValue, prevKv: KeyValue | undefined): StoreEvent {
  const kv = resident(version);
  const type = kv.version === 0 ? "delete" : "put";
  return prevKv === undefined ? { type, kv } : { type, kv, prevKv };
}
