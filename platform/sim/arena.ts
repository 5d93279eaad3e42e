const slabBytes = 64 * 1024;
/** What is larger gets a buffer of its own: at most a quarter of a slab is left unused. */
const pieceBytesMax = slabBytes / 4;

/**
 * Copies, cut from larger buffers. What crosses a simulated wire or goes to a simulated disk must not change with what its
 * owner does next; it is short and soon forgotten, and an ArrayBuffer for each would cost more than the copying.
 */
export class Arena {
  #slab = new Uint8Array(0);
  #used = 0;

  copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const { length } = bytes;
    if (length > pieceBytesMax) return new Uint8Array(bytes);
    if (this.#used + length > this.#slab.length) {
      this.#slab = new Uint8Array(slabBytes);
      this.#used = 0;
    }
    const copy = this.#slab.subarray(this.#used, this.#used + length);
    copy.set(bytes);
    this.#used += length;
    return copy;
  }
}
