import assert from "node:assert/strict";
import { fromUtf8, prefixEnd, utf8 } from "../base/bytes.ts";
import { createWorld, type SimHost, type World } from "../platform/sim/mod.ts";
import { createMachine, StoreFront } from "./front.ts";
import { storeLimits } from "./limits.ts";
import type { Command, CommandResult } from "./mvcc/command.ts";
import { connectStore } from "./remote.ts";
import { ClientServer } from "./serve.ts";
import {
  type Operation,
  type RangeResponse,
  type Store,
  StoreError,
  type TxnResponse,
  type WatchSink,
} from "./types.ts";
import { decodeCommand } from "./wire.ts";

/**
 * Three servers whose machines all apply each command at once: the client's side of a failover without a log. `answers`
 * false: the leader applies and never tells.
 */
class FakeCluster {
  readonly names = ["s0", "s1", "s2"];
  readonly machines = this.names.map(() => createMachine(decodeCommand));
  readonly hosts: SimHost[];
  readonly servers: ClientServer[] = [];
  readonly fronts: StoreFront[] = [];
  readonly asked: string[] = [];
  leader = 0;
  term = 1;
  answers = true;

  constructor(world: World) {
    this.hosts = this.names.map((name) => world.host(name));
    this.hosts.forEach((_, i) => this.start(i));
  }

  start(i: number): void {
    const platform = (this.hosts[i] ?? assert.fail()).platform;
    const consensus = {
      propose: (command: Command) => this.#propose(i, command),
      readIndex: () => this.leader === -1 ? Promise.reject(new StoreError("NoLeader", "none")) : Promise.resolve(),
      leads: () => this.leader === i,
      status: () => ({
        memberId: this.names[i] ?? "",
        leaderId: this.names[this.leader] ?? "",
        term: this.term,
        appliedIndex: 0,
        commitIndex: 0,
        isLearner: false,
      }),
    };
    const machine = this.machines[i] ?? assert.fail();
    const config = { compaction: { mode: "revision", keepRevisions: 1e6 }, leaseExtensionMs: 0 } as const;
    const front = new StoreFront({ machine, consensus, deps: platform, config });
    front.setLeading(this.leader === i);
    const server = new ClientServer({ front, timers: platform.timers, log: platform.log });
    this.fronts[i] = front;
    this.servers[i] = server;
    void platform.network.frames.listen(`tcp:${this.names[i]}:1`, {}, (connection) => server.accept(connection));
  }

  elect(leader: number): void {
    this.leader = leader;
    this.term++;
    this.fronts.forEach((front, i) => front.setLeading(i === leader));
    this.servers.forEach((server) => server.leaderChanged());
  }

  #propose(i: number, command: Command): Promise<CommandResult> {
    this.asked.push(`${this.names[i]} ${command.kind}`);
    if (this.leader === -1) return Promise.reject(new StoreError("NoLeader", "none"));
    if (this.leader !== i) return Promise.reject(new StoreError("NotLeader", "another leads"));
    const results = this.machines.map(({ machine }) => machine.run(command));
    return this.answers ? Promise.resolve(results[i] ?? assert.fail()) : new Promise(() => {});
  }
}

interface Scene {
  readonly world: World;
  readonly cluster: FakeCluster;
  readonly store: Store;
  /** Runs the world until the promise settles. */
  settle<T>(promise: Promise<T>): Promise<T>;
  /** Lets virtual milliseconds go by. */
  pass(durationMs: number): Promise<void>;
}

async function scene(seed: number, run: (scene: Scene) => Promise<void>): Promise<void> {
  const world = createWorld({ seed });
  const cluster = new FakeCluster(world);
  const endpoints = cluster.names.map((name) => `tcp:${name}:1`);
  const store = connectStore({ endpoints, requestTimeoutMs: 2_000 }, world.host("client").platform);
  const pass = (durationMs: number) => world.run(world.nowMs + durationMs);
  // Until every link is up: which comes first is chance.
  await pass(50);
  await run({ world, cluster, store, pass, settle: (promise) => world.complete(promise) });
  store.close();
  for (const front of cluster.fronts) front.close();
  for (const server of cluster.servers) server.close();
}

