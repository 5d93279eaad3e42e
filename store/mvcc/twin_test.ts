import assert from "node:assert/strict";
import { compareBytes, emptyBytes, utf8 } from "../../base/bytes.ts";
import { type Prng, prng } from "../../base/prng.ts";
import type { Compare, KeyValue, Operation, RangeRequest, Revision, TxnRequest } from "../types.ts";
import { WatchHub } from "../watch/hub.ts";
import type { CommandResult, Refusal } from "./command.ts";
import { StoreMachine } from "./machine.ts";
import { TestOverflow } from "../../base/_overflow.ts";
import { Slabs } from "../../base/slabs.ts";
import { Mvcc } from "./mvcc.ts";

/** The dumb twin: a list of all writes ever, scanned for every question. It shares no code with the engine but types. */
class Twin {
  revision = 1;
  compacted = 0;
  readonly writes: KeyValue[] = [];
  readonly leases = new Set<bigint>();

  state(at: number): KeyValue[] {
    const live = new Map<string, KeyValue>();
    for (const kv of this.writes) {
      if (kv.modRevision > at) continue;
      if (kv.version === 0) live.delete(kv.key.join());
      else live.set(kv.key.join(), kv);
    }
    return [...live.values()].sort((a, b) => compareBytes(a.key, b.key));
  }

  select(key: Uint8Array, end: Uint8Array | undefined, at: number): KeyValue[] {
    return this.state(at).filter((kv) => {
      if (end === undefined || end.length === 0) return compareBytes(kv.key, key) === 0;
      return compareBytes(kv.key, key) >= 0 && ((end.length === 1 && end[0] === 0) || compareBytes(kv.key, end) < 0);
    });
  }

  range(request: RangeRequest, current: number): unknown {
    const revision = request.revision ?? 0;
    if (revision > 0 && revision < this.compacted) return "Compacted";
    if (revision > current) return "FutureRevision";
    const all = this.select(request.key, request.rangeEnd, revision > 0 ? revision : current);
    const limit = request.limit ?? 0;
    const sort = request.sort;
    const sorted = sort === undefined ? all : [...all].sort((a, b) => {
      const by = {
        key: compareBytes(a.key, b.key),
        value: compareBytes(a.value, b.value),
        version: a.version - b.version,
        create: a.createRevision - b.createRevision,
        mod: a.modRevision - b.modRevision,
      }[sort.by];
      return by * (sort.order === "ascend" ? 1 : -1);
    });
    const inside = (value: number, min = 0, max = 0) => value >= min && (max === 0 || value <= max);
    const kept = sorted.filter((kv) =>
      inside(kv.modRevision, request.minModRevision, request.maxModRevision) &&
      inside(kv.createRevision, request.minCreateRevision, request.maxCreateRevision)
    );
    const kvs = request.countOnly === true ? [] : limit > 0 ? kept.slice(0, limit) : kept;
    return {
      revision: current,
      kvs: request.keysOnly === true ? kvs.map((kv) => ({ ...kv, value: emptyBytes })) : kvs,
      more: request.countOnly !== true && limit > 0 && kept.length > limit,
      count: all.length,
    };
  }

  txn(request: TxnRequest): unknown {
    const refusal = this.check(request);
    if (refusal !== null) return refusal;
    const before = this.revision;
    const mark = this.writes.length;
    const response = this.run(request, before);
    if (this.writes.length > mark) this.revision = before + 1;
    return response;
  }

  holds(compare: Compare, at: number): boolean {
    const found: (KeyValue | null)[] = this.select(compare.key, compare.rangeEnd, at);
    if (found.length === 0) {
      if (compare.target === "value") return false;
      found.push(null);
    }
    return found.every((kv) => {
      let order = 0;
      if (compare.target === "value") order = compareBytes(kv?.value ?? emptyBytes, compare.value);
      else if (compare.target === "lease") order = Number((kv?.lease ?? 0n) - compare.value);
      else {
        const actual = { version: kv?.version, create: kv?.createRevision, mod: kv?.modRevision }[compare.target] ?? 0;
        order = actual - compare.value;
      }
      return { "=": order === 0, "!=": order !== 0, "<": order < 0, ">": order > 0 }[compare.op];
    });
  }

