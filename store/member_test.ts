import assert from "node:assert/strict";
import { fromUtf8, prefixEnd, utf8 } from "../base/bytes.ts";
import { prng } from "../base/prng.ts";
import { parseMetrics } from "../platform/deno/metrics_testing.ts";
import { createTracer, type OtlpSpan } from "../platform/tracing/mod.ts";
import { createWorld, type SimHost, type World } from "../platform/sim/mod.ts";
import { storeLimits } from "./limits.ts";
import { type Member, type MemberConfig, startMember } from "./member.ts";
import { connectStore } from "./remote.ts";
import { type Operation, type Store, StoreError, type StoreEvent } from "./types.ts";

const ids = ["m0", "m1", "m2"];
const members = ids.map((id) => ({ id, peerAddress: `tcp:${id}:1`, clientAddress: `tcp:${id}:2` }));
const timers = { tickMs: 25, heartbeatTicks: 2, electionTicks: 16 };

/** Three members in the simulator, which it can kill and start again. */
class Trio {
  readonly world: World;
  readonly hosts: SimHost[];
  readonly running: (Member | null)[] = [null, null, null];
  /** Of each member. */
  readonly spans: readonly OtlpSpan[][] = [[], [], []];
  readonly #config: Partial<MemberConfig>;

  constructor(world: World, config: Partial<MemberConfig> = {}) {
    this.world = world;
    this.#config = config;
    this.hosts = ids.map((id) => world.host(id));
  }

  async start(): Promise<void> {
    await this.world.complete(Promise.all(ids.map((_, i) => this.boot(i))));
  }

