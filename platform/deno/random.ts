import type { Random } from "../mod.ts";

/** getRandomValues refuses more than this at once. */
const maxFillBytes = 65_536;

/** Cryptographic randomness; words are drawn 256 at a time since one call costs more than one word. */
export function createRandom(): Random {
  const words = new Uint32Array(256);
  let used = words.length;
  function next32(): number {
    if (used === words.length) {
      crypto.getRandomValues(words);
      used = 0;
    }
    const word = words[used] as number;
    words[used++] = 0; // a word handed out is not kept in memory
    return word;
  }
  /** 53 random bits. */
  function next(): number {
    return ((next32() >>> 5) * 0x4000000 + (next32() >>> 6)) / 0x20000000000000;
  }
  return {
    next,
    int: (bound) => Math.floor(next() * bound),
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += maxFillBytes) {
        crypto.getRandomValues(bytes.subarray(at, Math.min(length, at + maxFillBytes)));
      }
      return bytes;
    },
    uuid: () => crypto.randomUUID(),
  };
}
