import assert from "node:assert/strict";
import { createMetrics } from "../platform/metrics.ts";
import { createDenoPlatform } from "../platform/deno/mod.ts";
import { checkMetrics } from "../platform/deno/metrics_testing.ts";
import { createAuthority } from "./pki.ts";
import { componentHandler, serveComponent } from "./component_server.ts";

function setUp(isReady = () => true) {
  const metrics = createMetrics();
  metrics.counter("a_total", "A.").add(2);
  const asked: string[] = [];
  const handler = componentHandler({
    metrics,
    isReady,
    auth: {
      async check({ request }, { nonResourceAttributes }, what) {
        assert.deepEqual(nonResourceAttributes, { path: new URL(request.url).pathname, verb: "get" });
        asked.push(what);
        if (request.headers.get("authorization") !== null) return { allowed: true };
        return { allowed: false, status: 403, message: `forbidden: User "system:anonymous" cannot ${what}` };
      },
    },
  });
  const context = { peer: null, remoteAddress: "127.0.0.1", upgradeWebSocket: () => assert.fail("nobody upgrades") };
  const ask = async (path: string, headers: Record<string, string> = {}, method = "GET") =>
    await handler(new Request(`https://x${path}`, { headers, method }), context);
  return { ask, asked };
}

Deno.test("componentHandler() tells everyone its health, and its metrics to whoever may get /metrics", async () => {
  let ready = false;
  const { ask, asked } = setUp(() => ready);
  for (const path of ["/healthz", "/livez"]) assert.equal(await (await ask(path)).text(), "ok");
  assert.equal((await ask("/readyz")).status, 503);
  ready = true;
  assert.equal((await ask("/readyz")).status, 200);
  assert.deepEqual(asked, []);
  const refused = await ask("/metrics");
  assert.deepEqual([refused.status, await refused.text()], [
    403,
    'forbidden: User "system:anonymous" cannot get path "/metrics"',
  ]);
  const bearer = { authorization: "Bearer x" };
  const answer = await ask("/metrics", bearer);
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal((await checkMetrics(await answer.text())).get("a_total")?.get(""), 2);
  assert.equal((await ask("/configz", bearer)).status, 404);
  assert.equal((await ask("/metrics", bearer, "POST")).status, 405);
});

Deno.test("serveComponent() over TLS knows who shows a certificate of the cluster, and over plain HTTP asks nobody", async () => {
  const platform = createDenoPlatform({ component: "test", logLevel: "error" });
  const authority = await createAuthority("test-ca");
  const serving = await authority.issue({ commonName: "system:kube-scheduler", names: ["127.0.0.1"], usage: "both" });
  const dialing = await authority.issue({ commonName: "jane", organizations: ["monitors"], usage: "client" });
  platform.metrics.counter("a_total", "A.").add(1);
  const peers: unknown[] = [];
  const secure = {
    tls: { ...serving, ca: authority.cert },
    auth: {
      async check({ peer }: { peer: unknown }) {
        peers.push(peer);
        return { allowed: true } as const;
      },
    },
  };
  const isReady = () => true;
  const overTls = await serveComponent({ url: "https://127.0.0.1:0/metrics", secure, isReady }, platform);
  const overHttp = await serveComponent({ url: "http://127.0.0.1:0/metrics", isReady }, platform);
  const http = platform.network.http.client({ tls: { ...dialing, ca: authority.cert } });
  try {
    for (const { url } of [overTls, overHttp]) {
      assert.match(await (await http.fetch(`${url}/metrics`)).text(), /^a_total 1$/m);
    }
    assert.deepEqual(peers, [{ commonName: "jane", organizations: ["monitors"] }]);
  } finally {
    http.close();
    await overTls.close();
    await overHttp.close();
  }
});