  async boot(i: number): Promise<void> {
    const host = this.hosts[i] ?? assert.fail();
    const platform = host.running ? host.platform : host.restart();
    const config = { clusterId: "c", id: ids[i] ?? "", members, dataDirectory: "/data", timers, ...this.#config };
    const sink = { take: (span: OtlpSpan) => void this.spans[i]?.push(span) };
    this.running[i] = await startMember(config, { ...platform, tracer: createTracer({ ...platform, sink }) });
  }

  kill(i: number): void {
    this.running[i] = null;
    this.hosts[i]?.crash();
  }

  /** The index of the member that the newest term knows as leader, or -1. */
  leader(): number {
    const known = this.running.flatMap((member) => member === null ? [] : [member.status()]);
    const newest = known.sort((a, b) => b.term - a.term)[0];
    return ids.indexOf(newest?.leaderId ?? "");
  }

  async settled(): Promise<void> {
    const ok = () => this.leader() >= 0 && this.running[this.leader()] !== null;
    assert.ok(await this.world.runUntil(ok, this.world.nowMs + 20_000), "no leader was elected");
  }

  /** All running members have applied the same, and hold the same state. */
  async converged(): Promise<void> {
    const indexes = () => this.running.map((member) => member?.status().appliedIndex);
    const same = () => new Set(indexes()).size === 1;
    assert.ok(await this.world.runUntil(same, this.world.nowMs + 20_000), `members stay at ${indexes()}`);
    await this.world.run(this.world.nowMs + 500);
    assert.ok(same());
    assert.equal(new Set(this.running.map((member) => member?.stateHash())).size, 1, "the members' states differ");
  }

  async stop(): Promise<void> {
    await this.world.complete(Promise.all(this.running.map((member) => member?.stop())));
  }
}

function client(world: World, name: string, first = 0): Store {
  const endpoints = ids.map((_, i) => members[(i + first) % 3]?.clientAddress ?? "");
  return connectStore({ endpoints, requestTimeoutMs: 5_000, watchAt: "first" }, world.host(name).platform);
}

function put(store: Store, key: string, value: string, more: object = {}) {
  const success: Operation[] = [{ kind: "put", key: utf8(key), value: utf8(value), ...more }];
  return store.txn({ compare: [], success, failure: [] });
}

const everything = { key: utf8("k"), rangeEnd: prefixEnd(utf8("k")) };

Deno.test("startMember() x3: writes go through any client, linearizable reads see them on every member", async () => {
  const world = createWorld({ seed: 1 });
  const trio = new Trio(world);
  await trio.start();
  const stores = [0, 1, 2].map((i) => client(world, `c${i}`, i));
  for (let i = 0; i < 30; i++) {
    await world.complete(put(stores[i % 3] ?? assert.fail(), `k${i}`, "v"));
    const own = trio.running[(i + 1) % 3]?.store ?? assert.fail();
    assert.equal((await world.complete(own.range(everything))).count, i + 1);
  }
  const follower = trio.running[(trio.leader() + 1) % 3]?.store ?? assert.fail();
  const refusal = await world.complete(put(follower, "k", "v").then(() => assert.fail(), (error) => error));
  assert.equal(refusal.code, "NotLeader");
  await trio.converged();
  for (const store of stores) store.close();
  await trio.stop();
});

Deno.test("startMember(): every member shows by etcd's names who leads, how far it is, and what it holds", async () => {
  const trio = new Trio(createWorld({ seed: 1 }));
  await trio.start();
  await trio.settled();
  await trio.converged();
  const shown = trio.hosts.map((host) => parseMetrics(host.platform.metrics.text()));
  const of = (name: string) => shown.map((samples) => samples.get(name)?.get(""));
  assert.deepEqual(of("etcd_server_has_leader"), [1, 1, 1]);
  assert.deepEqual(of("etcd_server_is_leader"), [0, 1, 2].map((i) => i === trio.leader() ? 1 : 0));
  const applied = trio.running.map((member) => member?.status().appliedIndex);
  assert.deepEqual(of("etcd_server_proposals_applied_total"), applied);
  assert.ok(of("etcd_server_leader_changes_seen_total").every((count) => count === 1));
  assert.ok(of("etcd_disk_wal_fsync_duration_seconds_count").every((count) => (count ?? 0) > 0));
  await trio.stop();
});

Deno.test("startMember(): killing the leader loses no acknowledged write and stops a client for under two elections", async () => {
  const world = createWorld({ seed: 2 });
  const trio = new Trio(world);
  await trio.start();
  const store = client(world, "c");
  await world.complete(put(store, "k0", "v"));
  const acknowledged = ["k0"];
  let longestMs = 0;
  for (let i = 1; i < 60; i++) {
    if (i % 20 === 10) {
      await trio.settled();
      const victim = trio.leader();
      trio.kill(victim);
      world.host("c"); // the client stays
      const startMs = world.nowMs;
      await world.complete(put(store, `k${i}`, "v").then(() => acknowledged.push(`k${i}`), unavailable));
      longestMs = Math.max(longestMs, world.nowMs - startMs);
      await world.complete(trio.boot(victim));
    } else {
      await world.complete(put(store, `k${i}`, "v").then(() => acknowledged.push(`k${i}`), unavailable));
    }
  }
  assert.ok(longestMs < 2 * timers.tickMs * timers.electionTicks, `a write took ${longestMs} ms`);
  const held = (await world.complete(store.range(everything))).kvs.map((kv) => fromUtf8(kv.key));
  for (const key of acknowledged) assert.ok(held.includes(key), `${key} was acknowledged and is gone`);
  await trio.converged();
  store.close();
  await trio.stop();
});

Deno.test("txn() with a trace: the leader, and nobody else, writes one span under the caller's, with the entry's index and term", async () => {
  const world = createWorld({ seed: 4 });
  const trio = new Trio(world);
  await trio.start();
  const store = client(world, "c");
  await world.complete(put(store, "k0", "v"));
  assert.equal(trio.spans.flat().length, 0);
  const trace = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7", sampled: true };
  const success: Operation[] = [{ kind: "put", key: utf8("k1"), value: utf8("v") }];
  const answer = await world.complete(store.txn({ compare: [], success, failure: [] }, trace));
  const leader = trio.leader();
  const status = trio.running[leader]?.status() ?? assert.fail();
  assert.deepEqual(trio.spans.map(({ length }) => length), [0, 1, 2].map((i) => i === leader ? 1 : 0));
  const span = trio.spans[leader]?.[0] ?? assert.fail();
  assert.deepEqual([span.name, span.traceId, span.parentSpanId], ["raft propose..commit", trace.traceId, trace.spanId]);
  assert.deepEqual(span.attributes.map(({ key, value }) => [key, Object.values(value)[0]]), [
    ["raft.index", `${status.appliedIndex}`],
    ["raft.term", `${status.term}`],
    ["revision", `${answer.revision}`],
    ["succeeded", true],
  ]);
  assert.ok(BigInt(span.endTimeUnixNano) > BigInt(span.startTimeUnixNano), "a majority takes time");
  await world.complete(
    store.txn({ compare: [], success: [{ kind: "range", request: everything }], failure: [] }, trace),
  );
  assert.equal(trio.spans.flat().length, 1, "a read is no proposal");
  store.close();
  await trio.stop();
});

/** A write that may or may not have happened is the only failure that a caller must expect. */
function unavailable(error: unknown): void {
  assert.ok(error instanceof StoreError && ["Unavailable", "NoLeader"].includes(error.code), String(error));
}

Deno.test("startMember(): all three killed at once come back with every acknowledged write, revision and lease", async () => {
  const world = createWorld({ seed: 3 });
  // Few entries a snapshot: the restart reads snapshot and log.
  const trio = new Trio(world, { snapshotEntries: 20 });
  await trio.start();
  const store = client(world, "c");
  const lease = await world.complete(store.leaseGrant(3_600));
  for (let i = 0; i < 90; i++) await world.complete(put(store, `k${i % 7}`, `${i}`, i < 7 ? { lease: lease.id } : {}));
  await world.complete(store.compact(50));
  const before = await world.complete(store.range(everything));
  for (const i of [0, 1, 2]) trio.kill(i);
  await world.run(world.nowMs + 1_000);
  await trio.start();
  const after = await world.complete(store.range(everything));
  assert.deepEqual(after, before);
  const refusal = await world.complete(store.range({ ...everything, revision: 49 }).then(() => null, (e) => e));
  assert.equal(refusal?.code, "Compacted");
  assert.equal(await world.complete(store.leaseKeepAlive(lease.id)), 3_600);
  await trio.converged();
  store.close();
  await trio.stop();
});

Deno.test("startMember(): a lease ends once, some time after its TTL, though the leader that granted it died", async () => {
  const world = createWorld({ seed: 4 });
  const trio = new Trio(world);
  await trio.start();
  const store = client(world, "c");
  const { id } = await world.complete(store.leaseGrant(5));
  await world.complete(put(store, "k1", "v", { lease: id }));
  const startMs = world.nowMs;
  await world.run(startMs + 2_000);
  const victim = trio.leader();
  trio.kill(victim);
  await world.complete(trio.boot(victim));
  await trio.settled();
  await world.run(startMs + 6_000);
  assert.equal((await world.complete(store.range(everything))).count, 1, "the new leader did not extend the lease");
  await world.run(startMs + 10_000);
  const gone = await world.complete(store.range(everything));
  assert.deepEqual([gone.count, gone.revision], [0, 3]);
  await trio.converged();
  store.close();
  await trio.stop();
});

/** Watches from a revision, and again from the next one whenever it is cut off: as an informer does. */
class Follower {
  readonly seen: { key: string; revision: number; type: string }[] = [];
  next = 1;
  cuts = 0;
  readonly #store: Store;
  constructor(store: Store) {
    this.#store = store;
    this.#watch();
  }
  #watch(): void {
    this.#store.watch({ ...everything, startRevision: this.next }, {
      onEvents: (events: readonly StoreEvent[], revision) => {
        for (const { kv, type } of events) {
          assert.ok(kv.modRevision >= this.next && kv.modRevision <= revision, "out of order or twice");
          this.seen.push({ key: fromUtf8(kv.key), revision: kv.modRevision, type });
        }
        this.next = revision + 1;
      },
      onProgress: (revision) => this.next = Math.max(this.next, revision + 1),
      onClose: (error) => {
        this.cuts++;
        assert.equal(error?.code, "Unavailable");
        this.#watch();
      },
    });
  }
}

