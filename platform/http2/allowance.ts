import { ConnectionError, errorCode } from "./frames.ts";

/** How often a peer may do what costs us work and brings nothing: a burst, then so many a second. */
export class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #now: () => number;
  #left: number;
  #at: number;

  constructor(burst: number, perSecond: number, now: () => number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#now = now;
    this.#left = burst;
    this.#at = now();
  }

  /** @throws ConnectionError ENHANCE_YOUR_CALM when nothing is left */
  spend(): void {
    if (this.#left < 1) {
      const now = this.#now();
      this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
      this.#at = now;
    }
    if (this.#left < 1) throw new ConnectionError(errorCode.enhanceYourCalm, "Too many resets and empty frames");
    this.#left--;
  }
}
