/**
 * Which mutating policies and webhooks are still to be asked about one write. All are asked once; those whose policy is
 * IfNeeded are asked once more when something has changed the object after their turn.
 */
export class Rounds {
  readonly #changesAt = new Map<string, number>();
  #changes = 0;
  #again = false;

  get isSecond(): boolean {
    return this.#again;
  }

  /** Begins the second round. @returns false: nothing has changed, there is none */
  again(): boolean {
    this.#again = true;
    return this.#changes > 0;
  }

  isDue(key: string, reinvocationPolicy: string | undefined): boolean {
    if (!this.#again) return true;
    const seen = this.#changesAt.get(key);
    return seen !== undefined && reinvocationPolicy === "IfNeeded" && seen !== this.#changes;
  }

  /** One was asked. */
  note(key: string, changed: boolean): void {
    if (changed) this.#changes++;
    this.#changesAt.set(key, this.#changes);
  }
}