  check(request: TxnRequest): string | null {
    const branch = request.compare.every((c) => this.holds(c, this.revision)) ? request.success : request.failure;
    for (const op of branch) {
      if (op.kind === "range") {
        const answer = this.range(op.request, this.revision);
        if (typeof answer === "string") return answer;
      }
      if (op.kind === "put") {
        if ((op.lease ?? 0n) !== 0n && !this.leases.has(op.lease ?? 0n)) return "LeaseNotFound";
        const missing = this.select(op.key, undefined, this.revision).length === 0;
        if ((op.ignoreValue === true || op.ignoreLease === true) && missing) return "KeyNotFound";
      }
    }
    for (const op of branch) {
      const nested = op.kind === "txn" ? this.check(op.request) : null;
      if (nested !== null) return nested;
    }
    return null;
  }

  /** Comparisons see `before`, the state ahead of the whole transaction. */
  run(request: TxnRequest, before: number): unknown {
    const succeeded = request.compare.every((c) => this.holds(c, before));
    const responses = (succeeded ? request.success : request.failure).map((op) => {
      const wrote = this.writes.at(-1)?.modRevision === before + 1;
      if (op.kind === "range") return { kind: "range", response: this.range(op.request, wrote ? before + 1 : before) };
      if (op.kind === "txn") return { kind: "txn", response: this.run(op.request, before) };
      if (op.kind === "put") {
        const old = this.select(op.key, undefined, before + 1)[0];
        this.writes.push({
          key: op.key,
          value: op.ignoreValue === true ? (old?.value ?? emptyBytes) : op.value,
          createRevision: old?.createRevision ?? ((before + 1) as Revision),
          modRevision: (before + 1) as Revision,
          version: (old?.version ?? 0) + 1,
          lease: op.ignoreLease === true ? (old?.lease ?? 0n) : (op.lease ?? 0n),
        });
        return op.prevKv === true && old !== undefined ? { kind: "put", prevKv: old } : { kind: "put" };
      }
      const found = this.select(op.key, op.rangeEnd, before + 1);
      for (const kv of found) this.erase(kv, before + 1);
      return { kind: "delete", deleted: found.length, prevKvs: op.prevKv === true ? found : [] };
    });
    const wrote = this.writes.at(-1)?.modRevision === before + 1;
    return { revision: wrote ? before + 1 : before, succeeded, responses };
  }

  erase(kv: KeyValue, revision: number): void {
    const modRevision = revision as Revision;
    this.writes.push({
      key: kv.key,
      value: emptyBytes,
      createRevision: 0 as Revision,
      modRevision,
      version: 0,
      lease: 0n,
    });
  }

  revoke(id: bigint): unknown {
    if (!this.leases.delete(id)) return "LeaseNotFound";
    const attached = this.state(this.revision).filter((kv) => kv.lease === id);
    for (const kv of attached) this.erase(kv, this.revision + 1);
    if (attached.length > 0) this.revision++;
    return this.revision;
  }

  compact(revision: number): unknown {
    if (revision > this.revision) return "FutureRevision";
    if (revision <= this.compacted) return "Compacted";
    this.compacted = revision;
    return this.revision;
  }
}

/** Few keys, among them prefixes of each other, and bytes beyond ASCII. */
const keys = ["a", "a\0", "a/1", "a/2", "a/2/x", "b", "bb", "\xff", "zz"].map((text) =>
  Uint8Array.from(text, (c) => c.charCodeAt(0))
);

function pick<T>(random: Prng, items: readonly T[]): T {
  return items[random.int(items.length)] as T;
}

function randomEnd(random: Prng): { rangeEnd?: Uint8Array } {
  const which = random.int(4);
  if (which < 2) return {};
  return { rangeEnd: which === 2 ? new Uint8Array([0]) : pick(random, keys) };
}

