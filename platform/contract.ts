import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../base/bytes.ts";
import {
  type ByteConnection,
  DiskError,
  type FrameConnection,
  NetworkError,
  type Platform,
  type RequestContext,
  type WebSocketChannel,
} from "./mod.ts";

/** What a case gets: two processes of one world, and a directory that is its own. */
export interface ContractWorld {
  readonly a: Platform;
  readonly b: Platform;
  /** An empty directory on `a`'s disk. */
  readonly directory: string;
  /** An address that `listen` takes, of the given kind. */
  readonly unixAddress: string;
  readonly tcpAddress: string;
}

export interface ContractCase {
  /** A sentence with the symbol and the criterion. */
  readonly name: string;
  readonly run: (world: ContractWorld) => Promise<void>;
}

/** Waits, in either world, until `condition` holds; throws after `limitMs` of that world's time. */
async function until(platform: Platform, condition: () => boolean, what: string, limitMs = 5000): Promise<void> {
  const deadline = platform.clock.monotonic() + limitMs;
  while (!condition()) {
    ok(platform.clock.monotonic() < deadline, `still waiting for: ${what}`);
    await platform.timers.sleep(2);
  }
}

/** Distinct content that shows every shift and swap. */
function pattern(length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >> 8) * 7) & 0xff;
  return bytes;
}

const timerCases: ContractCase[] = [
  {
    name: "Timers.schedule fires in order of delay, not before its time, and a cancelled timer never",
    async run({ a }) {
      const fired: string[] = [];
      const start = a.clock.monotonic();
      let firstAt = 0;
      a.timers.schedule(30, () => fired.push("30"));
      a.timers.schedule(10, () => {
        fired.push("10");
        firstAt = a.clock.monotonic();
      });
      const cancelled = a.timers.schedule(20, () => fired.push("20"));
      cancelled.cancel();
      cancelled.cancel();
      await a.timers.sleep(60);
      deepEqual(fired, ["10", "30"]);
      ok(firstAt - start >= 9.5, `fired after ${firstAt - start} ms`);
    },
  },
  {
    name: "Timers.sleep rejects with the signal's reason, before and during the wait",
    async run({ a }) {
      const reason = new Error("enough");
      const controller = new AbortController();
      a.timers.schedule(5, () => controller.abort(reason));
      await rejects(a.timers.sleep(10_000, controller.signal), reason);
      await rejects(a.timers.sleep(10_000, controller.signal), reason);
    },
  },
  {
    name: "Random gives floats below 1, integers below the bound, bytes of the length asked for and version 4 UUIDs",
    async run({ a }) {
      for (let i = 0; i < 1000; i++) {
        const [float, integer] = [a.random.next(), a.random.int(7)];
        ok(float >= 0 && float < 1 && Number.isInteger(integer) && integer >= 0 && integer < 7);
      }
      const large = a.random.bytes(100_000);
      equal(large.length, 100_000);
      ok(large.subarray(99_000).some((byte) => byte !== 0), "the end is filled too");
      ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(a.random.uuid()));
    },
  },
];

