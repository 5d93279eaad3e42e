import type { Timer, Timers } from "../../platform/mod.ts";
import { limits } from "../limits.ts";

/**
 * Says when watchers write. The first change after a quiet time goes out in its own turn; what follows within a period
 * waits for the end of that time and leaves together. A write costs the same whatever it holds (TLS record, chunk,
 * system call, and the same again at the reader), so a busy server spends it on several changes at once, and an idle one
 * adds nothing to any latency. The more watchers wrote the last time, the longer the next period: writing takes a
 * bounded part of the time.
 */
export class FlushPacer {
  readonly #timers: Timers;
  readonly #periodMs: number;
  #waiting = new Set<() => void>();
  #scheduled = false;
  #timer: Timer | null = null;
  #stopped = false;

  /** @param periodMs 0: everything leaves in its own turn */
  constructor(timers: Timers, periodMs: number) {
    this.#timers = timers;
    this.#periodMs = periodMs;
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
    this.#timer = this.#timers.schedule(Math.max(this.#periodMs, loadedMs), () => {
      this.#timer = null;
      if (this.#waiting.size === 0) return;
      // Armed first: a flush may ask for the next one.
      const { size } = this.#waiting;
      this.#arm(size);
      this.#run();
    });
  }

  #run(): number {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const flush of waiting) flush();
    return waiting.size;
  }
}

/** A pacer for each patience: watchers that can wait longer write more seldom, and none of them holds another up. */
export class WatchPacers {
  readonly #patient: readonly { readonly periodMs: number; readonly pacer: FlushPacer }[];
  readonly #prompt: FlushPacer;

  /** @param promptMs for who did not say; 0: everything leaves in its own turn, whatever patience there is */
  constructor(timers: Timers, promptMs: number) {
    this.#prompt = new FlushPacer(timers, promptMs);
    this.#patient = promptMs === 0
      ? []
      : limits.watchGatherMs.map((periodMs) => ({ periodMs, pacer: new FlushPacer(timers, periodMs) }));
  }

  /** The slowest that does not make a watcher wait longer than it said. @param gatherMs null: it said nothing */
  of(gatherMs: number | null): FlushPacer {
    const fitting = this.#patient.filter(({ periodMs }) => gatherMs !== null && periodMs <= gatherMs);
    return fitting.at(-1)?.pacer ?? this.#prompt;
  }

  stop(): void {
    this.#prompt.stop();
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
