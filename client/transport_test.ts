import assert from "node:assert/strict";
import { parseMetrics } from "../platform/deno/metrics_testing.ts";
import { createMetrics } from "../platform/metrics.ts";
import { type HttpClient, NetworkError } from "../platform/mod.ts";
import { TransportError } from "./errors.ts";
import * as limits from "./limits.ts";
import { createTestRandom, createVirtualTime, settle, silentLog } from "./testing.ts";
import { type ClosableTransport, createTransport } from "./transport.ts";

type Answer = (url: string, init: RequestInit) => Response | Promise<Response>;

/** An HTTP world: one answer function a host; a missing one refuses connections. */
function setUp(hosts: Record<string, Answer>, seed = 1) {
  const time = createVirtualTime();
  const sent: string[] = [];
  const open = new Set<HttpClient>();
  let clients = 0;
  const metrics = createMetrics();
  const network = {
    http: {
      serve: () => Promise.reject(new Error("not here")),
      client(): HttpClient {
        clients++;
        const client: HttpClient = {
          async fetch(url, init = {}) {
            const host = new URL(url).hostname;
            sent.push(`${init.method} ${host}`);
            const answer = hosts[host];
            if (answer === undefined) throw new NetworkError("refused", { notSent: true });
            const aborted = new Promise<never>((_, reject) => {
              init.signal?.addEventListener("abort", () => reject(init.signal?.reason));
            });
            return await Promise.race([answer(url, init), aborted]);
          },
          webSocket: () => Promise.reject(new Error("not here")),
          close: () => open.delete(client),
        };
        open.add(client);
        return client;
      },
    },
  };
  const transport: ClosableTransport = createTransport(
    { endpoints: ["https://a", "https://b", "https://c"] },
    { network, clock: time.clock, timers: time.timers, random: createTestRandom(seed), log: silentLog, metrics },
  );
  const get = () => transport("/x", { method: "GET", headers: {} });
  const post = () => transport("/x", { method: "POST", headers: {}, body: new Uint8Array([1]) });
  const watch = (signal?: AbortSignal) =>
    transport("/x?watch=true", {
      method: "GET",
      headers: {},
      stream: true,
      ...(signal === undefined ? {} : { signal }),
    });
  return { time, transport, metrics, sent, hosts, open, get, post, watch, clients: () => clients };
}

const ok: Answer = () => new Response("fine");
const broken: Answer = () => Promise.reject(new NetworkError("reset"));

Deno.test("createTransport() moves a GET to the next endpoint when the connection breaks, and stays there", async () => {
  const { get, sent, transport } = setUp({ a: broken, b: broken, c: ok });
  assert.equal(await (await get()).text(), "fine");
  assert.equal(sent.at(-1), "GET c");
  sent.length = 0;
  await get();
  assert.deepEqual(sent, ["GET c"]);
  transport.close();
});

Deno.test("createTransport() moves a write only when it was certainly not sent", async () => {
  const refusing = setUp({ b: ok });
  assert.equal(await (await refusing.post()).text(), "fine");
  refusing.transport.close();

  const breaking = setUp({ a: broken, b: broken, c: broken });
  await assert.rejects(breaking.post(), (error) => error instanceof TransportError && error.outcome === "unknown");
  assert.equal(breaking.sent.length, 1);
  breaking.transport.close();
});

Deno.test("createTransport() rejects with notSent when no endpoint accepts a connection", async () => {
  const { post, sent, transport } = setUp({});
  await assert.rejects(post(), (error) => error instanceof TransportError && error.outcome === "notSent");
  assert.equal(sent.length, 3);
  transport.close();
});

Deno.test("createTransport() gives an endpoint that does not answer up after the time limit", async () => {
  const { get, sent, time, transport, hosts } = setUp({ a: ok, b: ok, c: ok });
  await get();
  const first = sent[0]?.slice(4) ?? "";
  hosts[first] = () => new Promise(() => {});
  const answer = get();
  await time.advance(limits.requestTimeoutMs + 1);
  assert.equal(await (await answer).text(), "fine");
  assert.notEqual(sent.at(-1), `GET ${first}`);
  transport.close();
  assert.equal(time.pending, 0);
});

Deno.test("createTransport() obeys Retry-After of a 503, at another endpoint, a bounded number of times", async () => {
  const busy: Answer = () => new Response("no leader", { status: 503, headers: { "retry-after": "1" } });
  const { get, sent, time, transport } = setUp({ a: busy, b: busy, c: busy });
  const answer = get();
  await time.advance(900);
  assert.equal(sent.length, 1);
  await time.advance(60_000);
  assert.equal((await answer).status, 503);
  assert.equal(sent.length, 1 + limits.maxThrottleRetries);
  assert.equal(new Set(sent).size, 3);
  transport.close();
});

