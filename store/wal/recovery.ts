import type { Entry, HardState, LogIndex, SnapshotPoint } from "../raft/messages.ts";
import type { Configuration } from "../raft/configuration.ts";
import type { WalRecord } from "./codec.ts";

/**
 * The log as its frames tell it, oldest first: later entries replace earlier ones from their index on, a snapshot mark
 * that the log does not contain replaces all of it. Pure.
 */
export class LogReplay {
  hardState: HardState = { term: 0, vote: null, commit: 0 };
  /** Of the time before any entry; null once the segment that said so is gone. */
  configuration: Configuration | null = null;
  /** Snapshots that were complete when their mark was written. */
  readonly marks: SnapshotPoint[] = [];
  /** The newest of them. */
  mark: SnapshotPoint = { index: 0, term: 0 };
  /** Contiguous; `#entries[0].index === #first`. */
  #entries: Entry[] = [];
  /** Null until something says where the log begins. */
  #first: LogIndex | null = null;
  /** The snapshot that last replaced the whole log: nothing up to it is ever replaced again. */
  #floor: LogIndex = 0;
  /** What is wrong with the log, if something is. */
  problem: string | null = null;

  get lastIndex(): LogIndex {
    const before = this.#first === null ? this.mark.index : this.#first - 1;
    return before + this.#entries.length;
  }

  take(record: WalRecord): void {
    switch (record.kind) {
      case "segmentStart":
        return;
      case "hardState":
        if (record.hardState.term < this.hardState.term) this.problem ??= "the term goes back";
        this.hardState = record.hardState;
        return;
      case "configuration":
        this.configuration = record.configuration;
        return;
      case "snapshotMark":
        return this.#takeMark(record.point);
      case "entries":
        return this.#takeEntries(record.entries);
    }
  }

  #takeMark(point: SnapshotPoint): void {
    this.marks.push(point);
    if (point.index > this.mark.index) this.mark = point;
    if (this.#first === null || point.index < this.#first) return;
    if (this.#entries[point.index - this.#first]?.term === point.term) return;
    this.#entries = [];
    this.#first = point.index + 1;
    this.#floor = point.index;
  }

  #takeEntries(entries: readonly Entry[]): void {
    const from = entries[0]?.index;
    if (from === undefined) return;
    this.#first ??= from; // the oldest segment kept begins somewhere: segments that snapshots cover were removed
    if (from > this.lastIndex + 1) {
      this.problem ??= `entries ${this.lastIndex + 1} to ${from - 1} are missing`;
      return;
    }
    if (from <= this.#floor) {
      this.problem ??= `entry ${from} replaces what a snapshot covers`;
      return;
    }
    // The oldest segment kept may begin with entries that were replaced from further back, in one that is gone.
    this.#first = Math.min(this.#first, from);
    this.#entries.length = from - this.#first;
    for (const entry of entries) this.#entries.push(entry);
  }

  /** The entries behind `point`, or null when the log does not join it. */
  entriesAfter(point: SnapshotPoint): Entry[] | null {
    if (this.#first === null) return point.index === (this.mark.index) ? [] : null;
    if (point.index + 1 < this.#first || point.index > this.lastIndex) return null;
    const at = point.index - this.#first;
    if (at >= 0 && this.#entries[at]?.term !== point.term) return null;
    return this.#entries.slice(at + 1);
  }
}