const diskCases: ContractCase[] = [
  {
    name: "DiskFile.writeAt, readAt, size and truncate take effect in the order of the calls, without waiting between",
    async run({ a, directory }) {
      const file = await a.disk.open(`${directory}/log`, { create: true });
      const results = await Promise.all([
        file.writeAt(0, utf8("hello world")),
        file.readAt(6, 100),
        file.writeAt(6, utf8("there")),
        file.readAt(0, 11),
        file.truncate(5),
        file.size(),
        file.writeAt(8, utf8("!")),
        file.readAt(0, 100),
        file.sync(),
      ]);
      equal(fromUtf8(results[1]), "world");
      equal(fromUtf8(results[3]), "hello there");
      equal(results[5], 5);
      equal(fromUtf8(results[7]), "hello\0\0\0!");
      file.close();
      file.close();
      await rejects(file.size(), DiskError);
    },
  },
  {
    name: "DiskFile.writeAt writes all of a large buffer, and close() lets what is under way finish",
    async run({ a, directory }) {
      const bytes = pattern(3_000_000);
      const file = await a.disk.open(`${directory}/large`, { create: true });
      const written = file.writeAt(0, bytes);
      file.close();
      await written;
      deepEqual(await a.disk.readFile(`${directory}/large`), bytes);
    },
  },
  {
    name: "Disk.open makes a file only with create, and empties it with truncate",
    async run({ a, directory }) {
      const path = `${directory}/file`;
      await rejects(a.disk.open(path, {}), { name: "DiskError", kind: "notFound" });
      const first = await a.disk.open(path, { create: true });
      await first.writeAt(0, utf8("content"));
      first.close();
      const kept = await a.disk.open(path, { create: true });
      equal(await kept.size(), 7);
      kept.close();
      const emptied = await a.disk.open(path, { truncate: true });
      equal(await emptied.size(), 0);
      emptied.close();
    },
  },
  {
    name: "Disk.writeFileAtomic replaces the content whole, and calls for one path do not mix",
    async run({ a, directory }) {
      const path = `${directory}/state`;
      await a.disk.writeFileAtomic(path, utf8("one"));
      await a.disk.writeFileAtomic(path, utf8("two is longer"));
      equal(fromUtf8(await a.disk.readFile(path)), "two is longer");
      await a.disk.writeFileAtomic(path, utf8("3"));
      equal(fromUtf8(await a.disk.readFile(path)), "3");
      deepEqual(await a.disk.list(directory), ["state"]);
    },
  },
  {
    name: "Disk.list sorts by code unit; mkdir is recursive; stat, rename and remove say what is there",
    async run({ a, directory }) {
      await a.disk.mkdir(`${directory}/d/e`);
      await a.disk.mkdir(`${directory}/d/e`);
      for (const name of ["b", "a", "B", "10", "9"]) {
        (await a.disk.open(`${directory}/d/${name}`, { create: true })).close();
      }
      deepEqual(await a.disk.list(`${directory}/d`), ["10", "9", "B", "a", "b", "e"]);
      equal((await a.disk.stat(`${directory}/d`))?.isDirectory, true);
      equal(await a.disk.stat(`${directory}/none`), null);
      await a.disk.rename(`${directory}/d/a`, `${directory}/d/b`);
      await a.disk.syncDirectory(`${directory}/d`);
      deepEqual(await a.disk.list(`${directory}/d`), ["10", "9", "B", "b", "e"]);
      await rejects(a.disk.rename(`${directory}/none`, `${directory}/x`), { name: "DiskError", kind: "notFound" });
      await rejects(a.disk.remove(`${directory}/d`), DiskError);
      await a.disk.remove(`${directory}/d`, { recursive: true });
      await a.disk.remove(`${directory}/d`, { recursive: true });
      await rejects(a.disk.list(`${directory}/d`), { name: "DiskError", kind: "notFound" });
    },
  },
  {
    name: "disk: a scratch file gives back what was appended, and leaves no name",
    async run({ a, directory }) {
      const scratch = a.disk.openScratch(directory);
      const [first, second] = [scratch.append(utf8("one and")), scratch.append(utf8("two"))];
      equal(fromUtf8(scratch.read(first, 7)), "one and");
      equal(fromUtf8(scratch.read(second, 3)), "two");
      equal(fromUtf8(scratch.read(first + 4, 3)), "and");
      deepEqual(await a.disk.list(directory), []);
      throws(() => scratch.read(second, 4), { name: "DiskError" });
      scratch.close();
    },
  },
];

/** Both ends of a new frame connection on `address`, and the listener. */
async function framePair(world: ContractWorld, address: string): Promise<{
  client: FrameConnection;
  server: FrameConnection;
  close: () => Promise<void>;
}> {
  let server: FrameConnection | null = null;
  const listener = await world.b.network.frames.listen(address, {}, (connection) => void (server = connection));
  const client = await world.a.network.frames.dial(listener.address, {});
  await until(world.a, () => server !== null, "accept");
  ok(server !== null);
  return { client, server, close: () => listener.close() };
}

