import assert from "node:assert/strict";
import { prng } from "./prng.ts";
import { type SlabPlace, Slabs } from "./slabs.ts";

Deno.test("Slabs gives back what was put, whatever was put and released meanwhile, and reads are copies", () => {
  const random = prng(7);
  const slabs = new Slabs();
  const held: { place: SlabPlace; bytes: Uint8Array }[] = [];
  const copies: { read: Uint8Array; bytes: Uint8Array }[] = [];
  const lengths = [0, 1, 15, 16, 17, 127, 128, 129, 1_000, 2_048, 2_049, 32_768, 32_769, 100_000];
  for (let i = 0; i < 5_000; i++) {
    const length = random.int(4) === 0 ? lengths[random.int(lengths.length)] ?? 0 : random.int(3_000);
    const bytes = new Uint8Array(length).map(() => i);
    held.push({ place: slabs.put(bytes), bytes });
    assert.ok(slabs.bytes < 16 * 1024 * 1024, `${slabs.bytes} bytes`);
    while (held.length > 200) {
      const at = random.int(held.length);
      const [gone] = held.splice(at, 1);
      assert.ok(gone !== undefined);
      if (i % 50 === 0) copies.push({ read: gone.place.read(), bytes: gone.bytes });
      gone.place.release();
    }
  }
  for (const { place, bytes } of held) assert.deepEqual(place.read(), bytes);
  for (const { read, bytes } of copies) assert.deepEqual(read, bytes);
});

Deno.test("Slabs takes little for one value, at most a third more than many, and gives empty slabs back", () => {
  const slabs = new Slabs();
  const first = slabs.put(new Uint8Array(2_000));
  assert.ok(slabs.bytes <= 8 * 1024, `${slabs.bytes} bytes for one value`);
  const places = Array.from({ length: 10_000 }, () => slabs.put(new Uint8Array(2_000)));
  assert.ok(slabs.bytes < 10_000 * 2_000 * 1.33, `${slabs.bytes} bytes for 20,000,000`);
  const full = slabs.bytes;
  for (const [i, place] of places.entries()) {
    place.release();
    places[i] = slabs.put(new Uint8Array(2_000));
  }
  assert.ok(slabs.bytes <= full + 256 * 1024, "released cells are taken before new ones");
  for (const place of places) place.release();
  first.release();
  assert.ok(slabs.bytes <= 256 * 1024, `${slabs.bytes} bytes for nothing`);
});
