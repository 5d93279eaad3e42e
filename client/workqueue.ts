import { BugError } from "../base/assert.ts";
import { Deque } from "../base/deque.ts";
import type { Clock, Log, Timer, Timers } from "../platform/mod.ts";
import * as limits from "./limits.ts";
import type { WorkQueueMetrics } from "./workqueue_metrics.ts";

/**
 * Keys to be worked on. Invariants, as in client-go: a key is never worked on by two workers at once; a key added any
 * number of times before it is taken is taken once; a key added while it is worked on is taken again after `done`.
 * Bounded by the number of distinct keys, which are objects that exist or existed a moment ago.
 */
export interface WorkQueue<K> {
  add(key: K): void;
  /** Adds the key after `delayMs`; of several waits for one key the earliest counts. */
  addAfter(key: K, delayMs: number): void;
  /** Adds the key after a delay that doubles with each call until `forget`. */
  addRateLimited(key: K): void;
  forget(key: K): void;
  /** Calls of `addRateLimited` since the last `forget`. */
  requeues(key: K): number;
  /** The next key, when there is one; undefined once the queue is shut down and empty. */
  get(): Promise<K | undefined>;
  /** Must be called once for every key taken. */
  done(key: K): void;
  /** Keys that wait to be taken. */
  readonly length: number;
  /** Nothing more is added; what waits may still be taken. */
  shutdown(): void;
}

export interface WorkQueueOptions {
  readonly baseDelayMs?: number;
  readonly maxDelayMs?: number;
  /** Absent: nobody counts. */
  readonly metrics?: WorkQueueMetrics;
}

/** @typeParam K compared as Map keys are: use strings or numbers */
export function createWorkQueue<K>(
  deps: { readonly timers: Timers; readonly clock: Clock },
  options: WorkQueueOptions = {},
): WorkQueue<K> {
  return new Queue<K>(deps, options);
}

class Queue<K> implements WorkQueue<K> {
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #baseDelayMs: number;
  readonly #maxDelayMs: number;
  readonly #metrics: WorkQueueMetrics | undefined;
  /** Invariant: `#queue` holds exactly the keys of `#dirty` that are not in `#processing`. */
  readonly #queue = new Deque<K>();
  /** When each was added, and when each was taken; monotonic. */
  readonly #dirty = new Map<K, number>();
  readonly #processing = new Map<K, number>();
  readonly #waiters = new Deque<(key: K | undefined) => void>();
  readonly #delayed = new Map<K, { at: number; timer: Timer }>();
  readonly #failures = new Map<K, number>();
  #down = false;

  constructor(deps: { readonly timers: Timers; readonly clock: Clock }, options: WorkQueueOptions) {
    this.#timers = deps.timers;
    this.#clock = deps.clock;
    this.#baseDelayMs = options.baseDelayMs ?? limits.requeueBaseMs;
    this.#maxDelayMs = options.maxDelayMs ?? limits.requeueMaxMs;
    this.#metrics = options.metrics;
    const queue = this.#queue;
    this.#metrics?.show({
      get length() {
        return queue.size;
      },
      startedAt: () => this.#processing.values(),
    });
  }

  get length(): number {
    return this.#queue.size;
  }

  add(key: K): void {
    if (this.#down || this.#dirty.has(key)) return;
    this.#dirty.set(key, this.#clock.monotonic());
    this.#metrics?.adds.add();
    if (this.#processing.has(key)) return;
    this.#queue.push(key);
    this.#serve();
  }

  addAfter(key: K, delayMs: number): void {
    if (this.#down) return;
    if (delayMs <= 0) return this.add(key);
    const at = this.#clock.monotonic() + delayMs;
    const waiting = this.#delayed.get(key);
    if (waiting !== undefined) {
      if (waiting.at <= at) return;
      waiting.timer.cancel();
    }
    const timer = this.#timers.schedule(delayMs, () => {
      this.#delayed.delete(key);
      this.add(key);
    });
    this.#delayed.set(key, { at, timer });
  }

  addRateLimited(key: K): void {
    const failures = this.#failures.get(key) ?? 0;
    this.#failures.set(key, failures + 1);
    if (!this.#down) this.#metrics?.retries.add();
    this.addAfter(key, Math.min(this.#baseDelayMs * 2 ** failures, this.#maxDelayMs));
  }

  forget(key: K): void {
    this.#failures.delete(key);
  }

  requeues(key: K): number {
    return this.#failures.get(key) ?? 0;
  }

  get(): Promise<K | undefined> {
    const { promise, resolve } = Promise.withResolvers<K | undefined>();
    this.#waiters.push(resolve);
    this.#serve();
    return promise;
  }

  done(key: K): void {
    const startedAt = this.#processing.get(key);
    this.#processing.delete(key);
    if (startedAt !== undefined) this.#metrics?.worked.observe((this.#clock.monotonic() - startedAt) / 1000);
    if (!this.#dirty.has(key)) return;
    this.#queue.push(key);
    this.#serve();
  }

  shutdown(): void {
    this.#down = true;
    for (const { timer } of this.#delayed.values()) timer.cancel();
    this.#delayed.clear();
    this.#serve();
  }

  #serve(): void {
    while (this.#waiters.size > 0) {
      const key = this.#queue.shift();
      if (key === undefined) {
        if (this.#down) this.#waiters.shift()?.(undefined);
        else return;
        continue;
      }
      const now = this.#clock.monotonic();
      this.#metrics?.queued.observe((now - (this.#dirty.get(key) ?? now)) / 1000);
      this.#dirty.delete(key);
      this.#processing.set(key, now);
      this.#waiters.shift()?.(key);
    }
  }
}

/**
 * Works the queue with `workers` concurrent calls of `process` until it is shut down. A call that rejects is logged and
 * its key added again, rate limited; one that resolves forgets the key's failures.
 */
export async function runWorkers<K>(
  queue: WorkQueue<K>,
  workers: number,
  process: (key: K) => Promise<void>,
  log: Log,
): Promise<void> {
  async function work(): Promise<void> {
    for (;;) {
      const key = await queue.get();
      if (key === undefined) return;
      try {
        await process(key);
        queue.forget(key);
      } catch (error) {
        if (error instanceof BugError) throw error;
        log.debug("will try again", { key: String(key), requeues: queue.requeues(key), error: String(error) });
        queue.addRateLimited(key);
      } finally {
        queue.done(key);
      }
    }
  }
  await Promise.all(Array.from({ length: workers }, work));
}
