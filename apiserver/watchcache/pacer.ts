import { concatBytes } from "../../base/bytes.ts";
import type { Timer, Timers } from "../../platform/mod.ts";
import { limits } from "../limits.ts";

/**
 * Says when watchers write. The first change after a quiet time goes out in its own turn; what follows within a period
 * waits for the end of that time and leaves together. A write costs the same whatever it holds (TLS record, chunk,
 * system call, and the same again at the reader), so a busy server spends it on several changes at once, and an idle one
 * adds nothing to any latency. The more watchers wrote the last time, the longer the next period: writing takes a
 * bounded part of the time. Periods that follow one another without a quiet one double, up to `busyMs`.
 */
export class FlushPacer {
  readonly #timers: Timers;
  readonly #periodMs: number;
  readonly #busyMs: number;
  /** Periods since the last quiet one. */
  #streak = 0;
  #waiting = new Set<() => void>();
  #scheduled = false;
  #timer: Timer | null = null;
  #stopped = false;
  /** What the last watcher with several frames wrote. Dropped at the end of each round. */
  #lastParts: readonly Uint8Array<ArrayBuffer>[] = [];
  #lastJoined = new Uint8Array(0);

  /** @param periodMs 0: everything leaves in its own turn */
  constructor(timers: Timers, periodMs: number, busyMs = periodMs) {
    this.#timers = timers;
    this.#periodMs = periodMs;
    this.#busyMs = busyMs;
  }

  /** Runs `flush` once: in this turn's microtasks, or at the end of the running period. */
  request(flush: () => void): void {
    this.#waiting.add(flush);
    if (this.#timer !== null || this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      const flushed = this.#run();
      if (this.#periodMs > 0 && !this.#stopped) this.#arm(flushed);
    });
  }

  /** One chunk. Watchers that write one after the other mostly write the same frames, and then share the chunk too. */
  joined(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
    const [first] = parts;
    if (parts.length === 1 && first !== undefined) return first;
    const last = this.#lastParts;
    if (parts.length === last.length && parts.every((part, i) => part === last[i])) return this.#lastJoined;
    this.#lastParts = parts;
    return this.#lastJoined = concatBytes(parts);
  }

  /** What waits goes out now, and from now on all in its own turn. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#run();
  }

  /** @param flushed how many watchers have just written */
  #arm(flushed: number): void {
    const loadedMs = Math.min(flushed * limits.watchFlushMsAWrite, limits.watchFlushMsLoaded);
    const busyMs = Math.min(this.#periodMs * 2 ** this.#streak, this.#busyMs);
    this.#timer = this.#timers.schedule(Math.max(busyMs, loadedMs), () => {
      this.#timer = null;
      const { size } = this.#waiting;
      this.#streak = size === 0 ? 0 : Math.min(this.#streak + 1, streakMax);
      if (size === 0) return;
      // Armed first: a flush may ask for the next one.
      this.#arm(size);
      this.#run();
    });
  }

  #run(): number {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const flush of waiting) flush();
    this.#lastParts = [];
    this.#lastJoined = new Uint8Array(0);
    return waiting.size;
  }
}

/** 2 to the power of it exceeds every ratio of two periods. */
const streakMax = 16;

/** A pacer for each patience: watchers that can wait longer write more seldom, and none of them holds another up. */
export class WatchPacers {
  readonly #patient: readonly { readonly periodMs: number; readonly pacer: FlushPacer }[];
  readonly #prompt: FlushPacer;
  readonly #unsaid: FlushPacer;

  /** @param promptMs the shortest period; 0: everything leaves in its own turn, whatever patience there is */
  constructor(timers: Timers, promptMs: number) {
    this.#prompt = new FlushPacer(timers, promptMs);
    this.#unsaid = promptMs === 0 ? this.#prompt : new FlushPacer(timers, promptMs, limits.watchFlushMsBusy);
    this.#patient = promptMs === 0
      ? []
      : limits.watchGatherMs.map((periodMs) => ({ periodMs, pacer: new FlushPacer(timers, periodMs) }));
  }

  /** The slowest that does not make a watcher wait longer than it said. @param gatherMs null: it said nothing */
  of(gatherMs: number | null): FlushPacer {
    if (gatherMs === null) return this.#unsaid;
    const fitting = this.#patient.filter(({ periodMs }) => periodMs <= gatherMs);
    return fitting.at(-1)?.pacer ?? this.#prompt;
  }

  stop(): void {
    this.#prompt.stop();
    this.#unsaid.stop();
    for (const { pacer } of this.#patient) pacer.stop();
  }
}

/**
 * What a watch's client says of its patience: `Prefer: gather=MS` (RFC 7240; a server that does not know it ignores
 * it). Milliseconds for which changes may be kept to leave together; null where nothing, or nothing legible, is said.
 */
export function preferredGatherMs(prefer: string | null): number | null {
  const digits = prefer === null ? undefined : /(?:^|[,;\s])gather=(\d{1,6})(?=$|[,;\s])/i.exec(prefer)?.[1];
  return digits === undefined ? null : Number(digits);
}
