import { Deque } from "../../base/deque.ts";
import { storeLimits } from "../limits.ts";
import { eventOf, type HistoryEntry, previousOf } from "../mvcc/history.ts";
import { contains, type Interval, intervalOf } from "../mvcc/interval.ts";
import { versionBytes } from "../mvcc/key_index.ts";
import type { Mvcc } from "../mvcc/mvcc.ts";
import { type Revision, StoreError, type StoreEvent, type WatchRequest, type WatchSink } from "../types.ts";
import { type Group, Groups } from "./groups.ts";

/** One watch as the hub keeps it; others hold it as a handle. */
export interface Watcher {
  readonly interval: Interval;
  readonly prevKv: boolean;
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly progressNotify: boolean;
  readonly sink: WatchSink;
  /**
   * Unsynced: every event below was delivered, none from here on. Synced: events below are never delivered (again); the
   * watch itself is up to date with what was published.
   */
  next: number;
  state: "unsynced" | "synced" | "closed";
  /** The store's revision when the watch was asked for; null once the sink was told. */
  createdAt: Revision | null;
  /** Delivered something since the last progress round. */
  active: boolean;
}

/** One revision's events for one group, built once for each way to see them and shared by all its watches. */
interface Batch {
  readonly group: Group<Watcher>;
  readonly entries: HistoryEntry[];
  readonly seen: Map<number, readonly StoreEvent[]>;
}

interface Published {
  readonly revision: Revision;
  readonly changes: readonly HistoryEntry[];
}

/**
 * Carries applied changes to watches. A synced watch hears of a revision as it is published. One that starts in the past,
 * or whose sink is congested, is unsynced: {@linkcode sync} feeds it from history, within a budget, until it has caught
 * up. Invariant: each watch sees each revision once, whole, in order, or is closed with Compacted.
 */
export class WatchHub {
  readonly #mvcc: Mvcc;
  readonly #synced = new Groups<Watcher>();
  readonly #unsynced = new Set<Watcher>();
  /** Watches that asked for progress and were not yet told. */
  readonly #wanting = new Set<Watcher>();
  readonly #pending = new Deque<Published>();
  #publishing = false;
  #size = 0;
  /** Every revision up to here has been handed to the synced watches. */
  #published: number;

  readonly #endCompacted: boolean;

  /** @param rules only tests break them */
  constructor(mvcc: Mvcc, rules: { readonly endCompacted: boolean } = { endCompacted: true }) {
    this.#mvcc = mvcc;
    this.#endCompacted = rules.endCompacted;
    this.#published = mvcc.revision;
  }

  /** Watches that have not ended. */
  get size(): number {
    return this.#size;
  }

  /** Some watch waits for {@linkcode sync}. */
  get behind(): boolean {
    return this.#unsynced.size > 0 || this.#wanting.size > 0;
  }

  /** Registers a watch. The sink hears nothing before the next {@linkcode sync}, but misses nothing from this call on. */
  watch(request: WatchRequest, sink: WatchSink): Watcher {
    const start = request.startRevision ?? 0;
    const watcher: Watcher = {
      interval: intervalOf(request.key, request.rangeEnd),
      prevKv: request.prevKv === true,
      noPut: request.noPut === true,
      noDelete: request.noDelete === true,
      progressNotify: request.progressNotify === true,
      sink,
      next: start > 0 ? start : this.#mvcc.revision + 1,
      state: "unsynced",
      createdAt: this.#mvcc.revision,
      active: false,
    };
    this.#unsynced.add(watcher);
    this.#size++;
    return watcher;
  }

  /** Ends a watch without another word to its sink. */
  cancel(watcher: Watcher): void {
    if (watcher.state === "synced") this.#synced.remove(watcher.interval, watcher);
    this.#unsynced.delete(watcher);
    this.#wanting.delete(watcher);
    if (watcher.state !== "closed") this.#size--;
    watcher.state = "closed";
  }

