import assert from "node:assert/strict";
import { createDenoPlatform } from "./mod.ts";
import { createTestAuthority } from "./test_certificates.ts";

const { network } = createDenoPlatform({ component: "test", logSink: () => {} });

for (const http2 of [true, false]) {
  Deno.test(`two authorities of one name, and without key identifiers, are told apart by their signatures, over HTTP/${http2 ? 2 : 1}`, async () => {
    const [ca, proxyCa, stranger] = await Promise.all([1, 2, 3].map(() => createTestAuthority("same-name")));
    assert.ok(ca && proxyCa && stranger);
    const tls = { ...await ca.issue("server"), clientCertificates: true, proxyCa: proxyCa.ca };
    const listener = await network.http.serve({
      address: "tcp:127.0.0.1:0",
      tls,
      handler: (_, { peer, proxyPeer }) => Response.json([peer?.commonName ?? null, proxyPeer?.commonName ?? null]),
    });
    const cases: [typeof ca | null, unknown][] = [
      [ca, ["c", null]],
      [proxyCa, [null, "c"]],
      [stranger, [null, null]],
      [null, [null, null]],
    ];
    for (const [by, expected] of cases) {
      const identity = by === null ? {} : await by.issue("c");
      const client = network.http.client({ tls: { ...identity, ca: ca.ca }, http2 });
      assert.deepEqual(await (await client.fetch(listener.url)).json(), expected);
      client.close();
    }
    await listener.close();
  });
}
