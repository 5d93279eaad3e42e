import type { Log, Timer, Timers } from "../platform/mod.ts";
import { limits } from "./limits.ts";

/** Work that is done again whenever something may have changed: never twice at once, never forgotten. */
export class Loop {
  readonly #work: () => Promise<void>;
  readonly #name: string;
  readonly #timers: Timers;
  readonly #log: Log;
  #running: Promise<void> | null = null;
  #again = false;
  #stopped = false;
  #later: Timer | null = null;

  constructor(name: string, work: () => Promise<void>, deps: { timers: Timers; log: Log }) {
    this.#name = name;
    this.#work = work;
    this.#timers = deps.timers;
    this.#log = deps.log;
  }

  kick(): void {
    if (this.#stopped) return;
    if (this.#running === null) this.#running = this.#run();
    else this.#again = true;
  }

  kickLater(delayMs: number): void {
    if (this.#stopped || this.#later !== null) return;
    this.#later = this.#timers.schedule(delayMs, () => {
      this.#later = null;
      this.kick();
    });
  }

  /** Resolves when everything that was asked for so far is done. */
  idle(): Promise<void> {
    return this.#running ?? Promise.resolve();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#later?.cancel();
    await this.idle();
  }

  async #run(): Promise<void> {
    // What asked for this turn may be in the middle of its own work: it comes first.
    await Promise.resolve();
    do {
      this.#again = false;
      try {
        await this.#work();
      } catch (error) {
        this.#log.warn(`Cannot ${this.#name}: trying again`, { error: String(error) });
        this.kickLater(limits.definitionRetryMs);
      }
    } while (this.#again && !this.#stopped);
    this.#running = null;
  }
}
