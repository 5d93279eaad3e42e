import assert from "node:assert/strict";
import { createDenoPlatform } from "../platform/deno/mod.ts";
import type { HttpListener } from "../platform/mod.ts";
import { startBalancer } from "./balancer.ts";
import { createAuthority } from "./pki.ts";

const timers = { healthPeriodMs: 10, healthTimeoutMs: 500 };

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
  const listen = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const balancerPort = (listen.addr as Deno.NetAddr).port; // a TCP listener's address
  listen.close();
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
