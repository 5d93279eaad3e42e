import { deepEqual, equal } from "node:assert/strict";
import { utf8 } from "./bytes.ts";
import { crc32c } from "./crc32c.ts";
import { prng } from "./prng.ts";

/** The dumb twin: one bit at a time. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) !== 0 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

Deno.test("crc32c() gives the check values of RFC 3720 B.4", () => {
  equal(crc32c(utf8("123456789")), 0xe3069283);
  equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  equal(crc32c(new Uint8Array(32).map((_, i) => i)), 0x46dd794e);
  equal(crc32c(new Uint8Array(0)), 0);
});

Deno.test("crc32c() equals the bitwise twin at every length and offset, in one piece and in two", () => {
  const random = prng(7);
  for (let round = 0; round < 300; round++) {
    const all = new Uint8Array(80).map(() => random.int(256));
    const bytes = all.subarray(random.int(9), 9 + random.int(71));
    const cut = random.int(bytes.length + 1);
    const want = bitwise(bytes);
    deepEqual([crc32c(bytes), crc32c(bytes.subarray(cut), crc32c(bytes.subarray(0, cut)))], [want, want]);
  }
});
