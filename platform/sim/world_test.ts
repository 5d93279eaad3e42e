import { deepEqual, equal, notEqual, ok, rejects, throws } from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { type FrameConnection, NetworkError, type Platform } from "../mod.ts";
import { createSimAuthority, createWorld, installTripwires, TripwireError, type World } from "./mod.ts";

/** A little of everything: timers, disk, frames with an unruly network, crashes. Returns the trace. */
async function busyRun(seed: number): Promise<string> {
  const world = createWorld({ seed });
  world.network.setDefaultLink({ delayMs: 1, jitterMs: 5, lossRate: 0.05, resetRate: 0.01 });
  const names = ["a", "b", "c"];
  function start(name: string, platform: Platform): void {
    void platform.network.frames.listen(`tcp:${name}:1`, {}, (c) => {
      c.onFrame = (frame) => c.send(frame);
    });
    async function talk(peer: string): Promise<void> {
      for (;;) {
        try {
          const c = await platform.network.frames.dial(`tcp:${peer}:1`, {});
          let closed = false;
          c.onClose = () => void (closed = true);
          while (!closed) {
            c.send(platform.random.bytes(platform.random.int(50)));
            const file = await platform.disk.open("log", { create: true });
            await file.writeAt(await file.size(), platform.random.bytes(5));
            await file.sync();
            file.close();
            await platform.timers.sleep(platform.random.int(20));
          }
        } catch {
          await platform.timers.sleep(10);
        }
      }
    }
    for (const peer of names) if (peer !== name) void talk(peer);
  }
  for (const name of names) start(name, world.host(name).platform);
  for (let i = 0; i < 5; i++) {
    await world.run(world.nowMs + 200);
    const name = names[world.random.int(3)] ?? "a";
    world.host(name).crash({ silent: world.random.int(2) === 0 });
    world.network.partition(["a"], ["b"]);
    await world.run(world.nowMs + 50);
    world.network.heal();
    start(name, world.host(name).restart());
  }
  ok(world.executed > 1000);
  return world.traceHash();
}

Deno.test("World.traceHash is equal for equal seeds, twice over, and differs between seeds", async () => {
  using _tripwires = installTripwires();
  const first = await busyRun(11);
  equal(await busyRun(11), first);
  notEqual(await busyRun(12), first);
});

Deno.test("World.run lets chains of promises settle, however long, before time moves on", async () => {
  const world = createWorld({ seed: 1 });
  const { timers } = world.host("a").platform;
  const seen: string[] = [];
  timers.schedule(1, () => {
    void (async () => {
      for (let i = 0; i < 5000; i++) await null;
      seen.push("settled");
    })();
  });
  timers.schedule(1, () => seen.push("next task"));
  await world.run(10);
  deepEqual(seen, ["settled", "next task"]);
  equal(world.nowMs, 10);
});

/** A file of `size` ones, synced, then un-synced twos over it; what a crash leaves. */
async function afterCrash(seed: number, size: number): Promise<Uint8Array> {
  const world = createWorld({ seed });
  const host = world.host("a");
  const { disk } = host.platform;
  await world.complete((async () => {
    const file = await disk.open("f", { create: true });
    await file.writeAt(0, new Uint8Array(size).fill(1));
    await file.sync();
    await disk.syncDirectory("");
    await file.writeAt(0, new Uint8Array(size).fill(2));
  })());
  host.crash();
  return await world.complete(host.restart().disk.readFile("f"));
}

Deno.test("SimHost.crash keeps what was synced and loses, keeps or tears what was not, by sector or prefix", async () => {
  const size = 512 * 4;
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const left = await afterCrash(seed, size);
    equal(left.length, size);
    ok(left.every((byte) => byte === 1 || byte === 2));
    const twos = left.filter((byte) => byte === 2).length;
    const tornBySector = twos > 0 && twos < size && twos % 512 === 0;
    outcomes.add(twos === 0 ? "lost" : twos === size ? "kept" : tornBySector ? "sectors" : "prefix");
  }
  deepEqual([...outcomes].sort(), ["kept", "lost", "prefix", "sectors"]);
});

Deno.test("SimHost.crash may take back a name that no syncDirectory made durable, and never one that it did", async () => {
  let vanished = 0;
  for (let seed = 0; seed < 40; seed++) {
    const world = createWorld({ seed });
    const host = world.host("a");
    const { disk } = host.platform;
    await world.complete((async () => {
      await disk.mkdir("d");
      await disk.syncDirectory("");
      await disk.writeFileAtomic("d/state", utf8("old"));
      const file = await disk.open("d/new", { create: true });
      await file.writeAt(0, utf8("x"));
      await file.sync();
      const next = await disk.open("d/state.next", { create: true });
      await next.writeAt(0, utf8("new"));
      await next.sync();
      await disk.rename("d/state.next", "d/state");
    })());
    host.crash();
    const after = host.restart().disk;
    const [names, state] = await world.complete(Promise.all([after.list("d"), after.readFile("d/state")]));
    ok(["old", "new"].includes(fromUtf8(state)));
    if (!names.includes("new")) vanished++;
  }
  ok(vanished > 5 && vanished < 35, `${vanished} of 40 vanished`);
});