  /** Ends every watch with `error`. */
  closeAll(error: StoreError | null): void {
    for (const watcher of [...this.#synced.all(), ...this.#unsynced]) this.#close(watcher, error);
  }

  /** One progress call as soon as the watch has everything; at once when it has. */
  requestProgress(watcher: Watcher): void {
    if (watcher.state === "closed") return;
    this.#wanting.add(watcher);
    this.#tellProgress(watcher);
  }

  /** Progress to every synced watch that asked for it and had no event since the last round. False: no watch asks. */
  progressRound(): boolean {
    let any = [...this.#unsynced].some((watcher) => watcher.progressNotify);
    for (const watcher of this.#synced.all()) {
      if (!watcher.progressNotify) continue;
      any = true;
      if (!watcher.active) this.#tellProgress(watcher);
      watcher.active = false;
    }
    return any;
  }

  /** Hands one revision's changes to the synced watches. A sink may call the store: what it writes waits its turn. */
  publish(revision: Revision, changes: readonly HistoryEntry[]): void {
    this.#pending.push({ revision, changes });
    if (this.#publishing) return;
    this.#publishing = true;
    try {
      for (let next = this.#pending.shift(); next !== undefined; next = this.#pending.shift()) {
        this.#published = next.revision;
        this.#deliver(next);
      }
    } finally {
      this.#publishing = false;
    }
    for (const watcher of [...this.#wanting]) this.#tellProgress(watcher);
  }

  /** The state was replaced by a snapshot: everything catches up from the new history, or has fallen out of it. */
  restored(): void {
    for (const watcher of this.#synced.all()) {
      this.#synced.remove(watcher.interval, watcher);
      watcher.next = Math.max(watcher.next, this.#published + 1);
      watcher.state = "unsynced";
      this.#unsynced.add(watcher);
    }
    this.#published = this.#mvcc.revision;
  }

  /** Feeds unsynced watches from history, each in turn, until all have caught up, are congested, or the budget is spent. */
  sync(): void {
    let budget: number = storeLimits.watchSyncBudgetEntries;
    for (const watcher of [...this.#unsynced]) {
      if (watcher.state !== "unsynced") continue;
      if (watcher.createdAt !== null) {
        const revision = watcher.createdAt;
        watcher.createdAt = null;
        watcher.sink.onCreated?.(revision);
      }
      budget = this.#catchUp(watcher, budget);
      if (watcher.state === "unsynced") {
        // To the back of the line.
        this.#unsynced.delete(watcher);
        this.#unsynced.add(watcher);
      }
      if (budget <= 0) break;
    }
    for (const watcher of [...this.#wanting]) this.#tellProgress(watcher);
  }

  #deliver({ revision, changes }: Published): void {
    const batches = new Map<Group<Watcher>, Batch>();
    for (const entry of changes) {
      this.#synced.match(entry.record.text, (group) => {
        const batch = batches.get(group);
        if (batch !== undefined) batch.entries.push(entry);
        else batches.set(group, { group, entries: [entry], seen: new Map() });
      });
    }
    for (const batch of batches.values()) {
      for (const watcher of batch.group.members) this.#hand(watcher, batch, revision);
    }
  }

  #hand(watcher: Watcher, batch: Batch, revision: Revision): void {
    if (watcher.state !== "synced" || watcher.next > revision) return;
    if (watcher.sink.congested?.() === true) {
      this.#synced.remove(watcher.interval, watcher);
      watcher.state = "unsynced";
      watcher.next = revision;
      this.#unsynced.add(watcher);
      return;
    }
    watcher.next = revision + 1;
    const events = this.#eventsFor(watcher, batch);
    if (events.length === 0) return;
    watcher.active = true;
    watcher.sink.onEvents(events, revision);
  }

  #eventsFor(watcher: Watcher, { entries, seen }: Batch): readonly StoreEvent[] {
    const way = (watcher.prevKv ? 1 : 0) | (watcher.noPut ? 2 : 0) | (watcher.noDelete ? 4 : 0);
    const known = seen.get(way);
    if (known !== undefined) return known;
    const events = entries.filter((entry) => wants(watcher, entry)).map((entry) =>
      eventOf(entry.kv, watcher.prevKv ? previousOf(entry, this.#mvcc.compactRevision) : undefined)
    );
    seen.set(way, events);
    return events;
  }

  /** Answers what is left of the budget. */
  #catchUp(watcher: Watcher, budget: number): number {
    const { history } = this.#mvcc;
    while (watcher.state === "unsynced") {
      if (watcher.sink.congested?.() === true) return budget;
      if (watcher.next < this.#mvcc.compactRevision && this.#endCompacted) {
        this.#close(watcher, compacted(watcher.next, this.#mvcc.compactRevision));
        return budget;
      }
      let index = history.indexOf(watcher.next);
      const events: StoreEvent[] = [];
      let bytes = 0;
      let revision = watcher.next - 1;
      let full = false;
      for (let entry = history.at(index); entry !== undefined; entry = history.at(++index)) {
        if (entry.kv.modRevision !== revision) {
          full = budget <= 0 || events.length >= storeLimits.watchDeliveryEventsMax ||
            bytes >= storeLimits.watchDeliveryBytesMax;
          if (full) break;
          revision = entry.kv.modRevision;
        }
        budget--;
        if (!contains(watcher.interval, entry.record.text) || !wants(watcher, entry)) continue;
        const previous = watcher.prevKv ? previousOf(entry, this.#mvcc.compactRevision) : undefined;
        events.push(eventOf(entry.kv, previous));
        bytes += versionBytes(entry.kv) + (previous === undefined ? 0 : versionBytes(previous));
      }
      watcher.next = revision + 1;
      if (!full) this.#promote(watcher);
      if (events.length > 0) {
        watcher.active = true;
        watcher.sink.onEvents(events, revision as Revision);
      }
      if (full && budget <= 0) return budget;
    }
    return budget;
  }

  /** Caught up with the store; revisions not yet published to others are below `next` and will be skipped. */
  #promote(watcher: Watcher): void {
    this.#unsynced.delete(watcher);
    watcher.state = "synced";
    watcher.next = Math.max(watcher.next, this.#mvcc.revision + 1);
    this.#synced.add(watcher.interval, watcher);
  }

  #tellProgress(watcher: Watcher): void {
    // While a revision is being handed round, some have it and some do not.
    if (this.#publishing || watcher.state !== "synced" || watcher.sink.congested?.() === true) return;
    // A watch from a future revision has nothing to be told before it; else all that was published has been handed on.
    if (watcher.next > this.#mvcc.revision + 1) return;
    this.#wanting.delete(watcher);
    watcher.sink.onProgress?.(Math.max(this.#published, watcher.next - 1) as Revision);
  }

  #close(watcher: Watcher, error: StoreError | null): void {
    if (watcher.state === "closed") return;
    this.cancel(watcher);
    watcher.sink.onClose(error);
  }
}

function wants({ noPut, noDelete }: Watcher, { kv }: HistoryEntry): boolean {
  return kv.version === 0 ? !noDelete : !noPut; // a delete has no version
}

function compacted(start: number, compactRevision: number): StoreError {
  return new StoreError("Compacted", `Cannot watch from revision ${start}: the oldest kept is ${compactRevision}`, {
    compactRevision,
  });
}
