import assert from "node:assert/strict";
import { fromUtf8, prefixEnd, utf8 } from "../base/bytes.ts";
import { createWorld, type World } from "../platform/sim/mod.ts";
import type { CompactionPolicy } from "./auto_compaction.ts";
import { storeLimits } from "./limits.ts";
import { createLocalStore, type LocalStore } from "./local.ts";
import type { Operation, StoreEvent } from "./types.ts";

async function withStore(
  run: (store: LocalStore, world: World) => Promise<void>,
  options: { compaction?: CompactionPolicy; quotaBytes?: number } = {},
): Promise<void> {
  const world = createWorld({ seed: 1 });
  const store = createLocalStore(world.host("here").platform, options);
  await run(store, world);
  store.close();
}

function put(store: LocalStore, key: string, lease = 0n) {
  const success: Operation[] = [{ kind: "put", key: utf8(key), value: utf8("v"), lease }];
  return store.txn({ compare: [], success, failure: [] });
}

const all = { key: utf8("k"), rangeEnd: prefixEnd(utf8("k")) };

Deno.test("createLocalStore() ends a lease after its TTL unless it is renewed, and deletes its keys as one revision", async () => {
  await withStore(async (store, world) => {
    const { id } = await store.leaseGrant(10);
    await put(store, "k1", id);
    await put(store, "k2", id);
    await world.run(8_000);
    assert.equal(await store.leaseKeepAlive(id), 10);
    await world.run(17_900);
    assert.equal((await store.range(all)).count, 2);
    const deleted: string[] = [];
    let calls = 0;
    store.watch(all, {
      onEvents: (events: readonly StoreEvent[]) => {
        calls++;
        deleted.push(...events.map((e) => `${e.type} ${fromUtf8(e.kv.key)}`));
      },
      onClose: () => {},
    });
    await world.run(18_000 + 2 * storeLimits.leaseExpiryIntervalMs);
    assert.deepEqual([deleted, calls], [["delete k1", "delete k2"], 1]);
    await assert.rejects(store.leaseKeepAlive(id), { code: "LeaseNotFound" });
  });
});

Deno.test("createLocalStore() compacts what is beyond the retention and frees it", async () => {
  await withStore(async (store, world) => {
    for (let i = 0; i < 3_000; i++) await put(store, "k");
    const before = (await store.status()).databaseBytes;
    await world.run(storeLimits.compactionIntervalMs + 1_000);
    const status = await store.status();
    assert.equal(status.compactRevision, status.revision - 1_000);
    assert.ok(status.databaseBytes < before * 0.4, `${status.databaseBytes} of ${before} bytes are left`);
    await assert.rejects(store.range({ ...all, revision: 5 }), { code: "Compacted", compactRevision: 2_001 });
  }, { compaction: { mode: "revision", keepRevisions: 1_000 } });
});

Deno.test("createLocalStore() delivers what is written right after watch(), and numbers it above onCreated()", async () => {
  await withStore(async (store) => {
    const calls: string[] = [];
    store.watch(all, {
      onCreated: (revision) => calls.push(`created ${revision}`),
      onEvents: (_, revision) => calls.push(`events ${revision}`),
      onClose: (error) => calls.push(`closed ${error?.code}`),
    });
    await put(store, "k1");
    await put(store, "k2");
    assert.deepEqual(calls, ["created 1", "events 2", "events 3"]);
    store.close();
    assert.equal(calls.at(-1), "closed Unavailable");
    await assert.rejects(put(store, "k3"), { code: "Unavailable" });
  });
});

Deno.test("createLocalStore() wakes a congested watch again without another write", async () => {
  await withStore(async (store, world) => {
    let full = true;
    const seen: number[] = [];
    store.watch(all, { onEvents: (_, revision) => seen.push(revision), onClose: () => {}, congested: () => full });
    await put(store, "k1");
    await world.run(1_000);
    assert.deepEqual(seen, []);
    full = false;
    await world.run(1_000 + 2 * storeLimits.watchSyncRetryMs);
    assert.deepEqual(seen, [2]);
  });
});

Deno.test("createLocalStore() tells an idle watch its progress at the interval, when it asked for it", async () => {
  await withStore(async (store, world) => {
    const progress: number[] = [];
    const sink = { onEvents: () => {}, onProgress: (revision: number) => progress.push(revision), onClose: () => {} };
    store.watch({ ...all, progressNotify: true }, sink);
    await put(store, "other");
    await world.run(storeLimits.watchProgressIntervalMs * 2 + 10);
    assert.deepEqual(progress, [2, 2]);
  });
});

Deno.test("createLocalStore() refuses an empty key in a watch", async () => {
  await withStore(async (store, world) => {
    let code = "";
    store.watch({ key: new Uint8Array(0) }, { onEvents: () => {}, onClose: (error) => code = error?.code ?? "" });
    await world.run(1);
    assert.equal(code, "InvalidArgument");
  });
});

Deno.test("createLocalStore() tells what a lease has left, its keys, and which leases there are", async () => {
  await withStore(async (store, world) => {
    const [first, second] = [await store.leaseGrant(10, 7n), await store.leaseGrant(60, 3n)];
    await put(store, "k2", first.id);
    await put(store, "k1", first.id);
    await world.run(2_500);
    const left = await store.leaseTimeToLive(7n, { keys: true });
    assert.deepEqual({ ...left, keys: left.keys.map(fromUtf8) }, {
      id: 7n,
      ttlSeconds: 7,
      grantedTtlSeconds: 10,
      keys: ["k1", "k2"],
    });
    assert.deepEqual((await store.leaseTimeToLive(7n)).keys, []);
    assert.deepEqual(await store.leases(), [second.id, first.id]);
    assert.equal((await store.leaseTimeToLive(99n)).ttlSeconds, -1);
  });
});

Deno.test("createLocalStore() over its quota refuses puts and raises NoSpace until room was made and it is disarmed", async () => {
  await withStore(async (store) => {
    while ((await store.status()).databaseBytes <= 2_000) await put(store, "k");
    await assert.rejects(put(store, "k"), { code: "NoSpace" });
    const alarm = { memberId: "local", kind: "NoSpace" } as const;
    assert.deepEqual(await store.alarm({ action: "list" }), [alarm]);
    assert.equal((await store.range(all)).count, 1);
    await store.compact((await store.status()).revision);
    await store.txn({ compare: [], success: [{ kind: "delete", key: utf8("k") }], failure: [] });
    await assert.rejects(put(store, "k"), { code: "NoSpace" });
    assert.deepEqual(await store.alarm({ action: "disarm", ...alarm }), [alarm]);
    await put(store, "k");
  }, { quotaBytes: 2_000 });
});

Deno.test("createLocalStore() hashes at a revision, and refuses one that is compacted or yet to come", async () => {
  await withStore(async (store) => {
    for (let i = 0; i < 5; i++) await put(store, "k");
    const now = await store.hashKv();
    assert.deepEqual(await store.hashKv(6), now);
    assert.notEqual((await store.hashKv(4)).hash, now.hash);
    await store.compact(5);
    await assert.rejects(store.hashKv(4), { code: "Compacted" });
    await assert.rejects(store.hashKv(7), { code: "FutureRevision" });
  });
});