function put(key: string, value: string | Uint8Array, more: object = {}): Operation {
  return { kind: "put", key: utf8(key), value: typeof value === "string" ? utf8(value) : value, ...more };
}

function write(store: Store, ...success: Operation[]): Promise<TxnResponse> {
  return store.txn({ compare: [], success, failure: [] });
}

function keys(response: RangeResponse): string[] {
  return response.kvs.map((kv) => fromUtf8(kv.key));
}

const all = { key: utf8("k"), rangeEnd: prefixEnd(utf8("k")) };

/** Collects a watch's calls as texts. */
function recorder(): WatchSink & { readonly calls: string[] } {
  const calls: string[] = [];
  return {
    calls,
    onCreated: (revision) => calls.push(`created ${revision}`),
    onEvents: (events, revision) => {
      calls.push(`${events.map((e) => `${e.type} ${fromUtf8(e.kv.key)}`).join(", ")} to ${revision}`);
    },
    onProgress: (revision) => calls.push(`progress ${revision}`),
    onClose: (error) => calls.push(`closed ${error?.code}`),
  };
}

Deno.test("connectStore() carries every call and every refusal of the store", async () => {
  await scene(1, async ({ store, settle }) => {
    const lease = await settle(store.leaseGrant(60));
    assert.ok(lease.id > 0n && lease.ttlSeconds === 60);
    await settle(write(store, put("k1", "a", { lease: lease.id }), put("k2", "b")));
    const again = await settle(write(store, put("k2", "c", { prevKv: true })));
    assert.ok(again.responses[0]?.kind === "put" && again.responses[0].prevKv !== undefined);
    const range = await settle(store.range({ ...all, limit: 1 }));
    assert.deepEqual([keys(range), range.more, range.count, range.revision], [["k1"], true, 2, 3]);
    assert.equal(range.kvs[0]?.lease, lease.id);
    assert.equal(await settle(store.leaseKeepAlive(lease.id)), 60);
    await settle(store.leaseRevoke(lease.id));
    assert.deepEqual(keys(await settle(store.range({ ...all, serializable: true }))), ["k2"]);
    await settle(store.compact(3));
    const status = await settle(store.status());
    assert.deepEqual([status.memberId, status.leaderId, status.revision, status.compactRevision], ["s0", "s0", 4, 3]);

    const code = async (promise: Promise<unknown>, expected: string) => {
      const error = await settle(promise).then(() => assert.fail(expected), (e) => e);
      assert.ok(error instanceof StoreError && error.code === expected, String(error));
      return error;
    };
    assert.equal((await code(store.range({ ...all, revision: 2 }), "Compacted")).compactRevision, 3);
    await code(store.range({ ...all, revision: 99 }), "FutureRevision");
    await code(store.leaseKeepAlive(lease.id), "LeaseNotFound");
    await code(write(store, put("k", "", { lease: 5n })), "LeaseNotFound");
    await code(write(store, put("k", "1"), put("k", "2")), "DuplicateKey");
    await code(write(store, put("k", new Uint8Array(storeLimits.requestBytesMax))), "TooLarge");
    await code(store.compact(3), "Compacted");
  });
});

Deno.test("connectStore() carries lease times, filters, hashes, alarms and changes of membership", async () => {
  await scene(1, async ({ store, settle, cluster }) => {
    await settle(store.leaseGrant(60, 5n));
    await settle(write(store, put("k1", "a", { lease: 5n })));
    await settle(write(store, put("k2", "b")));
    const left = await settle(store.leaseTimeToLive(5n, { keys: true }));
    assert.deepEqual([left.ttlSeconds, left.grantedTtlSeconds, left.keys.map(fromUtf8)], [59, 60, ["k1"]]);
    assert.deepEqual(await settle(store.leases()), [5n]);
    assert.deepEqual(keys(await settle(store.range({ ...all, minModRevision: 3 }))), ["k2"]);
    assert.deepEqual(keys(await settle(store.range({ ...all, maxCreateRevision: 2 }))), ["k1"]);
    assert.deepEqual(await settle(store.hashKv(3)), await settle(cluster.fronts[0]?.hashKv() ?? assert.fail()));
    const alarm = { memberId: "s1", kind: "Corrupt" } as const;
    assert.deepEqual(await settle(store.alarm({ action: "activate", ...alarm })), [alarm]);
    assert.deepEqual(await settle(store.alarm({ action: "list" })), [alarm]);
    await assert.rejects(settle(store.range(all)), { code: "Corrupt" });
    assert.deepEqual(await settle(store.alarm({ action: "disarm", ...alarm })), [alarm]);
    assert.equal((await settle(store.membership.list())).length, 1);
    await assert.rejects(settle(store.membership.remove("s1")), { code: "InvalidArgument" });
  });
});

