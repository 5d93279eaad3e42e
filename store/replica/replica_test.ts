import { deepEqual, equal, rejects } from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { createWorld, type World } from "../../platform/sim/mod.ts";
import { type Machine, type MachineSnapshot, type Replica, type ReplicaConfig, startReplica } from "./mod.ts";
import { StoreError } from "../types.ts";

/** Lists what it applied; answers its length. */
class ListMachine implements Machine<number> {
  items: string[] = [];
  apply(_index: number, command: Uint8Array): number {
    return this.items.push(fromUtf8(command));
  }
  snapshot(): MachineSnapshot {
    const bytes = utf8(JSON.stringify(this.items));
    return { parts: () => [bytes], close: () => {} };
  }
  restore(snapshot: Uint8Array): void {
    this.items = JSON.parse(fromUtf8(snapshot));
  }
}

const names = ["s1", "s2", "s3"];

function configFor(id: string, options: Partial<ReplicaConfig> = {}): ReplicaConfig {
  return {
    id,
    clusterId: "test",
    members: names.map((name) => ({ id: name, peerAddress: `tcp:${name}:2380`, clientAddress: `tcp:${name}:2379` })),
    dataDirectory: `/data/${id}`,
    timers: { tickMs: 10, heartbeatTicks: 2, electionTicks: 10 },
    segmentBytes: 8192,
    ...options,
  };
}

interface Running {
  machine: ListMachine;
  replica: Replica<number>;
}

async function startAll(world: World, options: Partial<ReplicaConfig> = {}): Promise<Map<string, Running>> {
  const members = new Map<string, Running>();
  for (const name of names) members.set(name, await startOne(world, name, options));
  await elected(world, members);
  return members;
}

async function startOne(world: World, name: string, options: Partial<ReplicaConfig> = {}): Promise<Running> {
  const machine = new ListMachine();
  const { platform } = world.host(name);
  return { machine, replica: await world.complete(startReplica(configFor(name, options), machine, platform)) };
}

function leaderOf(members: Map<string, Running>): [string, Running] {
  const found = [...members].find(([, { replica }]) => replica.status().role === "leader");
  if (found === undefined) throw new Error("no leader");
  return found;
}

async function elected(world: World, members: Map<string, Running>): Promise<void> {
  const isLeader = ({ replica }: Running) => replica.status().role === "leader";
  equal(await world.runUntil(() => [...members.values()].some(isLeader), world.nowMs + 5000), true);
}

Deno.test("propose() resolves with the machine's answer, and every member applies the command", async () => {
  const world = createWorld({ seed: 1 });
  const members = await startAll(world);
  const [, { replica }] = leaderOf(members);
  equal(await world.complete(replica.propose(utf8("a"))), 1);
  deepEqual(await world.complete(Promise.all(["b", "c", "d"].map((x) => replica.propose(utf8(x))))), [2, 3, 4]);
  const all = () => [...members.values()].every(({ machine }) => machine.items.join("") === "abcd");
  equal(await world.runUntil(all, world.nowMs + 1000), true);
});

Deno.test("propose() on a follower rejects NotLeader without sending anything", async () => {
  const world = createWorld({ seed: 2 });
  const members = await startAll(world);
  const [leader] = leaderOf(members);
  await world.run(world.nowMs + 500);
  for (const [name, { replica }] of members) {
    if (name === leader) continue;
    equal(replica.status().leaderId, leader);
    await rejects(replica.propose(utf8("x")), (error) => error instanceof StoreError && error.code === "NotLeader");
  }
});

Deno.test("readIndex() on any member resolves only after it applied what was acknowledged before", async () => {
  const world = createWorld({ seed: 3 });
  const members = await startAll(world);
  for (let i = 1; i <= 20; i++) {
    const [, { replica }] = leaderOf(members);
    equal(await world.complete(replica.propose(utf8(`${i}`))), i);
    for (const { machine, replica } of members.values()) {
      await world.complete(replica.readIndex());
      equal(machine.items.length >= i, true);
    }
  }
});

