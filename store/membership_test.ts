import assert from "node:assert/strict";
import { fromUtf8, prefixEnd, utf8 } from "../base/bytes.ts";
import { createWorld, type World } from "../platform/sim/mod.ts";
import { type Member, type MemberConfig, startMember } from "./member.ts";
import { connectStore } from "./remote.ts";
import type { Store } from "./types.ts";

const timers = { tickMs: 25, heartbeatTicks: 2, electionTicks: 16 };
const names = ["m1", "m2", "m3", "m4", "m5"];

function placeOf(id: string, port = 1) {
  return { id, peerAddress: `tcp:${id}:${port}`, clientAddress: `tcp:${id}:${port + 1}` };
}

/** A cluster that grows and shrinks, on simulated machines. */
class Crowd {
  readonly world: World;
  readonly running = new Map<string, Member>();
  readonly store: Store;

  constructor(seed: number) {
    this.world = createWorld({ seed });
    const endpoints = names.map((id) => placeOf(id).clientAddress);
    this.store = connectStore({ endpoints, requestTimeoutMs: 5_000 }, this.world.host("client").platform);
  }

  async start(id: string, members: MemberConfig["members"], more: Partial<MemberConfig> = {}): Promise<Member> {
    const host = this.world.host(id);
    const platform = host.running ? host.platform : host.restart();
    const config = { clusterId: "c", id, members, dataDirectory: "/data", timers, segmentBytes: 8192, ...more };
    const member = await this.world.complete(startMember(config, platform));
    this.running.set(id, member);
    return member;
  }

  /** Adds a member, starts it and makes it a voter once it has caught up. */
  async grow(id: string, more: Partial<MemberConfig> = {}): Promise<void> {
    const before = await this.settle(this.store.membership.list());
    await this.settle(this.store.membership.add({ ...placeOf(id), isLearner: true }));
    await this.start(id, [...before, placeOf(id)], { join: true, ...more });
    for (let tries = 1;; tries++) {
      const error = await this.settle(this.store.membership.promote(id).then(() => null, (error) => error));
      if (error === null) return;
      assert.ok(error.code === "LearnerNotReady" && tries < 100, String(error));
      await this.world.run(this.world.nowMs + 50);
    }
  }

  async shrink(id: string): Promise<void> {
    await this.settle(this.store.membership.remove(id));
    const member = this.running.get(id) ?? assert.fail();
    await this.world.complete(member.failed, this.world.nowMs + 10_000);
    this.running.delete(id);
  }

  async put(key: string): Promise<void> {
    const success = [{ kind: "put", key: utf8(key), value: utf8(key) }] as const;
    await this.settle(this.store.txn({ compare: [], success, failure: [] }));
  }

  async keys(): Promise<string[]> {
    const { kvs } = await this.settle(this.store.range({ key: utf8("k"), rangeEnd: prefixEnd(utf8("k")) }));
    return kvs.map((kv) => fromUtf8(kv.key));
  }

  settle<T>(promise: Promise<T>): Promise<T> {
    return this.world.complete(promise, this.world.nowMs + 20_000);
  }

  async until(holds: () => boolean, what: string): Promise<void> {
    assert.ok(await this.world.runUntil(holds, this.world.nowMs + 20_000), `in time: ${what}`);
  }

  async voters(): Promise<string[]> {
    const members = await this.settle(this.store.membership.list());
    return members.filter((member) => !member.isLearner).map((member) => member.id);
  }

  async converged(): Promise<void> {
    const members = [...this.running.values()];
    const same = () => new Set(members.map((member) => member.status().appliedIndex)).size === 1;
    await this.until(same, "all have applied the same");
    assert.equal(new Set(members.map((member) => member.stateHash())).size, 1, "states differ");
  }

  leader(): Member {
    const [first] = [...this.running.values()];
    return this.running.get(first?.status().leaderId ?? "") ?? assert.fail("no leader");
  }

  async stop(): Promise<void> {
    this.store.close();
    await this.world.complete(Promise.all([...this.running.values()].map((member) => member.stop())));
  }
}

