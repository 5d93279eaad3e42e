/**
 * Lets the reads that arrive while a round of ReadIndex is under way share the next one: a round answers only what was
 * asked before it began, and at most one runs at a time.
 */
export class ReadGate {
  readonly #round: () => Promise<void>;
  #running = false;
  #next: Promise<void> | null = null;
  #current: Promise<void> = Promise.resolve();

  constructor(round: () => Promise<void>) {
    this.#round = round;
  }

  /** Resolves when a round that began at or after this call has ended. */
  enter(): Promise<void> {
    if (!this.#running) return this.#start();
    this.#next ??= this.#current.then(() => this.#startNext(), () => this.#startNext());
    return this.#next;
  }

  #startNext(): Promise<void> {
    this.#next = null;
    return this.#start();
  }

  #start(): Promise<void> {
    this.#running = true;
    const round = async () => await this.#round();
    this.#current = round().finally(() => void (this.#running = this.#next !== null));
    return this.#current;
  }
}