Deno.test("startMember(): under kills, partitions and loss no acknowledged write is lost and watches see all, 6 seeds", async () => {
  let cuts = 0;
  for (let seed = 1; seed <= 6; seed++) {
    const world = createWorld({ seed });
    const random = prng(seed);
    const trio = new Trio(world, { snapshotEntries: 40 });
    await trio.start();
    const store = client(world, "c", seed % 3);
    const followers = [0, 1, 2].map((i) => new Follower(client(world, `w${i}`, i)));
    const acknowledged = new Map<string, number>();
    for (let i = 0; i < 150; i++) {
      const roll = random.int(30);
      const victim = random.int(3);
      if (roll === 0 && !trio.running.includes(null)) trio.kill(victim);
      else if (roll === 1) world.network.partition([ids[victim] ?? ""], ids.filter((_, at) => at !== victim));
      else if (roll === 2) world.network.setDefaultLink({ lossRate: 0.05 });
      else if (roll < 6) {
        world.network.heal();
        world.network.resetLinks();
        for (const at of [0, 1, 2]) if (trio.running[at] === null) await world.complete(trio.boot(at));
      }
      const batch = Array.from({ length: 1 + random.int(4) }, (_, j) => {
        const key = `k${i}.${j}`;
        return put(store, key, "v").then((response) => void acknowledged.set(key, response.revision), unavailable);
      });
      await world.complete(Promise.all(batch));
    }
    world.network.heal();
    world.network.resetLinks();
    for (const at of [0, 1, 2]) if (trio.running[at] === null) await world.complete(trio.boot(at));
    const last = await world.complete(put(store, "k-last", "v"));
    const final = await world.complete(store.range(everything));
    const held = new Map(final.kvs.map((kv) => [fromUtf8(kv.key), kv.modRevision as number]));
    for (const [key, revision] of acknowledged) assert.equal(held.get(key), revision, `seed ${seed}: ${key}`);
    await trio.converged();
    const done = () => followers.every((follower) => follower.next > last.revision);
    assert.ok(await world.runUntil(done, world.nowMs + 30_000), `seed ${seed}: a watch stays behind`);
    const expected = final.kvs.map((kv) => ({ key: fromUtf8(kv.key), revision: kv.modRevision, type: "put" }));
    expected.sort((a, b) => a.revision - b.revision);
    for (const follower of followers) {
      assert.deepEqual(follower.seen, expected, `seed ${seed}`);
      cuts += follower.cuts;
    }
    store.close();
    await trio.stop();
  }
  assert.ok(cuts > 0, "no watch was ever cut off");
});

