import assert from "node:assert/strict";
import { utf8 } from "../base/bytes.ts";
import { prng } from "../base/prng.ts";
import { createWorld, type World } from "../platform/sim/mod.ts";
import { storeLimits } from "./limits.ts";
import { type Member, startMember } from "./member.ts";
import { HashCheck } from "./hash_check.ts";
import { hashSection } from "./mvcc/hash_kv.ts";
import { Mvcc } from "./mvcc/mvcc.ts";
import { decodeNote, noteKind } from "./notes.ts";
import type { AlarmRequest, Operation } from "./types.ts";

const intervalMs = 1_000;

/** Members of one cluster in the simulator, and the data of each. */
class Scene {
  readonly world: World;
  readonly ids: readonly string[];
  readonly members = new Map<string, Member>();
  readonly data = new Map<string, Mvcc>();
  readonly #everyMs: number;

  constructor(seed: number, size = 3, everyMs: number = intervalMs) {
    this.#everyMs = everyMs;
    this.world = createWorld({ seed });
    this.ids = Array.from({ length: size }, (_, i) => `m${i}`);
  }

  async start(): Promise<void> {
    await this.world.complete(Promise.all(this.ids.map((id) => this.boot(id))));
    await this.settled();
  }

  async boot(id: string): Promise<void> {
    const host = this.world.host(id);
    const config = {
      clusterId: "c",
      id,
      members: this.ids.map((name) => ({ id: name, peerAddress: `tcp:${name}:1`, clientAddress: `tcp:${name}:2` })),
      dataDirectory: "/data",
      timers: { tickMs: 25, heartbeatTicks: 2, electionTicks: 16 },
      snapshotEntries: 16,
      hashCheckIntervalMs: this.#everyMs,
    };
    const onData = (mvcc: Mvcc) => void this.data.set(id, mvcc);
    this.members.set(id, await startMember(config, host.running ? host.platform : host.restart(), { onData }));
  }

  kill(id: string): void {
    this.members.delete(id);
    this.world.host(id).crash();
  }

  get leaderId(): string {
    return [...this.members.values()].map((each) => each.status()).find((s) => s.leaderId === s.memberId)?.memberId ??
      "";
  }

  get leader(): Member {
    return this.members.get(this.leaderId) ?? assert.fail("nobody leads");
  }

  /** Someone leads and all that run have applied the same. */
  async settled(): Promise<void> {
    const indexes = () => new Set([...this.members.values()].map((member) => member.status().appliedIndex));
    const done = () => this.leaderId !== "" && indexes().size === 1;
    assert.ok(await this.world.runUntil(done, this.world.nowMs + 20_000), `${this.leaderId} ${[...indexes()]}`);
  }

  run(...success: Operation[]) {
    return this.world.complete(this.leader.store.txn({ compare: [], success, failure: [] }));
  }

  alarms(request: AlarmRequest = { action: "list" }) {
    return this.world.complete(this.leader.store.alarm(request));
  }

  /** As a bit of its memory that turned over. */
  spoil(id: string, key: string): void {
    const record = this.data.get(id)?.index.get(key) ?? assert.fail(`${id} has no ${key}`);
    const value = record.latest.value.slice();
    value[0] = (value[0] ?? 0) ^ 1;
    record.latest = { ...record.latest, value };
  }

  async stop(): Promise<void> {
    await this.world.complete(Promise.all([...this.members.values()].map((member) => member.stop())));
  }
}

const put = (key: string, value = "v"): Operation => ({ kind: "put", key: utf8(key), value: utf8(value) });

Deno.test("a member whose data differ is named within one period, leader or follower; nothing is served until disarmed", async () => {
  for (const [seed, which] of [[1, "follower"], [2, "leader"], [3, "follower"]] as const) {
    const scene = new Scene(seed);
    await scene.start();
    for (let i = 0; i < 10; i++) await scene.run(put(`k${i}`));
    await scene.settled();
    const { leaderId } = scene;
    const victim = which === "leader" ? leaderId : scene.ids.find((id) => id !== leaderId) ?? "";
    scene.spoil(victim, "k3");
    await scene.world.run(scene.world.nowMs + intervalMs + 100);
    const alarm = { memberId: victim, kind: "Corrupt" } as const;
    assert.deepEqual(await scene.alarms(), [alarm], `seed ${seed}: ${which}`);
    await assert.rejects(scene.run(put("k")), { code: "Corrupt" });

    scene.spoil(victim, "k3"); // it is repaired
    await scene.alarms({ action: "disarm", ...alarm });
    await scene.run(put("k"));
    await scene.world.run(scene.world.nowMs + 2 * intervalMs);
    assert.deepEqual(await scene.alarms(), []);
    await scene.stop();
  }
});

