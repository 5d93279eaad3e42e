import { Heap } from "../../base/heap.ts";
import { filterPlugin } from "../plugins/mod.ts";
import { gatesOf } from "../plugins/scheduling_gates.ts";
import type { ClusterEvent } from "./events.ts";
import type { PodInfo } from "./node_info.ts";

/** Milliseconds, as the config of {@linkcode SchedulingQueue}. */
export interface QueueConfig {
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  /** A pod that no event has helped for so long is tried again. */
  readonly maxUnschedulableMs: number;
  readonly leftoverPeriodMs: number;
}

export type QueuePlace = "active" | "backoff" | "unschedulable" | "gated";

/** Why a pod came to where it is, by upstream's names. */
export type QueueEvent =
  | Exclude<ClusterEvent["kind"], "PodUpdate">
  | "UnscheduledPodAdd"
  | "UnscheduledPodUpdate"
  | "ScheduleAttemptFailure"
  | "BackoffComplete"
  | "PopFromBackoffQ"
  | "UnschedulableTimeout";

/** How many pods came to each place, by event, since the beginning. */
export type IncomingCounts = ReadonlyMap<QueueEvent, Readonly<Record<QueuePlace, number>>>;

/** A waiting pod. Read-only outside the queue. */
export interface QueuedPod {
  readonly info: PodInfo;
  /** When it came to where it is; milliseconds, monotonic. */
  readonly timestamp: number;
  /** When it was first tried; null before. */
  readonly firstTriedAt: number | null;
  /** Tries begun. */
  readonly attempts: number;
  /** The plugins that rejected it last. */
  readonly plugins: readonly string[];
  /** `inFlight`: popped, neither given back nor gone yet. */
  readonly place: QueuePlace | "inFlight";
  /** Why it may not be tried at all, for gated ones. */
  readonly gate: string | null;
}

interface Entry {
  info: PodInfo;
  timestamp: number;
  firstTriedAt: number | null;
  attempts: number;
  plugins: readonly string[];
  place: QueuePlace | "inFlight";
  gate: string | null;
  /** Tries that found no node, and failures in a row: each sets its own backoff. */
  unschedulableCount: number;
  errorCount: number;
  backoffUntil: number;
  readonly sequence: number;
  /** The one heap item of this entry that counts; others are left-overs. */
  ticket: number;
}

/** What orders an entry is copied: an entry changes while its left-over items are still in a heap. */
interface Item {
  readonly entry: Entry;
  readonly ticket: number;
  readonly priority: number;
  readonly timestamp: number;
  readonly backoffUntil: number;
}

/**
 * The pods without a node, as a state machine; `now` is monotonic milliseconds. Active pods are ordered by priority, then
 * by time. A pod that fits nowhere waits as unschedulable until an event that one of the plugins that rejected it finds
 * helpful (KEP-4247), or five minutes; then it may still have to wait out its backoff, unless nothing else is to do
 * (upstream's SchedulerPopFromBackoffQ). A pod whose bind failed always waits out its backoff.
 *
 * Upstream also replays the events that arrive while a pod is being tried. Here a try is synchronous, so there are none.
 * Bounded by the pods that the API server holds: a pod is in one place at a time.
 */