Deno.test("startMember(): a member that has lost the others ends its watches, so that they move", async () => {
  const world = createWorld({ seed: 5 });
  const trio = new Trio(world);
  await trio.start();
  const store = client(world, "c", 0);
  await world.complete(put(store, "k0", "v"));
  let closed = "";
  store.watch(everything, { onEvents: () => {}, onClose: (error) => closed = error?.code ?? "" });
  await world.run(world.nowMs + 200);
  world.network.partition(["m0"], ["m1", "m2"]);
  await world.run(world.nowMs + (storeLimits.leaderlessElections + 3) * timers.tickMs * timers.electionTicks);
  assert.equal(closed, "Unavailable");
  const seen: number[] = [];
  let cutAgain = false;
  store.watch({ ...everything, startRevision: 3 }, {
    onEvents: (_, revision) => seen.push(revision),
    onClose: () => cutAgain = true,
  });
  await world.complete(put(store, "k1", "v"));
  await world.run(world.nowMs + 200);
  assert.deepEqual(seen, [3]);
  await world.run(world.nowMs + 5_000);
  assert.equal(cutAgain, false, "the second watch must be on a member that has a leader");
  world.network.heal();
  store.close();
  await trio.stop();
});

Deno.test("a new leader gives leases their whole TTL again; with checkpoints what was left, through restarts too, until renewed", async () => {
  for (const checkpointed of [false, true]) {
    const world = createWorld({ seed: 11 });
    const more = checkpointed ? { leaseCheckpointIntervalMs: 5_000, snapshotEntries: 4 } : {};
    const trio = new Trio(world, more);
    await trio.start();
    await trio.settled();
    const store = client(world, "client");
    const settle = <T>(promise: Promise<T>) => world.complete(promise, world.nowMs + 20_000);
    const { id } = await settle(store.leaseGrant(60));
    await settle(put(store, "k", "v", { lease: id }));
    await world.run(world.nowMs + 21_000);
    const leader = trio.leader();
    trio.kill(leader);
    await trio.settled();
    const left = async () => (await settle(store.leaseTimeToLive(id))).ttlSeconds;
    const afterKill = await left();
    // The last checkpoint is at most an interval and a round old.
    assert.ok(checkpointed ? afterKill > 38 && afterKill < 47 : afterKill > 57, `${checkpointed}: ${afterKill} s left`);
    await settle(trio.boot(leader));
    if (checkpointed) {
      for (let i = 0; i < 6; i++) await settle(put(store, `k${i}`, "v")); // into a snapshot
      await trio.converged();
      for (let i = 0; i < 3; i++) trio.kill(i);
      await trio.start();
      await trio.settled();
      const afterRestart = await left();
      assert.ok(afterRestart > 30 && afterRestart < 47, `${afterRestart} s left after a restart`);
      assert.equal(await settle(store.leaseKeepAlive(id)), 60);
      trio.kill(trio.leader());
      await trio.settled();
      assert.ok(await left() > 57, "what was renewed has its whole TTL");
    }
    store.close();
    await trio.stop();
  }
});