Deno.test("a live cluster grows from 1 to 3 to 5 members and shrinks to 3, its leader among the removed, with no write lost", async () => {
  const crowd = new Crowd(1);
  await crowd.start("m1", [placeOf("m1")]);
  const written: string[] = [];
  const put = async () => {
    written.push(`k${written.length + 10}`);
    await crowd.put(written.at(-1) ?? "");
  };
  await put();
  for (const id of ["m2", "m3", "m4", "m5"]) {
    await crowd.grow(id);
    await put();
  }
  assert.deepEqual(await crowd.voters(), names);
  await crowd.converged();
  const leaderId = crowd.leader().status().memberId;
  await crowd.shrink(leaderId);
  await put();
  const other = (await crowd.voters()).find((id) => id !== crowd.leader().status().memberId) ?? "";
  await crowd.shrink(other);
  await put();
  assert.deepEqual((await crowd.voters()).length, 3);
  assert.deepEqual(await crowd.keys(), written);
  await crowd.converged();
  await crowd.stop();
});

Deno.test("a dead member is removed and another takes its place, caught up by a snapshot that says who the members are", async () => {
  const crowd = new Crowd(2);
  const first = ["m1", "m2", "m3"].map((id) => placeOf(id));
  for (const { id } of first) await crowd.start(id, first, { snapshotEntries: 20 });
  for (let i = 0; i < 60; i++) await crowd.put(`k${i}`);
  await crowd.settle(crowd.store.membership.moveLeader("m1"));
  crowd.world.host("m3").crash();
  crowd.running.delete("m3");
  await crowd.put("k60");
  await crowd.settle(crowd.store.membership.remove("m3"));
  await crowd.grow("m4", { snapshotEntries: 20 });
  assert.deepEqual(await crowd.voters(), ["m1", "m2", "m4"]);
  assert.equal((await crowd.keys()).length, 61);
  // Its own disk says so too: the one that was started with m4 knows m1 and m2 after a power loss, without m3.
  crowd.world.host("m4").crash();
  await crowd.start("m4", [placeOf("m4")], { join: true, snapshotEntries: 20 });
  await crowd.converged();
  await crowd.stop();
});

Deno.test("members are known by id: a stopped cluster starts on other ports and serves what it held", async () => {
  const crowd = new Crowd(3);
  const first = ["m1", "m2", "m3"].map((id) => placeOf(id));
  for (const { id } of first) await crowd.start(id, first);
  await crowd.put("k1");
  await crowd.stop();
  const moved = ["m1", "m2", "m3"].map((id) => placeOf(id, 7));
  const endpoints = moved.map((member) => member.clientAddress);
  for (const { id } of moved) await crowd.start(id, moved);
  const store = connectStore({ endpoints, requestTimeoutMs: 5_000 }, crowd.world.host("client").platform);
  const { count } = await crowd.settle(store.range({ key: utf8("k1") }));
  assert.equal(count, 1);
  const addresses = (await crowd.settle(store.membership.list())).map((member) => member.peerAddress);
  assert.deepEqual(addresses, ["tcp:m1:7", "tcp:m2:7", "tcp:m3:7"]);
  store.close();
  await crowd.stop();
});

Deno.test("membership refuses, in the store's closed set: unknown, doubled, too many learners, not caught up, too few up", async () => {
  const crowd = new Crowd(4);
  const first = ["m1", "m2", "m3"].map((id) => placeOf(id));
  for (const { id } of first) await crowd.start(id, first);
  const { membership } = crowd.store;
  const refused = async (change: Promise<unknown>, code: string) => {
    await assert.rejects(crowd.settle(change), { code });
  };
  await refused(membership.remove("m9"), "MemberNotFound");
  await refused(membership.promote("m1"), "NotLearner");
  await refused(membership.add(placeOf("m1", 9)), "MemberExists");
  await refused(membership.add({ ...placeOf("m4"), peerAddress: "tcp:m1:1" }), "PeerAddressExists");
  await refused(membership.update("m1", { peerAddress: "tcp:m2:1" }), "PeerAddressExists");
  await refused(membership.moveLeader("m9"), "BadTransferee");
  await crowd.settle(membership.add({ ...placeOf("m4"), isLearner: true }));
  await refused(membership.promote("m4"), "LearnerNotReady");
  await refused(membership.add({ ...placeOf("m5"), isLearner: true }), "TooManyLearners");
  await refused(membership.moveLeader("m4"), "BadTransferee");
  await crowd.settle(membership.remove("m4"));
  // Two of three are up: without one more of them there would be no quorum.
  const victim = first.find(({ id }) => id !== crowd.leader().status().memberId)?.id ?? "";
  crowd.world.host(victim).crash();
  crowd.running.delete(victim);
  await crowd.world.run(crowd.world.nowMs + 100);
  const left = first.find(({ id }) => id !== crowd.leader().status().memberId && id !== victim)?.id ?? "";
  await refused(membership.remove(left), "NotEnoughStarted");
  await refused(membership.add(placeOf("m5")), "NotEnoughStarted");
  await crowd.stop();
});

