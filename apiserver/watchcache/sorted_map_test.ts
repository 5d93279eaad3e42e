import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import { SortedMap } from "./sorted_map.ts";

Deno.test("SortedMap agrees with a sorted array of a plain Map over 20,000 random operations", () => {
  const random = prng(7);
  const map = new SortedMap<number>();
  const twin = new Map<string, number>();
  for (let i = 0; i < 20_000; i++) {
    const key = `${"abc"[random.int(3)]}/${String(random.int(2000)).padStart(4, "0")}`;
    if (random.int(3) === 0) {
      assert.equal(map.delete(key), twin.get(key));
      twin.delete(key);
    } else {
      assert.equal(map.set(key, i), twin.get(key));
      twin.set(key, i);
    }
    if (i % 500 !== 0) continue;
    const sorted = [...twin].sort((x, y) => x[0] < y[0] ? -1 : 1);
    assert.equal(map.size, sorted.length);
    for (const prefix of ["", "a/", "b/", "c/", "d/"]) {
      const expected = sorted.filter(([it]) => it.startsWith(prefix));
      assert.deepEqual(map.collect(prefix), expected.map(([, value]) => value));
      const from = `${prefix}1000`;
      assert.deepEqual(map.collect(prefix, from), expected.filter(([it]) => it >= from).map(([, value]) => value));
    }
  }
});