function randomRange(random: Prng, revision: number): RangeRequest {
  const by = pick(random, ["key", "version", "create", "mod", "value"] as const);
  return {
    key: pick(random, keys),
    ...randomEnd(random),
    ...(random.int(2) === 0 ? { limit: random.int(5) } : {}),
    ...(random.int(2) === 0 ? { revision: Math.max(0, revision + 2 - random.int(40)) } : {}),
    ...(random.int(4) === 0 ? { keysOnly: true } : {}),
    ...(random.int(6) === 0 ? { countOnly: true } : {}),
    ...(random.int(4) === 0 ? { sort: { by, order: pick(random, ["ascend", "descend"] as const) } } : {}),
    ...(random.int(5) === 0 ? { minModRevision: random.int(revision + 1) } : {}),
    ...(random.int(5) === 0 ? { maxModRevision: random.int(revision + 1) } : {}),
    ...(random.int(8) === 0 ? { minCreateRevision: random.int(revision + 1) } : {}),
    ...(random.int(8) === 0 ? { maxCreateRevision: random.int(revision + 1) } : {}),
  };
}

function randomCompare(random: Prng, revision: number): Compare {
  const base = { key: pick(random, keys), ...randomEnd(random), op: pick(random, ["=", "!=", "<", ">"] as const) };
  switch (random.int(5)) {
    case 0:
      return { ...base, target: "value", value: utf8(String(random.int(4))) };
    case 1:
      return { ...base, target: "lease", value: BigInt(random.int(4)) };
    case 2:
      return { ...base, target: "version", value: random.int(3) };
    default:
      return {
        ...base,
        target: pick(random, ["create", "mod"] as const),
        value: Math.max(0, revision - random.int(8)),
      };
  }
}

/** Operations of which no two write one key: puts use each key once, deletes only keys that are not put. */
function randomOperations(random: Prng, revision: number, free: Uint8Array[], depth: number): Operation[] {
  const operations: Operation[] = [];
  for (let n = random.int(4); n > 0; n--) {
    const key = free.splice(random.int(Math.max(1, free.length)), 1)[0];
    const kind = random.int(5);
    if (kind === 0 || key === undefined) {
      operations.push({ kind: "range", request: randomRange(random, revision) });
    } else if (kind === 1) {
      operations.push({ kind: "delete", key, ...(random.int(2) === 0 ? { prevKv: true } : {}) });
    } else if (kind === 2 && depth < 2) {
      operations.push({ kind: "txn", request: randomTxn(random, revision, free, depth + 1) });
    } else {
      const ignoreValue = random.int(12) === 0;
      operations.push({
        kind: "put",
        key,
        value: ignoreValue ? emptyBytes : utf8(String(random.int(4))),
        ...(ignoreValue ? { ignoreValue } : {}),
        ...(random.int(4) === 0 ? { lease: BigInt(random.int(4)) } : random.int(8) === 0 ? { ignoreLease: true } : {}),
        ...(random.int(3) === 0 ? { prevKv: true } : {}),
      });
    }
  }
  return operations;
}

function randomTxn(random: Prng, revision: number, free: Uint8Array[], depth: number): TxnRequest {
  const compare = Array.from({ length: random.int(3) }, () => randomCompare(random, revision));
  // A lone range deletion now and then: it needs every key to itself.
  if (depth === 0 && random.int(6) === 0) {
    const wide: Operation = { kind: "delete", key: pick(random, keys), ...randomEnd(random), prevKv: true };
    const read: Operation = { kind: "range", request: randomRange(random, revision) };
    return { compare, success: [read, wide, read], failure: [wide] };
  }
  return {
    compare,
    success: randomOperations(random, revision, free, depth),
    failure: randomOperations(random, revision, free, depth),
  };
}

function machineOf(mvcc: Mvcc): StoreMachine {
  return new StoreMachine({ mvcc, hub: new WatchHub(mvcc), decode: () => assert.fail(), applied: () => {} });
}