Deno.test("membership.moveLeader() hands the lead to the voter that was named, and update() keeps its address", async () => {
  const crowd = new Crowd(5);
  const first = ["m1", "m2", "m3"].map((id) => placeOf(id));
  for (const { id } of first) await crowd.start(id, first);
  await crowd.put("k1");
  const target = first.find(({ id }) => id !== crowd.leader().status().memberId)?.id ?? "";
  await crowd.settle(crowd.store.membership.moveLeader(target));
  assert.equal(crowd.leader().status().memberId, target);
  await crowd.settle(crowd.store.membership.add({ ...placeOf("m4"), isLearner: true }));
  await crowd.settle(crowd.store.membership.update("m4", { peerAddress: "tcp:m4:9" }));
  await crowd.settle(crowd.store.membership.update("m1", { peerAddress: "tcp:m1:9" }));
  const listed = await crowd.settle(crowd.store.membership.list());
  assert.deepEqual(listed.map((member) => member.peerAddress), ["tcp:m1:9", "tcp:m2:1", "tcp:m3:1", "tcp:m4:9"]);
  assert.deepEqual(listed[3], { ...placeOf("m4"), peerAddress: "tcp:m4:9", isLearner: true });
  await crowd.stop();
});

Deno.test("a removed member stops, and does not start again on what it kept", async () => {
  const crowd = new Crowd(6);
  const first = ["m1", "m2", "m3"].map((id) => placeOf(id));
  for (const { id } of first) await crowd.start(id, first, { snapshotEntries: 4 });
  await crowd.put("k1");
  const victim = first.find(({ id }) => id !== crowd.leader().status().memberId)?.id ?? "";
  await crowd.shrink(victim);
  crowd.world.host(victim).crash();
  const again = await crowd.start(victim, first).catch((error) => error);
  if (!("failed" in again)) assert.equal(again.code, "MemberNotFound");
  else {assert.equal(
      (await crowd.world.complete(again.failed, crowd.world.nowMs + 20_000) as { code?: string }).code,
      "MemberNotFound",
    );}
  crowd.running.delete(victim);
  await crowd.put("k2");
  await crowd.stop();
});

Deno.test("a member that was away while another was added catches up though that one leads, whom it has never heard of", async () => {
  const crowd = new Crowd(7);
  const first = ["m1", "m2", "m3"].map((id) => placeOf(id));
  for (const { id } of first) await crowd.start(id, first);
  await crowd.put("k1");
  const away = first.find(({ id }) => id !== crowd.leader().status().memberId)?.id ?? "";
  crowd.world.host(away).crash();
  crowd.running.delete(away);
  await crowd.grow("m4");
  await crowd.settle(crowd.store.membership.moveLeader("m4"));
  await crowd.put("k2");
  await crowd.start(away, first);
  await crowd.converged();
  assert.equal(crowd.leader().status().memberId, "m4");
  await crowd.stop();
});

Deno.test("a client that knows the first members only finds one that was added once that one leads", async () => {
  const crowd = new Crowd(8);
  const first = ["m1", "m2", "m3"].map((id) => placeOf(id));
  for (const { id } of first) await crowd.start(id, first);
  const endpoints = first.map(({ clientAddress }) => clientAddress);
  const narrow = connectStore({ endpoints, requestTimeoutMs: 5_000 }, crowd.world.host("other client").platform);
  const success = [{ kind: "put", key: utf8("k1"), value: utf8("v") }] as const;
  await crowd.settle(narrow.txn({ compare: [], success, failure: [] }));
  await crowd.grow("m4");
  await crowd.settle(crowd.store.membership.moveLeader("m4"));
  await crowd.settle(narrow.txn({ compare: [], success, failure: [] }));
  narrow.close();
  await crowd.stop();
});
