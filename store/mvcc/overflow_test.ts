import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { TestOverflow } from "../../base/_overflow.ts";
import { Slabs } from "../../base/slabs.ts";
import type { Operation } from "../types.ts";
import { eventOf, previousOf } from "./history.ts";
import { Mvcc } from "./mvcc.ts";
import { PlacedVersion } from "./overflow.ts";
import { encodeSnapshot, restoreSnapshot, SnapshotOfMvcc } from "./snapshot.ts";

function put(mvcc: Mvcc, key: string, value: string): void {
  mvcc.apply({
    kind: "txn",
    request: { compare: [], success: [{ kind: "put", key: utf8(key), value: utf8(value) }], failure: [] },
  });
}

function valueAt(mvcc: Mvcc, key: string, revision: number): string {
  const result = mvcc.range({ key: utf8(key), revision });
  return result.ok ? result.response.kvs.map(({ value }) => fromUtf8(value)).join() : result.code;
}

function overflown(mvcc: Mvcc): number {
  let count = 0;
  for (let i = 0; i < mvcc.history.size; i++) {
    const kv = mvcc.history.at(i)?.kv;
    if (kv instanceof PlacedVersion && !kv.inMemory) count++;
  }
  return count;
}

const value = (revision: number) => `value ${revision}`.padEnd(100, ".");

Deno.test("Mvcc keeps living values and the newest history in memory; the rest is read back, and given back when compacted", () => {
  const overflow = new TestOverflow(5_000);
  const memory = { slabs: new Slabs(), overflow: overflow.overflow, residentBytes: 1_000, valueBytesMin: 10 };
  const mvcc = new Mvcc(undefined, memory);
  put(mvcc, "still", value(2));
  for (let revision = 3; revision <= 300; revision++) put(mvcc, `key-${revision % 3}`, value(revision));
  put(mvcc, "short", "s");
  assert.ok(overflown(mvcc) > 280, `${overflown(mvcc)} values overflowed`);
  for (let revision = 5; revision <= 300; revision++) {
    assert.equal(valueAt(mvcc, `key-${revision % 3}`, revision), value(revision));
    assert.equal(valueAt(mvcc, `key-${(revision + 1) % 3}`, revision), value(revision - 2));
  }
  const reads = overflow.reads;
  assert.ok(reads > 0);
  assert.equal(valueAt(mvcc, "still", 0), value(2));
  const entry = mvcc.history.at(mvcc.history.indexOf(200));
  assert.ok(entry !== undefined);
  const event = eventOf(entry.kv, previousOf(entry, mvcc.compactRevision));
  assert.deepEqual([event.kv.value, event.prevKv?.value], [utf8(value(200)), utf8(value(197))]);
  assert.ok(!(event.kv instanceof PlacedVersion), "readers get bytes of their own");

  assert.ok(overflow.open > 4);
  mvcc.apply({ kind: "compact", revision: 290 });
  while (mvcc.compactStep(50));
  assert.equal(event.prevKv?.value.length, 100);
  for (let revision = 302; revision <= 400; revision++) put(mvcc, "key-0", value(revision));
  assert.ok(overflow.open <= 3, `${overflow.open} files are open`);
  assert.equal(valueAt(mvcc, "key-1", 290), value(289));
  assert.equal(valueAt(mvcc, "key-0", 320), value(320));
});

Deno.test("Mvcc moves no version out that compaction has dropped, though the history still names it", () => {
  const memory = {
    slabs: new Slabs(),
    overflow: new TestOverflow(50_000).overflow,
    residentBytes: 100_000,
    valueBytesMin: 10,
  };
  const mvcc = new Mvcc(undefined, memory);
  for (let revision = 2; revision <= 900; revision++) put(mvcc, "key", value(revision));
  mvcc.apply({ kind: "compact", revision: 900 });
  // One step frees a part of the history and every version of the key but the last; this pushes out the rest of it.
  put(mvcc, "large", "".padEnd(90_000, "."));
  for (let i = 0; i < 500; i++) put(mvcc, `other-${i}`, value(i));
  for (let i = 0; i < 500; i++) assert.equal(valueAt(mvcc, `other-${i}`, 0), value(i));
});

Deno.test("Mvcc keeps in memory what the disk does not take", () => {
  const overflow = new TestOverflow(500);
  const memory = { slabs: new Slabs(), overflow: overflow.overflow, residentBytes: 0, valueBytesMin: 10 };
  const mvcc = new Mvcc(undefined, memory);
  overflow.full = true;
  for (let revision = 2; revision <= 9_000; revision++) put(mvcc, "key", value(revision));
  overflow.full = false;
  for (let revision = 9_001; revision <= 12_000; revision++) put(mvcc, "key", value(revision));
  for (let revision = 2; revision <= 12_000; revision += 7) {
    assert.equal(valueAt(mvcc, "key", revision), value(revision));
  }
});

