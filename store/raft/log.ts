import { invariant } from "../../base/assert.ts";
import { ownBytes } from "../../base/bytes.ts";
import type { Overflow, Place } from "../../base/overflow.ts";
import type { Entry, LogIndex, SnapshotContent, SnapshotPoint, Term } from "./messages.ts";

export interface LogMemory {
  /** Where the data of older entries go, once they were handed out and are on this member's disk. */
  readonly overflow: Overflow;
  /** Data of the newest entries that stay in memory, at least. */
  readonly residentBytes: number;
}

/** An entry that hardly anybody will ask for: a follower that has fallen behind. */
class OverflownEntry implements Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: Entry["kind"];
  readonly #place: Place;

  constructor({ index, term, kind }: Entry, place: Place) {
    this.index = index;
    this.term = term;
    this.kind = kind;
    this.#place = place;
  }

  /** Reads it back, each time. */
  get data(): Uint8Array {
    return this.#place.read();
  }

  release(): void {
    this.#place.release();
  }
}

/** Its bytes come out of a frame with many others, and outlive it. */
function owning(entry: Entry): Entry {
  const data = ownBytes(entry.data);
  return data === entry.data ? entry : { ...entry, data };
}

const noEntries: readonly Entry[] = [];

type PendingSnapshot = SnapshotContent & { readonly point: SnapshotPoint };

/**
 * The log in memory: entries after a compaction point, and four marks on them.
 * Invariants: first - 1 <= handed <= committed <= last; stable <= last.
 */
export class RaftLog {
  /** `#entries[i].index === #base.index + 1 + i`. */
  #entries: Entry[];
  /** The last entry that was compacted away. */
  #base: SnapshotPoint;
  #committed: LogIndex;
  /** Entries up to here are on this member's disk. */
  #stable: LogIndex;
  /** Entries up to here were handed out to be applied. */
  #handed: LogIndex;
  /** A snapshot that came from the leader and is not on disk yet; nothing is handed out before it is. */
  #pendingSnapshot: PendingSnapshot | null = null;

  readonly #memory: LogMemory | null;
  /** Entries up to here are in the overflow, or would be if the disk had taken them. */
  #settled: LogIndex;
  /** Data of the entries behind. */
  #recentBytes = 0;

  /**
   * @param base what the restored state machine covers @param entries contiguous, from `base.index + 1` on
   * @param memory absent: all stays in it
   */
  constructor(base: SnapshotPoint, entries: readonly Entry[], committed: LogIndex, memory: LogMemory | null = null) {
    this.#memory = memory;
    this.#settled = base.index;
    for (const { data } of entries) this.#recentBytes += data.length;
    this.#base = base;
    this.#entries = [...entries];
    this.#stable = this.lastIndex;
    this.#committed = Math.max(base.index, Math.min(committed, this.lastIndex));
    this.#handed = base.index;
    let expected = base.index;
    for (const entry of entries) invariant(entry.index === ++expected, "restored entries are contiguous");
  }

  get firstIndex(): LogIndex {
    return this.#base.index + 1;
  }
  get lastIndex(): LogIndex {
    return this.#base.index + this.#entries.length;
  }
  get lastTerm(): Term {
    return this.#entries.at(-1)?.term ?? this.#base.term;
  }
  get committed(): LogIndex {
    return this.#committed;
  }
  get stable(): LogIndex {
    return this.#stable;
  }
  get handed(): LogIndex {
    return this.#handed;
  }
  get pendingSnapshot(): PendingSnapshot | null {
    return this.#pendingSnapshot;
  }

  entry(index: LogIndex): Entry | undefined {
    return this.#entries[index - this.#base.index - 1];
  }

  /** Null: compacted away, or beyond the end. */
  termAt(index: LogIndex): Term | null {
    if (index === this.#base.index) return this.#base.term;
    return this.entry(index)?.term ?? null;
  }

  matches(point: SnapshotPoint): boolean {
    return this.termAt(point.index) === point.term;
  }

  /** Paper §5.4.1: the log with the later last term is newer; with equal terms, the longer one. */
  isUpToDate(other: { lastIndex: LogIndex; lastTerm: Term }): boolean {
    if (other.lastTerm !== this.lastTerm) return other.lastTerm > this.lastTerm;
    return other.lastIndex >= this.lastIndex;
  }

  /** Entries from `from` on, at least one if there is one, then while their data stays within `maxBytes`. */
  slice(from: LogIndex, maxBytes: number): Entry[] {
    const start = from - this.#base.index - 1;
    invariant(start >= 0, "entries to send were not compacted");
    let bytes = 0;
    let end = start;
    for (; end < this.#entries.length; end++) {
      bytes += this.#entries[end]?.data.length ?? 0;
      if (end > start && bytes > maxBytes) break;
    }
    return this.#entries.slice(start, end);
  }

  /** Leader only (Leader Append-Only, paper figure 3). */
  append(entry: Entry): void {
    invariant(entry.index === this.lastIndex + 1, "a leader appends at the end");
    this.#push(entry);
  }

  #push(entry: Entry): void {
    this.#entries.push(owning(entry));
    this.#recentBytes += entry.data.length;
  }

