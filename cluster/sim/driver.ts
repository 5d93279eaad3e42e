import { installTripwires, type Tripwires, type World } from "../../platform/sim/mod.ts";

interface Job {
  settled: boolean;
  readonly limitMs: number;
}

/**
 * Turns the world while somebody waits for it, so that a program can simply `await` what happens in it. Calls made
 * side by side run side by side. Time stands still while nobody waits. Ambient effects throw as long as the world
 * turns; what the program itself does between two calls is its own affair.
 */
export class Driver {
  readonly #world: World;
  readonly #jobs = new Set<Job>();
  #turning: Promise<void> | null = null;
  #wires: Tripwires | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  /**
   * The result of `begin`, which is called at once.
   * @param limitMs virtual milliseconds from now
   * @throws Error when it has not settled by then; what it began goes on
   */
  async drive<T>(begin: () => Promise<T>, limitMs: number, what: string): Promise<T> {
    this.#wires ??= installTripwires();
    const job: Job = { settled: false, limitMs: this.#world.nowMs + limitMs };
    this.#jobs.add(job);
    try {
      const work = begin();
      const settle = () => void (job.settled = true);
      work.then(settle, settle);
      await this.#until(job);
      if (!job.settled) throw new Error(`${what}: not settled after ${limitMs} ms (seed ${this.#world.seed})`);
      return await work;
    } finally {
      this.#jobs.delete(job);
      if (this.#jobs.size === 0) this.#unwire();
    }
  }

  /** Lets `ms` of virtual time go by. */
  async advance(ms: number): Promise<void> {
    const job: Job = { settled: false, limitMs: this.#world.nowMs + ms };
    this.#wires ??= installTripwires();
    this.#jobs.add(job);
    try {
      await this.#until(job);
    } finally {
      this.#jobs.delete(job);
      if (this.#jobs.size === 0) this.#unwire();
    }
  }

  async #until(job: Job): Promise<void> {
    const isOver = () => job.settled || this.#world.nowMs >= job.limitMs;
    do {
      this.#turning ??= this.#turn();
      await this.#turning;
    } while (!isOver());
  }

  /** One stretch: to the first job that settles or runs out of time. */
  async #turn(): Promise<void> {
    const limitMs = Math.min(...[...this.#jobs].map((job) => job.limitMs));
    try {
      await this.#world.runUntil(() => this.#anySettled(), limitMs);
    } finally {
      this.#turning = null;
    }
  }

  #anySettled(): boolean {
    for (const job of this.#jobs) if (job.settled) return true;
    return false;
  }

  #unwire(): void {
    this.#wires?.restore();
    this.#wires = null;
  }
}
