import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { concatBytes, equalBytes } from "../../base/bytes.ts";
import { BytesResponse, PartsResponse } from "../bytes_response.ts";
import type { HttpClient, HttpHandler, HttpListener } from "../mod.ts";
import { createDenoPlatform } from "./mod.ts";
import { createTestAuthority } from "./test_certificates.ts";

/** An HTTP/2 client of a TLS server that answers with `handler`; both closed afterwards. */
async function withClient(
  handler: HttpHandler,
  use: (client: HttpClient, listener: HttpListener) => Promise<void>,
): Promise<void> {
  const platform = createDenoPlatform({ component: "test", logSink: () => {} });
  const authority = await createTestAuthority("ca");
  const tls = { ...await authority.issue("server"), clientCertificates: true };
  const listener = await platform.network.http.serve({ address: "tcp:127.0.0.1:0", tls, handler });
  const client = platform.network.http.client({ tls: { ca: authority.ca } });
  try {
    await use(client, listener);
  } finally {
    client.close();
    await listener.close();
  }
}

function pattern(length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
}

Deno.test("HTTP/2 requests carry method, target, headers and bodies of any size, announced or not", async () => {
  await withClient(async (request) => {
    const body = new Uint8Array(await request.arrayBuffer());
    const { pathname, search, host } = new URL(request.url);
    ok(host.startsWith("127.0.0.1:"));
    return new Response(body, {
      headers: { "x-seen": `${request.method} ${pathname}${search} ${request.headers.get("x-given")}` },
    });
  }, async (client, { url }) => {
    for (const length of [0, 1, 65_536, 65_537, 3_000_000]) {
      const body = pattern(length);
      const response = await client.fetch(`${url}/a%20b?c=d`, { method: "PUT", body, headers: { "x-given": "é" } });
      equal(response.headers.get("x-seen"), "PUT /a%20b?c=d é");
      deepEqual(new Uint8Array(await response.arrayBuffer()), body);
    }
    const chunks = [pattern(100_000), pattern(3)];
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk === undefined) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const response = await client.fetch(url, { method: "POST", body, duplex: "half" } as RequestInit);
    equal((await response.arrayBuffer()).byteLength, 100_003);
  });
});

Deno.test("HTTP/2 answers without content have none, whole ones say their length, and a source that fails breaks off", async () => {
  const parts = Array.from({ length: 3_000 }, (_, i) => pattern(i % 700 === 0 ? 20_000 : i % 90));
  const handler: HttpHandler = ({ url, method }) => {
    if (url.endsWith("/none")) return new Response(null, { status: 204 });
    if (url.endsWith("/parts")) return new PartsResponse(parts, 1_000, { headers: { "x-method": method } });
    if (url.endsWith("/whole")) return new BytesResponse(pattern(70_000), { headers: { "x-method": method } });
    let sent = false;
    return new Response(
      new ReadableStream({
        pull(controller) {
          if (sent) throw new Error("no more");
          sent = true;
          controller.enqueue(pattern(10));
        },
      }),
    );
  };
  await withClient(handler, async (client, { url }) => {
    const none = await client.fetch(`${url}/none`);
    equal(none.status, 204);
    equal(none.body, null);
    const whole = await client.fetch(`${url}/whole`);
    equal(whole.headers.get("content-length"), "70000");
    deepEqual(new Uint8Array(await whole.arrayBuffer()), pattern(70_000));
    const listed = await client.fetch(`${url}/parts`);
    const all = concatBytes(parts);
    equal(listed.headers.get("content-length"), String(all.length));
    ok(equalBytes(new Uint8Array(await listed.arrayBuffer()), all), "the parts, in order");
    ok(equalBytes(new Uint8Array(await new PartsResponse(parts, 1_000, {}).arrayBuffer()), all), "as any Response too");
    const head = await client.fetch(`${url}/whole`, { method: "HEAD" });
    equal(head.headers.get("content-length"), "70000");
    equal(head.headers.get("x-method"), "HEAD");
    equal((await head.arrayBuffer()).byteLength, 0);
    await rejects(async () => await (await client.fetch(`${url}/broken`)).arrayBuffer());
  });
});

Deno.test("an HTTP/2 server that closes lets the answer under way go out, and ends streams", async () => {
  const { promise: entered, resolve: enter } = Promise.withResolvers<void>();
  const { promise: mayAnswer, resolve: answer } = Promise.withResolvers<void>();
  let cancelled = false;
  await withClient(async ({ url }) => {
    if (url.endsWith("/stream")) return new Response(new ReadableStream({ cancel: () => void (cancelled = true) }));
    enter();
    await mayAnswer;
    return new Response("done");
  }, async (client, listener) => {
    const stream = await client.fetch(`${listener.url}/stream`);
    const slow = client.fetch(`${listener.url}/slow`).then((response) => response.text());
    await entered;
    const closed = listener.close();
    answer();
    equal(await slow, "done");
    await closed;
    equal(cancelled, true);
    await stream.body?.cancel().catch(() => {});
  });
});
