import assert from "node:assert/strict";
import { fromUtf8, prefixEnd, utf8 } from "../../base/bytes.ts";
import { storeLimits } from "../limits.ts";
import type { Compare, Operation, RangeRequest, TxnResponse } from "../types.ts";
import type { Refusal } from "./command.ts";
import { hashKv } from "./hash_kv.ts";
import { versionBytes } from "./key_index.ts";
import { Mvcc } from "./mvcc.ts";
import { encodeSnapshot, restoreSnapshot } from "./snapshot.ts";

function put(key: string, value: string, more: object = {}): Operation & { kind: "put" } {
  return { kind: "put", key: utf8(key), value: utf8(value), ...more };
}

function remove(key: string, rangeEnd?: string): Operation {
  return { kind: "delete", key: utf8(key), ...(rangeEnd === undefined ? {} : { rangeEnd: utf8(rangeEnd) }) };
}

function read(key: string, more: Partial<RangeRequest> = {}): Operation & { kind: "range" } {
  return { kind: "range", request: { key: utf8(key), ...more } };
}

function run(mvcc: Mvcc, success: Operation[], compare: Compare[] = [], failure: Operation[] = []): TxnResponse {
  const { result } = mvcc.apply({ kind: "txn", request: { compare, success, failure } });
  assert.ok(result.ok && result.kind === "txn", result.ok ? "another kind" : result.message);
  return result.response;
}

function refused(mvcc: Mvcc, success: Operation[]): Refusal {
  const before = mvcc.revision;
  const { result, changes } = mvcc.apply({ kind: "txn", request: { compare: [], success, failure: [] } });
  assert.ok(!result.ok);
  assert.equal(mvcc.revision, before);
  assert.equal(changes.length, 0);
  return result;
}

function range(mvcc: Mvcc, key: string, more: Partial<RangeRequest> = {}) {
  const result = mvcc.range({ key: utf8(key), ...more });
  if (!result.ok) return result.code;
  const { kvs, count, more: rest, revision } = result.response;
  return { keys: kvs.map((kv) => fromUtf8(kv.key)), count, more: rest, revision };
}

function filled(): Mvcc {
  const mvcc = new Mvcc();
  for (const key of ["p/c", "p/a", "p/b", "q"]) run(mvcc, [put(key, key)]);
  return mvcc;
}

const underP = { rangeEnd: prefixEnd(utf8("p/")) };

Deno.test("Mvcc.range() counts the whole range whatever the limit, and says when there is more", () => {
  const mvcc = filled();
  assert.deepEqual(range(mvcc, "p/", underP), { keys: ["p/a", "p/b", "p/c"], count: 3, more: false, revision: 5 });
  assert.deepEqual(range(mvcc, "p/", { ...underP, limit: 2 }), {
    keys: ["p/a", "p/b"],
    count: 3,
    more: true,
    revision: 5,
  });
  assert.deepEqual(range(mvcc, "p/", { ...underP, limit: 3 }).valueOf(), {
    keys: ["p/a", "p/b", "p/c"],
    count: 3,
    more: false,
    revision: 5,
  });
  assert.deepEqual(range(mvcc, "p/", { ...underP, countOnly: true }), { keys: [], count: 3, more: false, revision: 5 });
});

Deno.test("Mvcc.range() with rangeEnd [0] reads everything from the key on; an end at or below the key reads nothing", () => {
  const mvcc = filled();
  assert.deepEqual(range(mvcc, "p/b", { rangeEnd: new Uint8Array([0]) }).valueOf(), {
    keys: ["p/b", "p/c", "q"],
    count: 3,
    more: false,
    revision: 5,
  });
  assert.deepEqual(range(mvcc, "p/b", { rangeEnd: utf8("p/b") }), { keys: [], count: 0, more: false, revision: 5 });
  assert.deepEqual(range(mvcc, "", { rangeEnd: new Uint8Array([0]) }), "InvalidArgument");
});

Deno.test("Mvcc keeps version, create and mod revision through updates, a deletion and a second creation", () => {
  const mvcc = new Mvcc();
  run(mvcc, [put("k", "1")]);
  run(mvcc, [put("k", "2")]);
  assert.equal(run(mvcc, [remove("k")]).revision, 4);
  run(mvcc, [put("k", "3")]);
  const at = (revision: number) => {
    const result = mvcc.range({ key: utf8("k"), revision });
    assert.ok(result.ok);
    const kv = result.response.kvs[0];
    return kv === undefined ? null : [fromUtf8(kv.value), kv.createRevision, kv.modRevision, kv.version];
  };
  assert.deepEqual([1, 2, 3, 4, 5].map(at), [null, ["1", 2, 2, 1], ["2", 2, 3, 2], null, ["3", 5, 5, 1]]);
});

