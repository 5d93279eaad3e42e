import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import type { ByteConnection, HttpClient, HttpHandler, UpgradeAnswer } from "../mod.ts";
import { acceptKey, opcodes, ServerWebSocket } from "../websocket/mod.ts";
import { asksForUpgrade, headLength, parseHead } from "./http_head.ts";
import { createDenoPlatform, upgradeHttps } from "./mod.ts";
import { createTestAuthority } from "./test_certificates.ts";

const { network } = createDenoPlatform({ component: "test", logLevel: "error" });

async function serving(
  handler: HttpHandler,
  test: (url: string, client: HttpClient) => Promise<void>,
): Promise<void> {
  const authority = await createTestAuthority("test");
  const tls = { ...await authority.issue("server"), clientCertificates: true };
  const listener = await network.http.serve({ address: "tcp:127.0.0.1:0", tls, handler });
  const client = network.http.client({ tls: await authority.issue("caller"), http2: false });
  try {
    await test(listener.url, client);
  } finally {
    client.close();
    await listener.close();
  }
}

async function upgrade(client: HttpClient, url: string, headers: Record<string, string>): Promise<UpgradeAnswer> {
  assert.ok(client.upgrade !== undefined);
  return await client.upgrade(url, { method: "POST", headers: new Headers(headers) });
}

/** Until nothing goes on any more: the kernels and both ends' bounded buffers hold what they can. */
async function standsStill(count: () => number): Promise<void> {
  for (let before = -1; before !== count();) {
    before = count();
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}

async function readAll(connection: ByteConnection): Promise<string> {
  const buffer = new Uint8Array(16 * 1024);
  const parts: Uint8Array[] = [];
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    parts.push(buffer.slice(0, n));
  }
  return fromUtf8(concatBytes(parts));
}

Deno.test("upgradeBytes() and HttpClient.upgrade() hand bytes over in both directions, with who is calling", () =>
  serving((request, context) => {
    assert.ok(context.upgradeBytes !== undefined);
    assert.equal(request.headers.get("upgrade"), "SPDY/3.1");
    const headers = new Headers({ connection: "Upgrade", upgrade: "SPDY/3.1" });
    const { response, connection } = context.upgradeBytes(headers);
    void (async () => {
      await connection.write(utf8(`${context.peer?.commonName} ${request.method} ${new URL(request.url).pathname} `));
      const buffer = new Uint8Array(5);
      const count = await connection.read(buffer);
      await connection.write(buffer.subarray(0, count ?? 0));
      connection.close();
    })();
    return response;
  }, async (url, client) => {
    const answer = await upgrade(client, `${url}/exec?a=b`, { upgrade: "SPDY/3.1" });
    assert.equal(answer.status, 101);
    assert.ok(answer.connection !== null);
    await answer.connection.write(utf8("hello"));
    assert.match(await readAll(answer.connection), /^caller POST \/exec hello$/);
    answer.connection.close();
  }));

Deno.test("HttpClient.upgrade() tells what a refusal says, and other requests of the server are served as ever", () =>
  serving((request, context) => {
    if (request.headers.has("upgrade")) return new Response("no, because", { status: 403 });
    return new Response(`plain ${context.upgradeBytes === undefined}`);
  }, async (url, client) => {
    const answer = await upgrade(client, url, { upgrade: "SPDY/3.1" });
    assert.deepEqual([answer.status, answer.text, answer.connection], [403, "no, because", null]);
    assert.equal(await (await client.fetch(url)).text(), "plain true");
  }));

Deno.test("a server that does not read holds an upgraded client back", () =>
  serving((_request, context) => {
    assert.ok(context.upgradeBytes !== undefined);
    const { response, connection } = context.upgradeBytes(new Headers({ connection: "Upgrade", upgrade: "x" }));
    void connection.write(utf8("!"));
    return response;
  }, async (url, client) => {
    const { connection } = await upgrade(client, url, { upgrade: "x" });
    assert.ok(connection !== null);
    await connection.read(new Uint8Array(1));
    let written = 0;
    const chunk = new Uint8Array(1024 * 1024);
    const writing = (async () => {
      while (written < 200 * chunk.length) {
        await connection.write(chunk);
        written += chunk.length;
      }
    })().catch(() => {});
    await standsStill(() => written);
    assert.ok(written < 100 * chunk.length, `${written} bytes taken`);
    connection.close();
    await writing;
  }));