Deno.test("SnapshotOfMvcc is the state at its beginning, though writes, deletes and compactions go on between its parts", () => {
  const overflow = new TestOverflow(100_000);
  const memory = { slabs: new Slabs(), overflow: overflow.overflow, residentBytes: 20_000, valueBytesMin: 10 };
  const mvcc = new Mvcc(undefined, memory);
  const large = (revision: number) => `value ${revision}`.padEnd(2_000, ".");
  for (let revision = 2; revision <= 1_500; revision++) put(mvcc, `key-${revision % 700}`, large(revision));
  mvcc.apply({ kind: "compact", revision: 900 });
  const expected = encodeSnapshot(mvcc);
  const snapshot = new SnapshotOfMvcc(mvcc);
  const parts: Uint8Array[] = [];
  let revision = 1_501;
  for (const part of snapshot.parts()) {
    parts.push(part);
    assert.ok(part.length < 300_000, `a part of ${part.length} bytes`);
    for (let i = 0; i < 50; i++) put(mvcc, `key-${revision % 800}`, large(revision++));
    mvcc.apply({ kind: "compact", revision: revision - 60 });
    mvcc.compactStep(1_000);
    const all: Operation = { kind: "delete", key: utf8("key-1"), rangeEnd: utf8("key-3") };
    mvcc.apply({ kind: "txn", request: { compare: [], success: [all], failure: [] } });
    revision = mvcc.revision + 1;
  }
  snapshot.close();
  assert.ok(parts.length > 8, `${parts.length} parts`);
  assert.deepEqual(concatBytes(parts), expected);
  const restored = new Mvcc(undefined, { ...memory, slabs: new Slabs(), overflow: new TestOverflow(100_000).overflow });
  restoreSnapshot(restored, concatBytes(parts));
  assert.deepEqual(encodeSnapshot(restored), expected);
  while (mvcc.compactStep(1_000));
  assert.ok(mvcc.history.size < 200, "what was held for the snapshot is freed");
});

Deno.test("SnapshotOfMvcc throws when it is closed between its parts, and then holds nothing", () => {
  const mvcc = new Mvcc();
  for (let revision = 2; revision <= 6_000; revision++) put(mvcc, `key-${revision}`, value(revision));
  const snapshot = new SnapshotOfMvcc(mvcc);
  const parts = snapshot.parts();
  parts.next();
  snapshot.close();
  snapshot.close();
  assert.throws(() => parts.next(), /closed/);
  assert.equal(mvcc.pins, 0);
});

Deno.test("a file of old values is given back with its last one; closeGaps() moves the few that keep others", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = prng(seed);
    const overflow = new TestOverflow(200_000);
    const mvcc = new Mvcc(undefined, {
      slabs: new Slabs(),
      overflow: overflow.overflow,
      residentBytes: 1_000,
      valueBytesMin: 10,
    });
    const twin = new Mvcc();
    const write = (key: string) => {
      const revision = mvcc.revision + 1;
      for (const each of [mvcc, twin]) put(each, key, value(revision));
    };
    // Values overflow in the order in which they are superseded: a compaction frees a file's beginning and leaves its end.
    for (let i = 0; i < 400; i++) write(random.int(2) === 0 ? "hot" : `cold-${i}`);
    for (let i = 0; i < 400; i++) write(`cold-${i}`);
    const revision = 200 + random.int(200);
    for (const each of [mvcc, twin]) {
      each.apply({ kind: "compact", revision });
      while (each.compactStep(50));
    }
    const gaps = mvcc.gapBytes;
    assert.ok(gaps > 1_000, `${gaps} bytes of gaps`);
    const open = overflow.open;
    for (const moved of mvcc.closeGaps()) {
      assert.ok(moved <= value(0).length);
      if (random.int(40) === 0) write(`cold-${random.int(400)}`);
      if (random.int(200) !== 0) continue;
      const next = mvcc.compactRevision + random.int(50);
      for (const each of [mvcc, twin]) each.apply({ kind: "compact", revision: next });
    }
    for (const each of [mvcc, twin]) while (each.compactStep(50));
    // What was compacted meanwhile leaves new ones.
    for (const _ of mvcc.closeGaps());
    assert.equal(mvcc.gapBytes, 0, `seed ${seed}`);
    assert.ok(overflow.open <= open, `${overflow.open} of ${open} files are open`);
    assert.deepEqual(encodeSnapshot(mvcc), encodeSnapshot(twin), `seed ${seed}`);

    for (const each of [mvcc, twin]) {
      each.apply({ kind: "compact", revision: each.revision });
      while (each.compactStep(50));
    }
    assert.equal(mvcc.gapBytes, 0, "all was given back by itself");
    assert.ok(overflow.open <= 1);
  }
});

Deno.test("closeGaps() leaves values where they are while the disk takes nothing, and goes nowhere near a restored store", () => {
  const overflow = new TestOverflow(2_000);
  const mvcc = new Mvcc(undefined, {
    slabs: new Slabs(),
    overflow: overflow.overflow,
    residentBytes: 500,
    valueBytesMin: 10,
  });
  for (let i = 0; i < 100; i++) put(mvcc, i % 3 === 0 ? `cold-${i}` : "hot", value(i));
  for (let i = 0; i < 100; i++) put(mvcc, `cold-${i}`, value(i));
  mvcc.apply({ kind: "compact", revision: 90 });
  while (mvcc.compactStep(50));
  const [gaps, before] = [mvcc.gapBytes, encodeSnapshot(mvcc)];
  overflow.full = true;
  for (const _ of mvcc.closeGaps());
  assert.ok(mvcc.gapBytes >= gaps);
  assert.deepEqual(encodeSnapshot(mvcc), before);
  overflow.full = false;
  const steps = mvcc.closeGaps();
  for (let i = 0; i < 5; i++) steps.next();
  restoreSnapshot(mvcc, before);
  for (const _ of steps);
  assert.deepEqual(encodeSnapshot(mvcc), before);
});