/** Collects frames; the callback is set in the turn of the call. */
function collect(connection: FrameConnection): Uint8Array[] {
  const frames: Uint8Array[] = [];
  connection.onFrame = (frame) => void frames.push(frame);
  return frames;
}

function frameCases(kind: "unix" | "tcp"): ContractCase[] {
  const addressOf = (world: ContractWorld): string => kind === "unix" ? world.unixAddress : world.tcpAddress;
  return [
    {
      name: `Frames over ${kind} arrive in order, each whole: empty, small, and larger than any buffer`,
      async run(world) {
        const { frames } = world.b.network;
        const listener = await frames.listen(addressOf(world), {}, (connection) => {
          connection.onFrame = (frame) => connection.send(frame);
        });
        const client = await world.a.network.frames.dial(listener.address, {});
        const echoed = collect(client);
        const sent = [0, 1, 3, 4, 5, 70_000, 2, 5_000_000, 65_536, 65_535, 10].map(pattern);
        for (const frame of sent) client.send(frame);
        await until(world.a, () => echoed.length === sent.length, "all echoes", 20_000);
        deepEqual(echoed.map((frame) => frame.length), sent.map((frame) => frame.length));
        ok(echoed.every((frame, i) => (frame.every((byte, at) => byte === sent[i]?.[at]))));
        equal(client.bufferedBytes, 0);
        client.close();
        await listener.close();
      },
    },
    {
      name: `FrameConnection.close over ${kind} delivers what was sent before, then calls onClose once on both ends`,
      async run(world) {
        const { client, server, close } = await framePair(world, addressOf(world));
        const received = collect(server);
        const closes: string[] = [];
        client.onClose = (error) => void closes.push(`client ${error?.message ?? "clean"}`);
        server.onClose = (error) => void closes.push(`server ${error?.message ?? "clean"} after ${received.length}`);
        for (let i = 0; i < 100; i++) client.send(pattern(i));
        client.close();
        client.close();
        client.send(pattern(5));
        await until(world.a, () => closes.length === 2, "both closes");
        deepEqual(closes.sort(), ["client clean", "server clean after 100"]);
        await close();
        await world.a.timers.sleep(20);
        equal(closes.length, 2);
      },
    },
    {
      name: `Listener.close over ${kind} closes what it accepted and refuses new connections`,
      async run(world) {
        const { client, close } = await framePair(world, addressOf(world));
        let closed = 0;
        client.onClose = () => void closed++;
        await close();
        await until(world.a, () => closed === 1, "the client's close");
        await rejects(world.a.network.frames.dial(client.remote, {}), NetworkError);
      },
    },
    {
      name: `Frames.dial over ${kind} rejects with NetworkError when nobody listens, and with the signal's reason`,
      async run(world) {
        const address = kind === "unix" ? world.unixAddress : "tcp:127.0.0.1:1";
        await rejects(world.a.network.frames.dial(address, {}), NetworkError);
        const reason = new Error("no longer wanted");
        const signal = AbortSignal.abort(reason);
        await rejects(world.a.network.frames.dial(address, { signal }), reason);
      },
    },
    {
      name: `A second listener on one ${kind} address is refused`,
      async run(world) {
        const first = await world.b.network.frames.listen(addressOf(world), {}, () => {});
        await rejects(world.b.network.frames.listen(first.address, {}, () => {}), NetworkError);
        await first.close();
        const again = await world.b.network.frames.listen(first.address, {}, () => {});
        await again.close();
      },
    },
  ];
}

async function readAll(connection: ByteConnection): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  const buffer = new Uint8Array(10_000);
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return concatBytes(parts);
    parts.push(buffer.slice(0, count));
  }
}

const streamCases: ContractCase[] = [
  {
    name: "Streams carry bytes both ways, and closeWrite ends one direction only",
    async run(world) {
      const { streams } = world.b.network;
      const listener = await streams.listen(world.tcpAddress, {}, async (connection) => {
        const received = await readAll(connection);
        await connection.write(received.slice().reverse());
        connection.close();
      });
      const client = await world.a.network.streams.dial(listener.address);
      const sent = pattern(1_000_000);
      await client.write(sent);
      await client.closeWrite();
      const back = await readAll(client);
      equal(back.length, sent.length);
      ok(back.reverse().every((byte, i) => byte === sent[i]));
      client.close();
      client.close();
      await listener.close();
      await rejects(world.a.network.streams.dial(listener.address), NetworkError);
    },
  },
];

