import assert from "node:assert/strict";
import { type Prng, prng } from "../base/prng.ts";
import { MessageReader, sendMessage } from "./messages.ts";
import { storeLimits } from "./limits.ts";
import type { Command } from "./mvcc/command.ts";
import type { Compare, KeyValue, Operation, RangeRequest, RangeResponse, Revision, TxnRequest } from "./types.ts";
import {
  asRange,
  asRangeResponse,
  decodeCommand,
  decodeEvents,
  encodeCommand,
  encodeEvents,
  pack,
  rangeFields,
  rangeResponseFields,
  unpack,
  WireError,
} from "./wire.ts";

function bytes(random: Prng): Uint8Array {
  return Uint8Array.from({ length: random.int(5) }, () => random.int(256));
}

function maybe<T extends object>(random: Prng, fields: T): Partial<T> {
  return random.int(2) === 0 ? fields : {};
}

function big(random: Prng): number {
  return Math.floor(random.next() * Number.MAX_SAFE_INTEGER);
}

function range(random: Prng): RangeRequest {
  return {
    key: bytes(random),
    ...maybe(random, { rangeEnd: bytes(random) }),
    ...maybe(random, { limit: 1 + random.int(1e6) }),
    ...maybe(random, { revision: 1 + big(random) }),
    ...maybe(random, { serializable: true }),
    ...maybe(random, { keysOnly: true }),
    ...maybe(random, { countOnly: true }),
    ...maybe(random, {
      sort: {
        by: (["key", "version", "create", "mod", "value"] as const)[random.int(5)] ?? "key",
        order: random.int(2) === 0 ? "ascend" : "descend",
      } as const,
    }),
  };
}

function txn(random: Prng, depth: number): TxnRequest {
  const compare = Array.from({ length: random.int(3) }, (): Compare => {
    const op = (["=", "!=", "<", ">"] as const)[random.int(4)] ?? "=";
    const base = { key: bytes(random), ...maybe(random, { rangeEnd: bytes(random) }), op };
    const target = (["version", "create", "mod", "value", "lease"] as const)[random.int(5)] ?? "mod";
    if (target === "value") return { ...base, target, value: bytes(random) };
    if (target === "lease") return { ...base, target, value: BigInt(big(random)) * 1024n };
    return { ...base, target, value: big(random) };
  });
  const branch = () =>
    Array.from({ length: random.int(4) }, (): Operation => {
      switch (random.int(depth < 3 ? 4 : 3)) {
        case 0:
          return { kind: "range", request: range(random) };
        case 1:
          return {
            kind: "put",
            key: bytes(random),
            value: bytes(random),
            ...maybe(random, { lease: BigInt(1 + big(random)) * 1000n }),
            ...maybe(random, { prevKv: true }),
            ...maybe(random, { ignoreValue: true }),
            ...maybe(random, { ignoreLease: true }),
          };
        case 2: {
          const end = maybe(random, { rangeEnd: bytes(random) });
          return { kind: "delete", key: bytes(random), ...end, ...maybe(random, { prevKv: true }) };
        }
        default:
          return { kind: "txn", request: txn(random, depth + 1) };
      }
    });
  return { compare, success: branch(), failure: branch() };
}

function pair(random: Prng, version = 1 + random.int(9)): KeyValue {
  const [createRevision, modRevision] = [big(random) as Revision, big(random) as Revision];
  return { key: bytes(random), value: bytes(random), createRevision, modRevision, version, lease: BigInt(big(random)) };
}

Deno.test("decodeCommand() undoes encodeCommand() for 2,000 random commands", () => {
  const random = prng(11);
  for (let i = 0; i < 2_000; i++) {
    const id = BigInt.asIntN(63, BigInt(big(random)) * 512n);
    const command: Command = i % 10 === 0
      ? { kind: "leaseGrant", id, ttlSeconds: random.int(1e6) }
      : i % 10 === 1
      ? { kind: "leaseRevoke", id }
      : i % 10 === 2
      ? { kind: "compact", revision: big(random) }
      : i % 10 === 3
      ? {
        kind: "leaseCheckpoint",
        leases: [{ id, remainingSeconds: random.int(1e6) }, { id: 7n, remainingSeconds: 0 }],
      }
      : { kind: "txn", request: txn(random, 0) };
    assert.deepEqual(decodeCommand(encodeCommand(command)), command);
  }
});

Deno.test("ranges, their answers and events survive the wire", () => {
  const random = prng(12);
  for (let i = 0; i < 500; i++) {
    const request = range(random);
    assert.deepEqual(asRange(unpack(pack(rangeFields(request)))), request);
    const kvs = Array.from({ length: random.int(4) }, () => pair(random));
    const response: RangeResponse = { revision: big(random) as Revision, kvs, more: i % 2 === 0, count: big(random) };
    assert.deepEqual(asRangeResponse(unpack(pack(rangeResponseFields(response))), i % 3 === 0), response);
    const events = kvs.map((kv) => ({ type: "put" as const, kv, ...maybe(random, { prevKv: pair(random) }) }));
    const deleted = { type: "delete" as const, kv: { ...pair(random, 0), value: new Uint8Array(0) } };
    assert.deepEqual(decodeEvents(encodeEvents([...events, deleted]), true), [...events, deleted]);
  }
});

Deno.test("decodeCommand() throws nothing but WireError for 5,000 damaged commands", () => {
  const random = prng(13);
  let refused = 0;
  for (let i = 0; i < 5_000; i++) {
    const encoded = encodeCommand({ kind: "txn", request: txn(random, 0) });
    const damaged = encoded.slice(0, random.int(2) === 0 ? encoded.length : random.int(encoded.length));
    for (let n = random.int(4); n > 0 && damaged.length > 0; n--) damaged[random.int(damaged.length)] = random.int(256);
    try {
      decodeCommand(damaged);
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
      refused++;
    }
  }
  assert.ok(refused > 1_000);
});

Deno.test("a transaction nested as deep as the limit allows survives the wire", () => {
  let request: TxnRequest = { compare: [], success: [], failure: [] };
  for (let i = 0; i < storeLimits.txnOperationsMax; i++) {
    request = { compare: [], success: [{ kind: "txn", request }], failure: [] };
  }
  assert.deepEqual(decodeCommand(encodeCommand({ kind: "txn", request })), { kind: "txn", request });
});

Deno.test("MessageReader.push() puts a message of several frames together", () => {
  const message = pack([new Uint8Array(storeLimits.fragmentBytesMax * 2 + 17).fill(7)]);
  const frames: Uint8Array[] = [];
  sendMessage({ send: (frame) => frames.push(frame) }, message);
  assert.equal(frames.length, 3);
  const reader = new MessageReader();
  const whole = frames.map((frame) => reader.push(frame));
  assert.deepEqual(whole.slice(0, 2), [null, null]);
  assert.deepEqual(whole[2], message);
  assert.deepEqual(reader.push(pack([1])), pack([1]));
});