  /** What nobody is expected to read again leaves memory. */
  #settle(): void {
    if (this.#memory === null) return;
    const { overflow, residentBytes } = this.#memory;
    const end = Math.min(this.#handed, this.#stable);
    while (this.#recentBytes > residentBytes && this.#settled < end) {
      const at = ++this.#settled - this.#base.index - 1;
      const entry = this.#entries[at] as Entry;
      this.#recentBytes -= entry.data.length;
      const place = entry.data.length === 0 ? null : overflow.put(entry.data);
      if (place !== null) this.#entries[at] = new OverflownEntry(entry, place);
    }
  }

  /**
   * Follower: takes over `entries` behind `prev`, replacing only what conflicts (paper §5.3, figure 2: "if an existing
   * entry conflicts with a new one, delete it and all that follow").
   * @return the last index that now surely equals the leader's log
   */
  merge(prev: SnapshotPoint, entries: readonly Entry[]): LogIndex {
    invariant(this.matches(prev), "log matching was checked");
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i] as Entry;
      invariant(entry.index === prev.index + 1 + i, "an append is contiguous");
      if (this.termAt(entry.index) === entry.term) continue;
      if (entry.index <= this.lastIndex) this.#truncateFrom(entry.index);
      for (let k = i; k < entries.length; k++) this.#push(entries[k] as Entry);
      break;
    }
    return prev.index + entries.length;
  }

  #truncateFrom(index: LogIndex): void {
    invariant(index > this.#committed, `a committed entry is never replaced (index ${index}, paper §5.4.3)`);
    for (let i = index; i <= this.lastIndex; i++) this.#recentBytes -= this.entry(i)?.data.length ?? 0;
    this.#entries.length = index - this.#base.index - 1;
    this.#stable = Math.min(this.#stable, index - 1);
  }

  /** The last index <= `from` whose term is <= `term`, or the compaction point: where two logs may still agree. */
  lastIndexWithin(term: Term, from: LogIndex): SnapshotPoint {
    let index = Math.min(from, this.lastIndex);
    while (index > this.#base.index && (this.termAt(index) ?? 0) > term) index--;
    return { index, term: this.termAt(index) ?? 0 };
  }

  commitTo(index: LogIndex): void {
    if (index <= this.#committed) return;
    invariant(index <= this.lastIndex, `commit ${index} is beyond the last entry ${this.lastIndex}: the log was lost`);
    this.#committed = index;
  }

  /**
   * Entries that are committed and were not handed out yet. They may not be durable *here*: a quorum of others has them,
   * so a crash that takes them from this disk takes nothing from the cluster, and what was applied dies with the process
   * (thesis §10.2.1). So nobody waits for the slowest of the disks.
   */
  takeCommitted(maxEntries: number): readonly Entry[] {
    if (this.#pendingSnapshot !== null) return noEntries;
    const end = Math.min(this.#committed, this.#handed + maxEntries);
    if (end <= this.#handed) return noEntries;
    const taken = this.#entries.slice(this.#handed - this.#base.index, end - this.#base.index);
    this.#settle(); // what was handed out before
    this.#handed = end;
    return taken;
  }

  /**
   * The first change of configuration that is committed and not handed out, or null. Whoever has one must not campaign:
   * with a configuration two steps old it could win without meeting a voter of the newest (etcd-io/raft #469).
   */
  unappliedConfiguration(): LogIndex | null {
    for (let index = this.#handed + 1; index <= this.#committed; index++) {
      if (this.entry(index)?.kind === "config") return index;
    }
    return null;
  }

  unstable(): Entry[] {
    return this.#entries.slice(this.#stable - this.#base.index);
  }

  /** `saved` reached the disk; entries that were replaced meanwhile do not count. */
  markStable(saved: readonly Entry[]): void {
    for (let i = saved.length - 1; i >= 0; i--) {
      const entry = saved[i] as Entry;
      if (entry.index > this.#base.index && this.termAt(entry.index) === entry.term) {
        this.#stable = Math.max(this.#stable, entry.index);
        return;
      }
    }
  }

  /** The leader's snapshot replaces the whole log (paper §7). */
  restore(point: SnapshotPoint, content: SnapshotContent): void {
    invariant(point.index > this.#committed, "a snapshot never takes committed entries back");
    for (const entry of this.#entries) if (entry instanceof OverflownEntry) entry.release();
    this.#base = point;
    this.#entries = [];
    this.#settled = point.index;
    this.#recentBytes = 0;
    this.#committed = point.index;
    this.#stable = point.index;
    this.#handed = point.index;
    this.#pendingSnapshot = { point, ...content };
  }

  markSnapshotStable(point: SnapshotPoint): void {
    if (this.#pendingSnapshot?.point.index === point.index) this.#pendingSnapshot = null;
  }

  /** Forgets entries up to `index`; a snapshot on disk covers them. */
  compactTo(index: LogIndex): void {
    if (index <= this.#base.index) return;
    const term = this.termAt(index);
    invariant(index <= this.#handed && index <= this.#stable && term !== null, "only applied entries are compacted");
    for (let i = this.#base.index + 1; i <= index; i++) {
      const entry = this.entry(i);
      if (entry instanceof OverflownEntry) entry.release();
      else if (i > this.#settled) this.#recentBytes -= entry?.data.length ?? 0;
    }
    this.#entries = this.#entries.slice(index - this.#base.index);
    this.#base = { index, term };
    this.#settled = Math.max(this.#settled, index);
  }
}