const datagramCases: ContractCase[] = [
  {
    name: "Datagrams arrive whole with their sender's address, which can be answered",
    async run({ a, b }) {
      const host = "127.0.0.1";
      const server = await b.network.datagrams.bind({ host, port: 0 }, (datagram, from) => {
        server.send(datagram.slice().reverse(), from);
      });
      ok(server.address.port > 0);
      const answers: Uint8Array[] = [];
      const senders: number[] = [];
      const client = await a.network.datagrams.bind({ host, port: 0 }, (datagram, from) => {
        answers.push(datagram);
        senders.push(from.port);
      });
      for (const length of [0, 1, 1400, 60_000]) {
        const before = answers.length;
        const sent = pattern(length);
        client.send(sent, server.address);
        const copy = sent.slice();
        sent.fill(0);
        await until(a, () => answers.length > before, `the answer of ${length} bytes`);
        deepEqual(answers[before], copy.reverse());
        equal(senders[before], server.address.port);
      }
      client.send(pattern(65_508), server.address);
      client.send(pattern(2), { host, port: server.address.port });
      await until(a, () => answers.length === 5, "the last answer");
      equal(answers[4]?.length, 2, "what is too long is dropped");
      await client.close();
      await client.close();
      await server.close();
    },
  },
  {
    name: "Datagrams.bind rejects with addressInUse while another has the address, and works once it is closed",
    async run({ a, b }) {
      const first = await a.network.datagrams.bind({ host: "127.0.0.1", port: 0 }, () => {});
      const again = () => b.network.datagrams.bind(first.address, () => {});
      await rejects(again(), { name: "NetworkError", addressInUse: true });
      await first.close();
      const second = await again();
      deepEqual(second.address, first.address);
      first.send(pattern(1), second.address);
      await second.close();
    },
  },
];

type Handler = (request: Request, context: RequestContext) => Response | Promise<Response>;

/** Serves `handler` on `b`, gives its URL and a client on `a`; closes both afterwards. */
async function serving(
  world: ContractWorld,
  handler: Handler,
  use: (url: string, client: ReturnType<Platform["network"]["http"]["client"]>) => Promise<void>,
): Promise<void> {
  const listener = await world.b.network.http.serve({ address: world.tcpAddress, handler });
  const client = world.a.network.http.client({});
  try {
    await use(listener.url, client);
  } finally {
    client.close();
    await listener.close();
  }
}

/** A streamed body fed from outside, and whether its consumer has gone. */
function openBody(): {
  stream: ReadableStream<Uint8Array>;
  write(text: string): void;
  end(): void;
  cancelled: boolean;
} {
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  const body = {
    cancelled: false,
    stream: new ReadableStream<Uint8Array>({
      start: (c) => void (controller = c),
      cancel: () => void (body.cancelled = true),
    }),
    write: (text: string) => controller?.enqueue(utf8(text)),
    end: () => controller?.close(),
  };
  return body;
}

