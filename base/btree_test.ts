import assert from "node:assert/strict";
import { BTree } from "./btree.ts";
import { prng } from "./prng.ts";

/** The dumb twin: a sorted array of pairs. */
class SortedArray {
  readonly pairs: [string, number][] = [];
  #at(key: string): number {
    const at = this.pairs.findIndex(([k]) => k >= key);
    return at === -1 ? this.pairs.length : at;
  }
  get(key: string): number | undefined {
    const pair = this.pairs[this.#at(key)];
    return pair !== undefined && pair[0] === key ? pair[1] : undefined;
  }
  set(key: string, value: number): void {
    const at = this.#at(key);
    this.pairs.splice(at, this.pairs[at]?.[0] === key ? 1 : 0, [key, value]);
  }
  delete(key: string): boolean {
    const at = this.#at(key);
    if (this.pairs[at]?.[0] !== key) return false;
    this.pairs.splice(at, 1);
    return true;
  }
  range(from: string, to: string | null): [string, number][] {
    return this.pairs.filter(([k]) => k >= from && (to === null || k < to));
  }
}

function collect(tree: BTree<number>, from: string, to: string | null, limit = Infinity): [string, number][] {
  const all: [string, number][] = [];
  tree.forRange(from, to, (value, key) => {
    all.push([key, value]);
    return all.length < limit;
  });
  return all;
}

Deno.test("BTree agrees with a sorted array over 20,000 random sets, deletes and ranges", () => {
  for (const [seed, space] of [[1, 50], [2, 2_000], [3, 100_000]] as const) {
    const random = prng(seed);
    const tree = new BTree<number>();
    const twin = new SortedArray();
    const key = () => String.fromCharCode(97 + random.int(3)) + random.int(space).toString(36) + "\xff";
    for (let i = 0; i < 7_000; i++) {
      const k = key();
      // Waves of growth and shrinking, so that every level splits and merges.
      if (random.next() < (Math.floor(i / 1500) % 2 === 0 ? 0.8 : 0.25)) {
        tree.set(k, i);
        twin.set(k, i);
      } else {
        const victim = twin.pairs.length > 0 && random.next() < 0.8
          ? (twin.pairs[random.int(twin.pairs.length)] as [string, number])[0]
          : k;
        assert.equal(tree.delete(victim), twin.delete(victim));
      }
      assert.equal(tree.get(k), twin.get(k));
      assert.equal(tree.size, twin.pairs.length);
      if (i % 250 === 0) {
        tree.check();
        const [a, b] = [key(), key()];
        assert.deepEqual(collect(tree, a, b), twin.range(a, b));
        assert.deepEqual(collect(tree, a, null), twin.range(a, null));
        assert.deepEqual(collect(tree, "", null, 3), twin.range("", null).slice(0, 3));
      }
    }
    for (const [k] of [...twin.pairs]) assert.ok(tree.delete(k));
    tree.check();
    assert.equal(tree.size, 0);
  }
});

Deno.test("BTree loaded in ascending and descending order keeps every key and its shape", () => {
  for (const direction of [1, -1]) {
    const tree = new BTree<number>();
    for (let i = 0; i < 20_000; i++) {
      const n = direction === 1 ? i : 19_999 - i;
      tree.set(n.toString().padStart(6, "0"), n);
    }
    tree.check();
    assert.deepEqual(collect(tree, "", null).map(([, n]) => n), Array.from({ length: 20_000 }, (_, i) => i));
    for (let i = 0; i < 20_000; i += 2) tree.delete(i.toString().padStart(6, "0"));
    tree.check();
    assert.equal(tree.size, 10_000);
  }
});
