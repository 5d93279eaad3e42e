import type { Timer, Timers } from "../../platform/mod.ts";

/**
 * Says when watchers write. The first change after a quiet time goes out in its own turn; what follows within `periodMs`
 * waits for the end of that time and leaves together. A write costs the same whatever it holds (TLS record, chunk,
 * system call, and the same again at the reader), so a busy server spends it on several changes at once, and an idle one
 * adds nothing to any latency.
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
      this.#run();
      if (this.#periodMs > 0 && !this.#stopped) this.#arm();
    });
  }

  /** What waits goes out now, and from now on all in its own turn. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#run();
  }

  #arm(): void {
    this.#timer = this.#timers.schedule(this.#periodMs, () => {
      this.#timer = null;
      if (this.#waiting.size === 0) return;
      this.#arm();
      this.#run();
    });
  }

  #run(): void {
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const flush of waiting) flush();
  }
}
