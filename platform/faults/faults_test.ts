import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { FrameConnection } from "../mod.ts";
import { createWorld, type World } from "../sim/mod.ts";
import {
  DiskFaults,
  faultyDisk,
  faultyFrames,
  faultyStreams,
  type LinkCondition,
  LinkFaults,
  lossyDisk,
} from "./mod.ts";

const fine: LinkCondition = { cut: false, delayMs: 0, jitterMs: 0, lossRate: 0 };
const cut = { ...fine, cut: true };

/** A connection from `a` to the component `b`, and what each end has heard. */
async function connected(world: World) {
  const a = world.host("a").platform;
  const faults = new LinkFaults({ self: "a", nameOf: (address) => address === "tcp:b:1" ? "b" : null }, a);
  const heardByB: string[] = [];
  const heardByA: string[] = [];
  const closed: string[] = [];
  let server: FrameConnection | null = null;
  await world.complete(
    world.host("b").platform.network.frames.listen("tcp:b:1", {}, (connection) => {
      server = connection;
      connection.onFrame = (frame) => void heardByB.push(fromUtf8(frame));
      connection.onClose = () => void closed.push("b");
    }),
  );
  const frames = faultyFrames(a.network.frames, faults);
  const client = await world.complete(frames.dial("tcp:b:1", {}));
  client.onFrame = (frame) => void heardByA.push(fromUtf8(frame));
  client.onClose = () => void closed.push("a");
  await world.runUntil(() => server !== null, world.nowMs + 100);
  ok(server !== null);
  return { faults, frames, client, server: server as FrameConnection, heardByA, heardByB, closed };
}

Deno.test("a cut link lets nothing through in either direction, not even the end, and gives all of it in order when healed", async () => {
  const world = createWorld({ seed: 1 });
  const { faults, client, server, heardByA, heardByB, closed } = await connected(world);
  client.send(utf8("before"));
  await world.run(world.nowMs + 10);
  faults.set([{ from: "a", to: "b", ...cut }, { from: "b", to: "a", ...cut }]);
  client.send(utf8("one"));
  client.send(utf8("two"));
  server.send(utf8("three"));
  ok(client.bufferedBytes > 0, "what is held back counts as buffered");
  await world.run(world.nowMs + 5_000);
  server.close();
  await world.run(world.nowMs + 5_000);
  deepEqual([heardByA, heardByB, closed], [[], ["before"], ["b"]]);
  faults.set([]);
  await world.run(world.nowMs + 10);
  deepEqual(heardByA, ["three"]);
  deepEqual(closed, ["b", "a"]);
});

Deno.test("a one-way cut stops one direction alone; a dial over a cut link waits, or ends with its signal", async () => {
  const world = createWorld({ seed: 2 });
  const { faults, frames, client, server, heardByA, heardByB } = await connected(world);
  faults.set([{ from: "a", to: "b", ...cut }]);
  client.send(utf8("lost for now"));
  server.send(utf8("arrives"));
  await world.run(world.nowMs + 100);
  deepEqual([heardByA, heardByB], [["arrives"], []]);
  let dialled = false;
  const dial = frames.dial("tcp:b:1", {}).then(() => void (dialled = true));
  const abort = new AbortController();
  const aborted = rejects(frames.dial("tcp:b:1", { signal: abort.signal }), /had enough/);
  await world.run(world.nowMs + 1_000);
  abort.abort(new Error("had enough"));
  await world.complete(aborted);
  equal(dialled, false);
  faults.set([]);
  await world.complete(dial);
  deepEqual(heardByB, ["lost for now"]);
});