Deno.test("SimHost.crash with keepDisk loses nothing that was written", async () => {
  for (let seed = 0; seed < 10; seed++) {
    const world = createWorld({ seed });
    const host = world.host("a");
    await world.complete((async () => {
      const file = await host.platform.disk.open("f", { create: true });
      await file.writeAt(0, utf8("written"));
    })());
    host.crash({ keepDisk: true });
    equal(fromUtf8(await world.complete(host.restart().disk.readFile("f"))), "written");
  }
});

Deno.test("A sync that failed leaves earlier writes undurable, though readers see them and a later sync succeeds", async () => {
  const world = createWorld({ seed: 4 });
  const host = world.host("a");
  const { disk } = host.platform;
  await world.complete((async () => {
    const file = await disk.open("f", { create: true });
    await disk.syncDirectory("");
    await file.writeAt(0, utf8("lost"));
    host.diskFaults.syncErrorRate = 1;
    await rejects(file.sync(), { name: "DiskError", kind: "io" });
    host.diskFaults.syncErrorRate = 0;
    await file.sync();
    equal(fromUtf8(await file.readAt(0, 10)), "lost");
  })());
  host.crash();
  equal((await world.complete(host.restart().disk.readFile("f"))).length, 0);
});

Deno.test("DiskFaults: a full disk takes what fits and says noSpace; flipBit damages the stored byte", async () => {
  const world = createWorld({ seed: 4 });
  const host = world.host("a");
  const { disk } = host.platform;
  await world.complete((async () => {
    const file = await disk.open("f", { create: true });
    host.diskFaults.capacityBytes = 6;
    await rejects(file.writeAt(0, utf8("12345678")), { name: "DiskError", kind: "noSpace" });
    equal(await file.size(), 6);
    host.disk.flipBit("f", 0, 1);
    equal(fromUtf8(await file.readAt(0, 3)), "323");
  })());
});

Deno.test("SimHost.crash ends timers and leaves promises of the dead process unsettled", async () => {
  const world = createWorld({ seed: 1 });
  const host = world.host("a");
  let fired = 0;
  const dead = host.platform;
  dead.timers.schedule(10, () => void fired++);
  void dead.timers.sleep(10).then(() => void fired++, () => void fired++);
  void dead.disk.mkdir("x").then(() => void fired++, () => void fired++);
  host.crash();
  throws(() => host.platform);
  host.restart();
  await world.run(1000);
  dead.timers.schedule(1, () => void fired++);
  await world.run(2000);
  equal(fired, 0);
});

interface Pair {
  readonly client: FrameConnection;
  readonly received: string[];
  readonly events: string[];
}

/** A connection from host a to host b, and what b receives. */
async function connect(world: World): Promise<Pair> {
  const received: string[] = [];
  const events: string[] = [];
  const { frames } = world.host("b").platform.network;
  await world.complete(frames.listen("tcp:b:1", {}, (connection) => {
    connection.onFrame = (frame) => void received.push(fromUtf8(frame));
    connection.onClose = (error) => void events.push(`server: ${error?.message ?? "clean"}`);
  }));
  const client = await world.complete(world.host("a").platform.network.frames.dial("tcp:b:1", {}));
  client.onClose = (error) => void events.push(`client: ${error?.message ?? "clean"}`);
  return { client, received, events };
}

Deno.test("partition() holds frames until heal() delivers them in order; new dials time out", async () => {
  const world = createWorld({ seed: 1, dialTimeoutMs: 500 });
  const { client, received, events } = await connect(world);
  world.network.partition(["a"], ["b"]);
  for (const text of ["1", "2", "3"]) client.send(utf8(text));
  const { frames } = world.host("a").platform.network;
  await rejects(world.complete(frames.dial("tcp:b:1", {})), { name: "NetworkError", notSent: true });
  deepEqual(received, []);
  world.network.heal();
  await world.run(world.nowMs + 10);
  deepEqual(received, ["1", "2", "3"]);
  deepEqual(events, []);
});

Deno.test("A partition that outlasts stallTimeoutMs breaks the connection, at the sender first", async () => {
  const world = createWorld({ seed: 1, stallTimeoutMs: 1000 });
  const { client, received, events } = await connect(world);
  world.network.partition(["a"], ["b"]);
  client.send(utf8("lost"));
  await world.run(world.nowMs + 1500);
  deepEqual(events, ["client: Connection lost: timed out"]);
  world.network.heal();
  await world.run(world.nowMs + 1500);
  deepEqual(received, []);
});

