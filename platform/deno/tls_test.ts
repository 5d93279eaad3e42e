import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import {
  type FrameConnection,
  type HttpHandler,
  type HttpListener,
  NetworkError,
  type PeerIdentity,
  type Platform,
} from "../mod.ts";
import { createDenoPlatform } from "./mod.ts";
import { createTestAuthority, type TestAuthority } from "./test_certificates.ts";

function platform(): Platform {
  return createDenoPlatform({ component: "test", logSink: () => {} });
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    ok(performance.now() < deadline, "still waiting");
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

interface Served {
  readonly p: Platform;
  readonly authority: TestAuthority;
  readonly listener: HttpListener;
}

/** A TLS server that asks for client certificates and answers with `handler`; closed afterwards. */
async function withServer(handler: HttpHandler, use: (served: Served) => Promise<void>): Promise<void> {
  const p = platform();
  const authority = await createTestAuthority("cluster-ca");
  const server = await authority.issue("kube-apiserver", { names: ["api.test"] });
  const tls = { ...server, clientCertificates: true };
  const listener = await p.network.http.serve({ address: "tcp:127.0.0.1:0", tls, handler });
  try {
    await use({ p, authority, listener });
  } finally {
    await listener.close();
  }
}

function whoHandler(request: Request, { peer, remoteAddress }: { peer: PeerIdentity | null; remoteAddress: string }) {
  return Response.json({ peer, remoteAddress, path: new URL(request.url).pathname });
}

for (const http2 of [true, false]) {
  const version = http2 ? "HTTP/2" : "HTTP/1.1";

  Deno.test(`Http.serve with TLS gives the subject of a client certificate that the CA signed, over ${version}`, async () => {
    await withServer(whoHandler, async ({ p, authority, listener }) => {
      const tls = await authority.issue("alice", { organizations: ["system:masters", "devs"] });
      const client = p.network.http.client({ tls, http2 });
      match(listener.url, /^https:\/\/127\.0\.0\.1:\d+$/);
      const answer = await (await client.fetch(`${listener.url}/who`)).json();
      const peer = { commonName: "alice", organizations: ["system:masters", "devs"] };
      deepEqual(answer, { peer, remoteAddress: "127.0.0.1", path: "/who" });
      client.close();
    });
  });

  Deno.test(`Http.serve with TLS gives null for no certificate and for one of another CA, over ${version}`, async () => {
    await withServer(whoHandler, async ({ p, authority, listener }) => {
      const other = await (await createTestAuthority("other-ca")).issue("mallory", {
        organizations: ["system:masters"],
      });
      for (const tls of [{ ca: authority.ca }, { ...other, ca: authority.ca }]) {
        const client = p.network.http.client({ tls, http2 });
        const response = await client.fetch(listener.url);
        equal((await response.json()).peer, null);
        client.close();
      }
    });
  });
}

Deno.test("Http.serve with TLS keeps identities apart when connections come and go", async () => {
  await withServer(whoHandler, async ({ p, authority, listener }) => {
    const names = ["a", "b", "c"];
    const identities = await Promise.all(names.map((name) => authority.issue(name)));
    await Promise.all(names.map(async (name, i) => {
      const tls = identities[i];
      ok(tls !== undefined);
      for (let round = 0; round < 8; round++) {
        const client = p.network.http.client({ tls, http2: round % 2 === 0 });
        const answers = await Promise.all([1, 2, 3].map(async () => (await client.fetch(listener.url)).json()));
        for (const answer of answers) equal(answer.peer.commonName, name);
        client.close();
      }
    }));
  });
});

Deno.test("Http.client refuses a server that its CA did not sign", async () => {
  await withServer(whoHandler, async ({ p, listener }) => {
    const other = await createTestAuthority("other-ca");
    const client = p.network.http.client({ tls: { ca: other.ca } });
    await rejects(client.fetch(listener.url), { name: "NetworkError", notSent: true });
    client.close();
  });
});

/** Ports on which this process listens, read from the kernel. */
function listeningPorts(): number[] {
  const inodes = new Set<string>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/self/fd/${name}`))?.[1];
      if (inode !== undefined) inodes.add(inode);
    } catch {
      // closed while we were looking
    }
  }
  const ports: number[] = [];
  for (const line of Deno.readTextFileSync("/proc/net/tcp").split("\n").slice(1)) {
    const fields = line.trim().split(/\s+/);
    if (fields[3] === "0A" && inodes.has(fields[9] ?? "")) ports.push(parseInt(fields[1]?.split(":")[1] ?? "", 16));
  }
  return ports;
}

Deno.test({
  name: "Http.serve with TLS refuses whoever dials the plain server behind it",
  ignore: Deno.build.os !== "linux",
  async fn() {
    let handled = 0;
    await withServer(() => {
      handled++;
      return new Response("secret");
    }, async ({ p, listener }) => {
      const front = Number(new URL(listener.url).port);
      const back = listeningPorts().filter((port) => port !== front);
      equal(back.length, 1);
      const client = p.network.http.client({});
      const response = await client.fetch(`http://127.0.0.1:${back[0]}/`);
      equal(response.status, 403);
      equal(await response.text(), "Forbidden");
      client.close();
      equal(handled, 0);
    });
  },
});