Deno.test("a killed leader is replaced within a few round trips, not an election timeout, and nothing acknowledged is lost", async () => {
  const world = createWorld({ seed: 4 });
  const members = await startAll(world);
  const [leader, { replica }] = leaderOf(members);
  for (let i = 0; i < 10; i++) await world.complete(replica.propose(utf8(`${i}`)));
  const killedMs = world.nowMs;
  world.host(leader).crash();
  members.delete(leader);
  await elected(world, members);
  equal(world.nowMs - killedMs < 60, true, `took ${world.nowMs - killedMs} ms`);
  const [, next] = leaderOf(members);
  equal(await world.complete(next.replica.propose(utf8("after"))), 11);
});

Deno.test("all members may lose power at once: every acknowledged command is there after the restart", async () => {
  const world = createWorld({ seed: 5 });
  const members = await startAll(world);
  const [, { replica }] = leaderOf(members);
  for (let i = 0; i < 200; i++) equal(await world.complete(replica.propose(utf8(`${i}`))), i + 1);
  for (const name of names) world.host(name).crash();
  for (const name of names) {
    world.host(name).restart();
    members.set(name, await startOne(world, name));
  }
  await elected(world, members);
  const [, again] = leaderOf(members);
  await world.complete(again.replica.readIndex());
  deepEqual(again.machine.items, Array.from({ length: 200 }, (_, i) => `${i}`));
});

Deno.test("a member that missed more than the log keeps catches up by a snapshot, and restarts from it", async () => {
  const world = createWorld({ seed: 6 });
  const options = { snapshotEntries: 20 };
  const members = await startAll(world, options);
  const [leader, { replica }] = leaderOf(members);
  const behind = names.find((name) => name !== leader) ?? "";
  world.host(behind).crash();
  for (let i = 0; i < 150; i++) await world.complete(replica.propose(utf8(`${i}`)));
  for (let round = 0; round < 2; round++) {
    world.host(behind).restart();
    members.set(behind, await startOne(world, behind, options));
    const machine = members.get(behind)?.machine;
    equal(await world.runUntil(() => machine?.items.length === 150 + round, world.nowMs + 5000), true);
    world.host(behind).crash();
    await world.complete(replica.propose(utf8("more")));
  }
});

Deno.test("stop() hands leadership over, so that writes go on at once", async () => {
  const world = createWorld({ seed: 7 });
  const members = await startAll(world);
  const [leader, { replica }] = leaderOf(members);
  await world.complete(replica.propose(utf8("a")));
  const beganMs = world.nowMs;
  await world.complete(replica.stop());
  members.delete(leader);
  equal(world.nowMs - beganMs < 60, true);
  await elected(world, members);
  equal(await world.complete(leaderOf(members)[1].replica.propose(utf8("b"))), 2);
});

Deno.test("a failed sync stops the member: what it was asked is unknown, what follows is refused", async () => {
  const world = createWorld({ seed: 8 });
  const members = await startAll(world);
  const [leader, { replica }] = leaderOf(members);
  for (const name of names) world.host(name).diskFaults.syncErrorRate = name === leader ? 1 : 0;
  const failed = world.complete(
    rejects(replica.propose(utf8("a")), (error) => error instanceof StoreError && error.code === "Unavailable"),
  );
  await failed;
  equal((await world.complete(replica.failed)) instanceof Error, true);
  await rejects(replica.propose(utf8("b")), (error) => error instanceof StoreError && error.code === "NoLeader");
  members.delete(leader);
  await elected(world, members);
});

Deno.test("a group of one commits with its own sync alone", async () => {
  const world = createWorld({ seed: 9 });
  const machine = new ListMachine();
  const alone = configFor("s1", {
    members: [{ id: "s1", peerAddress: "tcp:s1:2380", clientAddress: "tcp:s1:2379" }],
  });
  const replica = await world.complete(startReplica(alone, machine, world.host("s1").platform));
  await world.run(world.nowMs + 100);
  equal(await world.complete(replica.propose(utf8("a"))), 1);
  await world.complete(replica.readIndex());
  await world.complete(replica.stop());
});
