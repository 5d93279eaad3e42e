/** A running 64-bit FNV-1a-like hash of what the world did: equal seeds must give equal hashes. */
export class TraceHash {
  #low = 0x811c9dc5 | 0;
  #high = 0xcbf29ce4 | 0;
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);
  /** Labels are few and fixed; each is hashed once. */
  readonly #labels = new Map<string, number>();

  addNumber(value: number): void {
    this.#float[0] = value;
    this.#addWord(this.#words[0] as number);
    this.#addWord(this.#words[1] as number);
  }

  addLabel(label: string): void {
    let hash = this.#labels.get(label);
    if (hash === undefined) {
      hash = 0x811c9dc5 | 0;
      for (let i = 0; i < label.length; i++) hash = Math.imul(hash ^ label.charCodeAt(i), 0x01000193);
      this.#labels.set(label, hash);
    }
    this.#addWord(hash);
  }

  /** Sixteen hexadecimal digits. */
  digest(): string {
    return [this.#high, this.#low].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  #addWord(word: number): void {
    this.#low = Math.imul(this.#low ^ word, 0x01000193);
    this.#high = Math.imul(this.#high ^ (word >>> 15) ^ this.#low, 0x85ebca6b);
  }
}