const httpCases: ContractCase[] = [
  {
    name: "Http carries method, path, query, headers and body there, and status, headers and body back",
    async run(world) {
      await serving(world, async (request, context) => {
        const url = new URL(request.url);
        const echo = {
          line: `${request.method} ${url.pathname}${url.search}`,
          header: request.headers.get("x-question"),
          body: await request.text(),
          peer: context.peer,
          remote: context.remoteAddress.length > 0,
        };
        return Response.json(echo, { status: 418, headers: { "x-answer": "42" } });
      }, async (url, client) => {
        const init = { method: "POST", headers: { "x-question": "why" }, body: "Grüße" };
        const response = await client.fetch(`${url}/a%20b?c=d&c=e`, init);
        equal(response.status, 418);
        equal(response.headers.get("x-answer"), "42");
        const want = { line: "POST /a%20b?c=d&c=e", header: "why", body: "Grüße", peer: null, remote: true };
        deepEqual(await response.json(), want);
      });
    },
  },
  {
    name: "Http streams a large body both ways unchanged",
    async run(world) {
      const sent = pattern(2_000_000);
      await serving(world, (request) => new Response(request.body), async (url, client) => {
        const response = await client.fetch(url, { method: "POST", body: sent });
        const back = new Uint8Array(await response.arrayBuffer());
        equal(back.length, sent.length);
        ok(back.every((byte, i) => byte === sent[i]));
      });
    },
  },
  {
    name: "A response without content has no body, and a handler that throws answers 500 or breaks off",
    async run(world) {
      await serving(world, (request) => {
        if (request.url.endsWith("/bug")) throw new Error("a bug in the handler");
        return new Response(null, { status: 204 });
      }, async (url, client) => {
        const response = await client.fetch(url);
        equal(response.status, 204);
        equal(await response.text(), "");
        const status = await client.fetch(`${url}/bug`).then((r) => r.body?.cancel().then(() => r.status), () => 500);
        equal(status, 500);
      });
    },
  },
  {
    name: "Http delivers each chunk of a streamed body when it is written, not at the end",
    async run(world) {
      const body = openBody();
      await serving(world, () => new Response(body.stream), async (url, client) => {
        const response = await client.fetch(url);
        ok(response.body !== null);
        const reader = response.body.getReader();
        for (const text of ["one", "two", "three"]) {
          body.write(text);
          const { value } = await reader.read();
          equal(value === undefined ? "" : fromUtf8(value), text);
        }
        body.end();
        equal((await reader.read()).done, true);
      });
    },
  },
  {
    name: "A streamed body's cancel() is called when the client cancels, and when it aborts",
    async run(world) {
      const bodies = [openBody(), openBody()];
      let next = 0;
      await serving(world, () => new Response(bodies[next++]?.stream ?? null), async (url, client) => {
        for (const body of bodies) body.write("first");
        const first = await client.fetch(url);
        await first.body?.cancel();
        await until(world.a, () => bodies[0]?.cancelled === true, "cancel() after the client's cancel");
        const controller = new AbortController();
        const second = await client.fetch(url, { signal: controller.signal });
        const text = second.text();
        controller.abort(new Error("no more"));
        await rejects(text);
        await until(world.a, () => bodies[1]?.cancelled === true, "cancel() after the client's abort");
      });
    },
  },
  {
    name: "HttpListener.close ends open streams: the source sees cancel(), the reader an error or the end",
    async run(world) {
      const body = openBody();
      const listener = await world.b.network.http.serve({
        address: world.tcpAddress,
        handler: () => new Response(body.stream),
      });
      const client = world.a.network.http.client({});
      body.write("first");
      const response = await client.fetch(listener.url);
      const drained = response.text().then(() => "ended", () => "broken");
      await listener.close();
      await until(world.a, () => body.cancelled, "cancel()");
      ok(["ended", "broken"].includes(await drained));
      await rejects(client.fetch(listener.url), NetworkError);
      client.close();
    },
  },
  {
    name:
      "HttpClient.fetch rejects with NetworkError that says notSent when nobody listens, and with the abort's reason",
    async run(world) {
      const client = world.a.network.http.client({});
      const handler: Handler = () => new Response(null);
      const { url, close } = await world.b.network.http.serve({ address: world.tcpAddress, handler });
      await close();
      await rejects(client.fetch(url), { name: "NetworkError", notSent: true });
      const reason = new Error("changed my mind");
      await rejects(client.fetch(url, { signal: AbortSignal.abort(reason) }), reason);
      client.close();
    },
  },
  {
    name: "A WebSocket agrees on the sub-protocol, echoes text and bytes in order, and hands the close code over",
    async run(world) {
      let closedWith = "";
      await serving(world, (request, context) => {
        const asked = request.headers.get("sec-websocket-protocol") ?? "";
        equal(asked.split(/, ?/)[0], "v5.channel.k8s.io");
        const { response, channel } = context.upgradeWebSocket(request, "v5.channel.k8s.io");
        channel.send("before the handshake was answered");
        channel.onMessage = (data) => channel.send(data);
        channel.onClose = (code, reason) => void (closedWith = `${code} ${reason}`);
        return response;
      }, async (url, client) => {
        const protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
        const channel = await client.webSocket(`${url}/exec`, { protocols, headers: { "x-a": "b" } });
        const received = collectMessages(channel);
        equal(channel.protocol, "v5.channel.k8s.io");
        channel.send("text");
        channel.send(pattern(300_000));
        await until(world.a, () => received.length === 3, "three messages");
        equal(received[0], "before the handshake was answered");
        equal(received[1], "text");
        deepEqual(received[2], pattern(300_000));
        const closes: number[] = [];
        channel.onClose = (code) => void closes.push(code);
        channel.close(4001, "done");
        await until(world.a, () => closedWith !== "" && closes.length > 0, "both closes");
        equal(closedWith, "4001 done");
        deepEqual(closes, [4001]);
      });
    },
  },
  {
    name: "HttpClient.webSocket rejects with NetworkError when the server does not upgrade",
    async run(world) {
      await serving(world, () => new Response("no", { status: 403 }), async (url, client) => {
        await rejects(client.webSocket(url, { protocols: [] }), NetworkError);
      });
    },
  },
];