Deno.test("partitionOneWay() stops one direction only", async () => {
  const world = createWorld({ seed: 1 });
  const echoed: string[] = [];
  await world.complete(
    world.host("b").platform.network.frames.listen("tcp:b:1", {}, (connection) => {
      connection.onFrame = (frame) => {
        echoed.push(`b got ${fromUtf8(frame)}`);
        connection.send(frame);
      };
    }),
  );
  const client = await world.complete(world.host("a").platform.network.frames.dial("tcp:b:1", {}));
  client.onFrame = (frame) => void echoed.push(`a got ${fromUtf8(frame)}`);
  world.network.partitionOneWay(["b"], ["a"]);
  client.send(utf8("x"));
  await world.run(world.nowMs + 100);
  deepEqual(echoed, ["b got x"]);
  world.network.heal();
  await world.run(world.nowMs + 100);
  deepEqual(echoed, ["b got x", "a got x"]);
});

Deno.test("clog() delays what is sent until it ends; a stalled host receives nothing before it goes on", async () => {
  const world = createWorld({ seed: 1 });
  const { client, received } = await connect(world);
  world.network.clog("a", "b", 100);
  client.send(utf8("1"));
  await world.run(world.nowMs + 90);
  deepEqual(received, []);
  await world.run(world.nowMs + 20);
  deepEqual(received, ["1"]);
  world.host("b").stall(100);
  client.send(utf8("2"));
  await world.run(world.nowMs + 90);
  deepEqual(received, ["1"]);
  await world.run(world.nowMs + 20);
  deepEqual(received, ["1", "2"]);
});

Deno.test("A crashed process resets its connections; a silent crash only when the machine answers again", async () => {
  const loud = createWorld({ seed: 1 });
  const first = await connect(loud);
  loud.host("b").crash();
  await loud.run(loud.nowMs + 10);
  deepEqual(first.events, ["client: Connection lost: the peer's process ended"]);
  await rejects(loud.complete(loud.host("a").platform.network.frames.dial("tcp:b:1", {})), NetworkError);

  const silent = createWorld({ seed: 1 });
  const second = await connect(silent);
  silent.host("b").crash({ silent: true });
  second.client.send(utf8("into the void"));
  await silent.run(silent.nowMs + 1000);
  deepEqual(second.events, []);
  silent.host("b").restart();
  await silent.run(silent.nowMs + 10);
  deepEqual(second.events, ["client: Connection lost: connection reset by a restarted peer"]);
});

Deno.test("A simulated fetch rejects when the server crashes before it answers; a stream breaks when it crashes later", async () => {
  const world = createWorld({ seed: 1 });
  const { http } = world.host("b").platform.network;
  let answers = 0;
  await world.complete(http.serve({
    address: "tcp:b:80",
    handler: () => {
      answers++;
      if (answers === 1) return new Promise(() => {});
      return new Response(new ReadableStream({ start: (c) => c.enqueue(utf8("first")) }));
    },
  }));
  const client = world.host("a").platform.network.http.client({});
  const pending = client.fetch("http://b:80/").then(() => "answered", (error) => `${error.name} ${error.notSent}`);
  const streamed = await world.complete(client.fetch("http://b:80/"));
  const text = streamed.text().then(() => "whole", (error) => error.name);
  await world.run(world.nowMs + 5);
  world.host("b").crash();
  equal(await world.complete(pending), "NetworkError false");
  equal(await world.complete(text), "NetworkError");
});

Deno.test("Simulated HTTP makes the source of a body wait for a reader that does not read", async () => {
  const world = createWorld({ seed: 1 });
  let produced = 0;
  await world.complete(
    world.host("b").platform.network.http.serve({
      address: "tcp:b:80",
      handler: () =>
        new Response(
          new ReadableStream({
            pull(controller) {
              produced += 10_000;
              controller.enqueue(new Uint8Array(10_000));
              if (produced >= 1_000_000) controller.close();
            },
          }),
        ),
    }),
  );
  const client = world.host("a").platform.network.http.client({});
  const response = await world.complete(client.fetch("http://b:80/"));
  await world.run(world.nowMs + 1000);
  ok(produced < 400_000, `${produced} bytes were produced for nobody`);
  equal((await world.complete(response.arrayBuffer())).byteLength, 1_000_000);
});

