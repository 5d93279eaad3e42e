import assert from "node:assert/strict";
import { encodeBase64 } from "../../api/base64.ts";
import { utf8 } from "../../base/bytes.ts";
import { type Loose, start, type TestServer, until } from "../../apiserver/testing.ts";
import { postHttps } from "../../platform/deno/mod.ts";
import { createAuthority } from "../../cluster/pki.ts";
import { Hook } from "./hook.ts";

const group = "/apis/admissionregistration.k8s.io/v1";
const maps = "/api/v1/namespaces/default/configmaps";

function webhook(clientConfig: Loose, more: Loose = {}): Loose {
  return {
    name: "a.hook.test",
    clientConfig,
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
    rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["*"], resources: ["configmaps"] }],
    ...more,
  };
}

async function configure(server: TestServer, kind: "mutating" | "validating", name: string, ...webhooks: Loose[]) {
  const answer = await server.post(`${group}/${kind}webhookconfigurations`, { metadata: { name }, webhooks });
  assert.equal(answer.code, 201, JSON.stringify(answer.body));
}

function patch(...operations: Loose[]): Loose {
  return { allowed: true, patchType: "JSONPatch", patch: encodeBase64(utf8(JSON.stringify(operations))) };
}

const config = (name: string, data: Loose = {}, labels: Loose = {}) => ({ metadata: { name, labels }, data });

Deno.test("mutating webhooks change what is stored, in order, and see what was changed before", async () => {
  await using server = await start({ postHttps });
  await using hook = await Hook.open((it) =>
    new URL(hook.asked.at(-1).url).pathname === "/one"
      ? patch({ op: "add", path: "/data/one", value: "1" })
      : patch({ op: "add", path: "/data/two", value: it.object.data.one ?? "missing" })
  );
  await configure(server, "mutating", "b", webhook(hook.client("/two"), { name: "two.hook.test" }));
  await configure(server, "mutating", "a", webhook(hook.client("/one")));
  const made = await server.post(maps, config("x", { own: "0" }));
  assert.deepEqual(made.body.data, { own: "0", one: "1", two: "1" });
  const [first] = hook.asked;
  assert.equal(first.operation, "CREATE");
  assert.deepEqual(first.resource, { group: "", version: "v1", resource: "configmaps" });
  assert.equal(first.userInfo.username, "kubernetes-admin");
  assert.equal(first.object.kind, "ConfigMap");
  assert.ok(first.url.endsWith("/one?timeout=10s"));
  await server.patch(`${maps}/x`, { data: { own: "2" } });
  assert.equal(hook.asked.at(-1).operation, "UPDATE");
  assert.equal(hook.asked.at(-1).oldObject.data.own, "0");
});

Deno.test("a webhook's request leaves out what is empty, as Go's types do, and says null for objects that are not there", async () => {
  await using server = await start({ postHttps });
  await using hook = await Hook.open(() => ({ allowed: true }));
  await configure(server, "validating", "v", webhook(hook.client()));
  const bare = { headers: { "impersonate-user": "jane", "impersonate-group": "system:masters" } };
  const full = { headers: { ...bare.headers, "impersonate-uid": "u-1", "impersonate-extra-scopes": "some" } };
  assert.equal((await server.post(maps, config("a"), bare)).code, 201);
  assert.equal((await server.delete(`${maps}/a`, undefined, full)).code, 200);
  const [created, deleted] = hook.asked;
  assert.deepEqual(created.userInfo, { username: "jane", groups: ["system:masters", "system:authenticated"] });
  assert.deepEqual([created.oldObject, created.dryRun], [null, false]);
  assert.ok(!("subResource" in created) && !("requestSubResource" in created));
  assert.deepEqual(deleted.userInfo, { ...created.userInfo, uid: "u-1", extra: { scopes: ["some"] } });
  assert.equal(deleted.object, null);
});

Deno.test("validating webhooks refuse in their own words; deletions are asked about; warnings reach the client", async () => {
  await using server = await start({ postHttps });
  await using hook = await Hook.open((it) => {
    const bad = it.operation === "DELETE" || it.object.data?.bad !== undefined;
    return bad
      ? { allowed: false, status: { message: "not today", code: 403, reason: "Forbidden" } }
      : { allowed: true, warnings: ["be careful"] };
  });
  await configure(server, "validating", "v", webhook(hook.client()));
  const good = await server.post(maps, config("good"));
  assert.equal(good.code, 201);
  assert.match(good.headers.get("warning") ?? "", /be careful/);
  const bad = await server.post(maps, config("bad", { bad: "1" }));
  assert.equal(bad.code, 403);
  assert.equal(bad.body.message, 'admission webhook "a.hook.test" denied the request: not today');
  assert.equal((await server.delete(`${maps}/good`)).code, 403);
  assert.equal((await server.get(`${maps}/good`)).code, 200);
  // A broken configuration stays repairable.
  assert.equal((await server.delete(`${group}/validatingwebhookconfigurations/v`)).code, 200);
  assert.equal((await server.delete(`${maps}/good`)).code, 200);
});