Deno.test("when no majority says who is wrong, the alarm names nobody", async () => {
  const scene = new Scene(4, 2);
  await scene.start();
  await scene.run(put("k"));
  await scene.settled();
  scene.spoil("m1", "k");
  await scene.world.run(scene.world.nowMs + intervalMs + 100);
  assert.deepEqual(await scene.alarms(), [{ memberId: "", kind: "Corrupt" }]);
  await scene.stop();
});

Deno.test("a store of several stretches is seen whole, while another member is down", async () => {
  const scene = new Scene(5);
  await scene.start();
  for (let i = 0; i < 8; i++) await scene.run(put(`k${i}`, "v".repeat(400_000)));
  await scene.settled();
  const [victim = "", dead = ""] = scene.ids.filter((id) => id !== scene.leaderId);
  scene.kill(dead);
  scene.spoil(victim, "k7");
  await scene.world.run(scene.world.nowMs + intervalMs + 500);
  assert.deepEqual(await scene.alarms(), [{ memberId: "", kind: "Corrupt" }], "one against one");
  await scene.stop();
});

Deno.test("healthy members never raise it: across compactions, restarts, snapshots and leases, under steady writes", async () => {
  for (let seed = 10; seed < 13; seed++) {
    const random = prng(seed);
    const scene = new Scene(seed);
    await scene.start();
    let dead: string | null = null;
    for (let i = 0; i < 150; i++) {
      const key = `k${random.int(12)}`;
      const remove = random.next() < 0.2;
      await scene.run(remove ? { kind: "delete", key: utf8(key) } : put(key, `v${i}`));
      if (random.next() < 0.1) {
        const { revision, compactRevision } = scene.leader.status();
        const target = Math.max(compactRevision + 1, revision - random.int(8));
        if (target <= revision) await scene.world.complete(scene.leader.store.compact(target));
      }
      if (random.next() < 0.1) await scene.world.complete(scene.leader.store.leaseGrant(1));
      if (random.next() < 0.05) {
        if (dead === null) {
          dead = scene.ids[random.int(3)] ?? "";
          scene.kill(dead);
          const led = () => scene.leaderId !== "" && scene.leader.status().leaderId === scene.leaderId;
          assert.ok(await scene.world.runUntil(led, scene.world.nowMs + 20_000));
          await scene.world.run(scene.world.nowMs + 1_000);
        } else {
          await scene.world.complete(scene.boot(dead));
          dead = null;
        }
      }
      await scene.world.run(scene.world.nowMs + random.int(200));
    }
    if (dead !== null) await scene.world.complete(scene.boot(dead));
    await scene.world.run(scene.world.nowMs + 3 * intervalMs);
    await scene.settled();
    assert.deepEqual(await scene.alarms(), [], `seed ${seed}`);
    await scene.stop();
  }
});

Deno.test("an answer to a question of an earlier life, which counted from one as well, accuses nobody", () => {
  const mvcc = new Mvcc();
  const due: (() => void)[] = [];
  const asked: (readonly unknown[])[] = [];
  const accused: string[] = [];
  const check = new HashCheck({
    id: "a",
    mvcc,
    members: () => ["a", "b", "c"],
    connected: () => true,
    appliedIndex: () => 7,
    tell: (_member, note) => void asked.push(decodeNote(note).fields),
    raise: (member) => void accused.push(member),
    timers: { schedule: (_ms, fn) => (due.push(fn), { cancel: () => {} }), sleep: () => Promise.resolve() },
    log: { debug() {}, info() {}, warn() {}, error() {}, with: () => assert.fail("no other log is asked for") },
    intervalMs,
  });
  check.setLeading(true);
  due.shift()?.();
  const [number, index, ...rest] = asked[0] ?? assert.fail("nothing was asked");
  const { hash } = hashSection(mvcc, mvcc.revision, { from: "", to: null }, Infinity);
  check.heard("b", noteKind.hashAnswer, [hash + 1, number, Number(index) - 1, ...rest]);
  check.heard("b", noteKind.hashAnswer, [hash, number, index, ...rest]);
  check.heard("c", noteKind.hashAnswer, [hash, number, index, ...rest]);
  assert.deepEqual(accused, []);
  due.shift()?.();
  const [again, ...same] = asked.at(-1) ?? assert.fail("nothing was asked again");
  check.heard("b", noteKind.hashAnswer, [hash + 1, again, ...same]);
  check.heard("c", noteKind.hashAnswer, [hash, again, ...same]);
  assert.deepEqual(accused, ["b"]);
  check.close();
});

Deno.test("members that are told to compare nothing every 0 ms do not look, and see no difference", async () => {
  const scene = new Scene(7, 3, 0);
  await scene.start();
  await scene.run(put("k"));
  await scene.settled();
  scene.spoil(scene.ids.find((id) => id !== scene.leaderId) ?? "", "k");
  await scene.world.run(scene.world.nowMs + 10 * storeLimits.hashCheckIntervalMs);
  assert.deepEqual(await scene.alarms(), []);
  await scene.stop();
});
