import assert from "node:assert/strict";
import { utf8 } from "../base/bytes.ts";
import { createWorld } from "../platform/sim/mod.ts";
import { startMember } from "./member.ts";
import type { Operation } from "./types.ts";

Deno.test("a full disk raises NoSpace: puts are refused, reads, deletes and compaction go on, and disarming ends it", async () => {
  const world = createWorld({ seed: 1 });
  const host = world.host("m1");
  const members = [{ id: "m1", peerAddress: "tcp:m1:1", clientAddress: "tcp:m1:2" }];
  const timers = { tickMs: 25, heartbeatTicks: 2, electionTicks: 16 };
  const sizes = { segmentBytes: 1024 ** 2, snapshotEntries: 8 };
  const config = { clusterId: "c", id: "m1", members, dataDirectory: "/data", timers, ...sizes };
  const member = await world.complete(startMember(config, host.platform));
  const { store } = member;
  const run = (...success: Operation[]) => world.complete(store.txn({ compare: [], success, failure: [] }));
  const put = (key: string) => run({ kind: "put", key: utf8(key), value: utf8("v".repeat(100)) });
  await world.runUntil(() => member.status().leaderId === "m1", 5_000);
  await put("k0");

  host.diskFaults.capacityBytes = 0;
  let written = 1;
  const error = await (async () => {
    for (; written < 100; written++) await put(`k${written}`);
  })().then(() => null, (error) => error);
  assert.equal(error?.code, "NoSpace", error?.message);
  const alarm = { memberId: "m1", kind: "NoSpace" } as const;
  assert.deepEqual(await world.complete(store.alarm({ action: "list" })), [alarm]);

  const all = { key: utf8("k"), rangeEnd: utf8("l") };
  assert.equal((await world.complete(store.range(all))).count, written);
  await run({ kind: "delete", ...all });
  await world.complete(store.compact(member.status().revision));
  assert.equal((await world.complete(store.range(all))).count, 0);

  host.diskFaults.capacityBytes = Infinity;
  assert.deepEqual(await world.complete(store.alarm({ action: "disarm", ...alarm })), [alarm]);
  await put("k");
  await world.complete(member.stop());
});

Deno.test("a follower's full disk raises NoSpace through the leader, and the follower lives on", async () => {
  const world = createWorld({ seed: 2 });
  const ids = ["m1", "m2", "m3"];
  const places = ids.map((id) => ({ id, peerAddress: `tcp:${id}:1`, clientAddress: `tcp:${id}:2` }));
  const timers = { tickMs: 25, heartbeatTicks: 2, electionTicks: 16 };
  const sizes = { segmentBytes: 64 * 1024, snapshotEntries: 1_000 };
  const members = await world.complete(Promise.all(ids.map((id) =>
    startMember(
      { clusterId: "c", id, members: places, dataDirectory: "/data", timers, ...sizes },
      world.host(id).platform,
    )
  )));
  const leads = () => members.find((member) => member.status().leaderId === member.status().memberId);
  assert.ok(await world.runUntil(() => leads() !== undefined, 20_000));
  const leader = leads() ?? assert.fail();
  const follower = members.find((member) => member !== leader) ?? assert.fail();
  const id = follower.status().memberId;
  let failed: Error | null = null;
  void follower.failed.then((error) => void (failed = error));
  const run = (...success: Operation[]) => world.complete(leader.store.txn({ compare: [], success, failure: [] }));
  const put = (key: string) => run({ kind: "put", key: utf8(key), value: utf8("v".repeat(1_000)) });
  await put("k");

  world.host(id).diskFaults.capacityBytes = 0;
  const error = await (async () => {
    for (let i = 0; i < 200; i++) {
      await put(`k${i}`);
      await world.run(world.nowMs + 5);
    }
  })().then(() => null, (error) => error);
  assert.equal(error?.code, "NoSpace", String(error?.message));
  const alarm = { memberId: id, kind: "NoSpace" } as const;
  assert.deepEqual(await world.complete(leader.store.alarm({ action: "list" })), [alarm]);

  const all = { key: utf8("k"), rangeEnd: utf8("l") };
  await run({ kind: "delete", ...all });
  await world.complete(leader.store.compact(leader.status().revision));
  assert.equal((await world.complete(follower.store.range(all))).count, 0, "it takes part");

  world.host(id).diskFaults.capacityBytes = Infinity;
  await world.complete(leader.store.alarm({ action: "disarm", ...alarm }));
  for (let i = 0; i < 200; i++) await put("k");
  const caughtUp = () => follower.status().appliedIndex === leader.status().appliedIndex;
  assert.ok(await world.runUntil(caughtUp, world.nowMs + 10_000));
  assert.equal(failed, null);
  await world.complete(Promise.all(members.map((member) => member.stop())));
});
