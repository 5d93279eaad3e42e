import assert from "node:assert/strict";
import { admin, start } from "../../apiserver/testing.ts";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import { createTestAuthority } from "../../platform/deno/test_certificates.ts";
import { run } from "../e2e/harness.ts";

Deno.test("the client's objects, leader election, informer and work queue do on Node what they do on Deno", async () => {
  const node = await run("sh", ["-c", "command -v node"]);
  if (node.code !== 0) return console.log("skipped: no node on this machine");
  const home = await Deno.makeTempDir({ prefix: "sauropod-node-client-" });
  await using server = await start();
  const authority = await createTestAuthority("test");
  const { network } = createDenoPlatform({ component: "test", logLevel: "error" });
  const listener = await network.http.serve({
    address: "tcp:127.0.0.1:0",
    tls: { ...await authority.issue("apiserver"), clientCertificates: true },
    handler: (request, context) => server.server.handle(request, context),
  });
  // The server's clock is virtual; whoever waits on it is woken as real time goes by.
  const ticking = setInterval(() => void server.time.advance(20), 20);
  try {
    const tls = await authority.issue(admin.commonName, { organizations: [...admin.organizations] });
    await Deno.writeTextFile(`${home}/config.json`, JSON.stringify({ url: listener.url, tls }));
    const program = new URL("programs/node_client.ts", import.meta.url).pathname;
    // Promise.withResolvers came with Node 22.
    const shim = new URL("../e2e/programs/node_20.mjs", import.meta.url).pathname;
    const bundle = `${home}/client.mjs`;
    const bundled = await run(Deno.execPath(), ["bundle", "--quiet", "--platform", "deno", "-o", bundle, program]);
    assert.equal(bundled.code, 0, bundled.stderr);
    const ran = await run("node", ["--import", shim, bundle, `${home}/config.json`]);
    assert.equal(ran.stdout, "ok objects\nok leads\nok reconciles\ndone\n", ran.stderr);
    assert.equal(ran.code, 0, ran.stderr);
  } finally {
    clearInterval(ticking);
    await listener.close();
    await Deno.remove(home, { recursive: true });
  }
});
