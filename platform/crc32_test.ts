import { equal } from "node:assert/strict";
import { prng } from "../base/prng.ts";
import { crc32 } from "./crc32.ts";

/** The dumb twin: one bit at a time. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  }
  return ~crc >>> 0;
}

Deno.test("crc32() gives the check value, and equals the bitwise twin at every length, in one piece and in two", () => {
  equal(crc32(new TextEncoder().encode("123456789")), 0xcbf43926);
  const random = prng(7);
  for (let round = 0; round < 300; round++) {
    const all = new Uint8Array(400).map(() => random.int(256));
    const bytes = all.subarray(random.int(9), 9 + random.int(391));
    const cut = random.int(bytes.length + 1);
    equal(crc32(bytes), bitwise(bytes));
    equal(crc32(bytes.subarray(cut), crc32(bytes.subarray(0, cut))), bitwise(bytes));
  }
});