Deno.test("only what rules, selectors and conditions match is asked about", async () => {
  await using server = await start({ postHttps });
  await using hook = await Hook.open(() => ({ allowed: false }));
  await configure(
    server,
    "validating",
    "v",
    webhook(hook.client(), {
      objectSelector: { matchLabels: { guarded: "yes" } },
      namespaceSelector: { matchExpressions: [{ key: "free", operator: "DoesNotExist" }] },
      matchConditions: [{ name: "not-exempt", expression: "!has(object.data) || !('exempt' in object.data)" }],
    }),
  );
  await server.post("/api/v1/namespaces", { metadata: { name: "open", labels: { free: "1" } } });
  const guarded = { guarded: "yes" };
  assert.equal((await server.post(maps, config("a"))).code, 201);
  assert.equal((await server.post(maps, config("b", { exempt: "1" }, guarded))).code, 201);
  assert.equal((await server.post("/api/v1/namespaces/open/configmaps", config("c", {}, guarded))).code, 201);
  assert.equal(
    (await server.post("/api/v1/namespaces/default/secrets", { metadata: { name: "s", labels: guarded } })).code,
    201,
  );
  assert.equal(hook.asked.length, 0);
  const refused = await server.post(maps, config("d", {}, guarded));
  assert.equal(refused.code, 400);
  assert.equal(refused.body.message, 'admission webhook "a.hook.test" denied the request without explanation');
});

Deno.test("a webhook that cannot be asked: failurePolicy decides; no strange root, redirect or answer is trusted", async () => {
  await using server = await start({ postHttps });
  let answer: () => Loose | Response = () => ({ allowed: true });
  await using hook = await Hook.open(() => answer());
  const stranger = await createAuthority("stranger");
  const wrongRoot = { ...hook.client(), caBundle: encodeBase64(utf8(stranger.cert)) };
  await configure(server, "validating", "v", webhook(wrongRoot));
  const untrusted = await server.post(maps, config("x"));
  assert.equal(untrusted.code, 500);
  assert.match(
    untrusted.body.message,
    /^Internal error occurred: failed calling webhook "a.hook.test": failed to call webhook: Post "https:/,
  );
  assert.equal(hook.asked.length, 0);
  const use = async (more: Loose) => {
    await server.delete(`${group}/validatingwebhookconfigurations/v`);
    await configure(server, "validating", "v", webhook(hook.client(), more));
  };
  await use({});
  for (
    const wrong of [
      () => Response.redirect(`https://127.0.0.1:${hook.port}/other`, 302),
      () => new Response("<html>"),
      () => ({ uid: "another", allowed: true }),
      () => ({ allowed: true, patchType: "Strange", patch: "e30=" }),
    ]
  ) {
    answer = wrong;
    assert.equal((await server.post(maps, config("x"))).code, 500, String(wrong));
  }
  assert.ok(hook.asked.every((it) => !it.url.includes("/other")));
  await use({ failurePolicy: "Ignore" });
  assert.equal((await server.post(maps, config("x"))).code, 201);
  await use({ sideEffects: "NoneOnDryRun" });
  answer = () => ({ allowed: true });
  assert.equal((await server.post(`${maps}?dryRun=All`, config("y"))).code, 201);
  assert.equal(hook.asked.at(-1).dryRun, true);
});