Deno.test("defragment(): a member gives back files and log while all write on; it restarts from what that leaves", async () => {
  const world = createWorld({ seed: 8 });
  const trio = new Trio(world, { historyResidentBytes: 0, segmentBytes: 32 * 1024, compaction: { mode: "off" } });
  await trio.start();
  await trio.settled();
  const store = client(world, "client");
  const write = (key: string) =>
    store.txn({ compare: [], success: [{ kind: "put", key: utf8(key), value: new Uint8Array(1_000) }], failure: [] });
  for (let i = 0; i < 300; i++) await world.complete(write(i % 5 === 0 ? `cold-${i}` : "hot"));
  for (let i = 0; i < 300; i += 5) await world.complete(write(`cold-${i}`));
  const { revision } = await world.complete(write("hot"));
  await world.complete(store.compact(revision - 60));
  const chosen = (trio.leader() + 1) % 3;
  const own = connectStore({ endpoints: [members[chosen]?.clientAddress ?? ""], only: true }, world.host("o").platform);
  await world.run(world.nowMs + 2_000); // it has heard of the compaction, and dropped what it could
  const before = await world.complete(own.status());
  assert.ok(before.allocatedBytes > before.databaseBytes + 100_000, JSON.stringify(before));
  const onDisk = async () => {
    const { disk } = trio.hosts[chosen]?.platform ?? assert.fail();
    const names = await world.complete(disk.list("/data"));
    const segments = names.filter((name) => !name.startsWith("snapshot-")).length;
    return { segments, snapshots: names.length - segments };
  };
  const disk = await onDisk();
  assert.equal(disk.snapshots, 0);
  let writing = true;
  const writes = (async () => {
    for (let i = 0; writing; i++) await write(`cold-${5 * (i % 60)}`);
  })();
  await world.complete(Promise.all([own.defragment(), own.defragment()]));
  writing = false;
  await world.complete(writes);
  const after = await world.complete(own.status());
  assert.ok(after.allocatedBytes - after.databaseBytes < 20_000, JSON.stringify(after));
  assert.equal((await onDisk()).snapshots, 1);
  const left = await world.complete(trio.hosts[chosen]?.platform.disk.list("/data") ?? assert.fail());
  assert.deepEqual(left.filter((name) => name.startsWith("spare-")), [], "former segments");
  assert.ok((await onDisk()).segments < disk.segments, `${(await onDisk()).segments} of ${disk.segments} segments`);
  await trio.converged();
  trio.kill(chosen);
  await world.complete(trio.boot(chosen));
  await trio.converged();
  own.close();
  store.close();
  await trio.stop();
});

Deno.test("connectStore({ only }) asks that member alone: another never answers for one that is down", async () => {
  const world = createWorld({ seed: 5 });
  const trio = new Trio(world);
  await trio.start();
  await trio.settled();
  const follower = (trio.leader() + 1) % 3;
  const endpoints = [members[follower]?.clientAddress ?? ""];
  const own = connectStore({ endpoints, only: true, requestTimeoutMs: 1_000 }, world.host("client").platform);
  assert.equal((await world.complete(own.status())).memberId, ids[follower]);
  await world.run(world.nowMs + 4 * storeLimits.clientMembersMs); // what knows of a leader elsewhere looks for it
  trio.kill(follower);
  await assert.rejects(world.complete(own.status()), { code: "NoLeader" });
  own.close();
  await trio.stop();
});