Deno.test("HttpClient opens another HTTP/2 connection before streams wait for one another: 300 watches all open", async () => {
  let cancelled = 0;
  await withServer(() => {
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(utf8("first")),
      cancel: () => void cancelled++,
    });
    return new Response(body);
  }, async ({ p, authority, listener }) => {
    const client = p.network.http.client({ tls: { ca: authority.ca } });
    const readers = await Promise.all(Array.from({ length: 300 }, async () => {
      const reader = (await client.fetch(listener.url)).body?.getReader();
      ok(reader !== undefined);
      const { value } = await reader.read();
      equal(fromUtf8(value ?? new Uint8Array()), "first");
      return reader;
    }));
    await Promise.all(readers.map((reader) => reader.cancel()));
    await until(() => cancelled === 300);
    client.close();
  });
});

Deno.test("Http.serve with TLS makes the source of a body wait for a reader that does not read", async () => {
  let produced = 0;
  await withServer(() => {
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        produced += 65_536;
        controller.enqueue(new Uint8Array(65_536));
        if (produced > 256 * 1024 * 1024) controller.close();
      },
    });
    return new Response(body);
  }, async ({ p, authority, listener }) => {
    const client = p.network.http.client({ tls: { ca: authority.ca } });
    const response = await client.fetch(listener.url);
    let before = -1;
    while (before !== produced) {
      before = produced;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    ok(produced < 64 * 1024 * 1024, `${produced} bytes were produced for nobody`);
    await response.body?.cancel();
    client.close();
  });
});

Deno.test("Http.serve with TLS shows a client that went away in the middle of an upload that had to wait", async () => {
  let goOn = (): void => {};
  const gone = new Promise<void>((resolve) => void (goOn = resolve));
  let outcome = "";
  let received = 0;
  await withServer(async (request) => {
    await gone; // meanwhile every buffer on the way is full
    try {
      for await (const chunk of request.body ?? []) received += chunk.length;
      outcome = "whole";
    } catch {
      outcome = "broken";
    }
    return new Response(null);
  }, async ({ authority, listener }) => {
    const port = Number(new URL(listener.url).port);
    const conn = await Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [authority.ca] });
    const head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n";
    await conn.write(utf8(head));
    let sent = 0;
    let sentAt = performance.now();
    async function fill(): Promise<void> {
      const chunk = new Uint8Array(65_536);
      for (;;) {
        sent += await conn.write(chunk);
        sentAt = performance.now();
      }
    }
    const filling = fill().catch(() => {});
    await until(() => sent > 0 && performance.now() - sentAt > 200);
    ok(sent < 50_000_000, `${sent} bytes were taken for a handler that does not read`);
    conn.close();
    await filling;
    goOn();
    await until(() => outcome !== "");
    equal(outcome, "broken");
    ok(received > 100_000);
  });
});

Deno.test("A WebSocket over TLS knows the client certificate and echoes", async () => {
  await withServer((request, context) => {
    const { response, channel } = context.upgradeWebSocket(request, "v5.channel.k8s.io");
    channel.onMessage = (data) => channel.send(`${context.peer?.commonName}: ${data}`);
    return response;
  }, async ({ p, authority, listener }) => {
    const client = p.network.http.client({ tls: await authority.issue("alice") });
    const channel = await client.webSocket(listener.url, { protocols: ["v5.channel.k8s.io"] });
    const received: unknown[] = [];
    channel.onMessage = (data) => void received.push(data);
    channel.send("hello");
    await until(() => received.length === 1);
    deepEqual(received, ["alice: hello"]);
    let closed = false;
    channel.onClose = () => void (closed = true);
    channel.close();
    await until(() => closed);
    client.close();
  });
});