Deno.test("Mvcc.apply() gives all writes of a transaction one revision, and none to a transaction that writes nothing", () => {
  const mvcc = new Mvcc();
  const { revision, changes } = mvcc.apply({
    kind: "txn",
    request: { compare: [], success: [put("a", "1"), put("b", "1"), remove("none")], failure: [] },
  });
  assert.equal(revision, 2);
  assert.deepEqual(changes.map((c) => [c.record.text, c.kv.modRevision]), [["a", 2], ["b", 2]]);
  assert.equal(run(mvcc, [remove("none"), read("a")]).revision, 2);
});

Deno.test("Mvcc.apply() runs the failure branch when a comparison does not hold, against the state before", () => {
  const mvcc = filled();
  const isNew: Compare = { key: utf8("q"), op: "=", target: "mod", value: 0 };
  const lost = run(mvcc, [put("q", "mine")], [isNew], [read("q")]);
  assert.equal(lost.succeeded, false);
  assert.ok(lost.responses[0]?.kind === "range");
  assert.equal(lost.responses[0].response.kvs[0]?.modRevision, 5);
  const nested: Operation = {
    kind: "txn",
    request: { compare: [{ ...isNew, key: utf8("new") }], success: [put("inner", "1")], failure: [] },
  };
  // The outer put of "new" comes first, yet the nested comparison still sees the key as missing.
  const outer = run(mvcc, [put("new", "1"), nested, read("new")]);
  assert.ok(outer.responses[1]?.kind === "txn" && outer.responses[1].response.succeeded);
  assert.ok(outer.responses[2]?.kind === "range" && outer.responses[2].response.count === 1);
});

Deno.test("Mvcc.apply() compares a whole range: all its pairs must satisfy, and an empty range never equals a value", () => {
  const mvcc = filled();
  const all = { key: utf8("p/"), ...underP };
  assert.ok(run(mvcc, [], [{ ...all, op: ">", target: "mod", value: 1 }]).succeeded);
  assert.ok(!run(mvcc, [], [{ ...all, op: ">", target: "mod", value: 2 }]).succeeded);
  const none = { key: utf8("x"), rangeEnd: utf8("y") };
  assert.ok(run(mvcc, [], [{ ...none, op: "=", target: "version", value: 0 }]).succeeded);
  assert.ok(!run(mvcc, [], [{ ...none, op: "=", target: "value", value: utf8("") }]).succeeded);
  assert.ok(!run(mvcc, [], [{ ...none, op: "!=", target: "value", value: utf8("z") }]).succeeded);
});

Deno.test("Mvcc.apply() refuses a key written twice, wherever in the transaction, before any side effect", () => {
  const mvcc = filled();
  const both = (success: Operation[], failure: Operation[]): Operation => ({
    kind: "txn",
    request: { compare: [], success, failure },
  });
  for (
    const operations of [
      [put("a", "1"), put("a", "2")],
      [put("p/x", "1"), { kind: "delete" as const, key: utf8("p/"), ...underP }],
      [both([put("a", "1")], []), put("a", "2")],
      [remove("a"), both([], [put("a", "1")])],
      [both([put("a", "1")], []), both([], [put("a", "1")])],
      [both([put("a", "1")], []), both([remove("a")], [])],
    ]
  ) assert.equal(refused(mvcc, operations).code, "DuplicateKey");
  run(mvcc, [both([put("a", "1")], [put("a", "2")]), remove("b"), remove("b")]);
});

Deno.test("Mvcc.apply() refuses too many operations, too many bytes, unknown leases and revisions before any side effect", () => {
  const mvcc = filled();
  const many = Array.from({ length: storeLimits.txnOperationsMax + 1 }, (_, i) => put(`k${i}`, ""));
  assert.equal(refused(mvcc, many).code, "TooManyOperations");
  run(mvcc, many.slice(1));
  assert.equal(refused(mvcc, [put("k", "x".repeat(storeLimits.requestBytesMax))]).code, "TooLarge");
  assert.equal(refused(mvcc, [put("k", "v"), put("l", "v", { lease: 9n })]).code, "LeaseNotFound");
  assert.equal(refused(mvcc, [put("k", "v"), read("k", { revision: 99 })]).code, "FutureRevision");
  assert.equal(refused(mvcc, [put("none", "", { ignoreValue: true })]).code, "KeyNotFound");
  assert.equal(refused(mvcc, [put("k", "v", { ignoreValue: true })]).code, "InvalidArgument");
});

