import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { createWorld } from "../../platform/sim/mod.ts";
import { createLocalStore } from "../local.ts";
import { StoreError } from "../types.ts";
import { compactRevKey, startCompactor } from "./compactor.ts";

const intervalMs = 300_000;

Deno.test("startCompactor(): of three apiservers one wins each round, and the last interval's history is kept", async () => {
  const world = createWorld({ seed: 1 });
  const store = createLocalStore(world.host("etcd").platform);
  const compacted: number[] = [];
  const counted = {
    txn: store.txn.bind(store),
    compact: (revision: number) => {
      compacted.push(revision);
      return store.compact(revision);
    },
  };
  const compactors = ["a", "b", "c"].map((name, i) => {
    const { timers, log } = world.host(name).platform;
    return startCompactor({ store: counted, timers, log, intervalMs: intervalMs + i * 1000 });
  });
  let revision = 1;
  const before: number[] = [];
  for (let minute = 1; minute <= 40; minute++) {
    await world.run(minute * 60_000);
    const success = [{ kind: "put", key: utf8("k"), value: utf8(`${minute}`) }] as const;
    ({ revision } = await world.complete(store.txn({ compare: [], success, failure: [] })));
    before.push(revision);
  }
  // Forty minutes hold eight rounds of the fastest; the first only looks.
  equal(compacted.length, 7);
  deepEqual(compacted, [...new Set(compacted)].toSorted((x, y) => x - y));
  const { compactRevision } = await store.status();
  equal(compactRevision, compacted.at(-1));
  ok(compactRevision <= (before.at(-6) ?? 0), "five minutes of history are there");
  ok(compactRevision >= (before.at(-13) ?? 0), "no more than two intervals are");
  await rejects(store.range({ key: utf8("k"), revision: compactRevision - 1 }), { code: "Compacted" });
  const { kvs } = await store.range({ key: utf8(compactRevKey) });
  equal(fromUtf8(kvs[0]?.value ?? utf8("")), `${compactRevision}`);
  equal(kvs[0]?.version, 8);
  for (const compactor of compactors) compactor.stop();
  const { compactRevision: last } = await store.status();
  await world.run(world.nowMs + 4 * intervalMs);
  equal((await store.status()).compactRevision, last);
  store.close();
});

Deno.test("startCompactor() goes on after rounds that failed", async () => {
  const world = createWorld({ seed: 1 });
  const { timers, log } = world.host("a").platform;
  const store = createLocalStore(world.host("etcd").platform);
  let down = true;
  const compactor = startCompactor({
    store: {
      txn: (request) => down ? Promise.reject(new StoreError("NoLeader", "down")) : store.txn(request),
      compact: (revision) => store.compact(revision),
    },
    timers,
    log,
    intervalMs,
  });
  await world.run(2.5 * intervalMs);
  down = false;
  await world.run(4.5 * intervalMs);
  equal((await store.range({ key: utf8(compactRevKey) })).kvs[0]?.version, 2);
  compactor.stop();
  store.close();
});