Deno.test("createTransport() opens a further client before a connection's streams run out", async () => {
  const silent: Answer = () => new Response(new ReadableStream({}));
  const { watch, clients, transport } = setUp({ a: silent, b: silent, c: silent });
  const open: Response[] = [];
  for (let i = 0; i < limits.streamsPerWatchClient + 1; i++) open.push(await watch());
  assert.equal(clients(), 2);
  for (const response of open) await response.body?.cancel();
  await watch();
  assert.equal(clients(), 2);
  transport.close();
});

Deno.test("createTransport() ends the watches of an apiserver that stopped without closing its connections", async () => {
  const { watch, get, hosts, time, transport, sent } = setUp({ a: ok, b: ok, c: ok });
  await get();
  const first = sent[0]?.slice(4) ?? "";
  hosts[first] = (url) => url.includes("watch") ? new Response(new ReadableStream({})) : new Promise(() => {});
  const response = await watch();
  const ended = response.body?.getReader().read().then(() => "data", () => "failed");
  await time.advance(limits.watchProbePeriodMs * 2 + limits.watchProbeTimeoutMs + 10);
  assert.equal(await ended, "failed");
  await get();
  assert.notEqual(sent.at(-1), `GET ${first}`);
  transport.close();
});

Deno.test("createTransport() ends a watch of an apiserver where a request found nobody, though a later one is answered", async () => {
  // As after a power cut: the watch's connection stays silent for ever, new ones are answered by the next process.
  const silent: Answer = () => new Response(new ReadableStream({ start: () => {} }));
  const worlds = { a: silent, b: silent, c: silent };
  const { watch, post, hosts, transport } = setUp(worlds);
  const watched = await watch();
  const reader = watched.body?.getReader();
  assert.ok(reader !== undefined);
  const read = reader.read();
  for (const host of ["a", "b", "c"]) hosts[host] = broken;
  await assert.rejects(post(), TransportError);
  for (const host of ["a", "b", "c"]) hosts[host] = ok;
  await assert.rejects(read, /did not answer a request/);
  assert.equal((await post()).status, 200);
  transport.close();
});

Deno.test("createTransport() leaves a live watch alone, and ends it when its caller aborts", async () => {
  let feed: ReadableStreamDefaultController<Uint8Array> | undefined;
  const { watch, hosts, time, transport, sent } = setUp({});
  for (const host of ["a", "b", "c"]) {
    hosts[host] = (url) =>
      url.includes("watch")
        ? new Response(new ReadableStream<Uint8Array>({ start: (controller) => void (feed = controller) }))
        : new Response("ok");
  }
  const abort = new AbortController();
  const response = await watch(abort.signal);
  const reader = response.body?.getReader();
  await time.advance(30_000);
  feed?.enqueue(new Uint8Array([7]));
  assert.deepEqual((await reader?.read())?.value, new Uint8Array([7]));
  assert.ok(sent.length > 5, "probed while silent");
  const next = reader?.read().then(() => "data", () => "aborted");
  abort.abort();
  await settle();
  assert.equal(await next, "aborted");
  assert.equal(time.pending, 0, "no probe without a watch");
  transport.close();
});

Deno.test("createTransport() counts requests by code, method and host, and times all but watches", async () => {
  const forbidden: Answer = () => new Response("no", { status: 403 });
  let answers = 0;
  const a: Answer = (url, init) => ++answers === 2 ? forbidden(url, init) : ok(url, init);
  const { get, post, watch, metrics, hosts } = setUp({ a, b: broken, c: broken });
  hosts.b = hosts.c = undefined as unknown as Answer;
  await get();
  await get();
  const stream = await watch();
  await stream.body?.cancel();
  hosts.a = broken;
  await assert.rejects(post());
  const samples = parseMetrics(metrics.text());
  const count = (code: string, method: string) =>
    samples.get("rest_client_requests_total")?.get(`code="${code}",host="a",method="${method}"`);
  assert.deepEqual([count("200", "GET"), count("403", "GET"), count("<error>", "POST")], [2, 1, 1]);
  const timed = samples.get("rest_client_request_duration_seconds_count");
  assert.equal(timed?.get('host="a",verb="GET"'), 2, "the watch has no latency");
});