function shown(result: CommandResult | { ok: true; response: unknown } | Refusal): unknown {
  if (!result.ok) return result.code;
  if ("response" in result) return result.response;
  return "revision" in result ? result.revision : null;
}

Deno.test("Mvcc agrees with a list of all writes over 9,000 random commands, through compactions and snapshots", () => {
  const refusals = new Map<unknown, number>();
  for (let seed = 1; seed <= 6; seed++) {
    const random = prng(seed);
    const twin = new Twin();
    // The second replica frees memory at other times and is restarted from snapshots of the first.
    // Its old values lie in an overflow.
    const residentBytes = random.int(10);
    const overflows: TestOverflow[] = [];
    const overflowing = () => {
      const files = new TestOverflow(20);
      overflows.push(files);
      return machineOf(
        new Mvcc(undefined, { slabs: new Slabs(), overflow: files.overflow, residentBytes, valueBytesMin: 0 }),
      );
    };
    let [first, second] = [machineOf(new Mvcc()), overflowing()];
    for (let i = 0; i < 1_500; i++) {
      const where = `seed ${seed}, command ${i}`;
      const roll = random.int(100);
      const id = BigInt(1 + random.int(3));
      let expected: unknown;
      let command: Parameters<StoreMachine["run"]>[0];
      if (roll < 85) {
        const request = randomTxn(random, twin.revision, [...keys], 0);
        command = { kind: "txn", request };
        expected = twin.txn(request);
      } else if (roll < 87) {
        command = { kind: "leaseCheckpoint", leases: [{ id, remainingSeconds: random.int(5) }] };
        expected = twin.revision;
      } else if (roll < 90) {
        command = { kind: "leaseGrant", id, ttlSeconds: 5 };
        expected = twin.leases.has(id) ? "LeaseExists" : null;
        twin.leases.add(id);
      } else if (roll < 95) {
        command = { kind: "leaseRevoke", id };
        expected = twin.revoke(id);
      } else {
        const revision = twin.revision + 1 - random.int(30);
        command = { kind: "compact", revision };
        expected = twin.compact(revision);
      }
      const actual = shown(first.run(command));
      assert.deepEqual(actual, expected, where);
      assert.deepEqual(shown(second.run(command)), expected, where);
      if (typeof expected === "string") refusals.set(expected, (refusals.get(expected) ?? 0) + 1);

      const read = randomRange(random, twin.revision);
      assert.deepEqual(shown(first.mvcc.range(read)), twin.range(read, twin.revision), where);
      assert.deepEqual(shown(second.mvcc.range(read)), twin.range(read, twin.revision), where);
      if (random.int(3) === 0) second.mvcc.compactStep(random.int(10));
      if (i % 50 === 0) {
        const snapshot = first.snapshotBytes();
        assert.deepEqual(second.snapshotBytes(), snapshot, where);
        assert.equal(first.stateHash(), second.stateHash());
        const [fresh, again] = [overflowing(), machineOf(new Mvcc())];
        fresh.restore(snapshot);
        again.restore(second.snapshotBytes());
        [first, second] = random.int(2) === 0 ? [first, fresh] : [again, second];
      }
      const kept = twin.writes.filter((kv) => kv.modRevision >= twin.compacted);
      assert.equal(first.mvcc.history.size - first.mvcc.history.indexOf(twin.compacted), kept.length, where);
    }
    assert.ok(overflows.some(({ open }) => open > 1));
    while (first.mvcc.compactStep(1_000));
    const all = { key: new Uint8Array([0]), rangeEnd: new Uint8Array([0]) };
    assert.deepEqual(shown(first.mvcc.range(all)), twin.range(all, twin.revision));
  }
  for (const code of ["Compacted", "FutureRevision", "LeaseNotFound", "KeyNotFound"]) {
    assert.ok((refusals.get(code) ?? 0) > 0, `${code} was never the outcome`);
  }
});