Deno.test("connectStore() carries an answer of many megabytes and a transaction at the size limit", async () => {
  await scene(2, async ({ store, settle }) => {
    const value = new Uint8Array(1024 ** 2).fill(3);
    for (let i = 0; i < 12; i++) await settle(write(store, put(`k${i}`, value)));
    const response = await settle(store.range(all));
    assert.equal(response.kvs.length, 12);
    for (const kv of response.kvs) {
      assert.equal(kv.value.length, value.length);
      assert.equal(kv.value.buffer.byteLength, value.length, "a kept pair must not keep the whole answer");
    }
  });
});

Deno.test("connectStore() sends a write refused untried to the new leader at once, and waits for one to appear", async () => {
  await scene(3, async ({ world, cluster, store, settle, pass }) => {
    await settle(write(store, put("k1", "a")));
    cluster.elect(2);
    const beforeMs = world.nowMs;
    await settle(write(store, put("k2", "a")));
    assert.ok(world.nowMs - beforeMs < 100, `took ${world.nowMs - beforeMs} ms`);
    cluster.elect(-1);
    const waiting = write(store, put("k3", "a"));
    await pass(500);
    cluster.elect(1);
    await settle(waiting);
    assert.deepEqual(cluster.asked.filter((line) => line.startsWith("s1")).length, 1);
    assert.deepEqual(keys(await settle(store.range(all))), ["k1", "k2", "k3"]);
  });
});

Deno.test("connectStore() rejects with NoLeader at the deadline when there is none, and nothing was written", async () => {
  await scene(4, async ({ world, cluster, store, settle }) => {
    await settle(write(store, put("k1", "a")));
    cluster.elect(-1);
    const startMs = world.nowMs;
    const error = await settle(write(store, put("k2", "a"))).then(() => assert.fail(), (e) => e);
    assert.equal(error.code, "NoLeader");
    assert.ok(world.nowMs - startMs <= 2_200);
    cluster.elect(0);
    assert.deepEqual(keys(await settle(store.range(all))), ["k1"]);
  });
});

Deno.test("connectStore() reports a write whose answer was lost as Unavailable and never repeats it; a read it repeats", async () => {
  await scene(5, async ({ cluster, store, settle, pass }) => {
    await settle(write(store, put("k1", "a")));
    cluster.answers = false;
    const asked = cluster.asked.length;
    const lost = write(store, put("k2", "a")).then(() => assert.fail("it was never answered"), (error) => error);
    await pass(50);
    assert.equal(cluster.asked.length, asked + 1);
    cluster.hosts[0]?.crash();
    cluster.elect(1);
    assert.equal((await settle(lost)).code, "Unavailable");
    assert.equal(cluster.asked.length, asked + 1);
    cluster.answers = true;
    const read = store.range(all);
    assert.deepEqual(keys(await settle(read)), ["k1", "k2"]);
  });
});

Deno.test("connectStore() gives up on a leader that stopped answering once another leads", async () => {
  await scene(6, async ({ world, cluster, store, settle, pass }) => {
    await settle(write(store, put("k1", "a")));
    cluster.answers = false;
    const lost = write(store, put("k2", "a")).then(() => assert.fail(), (error) => error);
    await pass(20);
    cluster.answers = true;
    const startMs = world.nowMs;
    cluster.hosts[0]?.stall(60_000);
    cluster.elect(1);
    await pass(20);
    await settle(write(store, put("k3", "a")));
    assert.ok(world.nowMs - startMs < 200);
    assert.equal((await settle(lost)).code, "Unavailable");
    assert.ok(world.nowMs - startMs < 1_000);
  });
});

