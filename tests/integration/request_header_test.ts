import assert from "node:assert/strict";
import { toLatin1, utf8 } from "../../base/bytes.ts";
import { type FrontProxy, startApiServer } from "../../apiserver/mod.ts";
import { createAuthority, createSigningKey, type KeyPair } from "../../cluster/pki.ts";
import { callHttps, createDenoPlatform } from "../../platform/deno/mod.ts";
import { createLocalStore } from "../../store/mod.ts";

type Lines = readonly (readonly [string, string])[];

const review = JSON.stringify({ apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" });
const path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
/** As a header's value: bytes in UTF-8, a character each. */
const bytes = (text: string) => toLatin1(utf8(text));
const jane: Lines = [
  ["X-Remote-User", "jane"],
  ["x-remote-uid", "u-1"],
  ["X-Remote-Group", "cn=dev,system:masters"],
  ["X-Remote-Group", "ops"],
  ["X-Remote-Group", bytes("équipe à")],
  ["X-Remote-Extra-%C3%89quipe%2F%F0%9F%A6%95", bytes("日本")],
  ["X-Remote-Extra-Acme.com%2FProject", "some, thing"],
];

async function cluster() {
  const [ca, proxyCa, signing] = await Promise.all([
    createAuthority("same-name"),
    createAuthority("same-name"),
    createSigningKey(),
  ]);
  const serving = await ca.issue({ commonName: "kube-apiserver", names: ["127.0.0.1"], usage: "server" });
  const own = await proxyCa.issue({ commonName: "front-proxy-client", usage: "client" });
  const frontProxy: FrontProxy = { ...own, ca: proxyCa.cert, clientCa: ca.cert };
  const platform = createDenoPlatform({ component: "test", logSink: () => {} });
  const store = createLocalStore(platform);
  const tls = { ...serving, ca: ca.cert };
  const server = await startApiServer(
    {
      name: "test-0",
      address: "tcp:127.0.0.1:0",
      tls,
      kubeletClient: tls,
      frontProxy,
      serviceAccount: {
        privateKeyPem: signing.privateKey,
        publicKeyPem: signing.publicKey,
        issuer: "https://kubernetes.default.svc.cluster.local",
      },
      serviceCidr: "10.96.0.0/24",
      allowLoopbackEndpoints: true,
      advertise: { address: "127.0.0.9", port: 6443 },
      timers: {},
    },
    platform,
    store,
  );
  await server.ready;
  return { ca, proxyCa, platform, server, store };
}

Deno.test("over TLS, only the front proxy's own authority and name let a client say who asks, and neither makes it a user", async () => {
  const { ca, proxyCa, platform, server, store } = await cluster();
  const ask = async (identity: KeyPair | null, headers: Lines) => {
    const answer = await callHttps({
      url: `${server.url}${path}`,
      ca: ca.cert,
      method: "POST",
      headers: [["content-type", "application/json"], ...headers],
      body: new TextEncoder().encode(review),
      signal: new AbortController().signal,
      ...(identity === null ? {} : { identity }),
    });
    return { code: answer.status, user: (await answer.json()).status?.userInfo };
  };
  try {
    const issue = (by: typeof ca, commonName: string) => by.issue({ commonName, usage: "client" });
    const proxy = await issue(proxyCa, "front-proxy-client");
    const believed = await ask(proxy, jane);
    const expected = {
      username: "jane",
      uid: "u-1",
      groups: ["cn=dev,system:masters", "ops", "équipe à", "system:authenticated"],
      extra: { "acme.com/project": ["some, thing"], "Équipe/🦕": ["日本"] },
    };
    assert.deepEqual(believed, { code: 201, user: expected });
    // Over HTTP/2 too, where a header that is said twice is two lines as well.
    const client = platform.network.http.client({ tls: { ...proxy, ca: ca.cert } });
    const headers: [string, string][] = [
      ["content-type", "application/json"],
      ...jane.map(([n, v]): [string, string] => [n, v]),
    ];
    const again = await client.fetch(`${server.url}${path}`, { method: "POST", headers, body: review });
    assert.equal(again.status, 201);
    assert.deepEqual((await again.json()).status.userInfo, expected);
    client.close();
    assert.equal((await ask(await issue(ca, "front-proxy-client"), jane)).code, 403, "wrong authority, right name");
    assert.equal((await ask(await issue(proxyCa, "kubernetes-admin"), jane)).code, 401, "right authority, wrong name");
    assert.equal((await ask(null, jane)).code, 401, "no certificate");
    const stranger = await createAuthority("same-name");
    assert.equal(
      (await ask(await issue(stranger, "front-proxy-client"), jane)).code,
      401,
      "an authority that nobody knows",
    );
    assert.equal((await ask(proxy, [])).code, 401, "a proxy that says nothing is nobody");
    assert.equal((await ask(await issue(proxyCa, "kubernetes-admin"), [])).code, 401, "nor is its name a user's");
    const user = await ask(await issue(ca, "front-proxy-client"), []);
    assert.deepEqual([user.code, user.user.username], [201, "front-proxy-client"]);
  } finally {
    await server.stop();
    store.close();
  }
});

Deno.test("a server that is to trust one authority for users and for front proxies alike does not start", async () => {
  const authority = await createAuthority("both");
  const serving = await authority.issue({ commonName: "kube-apiserver", names: ["127.0.0.1"], usage: "server" });
  const { network } = createDenoPlatform({ component: "test", logSink: () => {} });
  const tls = { ...serving, ca: authority.cert, proxyCa: authority.cert, clientCertificates: true };
  const serve = network.http.serve({ address: "tcp:127.0.0.1:0", tls, handler: () => new Response() });
  await assert.rejects(serve, { name: "NetworkError", message: /must not be the clients' authority/ });
});
