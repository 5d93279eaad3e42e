import type { Clock, Timer, Timers } from "../mod.ts";
import { heldBytesMax } from "./limits.ts";
import type { Direction } from "./links.ts";

interface Held {
  readonly bytes: number;
  readonly dueAt: number;
  readonly deliver: () => void;
}

/** What one connection has under way in one direction: in order, each delivered when the link lets it through. */
export class Lane {
  readonly #direction: Direction;
  readonly #deps: { readonly clock: Clock; readonly timers: Timers };
  readonly #onOverflow: () => void;
  readonly #unsubscribe: () => void;
  #held: Held[] = [];
  #heldBytes = 0;
  #timer: Timer | null = null;
  #draining = false;

  constructor(
    direction: Direction,
    deps: { readonly clock: Clock; readonly timers: Timers },
    onOverflow: () => void,
  ) {
    this.#direction = direction;
    this.#deps = deps;
    this.#onOverflow = onOverflow;
    this.#unsubscribe = direction.onChange(() => this.#drain());
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** At once and without a trace when nothing is wrong and nothing is ahead of it. */
  pass(bytes: number, deliver: () => void): void {
    if (this.#direction.condition === null && this.#held.length === 0) return deliver();
    const now = this.#deps.clock.monotonic();
    // A stream keeps its order: nothing overtakes what is late.
    const dueAt = Math.max(now + this.#direction.drawDelayMs(), this.#held.at(-1)?.dueAt ?? 0);
    this.#held.push({ bytes, dueAt, deliver });
    this.#heldBytes += bytes;
    if (this.#heldBytes > heldBytesMax) return this.#onOverflow();
    this.#drain();
  }

  /** Drops what is held. */
  close(): void {
    this.#unsubscribe();
    this.#timer?.cancel();
    this.#timer = null;
    this.#held = [];
    this.#heldBytes = 0;
  }

  #drain(): void {
    if (this.#draining) return; // deliver() may send more
    this.#draining = true;
    this.#timer?.cancel();
    this.#timer = null;
    let next = this.#held[0];
    while (next !== undefined && this.#direction.condition?.cut !== true) {
      const waitMs = next.dueAt - this.#deps.clock.monotonic();
      // Healed means healed: what was under way on a slow link comes at once.
      if (waitMs > 0 && this.#direction.condition !== null) {
        this.#timer = this.#deps.timers.schedule(waitMs, () => this.#drain());
        break;
      }
      this.#held.shift();
      this.#heldBytes -= next.bytes;
      next.deliver();
      next = this.#held[0];
    }
    this.#draining = false;
  }
}
