import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import { createWorld, type World } from "../../platform/sim/mod.ts";
import { createLocalStore } from "../local.ts";
import { startMember } from "../member.ts";
import { Mvcc } from "../mvcc/mvcc.ts";
import { encodeSnapshot, restoreSnapshot } from "../mvcc/snapshot.ts";
import { connectStore } from "../remote.ts";
import { type Store, StoreError, type StoreEvent, type WatchSink } from "../types.ts";
import { readBackup } from "./format.ts";
import { readState, seedMember } from "./restore.ts";
import { saveBackup } from "./save.ts";

const all = new Uint8Array([0]);
const timers = { tickMs: 25, heartbeatTicks: 2, electionTicks: 16 };
const target = { path: "/backup/file", clusterId: "old", note: "a note" };

function put(store: Store, key: string, value: string, lease = 0n): Promise<unknown> {
  const operation = { kind: "put", key: utf8(key), value: utf8(value), lease } as const;
  return store.txn({ compare: [], success: [operation], failure: [] });
}

async function contentOf(store: Store): Promise<string[]> {
  const { kvs } = await store.range({ key: all, rangeEnd: all });
  return kvs.map((kv) =>
    [fromUtf8(kv.key), fromUtf8(kv.value), kv.createRevision, kv.modRevision, kv.version, kv.lease].join(" ")
  );
}

/** A store with 1,200 keys, some changed, some deleted, one leased; what it holds; and its backup on the host's disk. */
async function saved(world: World) {
  const { platform } = world.host("saver");
  const store = createLocalStore(platform);
  await platform.disk.mkdir("/backup");
  for (let i = 0; i < 1_200; i++) await put(store, `key-${i}`, `value-${i}`);
  for (let i = 0; i < 50; i++) await put(store, `key-${i * 7}`, "changed");
  await store.txn({ compare: [], success: [{ kind: "delete", key: utf8("key-3") }], failure: [] });
  const { id } = await store.leaseGrant(300);
  await put(store, "leased", "yes", id);
  const content = await contentOf(store);
  const summary = await saveBackup(store, target, platform);
  return { platform, store, content, summary, leaseId: id };
}

async function fails(work: () => Promise<unknown>, code: string, message: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof StoreError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  });
}

for (const count of [1, 3, 5]) {
  Deno.test(`a backup restores into ${count} members: same pairs, a higher revision, older ones compacted`, async () => {
    const world = createWorld({ seed: count });
    const { platform, content, summary, store: old, leaseId } = await world.complete(saved(world));
    const restored = await world.complete(readState(platform.disk, target.path));
    const { revision } = restored;
    const ids = Array.from({ length: count }, (_, i) => `new-${i}`);
    const members = ids.map((id) => ({ id, peerAddress: `tcp:${id}:1`, clientAddress: `tcp:${id}:2` }));
    const running = await world.complete(Promise.all(ids.map(async (id) => {
      const host = world.host(id).platform;
      const seed = { clusterId: "new", id, memberIds: ids, dataDirectory: "/data", segmentBytes: 64 * 1024 };
      await seedMember(seed, restored, host.disk);
      await fails(() => seedMember(seed, restored, host.disk), "InvalidArgument", /not empty/);
      return await startMember({ ...seed, members, timers }, host);
    })));
    const endpoints = members.map((member) => member.clientAddress);
    const store = connectStore({ endpoints }, world.host("client").platform);
    assert.deepEqual(await world.complete(contentOf(store)), content);
    assert.ok(revision > summary.revision + 1_000_000);
    await world.complete(put(store, "key-1", "after"));
    const { revision: now } = await world.complete(store.range({ key: utf8("key-1") }));
    assert.equal(now, revision + 1);
    for (const startRevision of [1, summary.revision + 1, revision - 1]) {
      const closed = Promise.withResolvers<StoreError | null>();
      store.watch({ key: all, rangeEnd: all, startRevision }, sink({ onClose: closed.resolve }));
      const error = await world.complete(closed.promise);
      assert.deepEqual([error?.code, error?.compactRevision], ["Compacted", revision], `from ${startRevision}`);
    }
    const seen = Promise.withResolvers<StoreEvent | undefined>();
    const onEvents = (events: readonly StoreEvent[]) => seen.resolve(events[0]);
    store.watch({ key: all, rangeEnd: all, startRevision: revision + 1 }, sink({ onEvents }));
    assert.equal(fromUtf8((await world.complete(seen.promise))?.kv.value ?? all), "after");
    assert.equal((await world.complete(store.leaseTimeToLive(leaseId))).grantedTtlSeconds, 300);
    await world.complete(store.leaseRevoke(leaseId));
    assert.equal((await world.complete(store.range({ key: utf8("leased") }))).count, 0);
    store.close();
    old.close();
    await world.complete(Promise.all(running.map((member) => member.stop())));
  });
}

function sink(handlers: Partial<WatchSink>): WatchSink {
  return { onEvents: () => {}, onClose: () => {}, ...handlers };
}