export class SchedulingQueue {
  readonly #config: QueueConfig;
  readonly #entries = new Map<string, Entry>();
  readonly #active = new Heap<Item>(before);
  readonly #backoff = new Heap<Item>(soonest);
  readonly #errorBackoff = new Heap<Item>(soonest);
  readonly #unschedulable = new Set<Entry>();
  readonly #counts: Record<QueuePlace | "inFlight", number> = {
    active: 0,
    backoff: 0,
    unschedulable: 0,
    gated: 0,
    inFlight: 0,
  };
  readonly #incoming = new Map<QueueEvent, Record<QueuePlace, number>>();
  #sequence = 0;
  #leftoverAt: number;

  constructor(config: QueueConfig, now: number) {
    this.#config = config;
    this.#leftoverAt = now + config.leftoverPeriodMs;
  }

  counts(): Readonly<Record<QueuePlace | "inFlight", number>> {
    return this.#counts;
  }

  incoming(): IncomingCounts {
    return this.#incoming;
  }

  get(uid: string): QueuedPod | undefined {
    return this.#entries.get(uid);
  }

  /** All waiting pods, in order of name. @param limit at most so many */
  list(limit: number): QueuedPod[] {
    return [...this.#entries.values()].sort((a, b) => (a.info.key < b.info.key ? -1 : 1)).slice(0, limit);
  }

  /** Takes in a pod, or its new version. */
  set(info: PodInfo, now: number): void {
    const entry = this.#entries.get(info.uid);
    if (entry === undefined) return this.#add(info, now);
    const old = entry.info;
    entry.info = info;
    switch (entry.place) {
      case "gated":
        entry.gate = gatesOf(info.pod);
        if (entry.gate !== null) return;
        entry.timestamp = now;
        return this.#move(entry, "active", "UnscheduledPodUpdate");
      case "active":
        if (old.priority !== info.priority) this.#move(entry, "active", null);
        return;
      case "unschedulable":
        if (!changed(old, info) || !this.#helps(entry, { kind: "PodUpdate", old, pod: info })) return;
        return this.#wake(entry, now, "UnscheduledPodUpdate");
    }
  }

  #add(info: PodInfo, now: number): void {
    const gate = gatesOf(info.pod);
    const entry: Entry = {
      info,
      timestamp: now,
      firstTriedAt: null,
      attempts: 0,
      plugins: [],
      place: gate === null ? "active" : "gated",
      gate,
      unschedulableCount: 0,
      errorCount: 0,
      backoffUntil: 0,
      sequence: ++this.#sequence,
      ticket: 0,
    };
    this.#entries.set(info.uid, entry);
    this.#counts[entry.place]++;
    this.#move(entry, entry.place, "UnscheduledPodAdd");
  }

  /** The pod is gone, or has a node. False when it was not here. */
  delete(uid: string): boolean {
    const entry = this.#entries.get(uid);
    if (entry === undefined) return false;
    this.#entries.delete(uid);
    this.#counts[entry.place]--;
    this.#unschedulable.delete(entry);
    entry.ticket++;
    return true;
  }

  /** The next pod to try, or undefined. Give it back with `unschedulable` or `failed`, or take it out with `delete`. */
  pop(now: number): QueuedPod | undefined {
    this.flush(now);
    let entry = take(this.#active);
    if (entry === undefined) {
      entry = take(this.#backoff);
      if (entry === undefined) return undefined;
      this.#tally("PopFromBackoffQ", "active");
    }
    this.#move(entry, "inFlight", null);
    entry.attempts++;
    entry.firstTriedAt ??= now;
    return entry;
  }

  /** A popped pod that fits nowhere: `plugins` rejected it. */
  unschedulable(uid: string, plugins: readonly string[], now: number): void {
    const entry = this.#entries.get(uid);
    if (entry?.place !== "inFlight") return;
    entry.plugins = plugins;
    entry.unschedulableCount++;
    entry.errorCount = 0;
    entry.timestamp = now;
    entry.backoffUntil = now + this.#backoffMs(entry.unschedulableCount);
    this.#move(entry, "unschedulable", "ScheduleAttemptFailure");
  }

  /** A popped pod that could not be bound, through no fault of the pod. */
  failed(uid: string, now: number): void {
    const entry = this.#entries.get(uid);
    if (entry?.place !== "inFlight") return;
    entry.plugins = [];
    entry.errorCount++;
    entry.timestamp = now;
    entry.backoffUntil = now + this.#backoffMs(entry.errorCount);
    this.#move(entry, "backoff", "ScheduleAttemptFailure");
  }

  /** A popped pod that was not tried to its end: back to where it was, as if never popped. */
  putBack(uid: string): void {
    const entry = this.#entries.get(uid);
    if (entry?.place !== "inFlight") return;
    entry.attempts--;
    if (entry.attempts === 0) entry.firstTriedAt = null;
    this.#move(entry, "active", null);
  }

  /** Wakes the pods that `event` may help. @returns how many */
  wakeFor(event: Exclude<ClusterEvent, { kind: "PodUpdate" }>, now: number): number {
    let woken = 0;
    for (const entry of [...this.#unschedulable]) {
      if (!this.#helps(entry, event)) continue;
      this.#wake(entry, now, event.kind);
      woken++;
    }
    return woken;
  }

  /** Moves what waited long enough. */
  flush(now: number): void {
    for (const heap of [this.#backoff, this.#errorBackoff]) {
      for (;;) {
        const top = peek(heap);
        if (top === undefined || top.backoffUntil > now) break;
        heap.pop();
        this.#move(top, "active", "BackoffComplete");
      }
    }
    if (now < this.#leftoverAt) return;
    this.#leftoverAt = now + this.#config.leftoverPeriodMs;
    for (const entry of [...this.#unschedulable]) {
      if (now - entry.timestamp > this.#config.maxUnschedulableMs) this.#wake(entry, now, "UnschedulableTimeout");
    }
  }

  /** When the next call of `flush` will have something to do, as far as is known now; null: never. */
  nextFlushAt(): number | null {
    const times = [peek(this.#backoff)?.backoffUntil, peek(this.#errorBackoff)?.backoffUntil];
    if (this.#unschedulable.size > 0) times.push(this.#leftoverAt);
    const known = times.filter((time): time is number => time !== undefined);
    return known.length === 0 ? null : Math.min(...known);
  }

  /** Whether a plugin that rejected the pod finds the event helpful; without a plugin, every event may help. */
  #helps(entry: Entry, event: ClusterEvent): boolean {
    if (entry.plugins.length === 0) return true;
    return entry.plugins.some((name) => filterPlugin(name)?.hint(entry.info, event) ?? true);
  }

  #wake(entry: Entry, now: number, event: QueueEvent): void {
    this.#move(entry, entry.backoffUntil > now ? "backoff" : "active", event);
  }

  #tally(event: QueueEvent, place: QueuePlace): void {
    let counts = this.#incoming.get(event);
    if (counts === undefined) {
      counts = { active: 0, backoff: 0, unschedulable: 0, gated: 0 };
      this.#incoming.set(event, counts);
    }
    counts[place]++;
  }

  /** @param event null: nothing that upstream counts */
  #move(entry: Entry, place: QueuePlace | "inFlight", event: QueueEvent | null): void {
    if (event !== null && place !== "inFlight") this.#tally(event, place);
    this.#counts[entry.place]--;
    this.#counts[place]++;
    entry.place = place;
    const item: Item = {
      entry,
      ticket: ++entry.ticket,
      priority: entry.info.priority,
      timestamp: entry.timestamp,
      backoffUntil: entry.backoffUntil,
    };
    this.#unschedulable.delete(entry);
    if (place === "unschedulable") this.#unschedulable.add(entry);
    else if (place === "active") this.#push(this.#active, item);
    else if (place === "backoff") this.#push(entry.errorCount > 0 ? this.#errorBackoff : this.#backoff, item);
  }

  /** A heap cannot drop an item from its middle, so moved entries leave theirs behind; at twice the size, tidy up. */
  #push(heap: Heap<Item>, item: Item): void {
    heap.push(item);
    if (heap.size <= 2 * this.#entries.size + 64) return;
    const live: Item[] = [];
    for (let next = heap.pop(); next !== undefined; next = heap.pop()) {
      if (next.ticket === next.entry.ticket) live.push(next);
    }
    for (const kept of live) heap.push(kept);
  }

  #backoffMs(count: number): number {
    const { initialBackoffMs, maxBackoffMs } = this.#config;
    return Math.min(initialBackoffMs * 2 ** Math.min(count - 1, 30), maxBackoffMs);
  }
}

function before(a: Item, b: Item): boolean {
  if (a.priority !== b.priority) return a.priority > b.priority;
  return a.timestamp !== b.timestamp ? a.timestamp < b.timestamp : a.entry.sequence < b.entry.sequence;
}

function soonest(a: Item, b: Item): boolean {
  return a.backoffUntil !== b.backoffUntil ? a.backoffUntil < b.backoffUntil : before(a, b);
}

/** The heap's first entry that still counts; items left behind are dropped on the way. */
function peek(heap: Heap<Item>): Entry | undefined {
  for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
    if (top.ticket === top.entry.ticket) return top.entry;
    heap.pop();
  }
  return undefined;
}

function take(heap: Heap<Item>): Entry | undefined {
  const entry = peek(heap);
  if (entry !== undefined) heap.pop();
  return entry;
}

/** Whether anything that plugins read differs. A changed status alone must not wake the pod: we write it ourselves. */
function changed(old: PodInfo, info: PodInfo): boolean {
  return old.signature !== info.signature ||
    JSON.stringify(old.request) !== JSON.stringify(info.request) ||
    JSON.stringify(old.pod.metadata?.labels ?? {}) !== JSON.stringify(info.pod.metadata?.labels ?? {});
}