Deno.test("a slow link delays each frame and keeps their order; a lost segment costs 200 ms", async () => {
  const world = createWorld({ seed: 3 });
  const { faults, client, heardByB } = await connected(world);
  faults.set([{ from: "a", to: "b", ...fine, delayMs: 75, jitterMs: 50 }]);
  const words = Array.from({ length: 20 }, (_, i) => `${i}`);
  for (const word of words) client.send(utf8(word));
  await world.run(world.nowMs + 70);
  deepEqual(heardByB, []);
  await world.run(world.nowMs + 70);
  deepEqual(heardByB, words);
  faults.set([{ from: "a", to: "b", ...fine, lossRate: 1 }]);
  client.send(utf8("resent"));
  await world.run(world.nowMs + 190);
  equal(heardByB.length, 20);
  await world.run(world.nowMs + 20);
  equal(heardByB.at(-1), "resent");
});

Deno.test("streams wait on a cut link and go on when it heals; whoever is no component is never disturbed", async () => {
  const world = createWorld({ seed: 4 });
  const a = world.host("a").platform;
  const faults = new LinkFaults({ self: "a", nameOf: (address) => address === "tcp:b:2" ? "b" : null }, a);
  for (const host of ["b", "c"]) {
    await world.complete(
      world.host(host).platform.network.streams.listen(`tcp:${host}:2`, {}, async (connection) => {
        const buffer = new Uint8Array(10);
        const count = await connection.read(buffer);
        await connection.write(buffer.subarray(0, count ?? 0));
      }),
    );
  }
  const streams = faultyStreams(a.network.streams, faults);
  const echo = async (address: string, then: () => void) => {
    const connection = await streams.dial(address);
    then();
    await connection.write(utf8("echo"));
    const buffer = new Uint8Array(10);
    const count = await connection.read(buffer);
    return fromUtf8(buffer.subarray(0, count ?? 0));
  };
  let heard = "";
  const waiting = echo("tcp:b:2", () => faults.set([{ from: "a", to: "b", ...cut }])).then((it) => void (heard = it));
  await world.run(world.nowMs + 3_000);
  equal(heard, "");
  equal(await world.complete(echo("tcp:c:2", () => {})), "echo");
  faults.set([]);
  await world.complete(waiting);
  equal(heard, "echo");
});

Deno.test("a full disk refuses what grows and takes what does not, until there is room again", async () => {
  const world = createWorld({ seed: 5 });
  const faults = new DiskFaults();
  const disk = faultyDisk(world.host("a").platform.disk, faults);
  await world.complete((async () => {
    const file = await disk.open("log", { create: true });
    await file.writeAt(0, utf8("12345"));
    faults.condition = { full: true };
    await file.writeAt(1, utf8("x"));
    const noSpace = { name: "DiskError", kind: "noSpace" };
    await rejects(file.writeAt(4, utf8("67")), noSpace);
    await rejects(file.truncate(6), noSpace);
    await rejects(disk.open("another", { create: true }), noSpace);
    await rejects(disk.writeFileAtomic("log", utf8("1")), noSpace);
    await file.sync();
    equal(fromUtf8(await file.readAt(0, 10)), "1x345");
    faults.condition = null;
    await file.writeAt(4, utf8("67"));
    equal(await file.size(), 6);
    file.close();
  })());
});

Deno.test("a lossy disk's file reads what was written and leaves the real one what was synced, unless the sync is skipped", async () => {
  const world = createWorld({ seed: 6 });
  const { disk } = world.host("a").platform;
  await world.complete((async () => {
    for (const skipSync of [false, true]) {
      const path = `log-${skipSync}`;
      const file = await lossyDisk(disk, { skipSync }).open(path, { create: true });
      await file.writeAt(0, utf8("head----"));
      await file.sync();
      await file.writeAt(4, utf8("12"));
      await file.sync();
      await file.writeAt(5, utf8("xyz+"));
      equal(await file.size(), 9);
      equal(fromUtf8(await file.readAt(0, 20)), "head1xyz+");
      equal(fromUtf8(await file.readAt(6, 2)), "yz");
      equal(fromUtf8(await disk.readFile(path)), skipSync ? "head----" : "head12--", "what a power failure leaves");
    }
  })());
});