function collectMessages(channel: WebSocketChannel): (Uint8Array | string)[] {
  const messages: (Uint8Array | string)[] = [];
  channel.onMessage = (data) => void messages.push(data);
  return messages;
}

const metricsText = `# HELP requests_total Requests, by "verb"\\\\code.
# TYPE requests_total counter
requests_total{code="200",verb="GET"} 3
requests_total{code="a\\"b\\\\c\\nd",verb="x"} 1
# HELP depth Queue depth.
# TYPE depth gauge
depth -2.5
# HELP seconds Latency.
# TYPE seconds histogram
seconds_bucket{le="0.1"} 1
seconds_bucket{le="1"} 3
seconds_bucket{le="+Inf"} 4
seconds_sum 7.1
seconds_count 4
`;

const metricsCases: ContractCase[] = [
  {
    name: "Metrics.text is Prometheus text 0.0.4 with labels sorted and escaped, and one metric for one name",
    async run({ a }) {
      const requests = a.metrics.counter("requests_total", `Requests, by "verb"\\code.`);
      requests.add(2, { verb: "GET", code: "200" });
      a.metrics.counter("requests_total", "asked again").add(1, { code: "200", verb: "GET" });
      requests.add(1, { verb: "x", code: `a"b\\c\nd` });
      a.metrics.gauge("depth", "Queue depth.").set(-2.5);
      const seconds = a.metrics.histogram("seconds", "Latency.", [0.1, 1]);
      for (const value of [0.1, 0.5, 0.5, 6]) seconds.observe(value);
      equal(a.metrics.text(), metricsText);
    },
  },
  {
    name: "Metrics.onCollect is called before each text(), and Gauge.clear forgets what has gone",
    async run({ a }) {
      const zones = a.metrics.gauge("zones", "Nodes, by zone.");
      const nodes = new Map([["a", 2], ["b", 1]]);
      a.metrics.onCollect(() => {
        zones.clear();
        for (const [zone, count] of nodes) zones.with({ zone }).set(count);
      });
      const head = "# HELP zones Nodes, by zone.\n# TYPE zones gauge\n";
      equal(a.metrics.text(), `${head}zones{zone="a"} 2\nzones{zone="b"} 1\n`);
      nodes.delete("a");
      equal(a.metrics.text(), `${head}zones{zone="b"} 1\n`);
      nodes.clear();
      equal(a.metrics.text(), "");
    },
  },
];

/** Every promise of platform/mod.ts that both worlds keep. */
export const contractCases: readonly ContractCase[] = [
  ...timerCases,
  ...diskCases,
  ...frameCases("unix"),
  ...frameCases("tcp"),
  ...streamCases,
  ...datagramCases,
  ...httpCases,
  ...metricsCases,
];
