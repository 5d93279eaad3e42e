import assert from "node:assert/strict";
import { connect, type TLSSocket } from "node:tls";
import { idleConnectionMs, requestHeadMs } from "../limits.ts";
import { createLog } from "../log.ts";
import type { HttpHandler } from "../mod.ts";
import { serveHttp } from "./http_server.ts";
import { manualTime } from "./manual_time.ts";
import { RequestTimes } from "./request_times.ts";
import { createTestAuthority } from "./test_certificates.ts";

function timed() {
  const time = manualTime();
  let late = 0;
  const times = new RequestTimes(time, () => late++);
  return { times, time, late: () => late };
}

Deno.test("RequestTimes: a first head may take 32 s from the connection's beginning, however its bytes trickle", () => {
  const { times, time, late } = timed();
  for (let i = 0; i < 31; i++) {
    time.advance(1000);
    times.received();
  }
  time.advance(999);
  assert.equal(late(), 0);
  time.advance(1);
  assert.equal(late(), 1);
  assert.equal(time.waiting(), 0);
});

Deno.test("RequestTimes: 90 s between two requests, then 32 s from the first byte of the next head", () => {
  const { times, time, late } = timed();
  times.begun();
  time.advance(10_000);
  times.ended();
  time.advance(idleConnectionMs - 1);
  times.received();
  time.advance(requestHeadMs - 1);
  times.received();
  assert.equal(late(), 0);
  time.advance(1);
  assert.equal(late(), 1);
  const idle = timed();
  idle.times.begun();
  idle.times.ended();
  idle.time.advance(idleConnectionMs - 1);
  assert.equal(idle.late(), 0);
  idle.time.advance(1);
  assert.equal(idle.late(), 1);
});

Deno.test("RequestTimes: a request that is with its handler takes as long as it takes, and so does one who reads slowly", () => {
  const { times, time, late } = timed();
  times.begun();
  time.advance(24 * 3600 * 1000);
  times.received(); // of its body
  time.advance(24 * 3600 * 1000);
  times.ended();
  for (let i = 0; i < 10; i++) {
    time.advance(idleConnectionMs - 1);
    times.sent();
  }
  assert.equal(late(), 0);
  time.advance(idleConnectionMs);
  assert.equal(late(), 1);
});

Deno.test("RequestTimes: pipelined requests count one by one; released times are never late", () => {
  const { times, time, late } = timed();
  times.begun();
  times.begun();
  times.ended();
  time.advance(10 * idleConnectionMs);
  times.ended();
  assert.equal(late(), 0);
  times.release();
  time.advance(10 * idleConnectionMs);
  assert.equal(late(), 0);
  assert.equal(time.waiting(), 0);
});

interface Served {
  readonly time: ReturnType<typeof manualTime>;
  /** A TLS connection that has sent `text`. */
  open(text: string): Promise<Client>;
  /** Lets time pass, a second a turn of the event loop, until the server has closed the connection. */
  cutOff(client: Client): Promise<void>;
}

interface Client {
  readonly socket: TLSSocket;
  /** Resolves when what has come matches. */
  until(pattern: RegExp): Promise<void>;
  readonly closed: Promise<void>;
}

async function serving(handler: HttpHandler, use: (served: Served) => Promise<void>): Promise<void> {
  const time = manualTime();
  const log = createLog({ component: "test", level: "error", now: () => 0, sink: () => {} });
  const authority = await createTestAuthority("cluster-ca");
  const server = await authority.issue("kube-apiserver", { names: ["api.test"] });
  const listener = await serveHttp(
    { address: "tcp:127.0.0.1:0", tls: { ...server, clientCertificates: true }, handler },
    { log, ...time },
  );
  const port = Number(new URL(listener.url).port);
  const sockets: TLSSocket[] = [];
  async function open(text: string): Promise<Client> {
    const options = { host: "127.0.0.1", port, ca: authority.ca, servername: "api.test", ALPNProtocols: ["http/1.1"] };
    const socket = connect(options);
    sockets.push(socket);
    let got = "";
    let look = (): void => {};
    socket.on("data", (part: Uint8Array) => {
      got += new TextDecoder("latin1").decode(part);
      look();
    });
    socket.on("error", () => {});
    const closed = new Promise<void>((resolve) => void socket.once("close", () => resolve()));
    await new Promise<void>((resolve) => void socket.once("secureConnect", resolve));
    await new Promise<void>((resolve) => void socket.write(text, () => resolve()));
    const until = (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        look = () => pattern.test(got) && resolve();
        look();
      });
    return { socket, until, closed };
  }
  async function cutOff({ closed }: Client): Promise<void> {
    let open = true;
    void closed.then(() => open = false);
    for (let seconds = 0; open; seconds++) {
      assert.ok(seconds < 1000, "the server keeps the connection");
      time.advance(1000);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  try {
    await use({ time, open, cutOff });
  } finally {
    for (const socket of sockets) socket.destroy();
    await listener.close();
    assert.equal(time.waiting(), 0, "timers are left");
  }
}

const head = "GET /a HTTP/1.1\r\nHost: x\r\n";

Deno.test("a client whose first or second head stays half sent is cut off, and so is one that only stays", () =>
  serving(() => new Response("fine"), async ({ cutOff, open }) => {
    await cutOff(await open(head));
    const second = await open(`${head}\r\n${head}`);
    await second.until(/fine$/);
    await cutOff(second);
    const idle = await open(`${head}\r\n`);
    await idle.until(/fine$/);
    await cutOff(idle);
  }));

Deno.test("a watch, a body that is long under way and an upgraded WebSocket outlast every bound", () => {
  let push: (text: string) => void = () => {};
  const handler: HttpHandler = async (request, context) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/watch") {
      return new Response(
        new ReadableStream({
          start(controller) {
            push = (text) => controller.enqueue(new TextEncoder().encode(text));
            push("begun");
          },
        }),
      );
    }
    if (pathname === "/socket") {
      const { response, channel } = context.upgradeWebSocket(request, "");
      channel.onMessage = (data) => channel.send(new TextEncoder().encode(`got ${String(data)}`));
      return response;
    }
    return new Response(`body ${(await request.text()).length}`);
  };
  return serving(handler, async ({ time, open }) => {
    const watch = await open("GET /watch HTTP/1.1\r\nHost: x\r\n\r\n");
    await watch.until(/begun/);
    const body = await open("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
    await body.until(/100 Continue/i);
    // The first request of this connection is another one: Deno's own WebSocket follows.
    const socket = await open(`${head}\r\n`);
    await socket.until(/body 0/);
    socket.socket.write(
      "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    await socket.until(/ 101 /);
    time.advance(24 * 3600 * 1000);
    push("still");
    await watch.until(/still/);
    body.socket.write("abcd");
    await body.until(/body 4/);
    // A masked text frame, its mask zero.
    socket.socket.write(new Uint8Array([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
    await socket.until(/got hi/);
  });
});