Deno.test("Frames with TLS give the client's subject, and check the server's name or the one asked for", async () => {
  const { frames } = platform().network;
  const authority = await createTestAuthority("store-ca");
  const server = await authority.issue("store-0", { names: ["store.test"] });
  const client = await authority.issue("store-1", { organizations: ["peers"] });
  const peers: (PeerIdentity | null)[] = [];
  const listener = await frames.listen("tcp:127.0.0.1:0", { tls: server }, (connection) => {
    peers.push(connection.peer);
    connection.onFrame = (frame) => connection.send(frame);
  });
  for (const options of [{ tls: client }, { tls: client, serverName: "store.test" }]) {
    const connection = await frames.dial(listener.address, options);
    const echoed: Uint8Array[] = [];
    connection.onFrame = (frame) => void echoed.push(frame);
    const large = new Uint8Array(1_000_000).fill(7);
    connection.send(utf8("hello"));
    connection.send(large);
    await until(() => echoed.length === 2);
    equal(fromUtf8(echoed[0] ?? new Uint8Array()), "hello");
    deepEqual(echoed[1], large);
    let closed = 0;
    connection.onClose = () => void closed++;
    connection.close();
    await until(() => closed === 1);
  }
  deepEqual(peers, Array(2).fill({ commonName: "store-1", organizations: ["peers"] }));
  await rejects(frames.dial(listener.address, { tls: client, serverName: "elsewhere.test" }), NetworkError);
  await listener.close();
});

Deno.test("FrameConnection.close with TLS delivers what was sent before, from either end", async () => {
  const { frames } = platform().network;
  const authority = await createTestAuthority("store-ca");
  const tls = await authority.issue("store-0");
  const results: string[] = [];
  function count(side: string, connection: FrameConnection): void {
    let bytes = 0;
    connection.onFrame = (frame) => void (bytes += frame.length);
    connection.onClose = (error) => void results.push(`${side} ${bytes} ${error?.message ?? "clean"}`);
  }
  function sendAndClose(connection: FrameConnection): void {
    for (let i = 0; i < 100; i++) connection.send(new Uint8Array(10_000));
    connection.close();
  }
  let speakFirst = true;
  const listener = await frames.listen("tcp:127.0.0.1:0", { tls }, (connection) => {
    if (speakFirst) sendAndClose(connection);
    else count("server", connection);
  });
  count("client", await frames.dial(listener.address, { tls }));
  await until(() => results.length === 1);
  speakFirst = false;
  sendAndClose(await frames.dial(listener.address, { tls }));
  await until(() => results.length === 2);
  deepEqual(results, ["client 1000000 clean", "server 1000000 clean"]);
  await listener.close();
});

Deno.test("Frames with TLS hand no connection over without a certificate of the right CA", async () => {
  const { frames } = platform().network;
  const authority = await createTestAuthority("store-ca");
  const other = await (await createTestAuthority("other-ca")).issue("mallory");
  let accepted = 0;
  const listener = await frames.listen(
    "tcp:127.0.0.1:0",
    { tls: await authority.issue("store-0") },
    () => void accepted++,
  );
  // TLS 1.3 lets the client finish before the server has looked at its certificate: refusal may come as a close.
  async function refused(tls: { cert: string; key: string; ca: string }): Promise<void> {
    const connection = await frames.dial(listener.address, { tls }).catch(() => null);
    if (connection === null) return;
    let closed = false;
    connection.onClose = () => void (closed = true);
    connection.send(utf8("let me in"));
    await until(() => closed);
  }
  await refused({ ...other, ca: authority.ca });
  const plain = await frames.dial(listener.address, {});
  let plainClosed = false;
  plain.onClose = () => void (plainClosed = true);
  plain.send(utf8("no TLS at all"));
  await until(() => plainClosed);
  equal(accepted, 0);
  await listener.close();
});