Deno.test("a webhook behind a Service is reached at a ready endpoint, under the Service's name", async () => {
  await using server = await start({ postHttps });
  await using hook = await Hook.open(() => ({ allowed: false, status: { message: "reached" } }));
  const { caBundle } = hook.client();
  const service = { name: "hook", namespace: "default", port: 443, path: "/check" };
  await configure(server, "validating", "v", webhook({ caBundle, service }));
  const none = await server.post(maps, config("x"));
  assert.match(none.body.message, /no endpoints available for service "hook"/);
  await server.post("/api/v1/namespaces/default/services", {
    metadata: { name: "hook" },
    spec: { ports: [{ port: 443, targetPort: 8443 }] },
  });
  const slice = await server.post("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices", {
    metadata: { name: "hook-1", labels: { "kubernetes.io/service-name": "hook" } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
    ports: [{ name: "", port: hook.port, protocol: "TCP" }],
  });
  assert.equal(slice.code, 201, JSON.stringify(slice.body));
  const refused = await server.post(maps, config("x"));
  assert.equal(refused.body.message, 'admission webhook "a.hook.test" denied the request: reached');
  assert.equal(hook.asked[0].url, "https://hook.default.svc/check?timeout=10s");
});

Deno.test("webhook configurations are refused in upstream's words", async () => {
  await using server = await start({ postHttps });
  const path = `${group}/validatingwebhookconfigurations`;
  const refused = async (clientConfig: Loose, more: Loose = {}) => {
    const answer = await server.post(path, { metadata: { name: "v" }, webhooks: [webhook(clientConfig, more)] });
    return answer.body.details?.causes?.map((it: Loose) => `${it.field}: ${it.message}`) ?? [answer.code];
  };
  assert.deepEqual(await refused({}), [
    "webhooks[0].clientConfig: Required value: exactly one of url or service is required",
  ]);
  assert.deepEqual(await refused({ url: "http://x" }), [
    `webhooks[0].clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
  ]);
  assert.deepEqual(await refused({ url: "https://x" }, { sideEffects: "Some" }), [
    'webhooks[0].sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
  ]);
});

Deno.test("attach and exec are asked about as CONNECT, with the connection's options", async () => {
  await using server = await start({ postHttps });
  await using hook = await Hook.open((it) =>
    it.object.container === "forbidden"
      ? { allowed: false, status: { message: "attaching to pod is not allowed" } }
      : { allowed: true }
  );
  const rules = [{
    apiGroups: [""],
    apiVersions: ["v1"],
    operations: ["CONNECT"],
    resources: ["pods/attach", "pods/exec"],
  }];
  await configure(server, "validating", "v", webhook(hook.client(), { rules }));
  const connect = (path: string) =>
    server.get(`/api/v1/namespaces/default/pods/p/${path}`, {
      headers: { upgrade: "SPDY/3.1", connection: "Upgrade" },
    });
  const denied = await connect("attach?container=forbidden&stdout=true");
  assert.equal(denied.code, 400);
  assert.equal(
    denied.body.message,
    'admission webhook "a.hook.test" denied the request: attaching to pod is not allowed',
  );
  const [request] = hook.asked;
  assert.deepEqual([request.operation, request.kind.kind, request.subResource, request.name], [
    "CONNECT",
    "PodAttachOptions",
    "attach",
    "p",
  ]);
  assert.deepEqual(request.object, {
    kind: "PodAttachOptions",
    apiVersion: "v1",
    stdout: true,
    container: "forbidden",
  });
  // Whoever is let through finds that this server reaches no kubelet.
  assert.equal((await connect("exec?command=sh&command=-c&stdout=true")).code, 503);
  assert.deepEqual(hook.asked.at(-1).object.command, ["sh", "-c"]);
});

Deno.test("a webhook for one version sees writes of an equivalent one, as that version; an Exact one does not", async () => {
  await using server = await start({ postHttps });
  await using hook = await Hook.open((it) => patch({ op: "add", path: "/seen", value: it.kind.version }));
  const open = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const version = (name: string) => ({
    name,
    served: true,
    storage: name === "v1",
    schema: { openAPIV3Schema: open },
  });
  await server.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
    metadata: { name: "things.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "things", kind: "Thing" },
      versions: [version("v1"), version("v2")],
    },
  });
  const things = "/apis/example.com/v2/namespaces/default/things";
  await until(() => server.get(things), ({ code }) => code === 200);
  const rules = [{ apiGroups: ["example.com"], apiVersions: ["v1"], operations: ["*"], resources: ["things"] }];
  await configure(server, "mutating", "m", webhook(hook.client(), { rules }));
  const made = await server.post(things, { apiVersion: "example.com/v2", kind: "Thing", metadata: { name: "a" } });
  assert.deepEqual([made.code, made.body.apiVersion, made.body.seen], [201, "example.com/v2", "v1"]);
  const [request] = hook.asked;
  assert.deepEqual([request.object.apiVersion, request.requestKind.version], ["example.com/v1", "v2"]);
  await server.delete(`${group}/mutatingwebhookconfigurations/m`);
  await configure(server, "mutating", "exact", webhook(hook.client(), { rules, matchPolicy: "Exact" }));
  const count = hook.asked.length;
  await server.post(things, { apiVersion: "example.com/v2", kind: "Thing", metadata: { name: "b" } });
  assert.equal(hook.asked.length, count);
});
