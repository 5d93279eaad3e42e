/** A seeded generator (sfc32): small, fast, the same on every machine. Not for secrets. */
export interface Prng {
  /** A float in [0, 1). */
  next(): number;
  /** An integer in [0, bound); `bound` between 1 and 2^32. */
  int(bound: number): number;
  /** A generator of its own, seeded from this one: drawing from it does not disturb this one. */
  fork(): Prng;
}

/** @param seed any safe integer */
export function prng(seed: number): Prng {
  let a = seed | 0;
  let b = Math.floor(seed / 0x100000000) | 0;
  let c = 0x9e3779b9 | 0;
  let counter = 1;
  function next32(): number {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
  for (let i = 0; i < 15; i++) next32();
  return {
    next: () => next32() / 0x100000000,
    int: (bound) => Math.floor((next32() / 0x100000000) * bound),
    fork: () => prng(next32() * 0x200000 + (next32() >>> 11)),
  };
}
