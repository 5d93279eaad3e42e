import assert from "node:assert/strict";
import { createDenoPlatform } from "../platform/deno/mod.ts";
import type { HttpListener, Platform, TlsIdentity } from "../platform/mod.ts";
import { startBalancer } from "./balancer.ts";
import { createAuthority } from "./pki.ts";

const timers = { healthPeriodMs: 10, healthTimeoutMs: 500 };

async function freePort(): Promise<number> {
  const listen = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listen.addr as Deno.NetAddr; // a TCP listener's address
  await Promise.resolve(listen.close());
  return port;
}

/** A backend whose /readyz does what `health` says and whose /watch sends a line whenever `say` is called. */
async function watchedBackend(platform: Platform, tls: TlsIdentity) {
  const health = { answer: (): Promise<Response> => Promise.resolve(new Response("ok")) };
  let sink: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  const listener = await platform.network.http.serve({
    address: "tcp:127.0.0.1:0",
    tls: { ...tls, clientCertificates: true },
    handler: (request) => {
      if (new URL(request.url).pathname === "/readyz") return health.answer();
      return Promise.resolve(new Response(new ReadableStream({ start: (controller) => void (sink = controller) })));
    },
  });
  const say = (line: string) => sink?.enqueue(new TextEncoder().encode(line));
  return { listener, health, say, address: `tcp:127.0.0.1:${new URL(listener.url).port}` };
}

Deno.test("startBalancer() leaves the watches of an apiserver that is slow or not ready alone, and cuts a silent one's", async () => {
  const platform = createDenoPlatform({ component: "test", logSink: () => {} });
  const authority = await createAuthority("test-ca");
  const server = await authority.issue({ commonName: "server", names: ["127.0.0.1"], usage: "server" });
  const watched = await watchedBackend(platform, { ...server, ca: authority.cert });
  const other = await watchedBackend(platform, { ...server, ca: authority.cert });
  const port = await freePort();
  // Clock and timers of the balancer alone; the network is real.
  const time = { now: 0 };
  const changes: string[] = [];
  const waiting: { match: string; resolve: () => void }[] = [];
  const log = {
    ...platform.log,
    info: (message: string, fields?: Readonly<Record<string, unknown>>) => note(message, fields),
    warn: (message: string, fields?: Readonly<Record<string, unknown>>) => note(message, fields),
  };
  function note(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    changes.push(`${message} ${fields["address"]}`);
    for (const each of waiting) if (changes.includes(each.match)) each.resolve();
  }
  const told = (message: string, backend: { address: string }): Promise<void> =>
    new Promise((resolve) => {
      const match = `${message} ${backend.address}`;
      if (changes.includes(match)) resolve();
      else waiting.push({ match, resolve });
    });
  const balancer = startBalancer({
    listen: `tcp:127.0.0.1:${port}`,
    backends: [watched, other].map(({ listener, address }) => ({ url: listener.url, address })),
    ca: authority.cert,
    timers,
  }, { ...platform, log, clock: { ...platform.clock, monotonic: () => time.now } });
  await balancer.ready;
  const http = platform.network.http.client({ tls: { ca: authority.cert }, http2: false });
  const response = await http.fetch(`https://127.0.0.1:${port}/watch`);
  const reader = response.body?.getReader();
  assert.ok(reader !== undefined);
  const read = async () => new TextDecoder().decode((await reader.read()).value);

  watched.health.answer = () => Promise.resolve(new Response("not ready", { status: 503 }));
  await told("apiserver is not healthy", watched);
  watched.say("still here\n");
  assert.equal(await read(), "still here\n", "503 is no reason to end a watch");

  // Answers no probe any more, but time stands still: slow, not yet silent.
  const held: (() => void)[] = [];
  const hang = Promise.withResolvers<void>();
  watched.health.answer = () => {
    hang.resolve();
    return new Promise((resolve) => held.push(() => resolve(new Response("late"))));
  };
  await hang.promise;
  watched.say("busy\n");
  assert.equal(await read(), "busy\n");
  time.now += 2 * timers.healthTimeoutMs;
  await told("apiserver is silent: its connections are cut", watched);
  await assert.rejects(reader.read());

  for (const answer of held) answer();
  http.close();
  await balancer.stop();
  await watched.listener.close();
  await other.listener.close();
});

Deno.test("startBalancer() passes TLS through, spreads connections, and survives the death of a backend", async () => {
  const platform = createDenoPlatform({ component: "test", logSink: () => {} });
  const authority = await createAuthority("test-ca");
  const server = await authority.issue({ commonName: "server", names: ["127.0.0.1"], usage: "server" });
  const client = await authority.issue({ commonName: "me", organizations: ["team"], usage: "client" });
  const serve = (name: string): Promise<HttpListener> =>
    platform.network.http.serve({
      address: "tcp:127.0.0.1:0",
      tls: { ...server, ca: authority.cert, clientCertificates: true },
      handler: (request, context) =>
        new Response(new URL(request.url).pathname === "/readyz" ? "ok" : `${name} sees ${context.peer?.commonName}`),
    });
  const backends = [await serve("a"), await serve("b")];
  const port = (url: string) => Number(new URL(url).port);
  const balancerPort = await freePort();
  const balancer = startBalancer({
    listen: `tcp:127.0.0.1:${balancerPort}`,
    backends: backends.map(({ url }) => ({ url, address: `tcp:127.0.0.1:${port(url)}` })),
    ca: authority.cert,
    timers,
  }, platform);
  await balancer.ready;
  /** A client of its own for each request: a new connection each time. */
  const ask = async () => {
    const http = platform.network.http.client({ tls: { ca: authority.cert, ...client }, http2: false });
    try {
      const response = await http.fetch(`https://127.0.0.1:${balancerPort}/who`);
      return await response.text();
    } finally {
      http.close();
    }
  };
  const answers = new Set([await ask(), await ask(), await ask(), await ask()]);
  assert.deepEqual([...answers].sort(), ["a sees me", "b sees me"], "both backends, with the client's own certificate");

  await backends[0]?.close();
  for (let i = 0; i < 6; i++) assert.equal(await ask(), "b sees me", "the dead backend is never chosen in vain");

  await backends[1]?.close();
  await assert.rejects(ask(), "nobody is left");
  await balancer.stop();
});