Deno.test("upgradeHttps() dials elsewhere than to the name that it verifies, trusts one root alone, and shows who it is", async () => {
  const authority = await createTestAuthority("extensions");
  const tls = { ...await authority.issue("server", { names: ["api.default.svc"] }), clientCertificates: true };
  const listener = await network.http.serve({
    address: "tcp:127.0.0.1:0",
    tls,
    handler: (request, context) => {
      assert.ok(context.upgradeBytes !== undefined);
      const { response, connection } = context.upgradeBytes(new Headers({ connection: "Upgrade", upgrade: "x" }));
      const said = `${context.peer?.commonName} ${request.headers.get("host")} ${request.headers.get("x-twice")}`;
      void connection.write(utf8(said)).then(() => connection.close());
      return response;
    },
  });
  const call = {
    url: "https://api.default.svc:7443/a?b=c",
    method: "GET",
    headers: [["upgrade", "x"], ["x-twice", "a"], ["x-twice", "b"]] as const,
    via: { hostname: "127.0.0.1", port: Number(new URL(listener.url).port) },
    identity: await authority.issue("front-proxy-client"),
    ca: authority.ca,
    signal: new AbortController().signal,
  };
  try {
    const { status, connection } = await upgradeHttps(call);
    assert.equal(status, 101);
    assert.ok(connection !== null);
    assert.equal(await readAll(connection), "front-proxy-client api.default.svc:7443 a, b");
    connection.close();
    const stranger = await createTestAuthority("strangers");
    const refusing = [
      { ...call, ca: stranger.ca },
      { ...call, url: "https://other.default.svc:7443/" },
      { ...call, url: "https://127.0.0.2/" },
      { ...call, via: { hostname: "127.0.0.1", port: 1 } },
    ];
    for (const each of refusing) await assert.rejects(upgradeHttps(each), { name: "NetworkError" });
    const trusting = await upgradeHttps({ ...call, ca: stranger.ca, insecure: true });
    trusting.connection?.close();
    await assert.rejects(upgradeHttps({ ...call, headers: [["upgrade", "x\r\nx-remote-user: root"]] }), TypeError);
    const aborted = upgradeHttps({ ...call, signal: AbortSignal.abort(new DOMException("late", "TimeoutError")) });
    await assert.rejects(aborted, { name: "TimeoutError" });
  } finally {
    await listener.close();
  }
});

Deno.test("a client of upgradeHttps() that does not read holds the server back", async () => {
  const authority = await createTestAuthority("extensions");
  let written = 0;
  const chunk = new Uint8Array(1024 * 1024);
  let writing: Promise<void> = Promise.resolve();
  const listener = await network.http.serve({
    address: "tcp:127.0.0.1:0",
    tls: { ...await authority.issue("server", { names: ["api.test"] }), clientCertificates: true },
    handler: (_request, context) => {
      assert.ok(context.upgradeBytes !== undefined);
      const { response, connection } = context.upgradeBytes(new Headers({ connection: "Upgrade", upgrade: "x" }));
      writing = (async () => {
        while (written < 200 * chunk.length) {
          await connection.write(chunk);
          written += chunk.length;
        }
      })().catch(() => {});
      return response;
    },
  });
  const { connection } = await upgradeHttps({
    url: "https://api.test/",
    via: { hostname: "127.0.0.1", port: Number(new URL(listener.url).port) },
    method: "GET",
    headers: [["upgrade", "x"]],
    ca: authority.ca,
    signal: new AbortController().signal,
  });
  assert.ok(connection !== null);
  await connection.read(new Uint8Array(1));
  await standsStill(() => written);
  assert.ok(written < 100 * chunk.length, `${written} bytes taken`);
  connection.close();
  await writing;
  await listener.close();
});

Deno.test("ServerWebSocket echoes what the web's own client sends, and holds nothing but the message that is asked for", () =>
  serving((request, context) => {
    assert.ok(context.upgradeBytes !== undefined);
    const accept = acceptKey(request.headers.get("sec-websocket-key") ?? "");
    const headers = new Headers({ connection: "Upgrade", upgrade: "websocket", "sec-websocket-accept": accept });
    headers.set("sec-websocket-protocol", "v5.channel.k8s.io");
    const { response, connection } = context.upgradeBytes(headers);
    void (async () => {
      const socket = new ServerWebSocket(connection);
      for (let message = await socket.read(); message !== null; message = await socket.read()) {
        await socket.send(message.opcode === opcodes.text ? fromUtf8(message.data) : message.data);
      }
    })();
    return response;
  }, async (url, client) => {
    const channel = await client.webSocket(url, { protocols: ["v5.channel.k8s.io"] });
    assert.equal(channel.protocol, "v5.channel.k8s.io");
    const got: (string | number)[] = [];
    const all = Promise.withResolvers<void>();
    channel.onMessage = (data) => {
      got.push(typeof data === "string" ? data : data.length);
      if (got.length === 4) all.resolve();
    };
    for (const size of [10, 1000, 300_000]) channel.send(new Uint8Array(size));
    channel.send("text");
    await all.promise;
    assert.deepEqual(got, [10, 1000, 300_000, "text"]);
    const closed = new Promise<number>((resolve) => void (channel.onClose = resolve));
    channel.close(1000);
    assert.equal(await closed, 1000);
  }));

Deno.test("a head is read in one way only, and asks for an upgrade only where it brings no body", () => {
  const head = (text: string) => {
    const bytes = utf8(text);
    const length = headLength(bytes);
    return length === null ? null : parseHead(bytes.subarray(0, length));
  };
  const get = "GET /a HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
  const asks = (text: string) => {
    const found = head(text);
    return found !== null && asksForUpgrade(found);
  };
  assert.ok(asks(`${get}\r\n`));
  assert.ok(!asks(`${get}Content-Length: 3\r\n\r\nabc`));
  assert.ok(!asks(`${get}Transfer-Encoding: chunked\r\n\r\n`));
  assert.ok(!asks("GET /a HTTP/1.1\r\nUpgrade: websocket\r\n\r\n"));
  assert.equal(head(`${get}X-Name: \t à \r\nX-Last: à\r\n\r\n`)?.headers.get("x-last"), "\xc3\xa0");
  assert.equal(head(`${get}X-Name: \t à \r\n\r\n`)?.headers.get("x-name"), "\xc3\xa0");
  assert.equal(head(get), null);
  assert.equal(head(`${get}Bad Name: x\r\n\r\n`), null);
  assert.equal(head(`${get} folded\r\n\r\n`), null);
});
