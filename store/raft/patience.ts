import { patienceCeiling, patienceGaps, patienceWindowTicks } from "./limits.ts";

/**
 * How long another member may be silent before it counts as gone: the shortest election timeout, or longer where longer
 * silences that ended have been seen lately. A machine whose members are kept waiting by others' work so teaches them to
 * wait, and one that is quiet is quick. In ticks of this member's own event loop, which does not tick while it stands
 * still: what it slept through itself is nobody's silence.
 */
export class Patience {
  readonly #floor: number;
  #silentTicks = 0;
  /** Since it was heard last, whatever was done about it meanwhile. */
  #unheardTicks = 0;
  /** The longest silences that ended in this window and in the one before. */
  #longest = 0;
  #longestBefore = 0;
  #windowTicks = 0;

  /** @param floor ticks */
  constructor(floor: number) {
    this.#floor = floor;
  }

  /** Since it was heard last, or since {@linkcode forgive}. */
  get silentTicks(): number {
    return this.#silentTicks;
  }

  get limitTicks(): number {
    const learned = patienceGaps * Math.max(this.#longest, this.#longestBefore);
    return Math.min(Math.max(this.#floor, learned), patienceCeiling * this.#floor);
  }

  /** It has been silent for longer than the shortest election timeout. */
  get missing(): boolean {
    return this.#silentTicks >= this.#floor;
  }

  get exhausted(): boolean {
    return this.#silentTicks >= this.limitTicks;
  }

  tick(): void {
    this.#silentTicks++;
    this.#unheardTicks++;
    if (++this.#windowTicks < patienceWindowTicks) return;
    this.#windowTicks = 0;
    this.#longestBefore = this.#longest;
    this.#longest = 0;
  }

  heard(): void {
    if (this.#unheardTicks > this.#longest) this.#longest = this.#unheardTicks;
    this.#silentTicks = 0;
    this.#unheardTicks = 0;
  }

  /** Waits anew. Should the one that was given up be heard after all, all of its silence is a lesson. */
  forgive(): void {
    this.#silentTicks = 0;
  }

  /** From now on it is about somebody else. */
  begin(): void {
    this.#silentTicks = 0;
    this.#unheardTicks = 0;
  }
}