Deno.test("Mvcc compaction: reads below fail with Compacted and the oldest kept revision, current pairs stay", () => {
  const mvcc = filled();
  run(mvcc, [put("q", "2")]);
  run(mvcc, [remove("p/a")]);
  assert.equal(mvcc.revision, 7);
  assert.ok(mvcc.apply({ kind: "compact", revision: 6 }).result.ok);
  const old = mvcc.range({ key: utf8("q"), revision: 5 });
  assert.ok(!old.ok && old.code === "Compacted" && old.compactRevision === 6);
  assert.deepEqual(range(mvcc, "p/", { ...underP, revision: 6 }).valueOf(), {
    keys: ["p/a", "p/b", "p/c"],
    count: 3,
    more: false,
    revision: 7,
  });
  const again = mvcc.apply({ kind: "compact", revision: 6 }).result;
  assert.ok(!again.ok && again.code === "Compacted");
  const future = mvcc.apply({ kind: "compact", revision: 8 }).result;
  assert.ok(!future.ok && future.code === "FutureRevision");
});

Deno.test("Mvcc.compactStep() frees superseded versions and old deletions, but keeps a deletion exactly at the boundary", () => {
  const mvcc = new Mvcc();
  run(mvcc, [put("k", "1")]);
  run(mvcc, [put("k", "2")]);
  run(mvcc, [remove("k")]);
  run(mvcc, [put("other", "1")]);
  const full = mvcc.bytes;
  mvcc.apply({ kind: "compact", revision: 4 });
  while (mvcc.compactStep(1));
  assert.equal(mvcc.history.at(0)?.kv.modRevision, 4);
  assert.ok(mvcc.bytes < full);
  assert.equal(mvcc.index.size, 2);
  mvcc.apply({ kind: "compact", revision: 5 });
  while (mvcc.compactStep(1));
  assert.equal(mvcc.index.size, 1);
  assert.deepEqual(range(mvcc, "other", { revision: 5 }), { keys: ["other"], count: 1, more: false, revision: 5 });
});

Deno.test("Mvcc leases: revoking deletes the attached keys as one revision; a put without the lease detaches", () => {
  const mvcc = new Mvcc();
  assert.ok(mvcc.apply({ kind: "leaseGrant", id: 7n, ttlSeconds: 10 }).result.ok);
  const twice = mvcc.apply({ kind: "leaseGrant", id: 7n, ttlSeconds: 10 }).result;
  assert.ok(!twice.ok && twice.code === "LeaseExists");
  for (const key of ["b", "a", "c"]) run(mvcc, [put(key, "1", { lease: 7n })]);
  run(mvcc, [put("c", "2")]);
  const { changes, revision } = mvcc.apply({ kind: "leaseRevoke", id: 7n });
  assert.deepEqual(changes.map((c) => [c.record.text, c.kv.version, c.kv.modRevision]), [["a", 0, 6], ["b", 0, 6]]);
  assert.equal(revision, 6);
  const gone = mvcc.apply({ kind: "leaseRevoke", id: 7n }).result;
  assert.ok(!gone.ok && gone.code === "LeaseNotFound");
});

Deno.test("Mvcc.apply() keeps copies: the caller may reuse the bytes it passed", () => {
  const mvcc = new Mvcc();
  const operation = put("key", "value");
  run(mvcc, [operation]);
  operation.key.fill(0);
  operation.value.fill(0);
  const result = mvcc.range({ key: utf8("key") });
  assert.ok(result.ok);
  assert.equal(fromUtf8(result.response.kvs[0]?.value ?? operation.value), "value");
});

Deno.test("a snapshot leaves out what the compaction made unreadable, freed or not", () => {
  const [mvcc, small, copy] = [new Mvcc(), new Mvcc(), new Mvcc()];
  run(mvcc, [put("k", "old")]);
  run(mvcc, [put("k", "new")]);
  mvcc.apply({ kind: "compact", revision: 3 });
  restoreSnapshot(copy, encodeSnapshot(mvcc));
  run(small, [put("k", "new")]);
  assert.equal(copy.bytes, small.bytes);
  assert.deepEqual([copy.revision, copy.compactRevision, copy.history.size], [3, 3, 1]);
});

