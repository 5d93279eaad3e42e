import assert from "node:assert/strict";
import { type Answer, type Loose, start, type TestServer, until } from "../../apiserver/testing.ts";
import { fromLatin1, fromUtf8, toLatin1, utf8 } from "../../base/bytes.ts";
import { createAuthority } from "../../cluster/pki.ts";
import { callHttps, createDenoPlatform, upgradeHttps } from "../../platform/deno/mod.ts";
import type { ByteConnection, UpgradeAnswer } from "../../platform/mod.ts";
import { SampleApiServer } from "./sample_apiserver.ts";

const services = "/apis/apiregistration.k8s.io/v1/apiservices";
const flunders = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders";
const sample = `${services}/v1alpha1.wardle.example.com`;
const aggregated = { headers: { accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList" } };

const available = ({ body }: Answer): Loose => body.status?.conditions?.find((it: Loose) => it.type === "Available");

function startWith(api: SampleApiServer): Promise<TestServer> {
  const user = { name: "browser", uid: "", groups: ["system:masters"] };
  const authentication = { tokens: [{ token: "secret", user }] };
  return start({ callHttps, upgradeHttps, config: { frontProxy: api.frontProxy, authentication } });
}

async function register(server: TestServer, api: SampleApiServer): Promise<void> {
  for (const { path, object } of api.manifests()) {
    const made = await server.post(path, object);
    assert.equal(made.code, 201, JSON.stringify(made.body));
  }
  await until(() => server.get(sample), (it) => available(it)?.status === "True");
}

/** Moves the clock past the next check, and waits for what it finds. */
async function checked(server: TestServer, afterMs: number, status: string): Promise<Loose> {
  await server.time.advance(afterMs);
  return available(await until(() => server.get(sample), (it) => available(it)?.status === status));
}

Deno.test("every group version that the server serves itself has an APIService that is Local, and definitions' come and go", async () => {
  await using server = await start();
  const { body } = await server.get(services);
  const core = body.items.find((it: Loose) => it.metadata.name === "v1.");
  assert.deepEqual(core.spec, { version: "v1", groupPriorityMinimum: 18_000, versionPriority: 1 });
  assert.equal(core.metadata.labels["kube-aggregator.kubernetes.io/automanaged"], "onstart");
  for (const it of body.items) {
    const [condition] = it.status.conditions;
    assert.deepEqual([condition.type, condition.status, condition.reason], ["Available", "True", "Local"]);
  }
  const groups = (await server.get("/apis")).body.groups.map((it: Loose) => it.name);
  const named = new Set(body.items.map((it: Loose) => it.spec.group ?? ""));
  assert.deepEqual(groups.filter((it: string) => !named.has(it)), ["apiregistration.k8s.io"]);
  const definition = {
    metadata: { name: "things.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "things", kind: "Thing" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    },
  };
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  await server.post(definitions, definition);
  const custom = await until(() => server.get(`${services}/v1.example.com`), ({ code }) => code === 200);
  assert.deepEqual([custom.body.spec.groupPriorityMinimum, custom.body.spec.versionPriority], [1000, 100]);
  await server.delete(`${services}/v1.example.com`);
  await until(() => server.get(`${services}/v1.example.com`), ({ code }) => code === 200);
  await server.delete(`${definitions}/things.example.com`);
  await until(() => server.get(`${services}/v1.example.com`), ({ code }) => code === 404);
});

Deno.test("an extension apiserver's objects are served through the front proxy, which says who asks and lets nobody else say it", async () => {
  await using api = await SampleApiServer.open();
  await using server = await startWith(api);
  await register(server, api);
  const flunder = { apiVersion: "wardle.example.com/v1alpha1", kind: "Flunder", metadata: { name: "a" }, spec: {} };
  const made = await server.post(`${flunders}?dryRun=`, flunder, {
    headers: { authorization2: "x", "x-custom": "kept" },
  });
  assert.deepEqual([made.code, made.body.metadata.name, made.headers.get("x-sample")], [201, "a", "yes"]);
  const asked = api.asked.at(-1);
  assert.equal(asked?.path, `${flunders}?dryRun=`);
  assert.deepEqual(asked?.headers["x-remote-user"], ["kubernetes-admin"]);
  assert.deepEqual(asked?.headers["x-remote-group"], ["system:masters", "system:authenticated"]);
  assert.deepEqual(asked?.headers["x-custom"], ["kept"]);
  assert.equal(asked?.headers["authorization"], undefined);
  const list = await server.get(flunders);
  assert.deepEqual([list.code, list.body.items.length], [200, 1]);
  // Who may not by the rules here does not get there.
  const count = api.asked.length;
  const stranger = { as: { commonName: "jane", organizations: [] } };
  const refused = await server.get(flunders, stranger);
  assert.equal(refused.code, 403);
  assert.match(
    refused.body.message,
    /^flunders.wardle.example.com is forbidden: User "jane" cannot list resource "flunders" in API group "wardle.example.com" in the namespace "default"/,
  );
  assert.equal(api.asked.length, count);
  const redirected = await server.get("/apis/wardle.example.com/v1alpha1/redirect");
  assert.deepEqual([redirected.code, redirected.body], [
    502,
    "the backend attempted to redirect this request, which is not permitted",
  ]);
  const config = await server.get("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication");
  assert.equal(config.body.data["requestheader-client-ca-file"], api.frontProxy.ca);
  assert.equal(config.body.data["requestheader-username-headers"], '["X-Remote-User"]');
});

Deno.test("names of users reach an extension apiserver in UTF-8, extra keys percent-encoded, and read the same there", async () => {
  await using api = await SampleApiServer.open();
  await using server = await startWith(api);
  await register(server, api);
  const bytes = (text: string) => toLatin1(utf8(text));
  const headers: [string, string][] = [
    ["impersonate-user", bytes("Ã©日本")],
    ["impersonate-group", "system:masters"],
    ["impersonate-group", bytes("équipe à")],
    // The sign for kelvins, whose lower case is the letter k.
    ["impersonate-extra-%E2%84%AA%2f%F0%9F%A6%95%25", bytes("à")],
  ];
  assert.equal((await server.get(flunders, { headers })).code, 200);
  const asked = api.asked.at(-1)?.headers ?? {};
  const said = (name: string) => [asked[name]].flat().map((it) => fromUtf8(fromLatin1(it ?? "")));
  assert.deepEqual(said("x-remote-user"), ["Ã©日本"]);
  assert.deepEqual(said("x-remote-group"), ["system:masters", "équipe à", "system:authenticated"]);
  const extra = Object.keys(asked).filter((name) => name.startsWith("x-remote-extra-"));
  assert.deepEqual(extra, ["x-remote-extra-%e2%84%aa%2f%f0%9f%a6%95%25"]);
  assert.deepEqual(said(extra[0] ?? ""), ["à"]);
});

Deno.test("a watch on an extension apiserver streams, and ends there when the client goes", async () => {
  await using api = await SampleApiServer.open();
  await using server = await startWith(api);
  await register(server, api);
  const watch = await server.watch(`${flunders}?watch=1`);
  await server.post(flunders, { metadata: { name: "seen" } });
  const event = await watch.next();
  assert.deepEqual([event.type, event.object.metadata.name], ["ADDED", "seen"]);
  assert.equal(api.watches, 1);
  await watch.cancel();
  await until(() => server.get(flunders), () => api.watches === 0);
});

Deno.test("discovery and OpenAPI name what extension apiservers serve, by priority; one that fails is Stale", async () => {
  await using api = await SampleApiServer.open();
  await using server = await startWith(api);
  await register(server, api);
  const find = ({ body }: Answer) => body.items.find((it: Loose) => it.metadata.name === "wardle.example.com");
  const known = await until(
    () => server.get("/apis", aggregated),
    (it) => find(it)?.versions[0].freshness === "Current",
  );
  assert.equal(find(known).versions[0].resources[0].resource, "flunders");
  assert.equal(known.body.items.at(-1).metadata.name, "wardle.example.com", "2000 comes after all built-in groups");
  const groups = await server.get("/apis");
  assert.deepEqual(groups.body.groups.at(-1).preferredVersion, {
    groupVersion: "wardle.example.com/v1alpha1",
    version: "v1alpha1",
  });
  assert.equal((await server.get("/apis/wardle.example.com")).body.name, "wardle.example.com");
  const legacy = await server.get("/apis/wardle.example.com/v1alpha1");
  assert.equal(legacy.body.resources[0].name, "flunders");
  const index = await server.get("/openapi/v3");
  const entry = index.body.paths["apis/wardle.example.com/v1alpha1"];
  assert.equal(entry.serverRelativeURL, "/openapi/v3/apis/wardle.example.com/v1alpha1?hash=ABC");
  const v3 = await server.get(entry.serverRelativeURL);
  assert.ok("com.example.wardle.v1alpha1.Flunder" in v3.body.components.schemas);
  const v2 = await server.get("/openapi/v2");
  assert.ok("com.example.wardle.v1alpha1.Flunder" in v2.body.definitions);
  assert.ok("io.k8s.api.core.v1.Pod" in v2.body.definitions);
  assert.equal("/apis/other.example.com/v1/things" in v2.body.paths, false);
  api.healthy = false;
  await checked(server, 30_100, "False");
  const stale = await until(() => server.get("/apis", aggregated), (it) => find(it).versions[0].freshness === "Stale");
  assert.equal(find(stale).versions[0].resources[0].resource, "flunders");
  await server.delete(sample);
  await until(() => server.get("/apis", aggregated), (it) => find(it) === undefined);
  assert.equal((await server.get(flunders)).code, 404);
});

Deno.test("an older extension apiserver's discovery is made of its resource list", async () => {
  await using api = await SampleApiServer.open();
  api.aggregated = false;
  await using server = await startWith(api);
  await register(server, api);
  const answer = await until(
    () => server.get("/apis", aggregated),
    ({ body }) => body.items.at(-1).versions[0].resources.length > 0,
  );
  const [resource] = answer.body.items.at(-1).versions[0].resources;
  assert.deepEqual([resource.resource, resource.scope, resource.responseKind.kind], [
    "flunders",
    "Namespaced",
    "Flunder",
  ]);
});

Deno.test("availability says what is missing, in upstream's words; until it is there requests are answered 503", async () => {
  await using api = await SampleApiServer.open();
  await using server = await startWith(api);
  const [service, slice, registration] = api.manifests();
  assert.ok(service && slice && registration);
  await server.post(registration.path, registration.object);
  const told = (reason: string) =>
    until(() => server.get(sample), (it) => available(it)?.reason === reason).then((it) => available(it).message);
  assert.equal(await told("ServiceNotFound"), 'service/sample-api in "default" is not present');
  const refused = await server.get(flunders);
  assert.deepEqual([refused.code, refused.body], [503, "service unavailable\n"]);
  await server.post(service.path, service.object);
  assert.equal(await told("EndpointsNotFound"), 'cannot find endpointslices for service/sample-api in "default"');
  slice.object.ports[0].name = "other";
  await server.post(slice.path, slice.object);
  assert.equal(
    await told("MissingEndpoints"),
    'endpointslices for service/sample-api in "default" have no addresses with port name "https"',
  );
  api.healthy = false;
  await server.patch(`${slice.path}/sample-api-1`, { ports: [{ name: "https", port: api.port }] });
  assert.match(
    await told("FailedDiscoveryCheck"),
    /^failing or missing response from https:\/\/sample-api.default.svc:7443\/apis\/wardle.example.com\/v1alpha1: bad status from .*: 500$/,
  );
  api.healthy = true;
  const condition = await checked(server, 2100, "True");
  assert.deepEqual([condition.reason, condition.message], ["Passed", "all checks passed"]);
  assert.equal((await server.get(flunders)).code, 200);
});

Deno.test("a server whose certificate the bundle did not sign gets no user's request", async () => {
  await using api = await SampleApiServer.open();
  await using other = await SampleApiServer.open();
  await using server = await startWith(api);
  for (const { path, object } of api.manifests()) {
    if (object.spec?.caBundle !== undefined) object.spec.caBundle = other.caBundle;
    assert.equal((await server.post(path, object)).code, 201);
  }
  await until(() => server.get(sample), (it) => available(it)?.status === "True");
  const count = api.asked.filter(({ path }) => path === flunders).length;
  const refused = await server.get(flunders);
  assert.equal(refused.code, 503);
  assert.match(refused.body, /^error trying to reach service: /);
  assert.equal(api.asked.filter(({ path }) => path === flunders).length, count);
});

Deno.test("APIServices are refused in upstream's words", async () => {
  await using server = await start();
  const refused = async (spec: Loose, name = "v1.example.com") => {
    const answer = await server.post(services, { metadata: { name }, spec });
    assert.equal(answer.code, 422);
    return answer.body.message;
  };
  const good = { group: "example.com", version: "v1", groupPriorityMinimum: 100, versionPriority: 100 };
  assert.match(await refused({ ...good, groupPriorityMinimum: 30_000 }), /must be positive and less than 20000/);
  assert.match(
    await refused({ ...good, insecureSkipTLSVerify: true }),
    /local APIServices may not have insecureSkipTLSVerify/,
  );
  assert.match(
    await refused(good, "wrong"),
    /metadata.name: Invalid value: "wrong": must be `spec.version\+"."\+spec.group`: "v1.example.com"/,
  );
});

/** Asks the server, over its TLS port, for another protocol. */
async function withUpgrades(
  server: TestServer,
  use: (ask: (path: string, headers: Record<string, string>) => Promise<UpgradeAnswer>) => Promise<void>,
): Promise<void> {
  const { network } = createDenoPlatform({ component: "test", logLevel: "error" });
  const authority = await createAuthority("cluster");
  const identity = await authority.issue({ commonName: "api", names: ["localhost"], usage: "server" });
  const admin = { commonName: "kubernetes-admin", organizations: ["system:masters"], usage: "client" } as const;
  const listener = await network.http.serve({
    address: "tcp:127.0.0.1:0",
    tls: { ...identity, ca: authority.cert, clientCertificates: true },
    handler: (request, context) => server.server.handle(request, context),
  });
  const client = network.http.client({ tls: { ...await authority.issue(admin), ca: authority.cert }, http2: false });
  const base = `https://localhost:${new URL(listener.url).port}`;
  try {
    await use((path, headers) => {
      assert.ok(client.upgrade !== undefined);
      return client.upgrade(`${base}${path}`, { method: "POST", headers: new Headers(headers) });
    });
  } finally {
    client.close();
    await listener.close();
  }
}

async function readAll(connection: ByteConnection): Promise<string> {
  const buffer = new Uint8Array(1024);
  let all = "";
  for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
    all += fromUtf8(buffer.subarray(0, n));
  }
  return all;
}

Deno.test("upgrades reach an extension apiserver as bytes, with who asks and without the client's credentials", async () => {
  await using api = await SampleApiServer.open();
  await using server = await startWith(api);
  await register(server, api);
  await withUpgrades(server, async (ask) => {
    const answer = await ask(`${flunders}/a/console?tty=true`, {
      upgrade: "SPDY/3.1",
      "x-stream-protocol-version": "v4.channel.k8s.io",
      "x-remote-group": "",
    }).catch((error) => assert.fail(String(error)));
    assert.equal(answer.status, 403, "nobody but a front proxy says who asks");
    const switched = await ask(`${flunders}/a/console?tty=true`, {
      upgrade: "SPDY/3.1",
      "x-stream-protocol-version": "v4.channel.k8s.io",
    });
    assert.deepEqual([switched.status, switched.headers.get("upgrade"), switched.headers.get("x-sample")], [
      101,
      "SPDY/3.1",
      "yes",
    ]);
    assert.ok(switched.connection !== null);
    await switched.connection.write(utf8("hello, "));
    await switched.connection.write(utf8("bye"));
    assert.equal(await readAll(switched.connection), "kubernetes-admin: hello, bye");
    switched.connection.close();
    const asked = api.asked.at(-1);
    assert.deepEqual([asked?.method, asked?.path], ["POST", `${flunders}/a/console?tty=true`]);
    assert.deepEqual(asked?.headers["x-remote-group"], ["system:masters", "system:authenticated"]);
    assert.deepEqual(asked?.headers["x-stream-protocol-version"], ["v4.channel.k8s.io"]);
    assert.deepEqual(asked?.headers["connection"], ["Upgrade"]);
    const secret = "base64url.bearer.authorization.k8s.io.c2VjcmV0";
    const socket = await ask(`${flunders}/a/console`, {
      upgrade: "websocket",
      "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
      "sec-websocket-version": "13",
      "sec-websocket-protocol": `${secret}, v5.channel.k8s.io`,
    });
    assert.equal(socket.status, 101);
    socket.connection?.close();
    const handshake = api.asked.at(-1)?.headers;
    assert.deepEqual(handshake?.["x-remote-user"], ["browser"]);
    assert.deepEqual(handshake?.["sec-websocket-protocol"], ["v5.channel.k8s.io"]);
    assert.deepEqual(handshake?.["sec-websocket-key"], ["dGhlIHNhbXBsZSBub25jZQ=="]);
  });
});

Deno.test("an extension apiserver that refuses an upgrade is heard, and one that is gone is 503", async () => {
  const api = await SampleApiServer.open();
  await using server = await startWith(api);
  await register(server, api);
  await withUpgrades(server, async (ask) => {
    const refused = await ask(`${flunders}/refuse`, { upgrade: "SPDY/3.1" });
    assert.deepEqual([refused.status, refused.text], [409, "not so fast"]);
    await api[Symbol.asyncDispose]();
    const gone = await ask(`${flunders}/a/console`, { upgrade: "SPDY/3.1" });
    assert.equal(gone.status, 503);
    assert.match(gone.text, /^error trying to reach service: /);
  });
});
