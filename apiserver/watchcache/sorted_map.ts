/**
 * A map from string keys to values, in code-unit order. Keys live in chunks, so an insert moves at most one chunk's
 * worth of pointers. Store keys are ASCII, where code-unit order is byte order.
 */
const chunkMax = 512;

interface Chunk<V> {
  readonly keys: string[];
  readonly values: V[];
}

export class SortedMap<V> {
  #chunks: Chunk<V>[] = [];
  readonly #index = new Map<string, V>();

  get size(): number {
    return this.#index.size;
  }

  get(key: string): V | undefined {
    return this.#index.get(key);
  }

  /** Returns the value that was there. */
  set(key: string, value: V): V | undefined {
    const before = this.#index.get(key);
    this.#index.set(key, value);
    const at = this.#chunkFor(key);
    const chunk = this.#chunks[at];
    if (chunk === undefined) {
      this.#chunks.push({ keys: [key], values: [value] });
      return before;
    }
    const place = lowerBound(chunk.keys, key);
    if (chunk.keys[place] === key) {
      chunk.values[place] = value;
      return before;
    }
    chunk.keys.splice(place, 0, key);
    chunk.values.splice(place, 0, value);
    if (chunk.keys.length > chunkMax) {
      const half = chunkMax >> 1;
      this.#chunks.splice(at + 1, 0, { keys: chunk.keys.splice(half), values: chunk.values.splice(half) });
    }
    return before;
  }

  delete(key: string): V | undefined {
    const before = this.#index.get(key);
    if (before === undefined) return undefined;
    this.#index.delete(key);
    const at = this.#chunkFor(key);
    const chunk = this.#chunks[at] as Chunk<V>;
    const place = lowerBound(chunk.keys, key);
    chunk.keys.splice(place, 1);
    chunk.values.splice(place, 1);
    if (chunk.keys.length === 0) this.#chunks.splice(at, 1);
    return before;
  }

  /** Values whose key starts with `prefix` and is >= `from`, in key order. */
  collect(prefix: string, from: string = prefix): V[] {
    const found: V[] = [];
    const start = from < prefix ? prefix : from;
    let at = this.#chunkFor(start);
    let place = at < this.#chunks.length ? lowerBound((this.#chunks[at] as Chunk<V>).keys, start) : 0;
    for (; at < this.#chunks.length; at++, place = 0) {
      const chunk = this.#chunks[at] as Chunk<V>;
      for (; place < chunk.keys.length; place++) {
        if (!(chunk.keys[place] as string).startsWith(prefix)) return found;
        found.push(chunk.values[place] as V);
      }
    }
    return found;
  }

  clear(): void {
    this.#chunks = [];
    this.#index.clear();
  }

  /** The last chunk whose first key is <= `key`, or the first chunk. */
  #chunkFor(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (((this.#chunks[middle] as Chunk<V>).keys[0] as string) <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