Deno.test("Mvcc.apply() with the NoSpace alarm refuses what adds data and goes on with deletes, compaction and reads", () => {
  const mvcc = filled();
  const alarm = { kind: "alarm", memberId: "m1", alarm: "NoSpace" } as const;
  assert.deepEqual(mvcc.apply({ ...alarm, action: "activate" }).result, {
    ok: true,
    kind: "alarm",
    changed: [{ memberId: "m1", kind: "NoSpace" }],
  });
  assert.deepEqual(mvcc.apply({ ...alarm, action: "activate" }).result, { ok: true, kind: "alarm", changed: [] });
  assert.equal(refused(mvcc, [put("p/d", "x")]).code, "NoSpace");
  assert.equal(
    refused(mvcc, [{ kind: "txn", request: { compare: [], success: [put("z", "")], failure: [] } }]).code,
    "NoSpace",
  );
  assert.equal(mvcc.apply({ kind: "leaseGrant", id: 1n, ttlSeconds: 5 }).result.ok, false);
  run(mvcc, [remove("p/a")]);
  assert.ok(mvcc.apply({ kind: "compact", revision: mvcc.revision }).result.ok);
  assert.deepEqual(range(mvcc, "p/", { ...underP, keysOnly: true }), {
    keys: ["p/b", "p/c"],
    count: 2,
    more: false,
    revision: 6,
  });
  const copy = new Mvcc();
  restoreSnapshot(copy, encodeSnapshot(mvcc));
  assert.deepEqual(copy.alarms.list(), [{ memberId: "m1", kind: "NoSpace" }]);
  mvcc.apply({ ...alarm, action: "disarm" });
  run(mvcc, [put("p/d", "x")]);
});

Deno.test("Mvcc with the Corrupt alarm serves nothing until it is disarmed", () => {
  const mvcc = filled();
  const alarm = { kind: "alarm", memberId: "m1", alarm: "Corrupt" } as const;
  mvcc.apply({ ...alarm, action: "activate" });
  assert.equal(range(mvcc, "q"), "Corrupt");
  assert.equal(refused(mvcc, [remove("q")]).code, "Corrupt");
  assert.equal(mvcc.apply({ kind: "compact", revision: 2 }).result.ok, false);
  mvcc.apply({ ...alarm, action: "disarm" });
  run(mvcc, [remove("q")]);
});

Deno.test("hashKv() is the same whatever was freed when, and another after any change", () => {
  const mvcc = filled();
  run(mvcc, [put("p/a", "new"), remove("q")]);
  const twin = new Mvcc();
  restoreSnapshot(twin, encodeSnapshot(mvcc));
  const hashes = new Set<number>();
  for (let revision = 2; revision <= mvcc.revision; revision++) {
    assert.equal(hashKv(twin, revision), hashKv(mvcc, revision));
    hashes.add(hashKv(mvcc, revision));
  }
  assert.equal(hashes.size, mvcc.revision - 1);
  for (const each of [mvcc, twin]) each.apply({ kind: "compact", revision: mvcc.revision });
  while (mvcc.compactStep(1));
  assert.equal(hashKv(twin, mvcc.revision), hashKv(mvcc, mvcc.revision));
  assert.equal(hashes.has(hashKv(mvcc, mvcc.revision)), false, "a compaction changes what is hashed");
});

Deno.test("Mvcc keeps a key that was written again while the writes of its former life are still being freed", () => {
  const mvcc = new Mvcc();
  run(mvcc, [put("k", "1")]);
  for (let i = 0; i < storeLimits.compactionStepEntries; i++) run(mvcc, [put("other", "1")]);
  run(mvcc, [remove("k")]);
  run(mvcc, [put("other", "2")]);
  assert.ok(mvcc.apply({ kind: "compact", revision: mvcc.revision }).result.ok);
  run(mvcc, [put("k", "2")]); // frees as much as one command may: the first life's put, not its deletion
  while (mvcc.compactStep(1_000));
  const kept = mvcc.range({ key: utf8("k"), rangeEnd: utf8("p") });
  assert.deepEqual(kept.ok && kept.response.kvs.map((kv) => fromUtf8(kv.key)), ["k", "other"]);
  assert.equal(mvcc.bytes, kept.ok && kept.response.kvs.reduce((sum, kv) => sum + versionBytes(kv), 0));
});
