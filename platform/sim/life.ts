import type { Prng } from "../../base/prng.ts";
import type { Scheduler, TaskHandle } from "./scheduler.ts";

/** A clock that may run fast or slow: local time is continuous, whatever its rate does. */
export class LocalTime {
  #baseVirtual = 0;
  #baseLocal = 0;
  #rate = 1;

  at(virtualMs: number): number {
    return this.#baseLocal + (virtualMs - this.#baseVirtual) * this.#rate;
  }

  get rate(): number {
    return this.#rate;
  }

  setRate(virtualMs: number, rate: number): void {
    this.#baseLocal = this.at(virtualMs);
    this.#baseVirtual = virtualMs;
    this.#rate = rate;
  }
}

/** What a simulated machine keeps while its processes come and go. */
export interface Machine {
  readonly name: string;
  readonly index: number;
  readonly ip: string;
  readonly time: LocalTime;
  /** Added to the wall clock, milliseconds. */
  wallOffsetMs: number;
  /** Tasks of this machine that fall due before this virtual time wait for it. */
  stalledUntilMs: number;
  /** False after a silent crash: packets to it vanish instead of being refused. */
  answering: boolean;
  life: Life | null;
}

/** One run of a process, from start to crash. What it scheduled dies with it; its promises then never settle. */
export class Life {
  readonly machine: Machine;
  readonly random: Prng;
  readonly #scheduler: Scheduler;
  readonly #onEnd = new Set<(silent: boolean) => void>();
  #alive = true;

  constructor(machine: Machine, scheduler: Scheduler, random: Prng) {
    this.machine = machine;
    this.random = random;
    this.#scheduler = scheduler;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get nowMs(): number {
    return this.#scheduler.nowMs;
  }

  /** Runs `run` unless the process is dead by then; later if the machine stands still. */
  schedule(delayMs: number, label: string, run: () => void): TaskHandle {
    if (!this.#alive) return { cancel: () => {} };
    const fire = (): void => {
      if (!this.#alive) return;
      const stallMs = this.machine.stalledUntilMs - this.#scheduler.nowMs;
      if (stallMs <= 0) return run();
      handle = this.#scheduler.schedule(stallMs, "stalled", fire, this.machine.index);
    };
    let handle = this.#scheduler.schedule(delayMs, label, fire, this.machine.index);
    return { cancel: () => handle.cancel() };
  }

  /** @returns a function that takes the callback back */
  onEnd(callback: (silent: boolean) => void): () => void {
    this.#onEnd.add(callback);
    return () => void this.#onEnd.delete(callback);
  }

  end(silent: boolean): void {
    if (!this.#alive) return;
    this.#alive = false;
    for (const callback of [...this.#onEnd]) callback(silent);
    this.#onEnd.clear();
  }
}