Deno.test("a remote watch closes with Unavailable when its member dies, and resumes elsewhere without a gap", async () => {
  await scene(7, async ({ cluster, store, settle, pass }) => {
    cluster.elect(1);
    const first = recorder();
    store.watch(all, first);
    await pass(100);
    await settle(write(store, put("k1", "a")));
    await pass(50);
    assert.deepEqual(first.calls, ["created 1", "put k1 to 2"]);
    cluster.hosts[0]?.crash();
    await settle(write(store, put("k2", "a"), put("k3", "a")));
    await pass(100);
    assert.equal(first.calls.at(-1), "closed Unavailable");
    const second = recorder();
    const watch = store.watch({ ...all, startRevision: 3 }, second);
    watch.requestProgress();
    await pass(100);
    assert.deepEqual(second.calls, ["created 3", "put k2, put k3 to 3", "progress 3"]);
    watch.cancel();
    await settle(write(store, put("k4", "a")));
    await pass(100);
    assert.equal(second.calls.length, 3);
  });
});

Deno.test("a remote watch from a compacted revision closes with Compacted and the oldest kept revision", async () => {
  await scene(8, async ({ store, settle, pass }) => {
    for (const key of ["k1", "k2", "k3"]) await settle(write(store, put(key, "a")));
    await settle(store.compact(4));
    let closed: StoreError | null | undefined;
    store.watch({ ...all, startRevision: 2 }, { onEvents: () => assert.fail(), onClose: (error) => closed = error });
    await pass(100);
    assert.equal(closed?.code, "Compacted");
    assert.equal(closed?.compactRevision, 4);
  });
});

Deno.test("a silent member is taken for dead: its watch closes within the bound and its link is dialled again", async () => {
  await scene(9, async ({ cluster, store, pass }) => {
    const sink = recorder();
    store.watch(all, sink);
    await pass(100);
    cluster.hosts[0]?.stall(6_000);
    await pass(storeLimits.clientSilenceMs + 500);
    assert.deepEqual(sink.calls, ["created 1", "closed Unavailable"]);
    const next = recorder();
    store.watch(all, next);
    await pass(100);
    assert.deepEqual(next.calls, ["created 1"]);
  });
});

Deno.test("a client that stops reading holds back only its own watch, and then gets every event once", async () => {
  await scene(10, async ({ world, store, settle, pass }) => {
    const slowHost = world.host("slow");
    const slow = connectStore({ endpoints: ["tcp:s0:1"] }, slowHost.platform);
    const seen: number[] = [];
    const sink = recorder();
    slow.watch(all, { ...sink, onEvents: (events) => seen.push(...events.map((e) => e.kv.modRevision)) });
    await pass(100);
    world.network.clog("s0", "slow", 1_500);
    const value = new Uint8Array(256 * 1024);
    for (let i = 0; i < 60; i++) await settle(write(store, put(`k${i % 3}`, value)));
    await pass(5_000);
    assert.deepEqual(seen, Array.from({ length: 60 }, (_, i) => i + 2));
    assert.equal(sink.calls.length, 1);
    slow.close();
  });
});

Deno.test("connectStore() watches at whoever leads, at any other member while none does, and at the first when told so", async () => {
  await scene(11, async ({ world, cluster, store, pass }) => {
    const watches = () => cluster.machines.map(({ hub }) => hub.size);
    cluster.elect(2);
    await pass(50);
    const first = connectStore({ endpoints: ["tcp:s1:1", "tcp:s2:1"], watchAt: "first" }, world.host("other").platform);
    await pass(50);
    first.watch(all, recorder());
    const watch = store.watch(all, recorder());
    await pass(50);
    assert.deepEqual(watches(), [0, 1, 1]);
    watch.cancel();
    watch.cancel();
    await pass(50);
    assert.deepEqual(watches(), [0, 1, 0]);
    first.close();
    cluster.elect(-1);
    await pass(50);
    store.watch(all, recorder());
    await pass(50);
    assert.equal(watches().reduce((sum, size) => sum + size), 1);
  });
});
