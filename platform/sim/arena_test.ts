import { equal } from "node:assert/strict";
import { Arena } from "./arena.ts";

Deno.test("Arena.copy() gives copies that change neither with their source nor with one another, whatever their sizes", () => {
  const arena = new Arena();
  const source = new Uint8Array(20_000);
  const copies = Array.from({ length: 2000 }, (_, i) => {
    const part = source.subarray(0, i % 500 === 499 ? 20_000 : (i * 37) % 500).fill((i % 255) + 1);
    return arena.copy(part);
  });
  source.fill(0);
  for (const [i, copy] of copies.entries()) {
    equal(copy.length, i % 500 === 499 ? 20_000 : (i * 37) % 500);
    equal(copy.every((byte) => byte === (i % 255) + 1), true);
  }
});