Deno.test("saveBackup() reads one revision although writes and a compaction go on", async () => {
  const world = createWorld({ seed: 1 });
  const { platform, store } = await world.complete(saved(world));
  let pages = 0;
  const busy: Store = {
    ...storeOf(store),
    async range(request) {
      const response = await store.range(request);
      if (request.limit !== undefined) {
        await put(store, `key-${pages}`, "meanwhile");
        await put(store, `new-${pages}`, "meanwhile");
        // The first attempt is overtaken by a compaction in the middle.
        if (pages++ === 1) await store.compact((await store.status()).revision);
      }
      return response;
    },
  };
  const path = "/backup/busy";
  const summary = await world.complete(saveBackup(busy, { ...target, path }, platform));
  const wanted = await world.complete(store.range({ key: all, rangeEnd: all, revision: summary.revision }));
  const found: string[] = [];
  await world.complete(readBackup(platform.disk, path, (block) => {
    if (block.kind === "pairs") found.push(...block.pairs.map((kv) => `${fromUtf8(kv.key)}=${fromUtf8(kv.value)}`));
  }));
  assert.deepEqual(found, wanted.kvs.map((kv) => `${fromUtf8(kv.key)}=${fromUtf8(kv.value)}`));
  assert.deepEqual(await world.complete(platform.disk.list("/backup")), ["busy", "file"]);
  store.close();
});

/** Methods of a class are not its own properties. */
function storeOf(store: Store): Store {
  const bound = (name: keyof Store) => {
    const member: unknown = store[name];
    return typeof member === "function" ? member.bind(store) : member;
  };
  const names = ["range", "leases", "leaseTimeToLive"] as const;
  return { ...store, ...Object.fromEntries(names.map((name) => [name, bound(name)])) };
}

Deno.test("a backup that is torn, damaged, foreign or already there is refused, and says why", async () => {
  const world = createWorld({ seed: 2 });
  const { platform, store, summary } = await world.complete(saved(world));
  const { disk } = platform;
  await world.complete((async () => {
    assert.deepEqual(await readBackup(disk, target.path), summary);
    assert.deepEqual([summary.pairs, summary.leases, summary.note], [1_200, 1, "a note"]);
    await fails(
      () => saveBackup(store, target, platform),
      "InvalidArgument",
      /Cannot save to \/backup\/file: it exists/,
    );
    const whole = await disk.readFile(target.path);
    for (const length of [20, 100, whole.length >> 1, whole.length - 20, whole.length - 1]) {
      await disk.writeFileAtomic("/backup/torn", whole.slice(0, length));
      await fails(
        () => readBackup(disk, "/backup/torn"),
        "Corrupt",
        /it ends after \d+ bytes, before the snapshot does/,
      );
    }
    for (const at of [20, 40, whole.length >> 1, whole.length - 1]) {
      const bytes = whole.slice();
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      await disk.writeFileAtomic("/backup/rot", bytes);
      await fails(() => readState(disk, "/backup/rot"), "Corrupt", /it is damaged at byte|it ends after/);
    }
    await disk.writeFileAtomic("/backup/foreign", utf8("SQLite format 3\0 and more of it"));
    await fails(() => readBackup(disk, "/backup/foreign"), "InvalidArgument", /not a snapshot of a Sauropod store/);
    await disk.writeFileAtomic("/backup/more", new Uint8Array([...whole, 0]));
    await fails(() => readBackup(disk, "/backup/more"), "Corrupt", /damaged/);
  })());
  store.close();
});

Deno.test("readState() makes the snapshot that the restored state would make of itself, in parts, and as often as it is asked", async () => {
  const world = createWorld({ seed: 4 });
  const { platform, store } = await world.complete(saved(world));
  for (let i = 0; i < 8; i++) await put(store, `large-${i}`, "x".repeat(100_000));
  const other = (await store.leaseGrant(60, 1n)).id; // before the first by its id, behind it in time
  await put(store, "of the other", "yes", other);
  const path = "/backup/second";
  await world.complete(saveBackup(store, { ...target, path }, platform));
  const { parts, revision } = await world.complete(readState(platform.disk, path));
  const read = async () => {
    const found: Uint8Array[] = [];
    for await (const part of parts()) found.push(part);
    return found;
  };
  const [once, twice] = [await world.complete(read()), await world.complete(read())];
  assert.ok(once.length > 2, `${once.length} parts`);
  assert.deepEqual(concatBytes(once), concatBytes(twice));
  const mvcc = new Mvcc();
  restoreSnapshot(mvcc, concatBytes(once));
  assert.deepEqual([mvcc.revision, mvcc.compactRevision, mvcc.index.size], [revision, revision, 1_209]);
  assert.deepEqual(encodeSnapshot(mvcc), concatBytes(once));
  store.close();
});

Deno.test("seedMember() leaves no snapshot behind of a backup that is damaged between the check and the copy", async () => {
  const world = createWorld({ seed: 5 });
  const { platform, store } = await world.complete(saved(world));
  const { disk } = platform;
  await world.complete((async () => {
    const restored = await readState(disk, target.path);
    const whole = await disk.readFile(target.path);
    await disk.writeFileAtomic(target.path, whole.slice(0, whole.length - 30));
    const member = { clusterId: "new", id: "m", memberIds: ["m"], dataDirectory: "/data", segmentBytes: 64 * 1024 };
    await disk.mkdir("/data");
    await fails(() => seedMember(member, restored, disk), "Corrupt", /before the snapshot does/);
    assert.deepEqual((await disk.list("/data")).filter((name) => name.startsWith("snapshot-")), []);
  })());
  store.close();
});