Deno.test("Simulated TLS gives the client's subject, null without a certificate of the CA, and refuses an unknown server", async () => {
  const world = createWorld({ seed: 1 });
  const [cluster, other] = [createSimAuthority("cluster"), createSimAuthority("other")];
  const { http, frames } = world.host("b").platform.network;
  await world.complete(http.serve({
    address: "tcp:b:443",
    tls: { ...cluster.issue("server"), clientCertificates: true },
    handler: (_request, { peer }) => Response.json(peer),
  }));
  async function ask(tls: { ca: string; cert?: string; key?: string }): Promise<unknown> {
    const client = world.host("a").platform.network.http.client({ tls });
    return await world.complete(client.fetch("https://b:443/").then((response) => response.json()));
  }
  deepEqual(await ask(cluster.issue("alice", ["devs"])), { commonName: "alice", organizations: ["devs"] });
  equal(await ask({ ca: cluster.ca }), null);
  equal(await ask({ ...other.issue("mallory"), ca: cluster.ca }), null);
  await rejects(ask(other.issue("mallory")), NetworkError);
  const peers: unknown[] = [];
  await world.complete(frames.listen("tcp:b:1", { tls: cluster.issue("store") }, (c) => void peers.push(c.peer)));
  const dialler = world.host("a").platform.network.frames;
  await world.complete(dialler.dial("tcp:b:1", { tls: cluster.issue("peer") }));
  await rejects(
    world.complete(dialler.dial("tcp:b:1", { tls: { ...other.issue("x"), ca: cluster.ca } })),
    NetworkError,
  );
  await rejects(world.complete(dialler.dial("tcp:b:1", {})), NetworkError);
  deepEqual(peers, [{ commonName: "peer", organizations: [] }]);
});

Deno.test("jumpWallClock moves now() and not monotonic(); setClockRate bends both, and timers with them", async () => {
  const world = createWorld({ seed: 1, epochMs: 1_000_000 });
  const host = world.host("a");
  const { clock, timers } = host.platform;
  await world.run(100);
  deepEqual([clock.now(), clock.monotonic()], [1_000_100, 100]);
  host.jumpWallClock(-50_000);
  deepEqual([clock.now(), clock.monotonic()], [950_100, 100]);
  host.setClockRate(2);
  let firedAt = 0;
  timers.schedule(100, () => void (firedAt = world.nowMs));
  await world.run(200);
  deepEqual([clock.now(), clock.monotonic(), firedAt], [950_300, 300, 150]);
});

Deno.test("Processes of the simulated world run registered functions, and end with 128 + the signal when killed", async () => {
  const world = createWorld({ seed: 1 });
  const host = world.host("a");
  host.programs.set("greet", async ({ options, writeStdout }) => {
    writeStdout(utf8(`hello ${options.env["NAME"]}`));
    return 3;
  });
  host.programs.set("wait", ({ signal }) => new Promise((_, reject) => signal.addEventListener("abort", reject)));
  const { processes } = host.platform;
  const options = { args: [], env: { NAME: "you" }, cwd: "/", stdin: "null" as const };
  const greet = processes.spawn("greet", options);
  deepEqual(await world.complete(greet.exited), { code: 3, signal: null });
  equal(await world.complete(new Response(greet.stdout).text()), "hello you");
  const waiting = processes.spawn("wait", options);
  await world.run(world.nowMs + 10);
  waiting.kill("SIGTERM");
  deepEqual(await world.complete(waiting.exited), { code: 143, signal: "SIGTERM" });
  throws(() => processes.spawn("none", options), { name: "ProcessError", kind: "notFound" });
});

Deno.test("installTripwires() makes ambient time, chance, timers and fetch throw, and restore() puts them back", () => {
  const tripwires = installTripwires();
  try {
    const ambient = [
      () => Date.now(),
      () => new Date(),
      () => Math.random(),
      () => performance.now(),
      () => crypto.randomUUID(),
      () => setTimeout(() => {}, 0),
      () => setInterval(() => {}, 0),
      () => fetch("http://localhost/"),
      () => AbortSignal.timeout(1),
    ];
    for (const effect of ambient) throws(effect, TripwireError);
    equal(new Date(0).toISOString(), "1970-01-01T00:00:00.000Z");
    ok(new Date(0) instanceof Date);
  } finally {
    tripwires.restore();
  }
  ok(Date.now() > 0 && Math.random() < 1 && performance.now() > 0);
  clearTimeout(setTimeout(() => {}, 0));
});

Deno.test("Timers.schedule() moves time on, however little is left of a delay", async () => {
  const world = createWorld({ seed: 1 });
  const { clock, timers } = world.host("a").platform;
  // Nothing beside the moment it is added to: this went round for ever at one and the same time.
  const rest = 4.5e-13;
  const due = new Promise<number>((resolve) => {
    const again = (turn: number, from: number) => {
      if (turn > 100 || clock.monotonic() > from) return resolve(turn);
      timers.schedule(rest, () => again(turn + 1, from));
    };
    timers.schedule(6036.47, () => again(0, clock.monotonic()));
  });
  equal(await world.complete(due), 1);
});
