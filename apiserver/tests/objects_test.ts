import assert from "node:assert/strict";
import { start } from "../testing.ts";

const configMaps = "/api/v1/namespaces/default/configmaps";
const pods = "/api/v1/namespaces/default/pods";

function status(code: number, reason: string, message: string, details?: unknown) {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason,
    ...(details === undefined ? {} : { details }),
    code,
  };
}

function pod(name: string, more: Record<string, unknown> = {}) {
  return { metadata: { name }, spec: { containers: [{ name: "c", image: "nginx:1" }], ...more } };
}

Deno.test("POST answers 201 with uid, creationTimestamp, namespace and resourceVersion; GET answers the same", async () => {
  await using server = await start();
  const made = await server.post(configMaps, { metadata: { name: "a" }, data: { k: "v" } });
  assert.equal(made.code, 201);
  assert.deepEqual(Object.keys(made.body).sort(), ["apiVersion", "data", "kind", "metadata"]);
  assert.equal(made.body.apiVersion, "v1");
  assert.equal(made.body.metadata.namespace, "default");
  assert.match(made.body.metadata.uid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(made.body.metadata.creationTimestamp, "2026-01-01T00:00:00Z");
  assert.match(made.body.metadata.resourceVersion, /^\d+$/);
  assert.deepEqual((await server.get(`${configMaps}/a`)).body, made.body);
});

Deno.test("POST of a name that exists is 409 AlreadyExists in upstream's words", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a" } });
  const again = await server.post(configMaps, { metadata: { name: "a" } });
  assert.deepEqual(
    again.body,
    status(409, "AlreadyExists", 'configmaps "a" already exists', { name: "a", kind: "configmaps" }),
  );
  const deployment = await server.post("/apis/apps/v1/namespaces/default/deployments", deploymentOf("d"));
  assert.equal(deployment.code, 201);
  const twice = await server.post("/apis/apps/v1/namespaces/default/deployments", deploymentOf("d"));
  assert.equal(twice.body.message, 'deployments.apps "d" already exists');
  assert.deepEqual(twice.body.details, { name: "d", group: "apps", kind: "deployments" });
});

function deploymentOf(name: string, replicas = 1) {
  return {
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: "c", image: "nginx:1" }] } },
    },
  };
}

Deno.test("what is not there is 404 NotFound with the plural as details.kind, for every verb", async () => {
  await using server = await start();
  const expected = status(404, "NotFound", 'configmaps "x" not found', { name: "x", kind: "configmaps" });
  assert.deepEqual((await server.get(`${configMaps}/x`)).body, expected);
  assert.deepEqual((await server.delete(`${configMaps}/x`)).body, expected);
  assert.deepEqual((await server.patch(`${configMaps}/x`, { data: { a: "b" } })).body, expected);
  assert.deepEqual((await server.put(`${configMaps}/x`, { metadata: { name: "x" } })).body, expected);
  const namespace = await server.post("/api/v1/namespaces/nope/configmaps", { metadata: { name: "a" } });
  assert.deepEqual(
    namespace.body,
    status(404, "NotFound", 'namespaces "nope" not found', { name: "nope", kind: "namespaces" }),
  );
});

Deno.test("a body that contradicts the URL is 400", async () => {
  await using server = await start();
  const other = await server.post(configMaps, { metadata: { name: "a", namespace: "kube-system" } });
  assert.deepEqual(
    other.body,
    status(400, "BadRequest", "the namespace of the provided object does not match the namespace sent on the request"),
  );
  await server.post(configMaps, { metadata: { name: "a" } });
  const renamed = await server.put(`${configMaps}/a`, { metadata: { name: "b" } });
  assert.equal(renamed.body.message, "the name of the object (b) does not match the name on the URL (a)");
  const version = await server.post(configMaps, { apiVersion: "apps/v1", kind: "ConfigMap", metadata: { name: "c" } });
  assert.equal(
    version.body.message,
    "the API version in the data (apps/v1) does not match the expected API version (v1)",
  );
  const broken = await server.post(configMaps, "{");
  assert.equal(broken.code, 400);
  assert.equal(broken.body.reason, "BadRequest");
});

Deno.test("an invalid object is 422 with a cause for each field, details.kind the kind", async () => {
  await using server = await start();
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  const answer = await server.post(pods, { metadata: { name: "B@d" }, spec: { containers: [] } });
  assert.equal(answer.code, 422);
  assert.equal(answer.body.reason, "Invalid");
  assert.equal(answer.body.details.kind, "Pod");
  assert.equal(answer.body.details.name, "B@d");
  assert.deepEqual(answer.body.details.causes.map((it: { field: string }) => it.field), [
    "metadata.name",
    "spec.containers",
  ]);
  assert.equal(answer.body.details.causes[1].reason, "FieldValueRequired");
  assert.match(answer.body.message, /^Pod "B@d" is invalid: \[metadata\.name: Invalid value: "B@d": /);
});

Deno.test("POST with a resourceVersion is 500 without a reason, as upstream answers it", async () => {
  await using server = await start();
  const answer = await server.post(configMaps, { metadata: { name: "a", resourceVersion: "5" } });
  assert.deepEqual(answer.body, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "resourceVersion should not be set on objects to be created",
    code: 500,
  });
});

Deno.test("generateName adds five characters of upstream's alphabet", async () => {
  await using server = await start();
  const names = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const made = await server.post(configMaps, { metadata: { generateName: "g-" } });
    assert.match(made.body.metadata.name, /^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
    assert.equal(made.body.metadata.generateName, "g-");
    names.add(made.body.metadata.name);
  }
  assert.equal(names.size, 20);
});

Deno.test("PUT with an old resourceVersion is 409 Conflict; with none it overwrites", async () => {
  await using server = await start();
  const made = await server.post(configMaps, { metadata: { name: "a" }, data: { k: "1" } });
  const second = await server.put(`${configMaps}/a`, { ...made.body, data: { k: "2" } });
  assert.equal(second.code, 200);
  assert.notEqual(second.body.metadata.resourceVersion, made.body.metadata.resourceVersion);
  const stale = await server.put(`${configMaps}/a`, { ...made.body, data: { k: "3" } });
  assert.deepEqual(
    stale.body,
    status(
      409,
      "Conflict",
      'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to ' +
        "the latest version and try again",
      { name: "a", kind: "configmaps" },
    ),
  );
  const blind = await server.put(`${configMaps}/a`, { metadata: { name: "a" }, data: { k: "4" } });
  assert.equal(blind.code, 200);
  assert.equal(blind.body.metadata.uid, made.body.metadata.uid);
  assert.equal(blind.body.metadata.creationTimestamp, made.body.metadata.creationTimestamp);
});

Deno.test("PUT with another uid is 409 and names both", async () => {
  await using server = await start();
  const made = await server.post(configMaps, { metadata: { name: "a" } });
  const answer = await server.put(`${configMaps}/a`, { metadata: { name: "a", uid: "other" } });
  assert.equal(answer.code, 409);
  assert.equal(
    answer.body.message,
    'Operation cannot be fulfilled on configmaps "a": Precondition failed: UID in precondition: other, ' +
      `UID in object meta: ${made.body.metadata.uid}`,
  );
});

Deno.test("a write that changes nothing keeps the resourceVersion", async () => {
  await using server = await start();
  const made = await server.post(configMaps, { metadata: { name: "a", labels: { x: "y" } }, data: { k: "1", l: "2" } });
  const put = await server.put(`${configMaps}/a`, {
    data: { l: "2", k: "1" },
    metadata: { labels: { x: "y" }, name: "a" },
  });
  assert.equal(put.body.metadata.resourceVersion, made.body.metadata.resourceVersion);
  const patched = await server.patch(`${configMaps}/a`, { data: { k: "1" } });
  assert.equal(patched.body.metadata.resourceVersion, made.body.metadata.resourceVersion);
});

Deno.test("PUT without resourceVersion on a Lease is refused, and creates one that is missing", async () => {
  await using server = await start();
  const leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
  const lease = { metadata: { name: "l" }, spec: { holderIdentity: "me", leaseDurationSeconds: 10 } };
  const made = await server.put(`${leases}/l`, lease);
  assert.equal(made.code, 201);
  const blind = await server.put(`${leases}/l`, lease);
  assert.equal(blind.code, 422);
  assert.equal(
    blind.body.message,
    'Lease.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
  );
});

Deno.test("dryRun=All answers as if, and stores nothing", async () => {
  await using server = await start();
  const made = await server.post(`${configMaps}?dryRun=All`, { metadata: { name: "a" } });
  assert.equal(made.code, 201);
  assert.equal(made.body.metadata.resourceVersion, undefined);
  assert.equal((await server.get(`${configMaps}/a`)).code, 404);
  await server.post(configMaps, { metadata: { name: "b" }, data: { k: "1" } });
  const put = await server.put(`${configMaps}/b?dryRun=All`, { metadata: { name: "b" }, data: { k: "2" } });
  assert.equal(put.body.data.k, "2");
  assert.equal((await server.delete(`${configMaps}/b?dryRun=All`)).code, 200);
  assert.equal((await server.get(`${configMaps}/b`)).body.data.k, "1");
  const twice = await server.post(`${configMaps}?dryRun=All`, { metadata: { name: "b" } });
  assert.equal(twice.body.reason, "AlreadyExists");
  const wrong = await server.post(`${configMaps}?dryRun=Some`, { metadata: { name: "a" } });
  assert.equal(wrong.code, 422);
});

Deno.test("fieldValidation: Warn answers Warning headers, Strict 400, Ignore nothing", async () => {
  await using server = await start();
  const body = `{"metadata":{"name":"NAME"},"data":{},"spec":{"x":1},"data":{"k":"v"}}`;
  const warn = await server.post(configMaps, body.replace("NAME", "a"));
  assert.equal(warn.code, 201);
  assert.equal(
    warn.headers.get("warning"),
    `299 - "unknown field \\"spec\\"", 299 - "duplicate field \\"data\\""`,
  );
  const strict = await server.post(`${configMaps}?fieldValidation=Strict`, body.replace("NAME", "b"));
  assert.equal(strict.code, 400);
  assert.match(strict.body.message, /strict decoding error: unknown field "spec", duplicate field "data"$/);
  const ignore = await server.post(`${configMaps}?fieldValidation=Ignore`, body.replace("NAME", "c"));
  assert.equal(ignore.headers.get("warning"), null);
  const wrong = await server.post(`${configMaps}?fieldValidation=Maybe`, body.replace("NAME", "d"));
  assert.equal(wrong.code, 422);
});

Deno.test("DELETE answers a Success Status with the uid; pods, services and accounts answer themselves", async () => {
  await using server = await start();
  const made = await server.post(configMaps, { metadata: { name: "a" } });
  const gone = await server.delete(`${configMaps}/a`);
  assert.deepEqual(gone.body, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    details: { name: "a", kind: "configmaps", uid: made.body.metadata.uid },
  });
  const accounts = "/api/v1/namespaces/default/serviceaccounts";
  await server.post(accounts, { metadata: { name: "s" } });
  assert.equal((await server.delete(`${accounts}/s`)).body.kind, "ServiceAccount");
});

Deno.test("DELETE with uid or resourceVersion preconditions that do not hold is 409", async () => {
  await using server = await start();
  const made = await server.post(configMaps, { metadata: { name: "a" } });
  const uid = await server.delete(`${configMaps}/a`, { preconditions: { uid: "x" } });
  assert.equal(uid.code, 409);
  assert.match(uid.body.message, /UID in precondition: x, UID in object meta: [0-9a-f-]+$/);
  const version = await server.delete(`${configMaps}/a`, { preconditions: { resourceVersion: "1" } });
  assert.equal(version.code, 409);
  const { uid: right } = made.body.metadata;
  assert.equal((await server.delete(`${configMaps}/a`, { preconditions: { uid: right } })).code, 200);
});

Deno.test("finalizers hold an object: DELETE marks it, taking the last one away removes it", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a", finalizers: ["example.com/f"] } });
  const marked = await server.delete(`${configMaps}/a`);
  assert.equal(marked.code, 200);
  assert.equal(marked.body.metadata.deletionTimestamp, "2026-01-01T00:00:00Z");
  assert.equal(marked.body.metadata.deletionGracePeriodSeconds, 0);
  const again = await server.delete(`${configMaps}/a`);
  assert.equal(again.body.metadata.resourceVersion, marked.body.metadata.resourceVersion);
  const added = await server.patch(`${configMaps}/a`, { metadata: { finalizers: ["example.com/f", "example.com/g"] } });
  assert.equal(added.code, 422);
  const freed = await server.patch(`${configMaps}/a`, { metadata: { finalizers: null } });
  assert.equal(freed.code, 200);
  assert.equal((await server.get(`${configMaps}/a`)).code, 404);
});

Deno.test("propagationPolicy Foreground and Orphan leave their finalizers; Background takes them away", async () => {
  await using server = await start();
  for (const [policy, finalizer] of [["Foreground", "foregroundDeletion"], ["Orphan", "orphan"]]) {
    await server.post(configMaps, { metadata: { name: "a" } });
    const marked = await server.delete(`${configMaps}/a`, { propagationPolicy: policy });
    assert.deepEqual(marked.body.metadata.finalizers, [finalizer]);
    assert.notEqual(marked.body.metadata.deletionTimestamp, undefined);
    const gone = await server.delete(`${configMaps}/a`, { propagationPolicy: "Background" });
    assert.equal(gone.body.status, "Success");
  }
  const wrong = await server.delete(`${configMaps}/a`, { propagationPolicy: "Sideways" });
  assert.equal(wrong.code, 422);
});

Deno.test("POST of what is being deleted says so", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a", finalizers: ["example.com/f"] } });
  await server.delete(`${configMaps}/a`);
  const answer = await server.post(configMaps, { metadata: { name: "a" } });
  assert.equal(answer.body.message, 'object is being deleted: configmaps "a" already exists');
});

Deno.test("a bound pod is deleted gracefully: deletionTimestamp in the future, shortened by a second DELETE, then gone", async () => {
  await using server = await start();
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  await server.post(pods, pod("p", { nodeName: "n1" }));
  const marked = await server.delete(`${pods}/p`);
  assert.equal(marked.code, 200);
  assert.equal(marked.body.metadata.deletionTimestamp, "2026-01-01T00:00:30Z");
  assert.equal(marked.body.metadata.deletionGracePeriodSeconds, 30);
  assert.equal(marked.body.metadata.generation, 2);
  const same = await server.delete(`${pods}/p`);
  assert.equal(same.body.metadata.resourceVersion, marked.body.metadata.resourceVersion);
  const shorter = await server.delete(`${pods}/p`, { gracePeriodSeconds: 10 });
  assert.equal(shorter.body.metadata.deletionTimestamp, "2026-01-01T00:00:10Z");
  assert.equal(shorter.body.metadata.deletionGracePeriodSeconds, 10);
  const longer = await server.delete(`${pods}/p`, { gracePeriodSeconds: 60 });
  assert.equal(longer.body.metadata.deletionGracePeriodSeconds, 10);
  const gone = await server.delete(`${pods}/p`, { gracePeriodSeconds: 0 });
  assert.equal(gone.body.kind, "Pod");
  assert.equal((await server.get(`${pods}/p`)).code, 404);
});

Deno.test("a pod that no kubelet has is deleted at once, and so is one that has ended", async () => {
  await using server = await start();
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  await server.post(pods, pod("p"));
  await server.delete(`${pods}/p`);
  assert.equal((await server.get(`${pods}/p`)).code, 404);
  await server.post(pods, pod("q", { nodeName: "n1" }));
  await server.patch(`${pods}/q/status`, { status: { phase: "Succeeded" } });
  await server.delete(`${pods}/q`);
  assert.equal((await server.get(`${pods}/q`)).code, 404);
});

Deno.test("status and the rest are apart: each path changes its own, and only spec counts generations", async () => {
  await using server = await start();
  const deployments = "/apis/apps/v1/namespaces/default/deployments";
  const made = await server.post(deployments, { ...deploymentOf("d"), status: { replicas: 7 } });
  assert.equal(made.body.status.replicas, undefined);
  assert.equal(made.body.metadata.generation, 1);
  const reported = await server.put(`${deployments}/d/status`, {
    ...made.body,
    spec: { ...made.body.spec, replicas: 9 },
    status: { replicas: 1, observedGeneration: 1 },
  });
  assert.equal(reported.code, 200);
  assert.equal(reported.body.status.replicas, 1);
  assert.equal(reported.body.spec.replicas, 1);
  assert.equal(reported.body.metadata.generation, 1);
  const changed = await server.patch(`${deployments}/d`, { spec: { replicas: 3 }, status: { replicas: 5 } });
  assert.equal(changed.body.spec.replicas, 3);
  assert.equal(changed.body.status.replicas, 1);
  assert.equal(changed.body.metadata.generation, 2);
  const labelled = await server.patch(`${deployments}/d`, { metadata: { labels: { a: "b" } } });
  assert.equal(labelled.body.metadata.generation, 2);
  assert.equal((await server.get(`${deployments}/d/status`)).body.status.replicas, 1);
});

Deno.test("PATCH speaks JSON, merge and strategic merge patches; anything else is 415 with the list", async () => {
  await using server = await start();
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  await server.post(pods, pod("p"));
  const json = await server.patch(`${pods}/p`, [{ op: "add", path: "/metadata/labels", value: { a: "b" } }], {
    headers: { "content-type": "application/json-patch+json" },
  });
  assert.deepEqual(json.body.metadata.labels, { a: "b" });
  const strategic = await server.patch(`${pods}/p`, { spec: { containers: [{ name: "c", image: "nginx:2" }] } }, {
    headers: { "content-type": "application/strategic-merge-patch+json" },
  });
  assert.equal(strategic.body.spec.containers[0].image, "nginx:2");
  assert.equal(strategic.body.spec.containers[0].terminationMessagePath, "/dev/termination-log");
  const test = await server.patch(`${pods}/p`, [{ op: "test", path: "/metadata/name", value: "z" }], {
    headers: { "content-type": "application/json-patch+json" },
  });
  assert.equal(test.code, 422);
  const other = await server.patch(`${pods}/p`, {}, { headers: { "content-type": "application/json" } });
  assert.equal(other.code, 415);
  assert.equal(
    other.body.message,
    "the body of the request was in an unknown format - accepted media types include: " +
      "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, " +
      "application/apply-patch+yaml",
  );
  const stale = await server.patch(`${pods}/p`, { metadata: { resourceVersion: "1", labels: { c: "d" } } });
  assert.equal(stale.code, 409);
  const renamed = await server.patch(`${pods}/p`, { metadata: { name: "q" } });
  assert.equal(renamed.code, 400);
});

Deno.test("patches that run into one another all happen", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a" }, data: {} });
  const answers = await Promise.all(
    Array.from({ length: 4 }, (_, i) => server.patch(`${configMaps}/a`, { data: { [`k${i}`]: "v" } })),
  );
  assert.deepEqual(answers.map((it) => it.code), [200, 200, 200, 200]);
  assert.equal(Object.keys((await server.get(`${configMaps}/a`)).body.data).length, 4);
});

Deno.test("DELETE of a collection honours selectors and answers what it deleted", async () => {
  await using server = await start();
  for (const name of ["a", "b", "c"]) {
    await server.post(configMaps, { metadata: { name, labels: { keep: String(name === "c") } } });
  }
  const answer = await server.delete(`${configMaps}?labelSelector=keep%3Dfalse`);
  assert.equal(answer.body.kind, "ConfigMapList");
  assert.deepEqual(answer.body.items.map((it: { metadata: { name: string } }) => it.metadata.name), ["a", "b"]);
  const left = await server.get(configMaps);
  assert.deepEqual(left.body.items.map((it: { metadata: { name: string } }) => it.metadata.name), ["c"]);
});

Deno.test("YAML goes in and out, msgpack too", async () => {
  await using server = await start();
  const made = await server.post(configMaps, "metadata:\n  name: yaml\ndata:\n  k: v\n", {
    headers: { "content-type": "application/yaml" },
  });
  assert.equal(made.code, 201);
  const yaml = await server.raw("GET", `${configMaps}/yaml`, { headers: { accept: "application/yaml" } });
  assert.equal(yaml.headers.get("content-type"), "application/yaml");
  assert.match(await yaml.text(), /^kind: ConfigMap$/m);
  const { decodeMsgpack, encodeMsgpack } = await import("../../api/codec/mod.ts");
  const packed = await server.raw("POST", configMaps, {
    headers: { "content-type": "application/vnd.msgpack", accept: "application/vnd.msgpack" },
    body: encodeMsgpack({ metadata: { name: "m" }, data: { k: "v" } }),
  });
  assert.equal(packed.status, 201);
  assert.equal(packed.headers.get("content-type"), "application/vnd.msgpack");
  const object = decodeMsgpack(new Uint8Array(await packed.arrayBuffer())) as { metadata: { name: string } };
  assert.equal(object.metadata.name, "m");
});

Deno.test("media types: 406 and 415 in upstream's words, the first clause that can be served wins", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a" } });
  const accept = (value: string) => server.get(`${configMaps}/a`, { headers: { accept: value } });
  const none = await accept("application/cbor");
  assert.deepEqual(
    none.body,
    status(
      406,
      "NotAcceptable",
      "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    ),
  );
  const both = "application/vnd.kubernetes.protobuf;q=0.1,application/json";
  assert.equal((await accept(both)).body.kind, "ConfigMap");
  assert.equal((await accept("application/json;q=0.5,application/yaml;q=0.1")).body.kind, "ConfigMap");
  assert.equal((await accept("application/cbor, */*")).code, 200);
  const cbor = await server.post(configMaps, "x", { headers: { "content-type": "application/cbor" } });
  assert.deepEqual(
    cbor.body,
    status(
      415,
      "UnsupportedMediaType",
      "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    ),
  );
});

Deno.test("answers carry Audit-Id and Cache-Control, errors included", async () => {
  await using server = await start();
  for (const path of [`${configMaps}/nope`, configMaps, "/version"]) {
    const { headers } = await server.get(path);
    assert.match(headers.get("audit-id") ?? "", /^[0-9a-f-]{36}$/);
    assert.equal(headers.get("cache-control"), "no-cache, private");
  }
});

Deno.test("paths that nothing serves are 404 page not found; a wrong method is 405", async () => {
  await using server = await start();
  for (
    const path of ["/nope", "/api/v1/things", "/apis/apps/v2/deployments", "/api/v1/namespaces/default/pods/p/nope"]
  ) {
    const answer = await server.get(path);
    assert.equal(answer.code, 404);
    assert.equal(answer.body, "404 page not found\n");
  }
  assert.equal((await server.post(`${configMaps}/a`, {})).code, 405);
  assert.equal((await server.put(configMaps, {})).code, 405);
  assert.equal((await server.get("/api/v1/namespaces/default/configmaps/a%2Fb")).code, 400);
});

Deno.test("a body of more than 3 MiB is 413, announced or not", async () => {
  await using server = await start();
  const big = new Uint8Array(3 * 1024 * 1024 + 1).fill(0x20);
  const answer = await server.raw("POST", configMaps, { body: big, headers: { "content-type": "application/json" } });
  assert.equal(answer.status, 413);
  assert.equal((await answer.json()).reason, "RequestEntityTooLarge");
});

Deno.test("a key called __proto__ is data like any other", async () => {
  await using server = await start();
  const made = await server.post(
    configMaps,
    `{"metadata":{"name":"a","annotations":{"__proto__":"x"}},"data":{"constructor":"y"}}`,
  );
  assert.equal(({} as Record<string, unknown>)["x"], undefined);
  assert.equal(made.code === 201 || made.code === 422, true);
  const got = await server.post(configMaps, `{"metadata":{"name":"b"},"data":{"constructor":"y"}}`);
  assert.equal(got.body.data.constructor, "y");
});

Deno.test("Events live under a store lease, shared by many", async () => {
  await using server = await start();
  const events = "/api/v1/namespaces/default/events";
  const event = (name: string) => ({
    metadata: { name },
    involvedObject: { kind: "Pod", name: "p", namespace: "default" },
    reason: "Started",
    type: "Normal",
  });
  assert.equal((await server.post(events, event("a"))).code, 201);
  assert.equal((await server.post(events, event("b"))).code, 201);
  const { kvs } = await server.store.range({
    key: new TextEncoder().encode("/registry/events/"),
    rangeEnd: new TextEncoder().encode("/registry/events0"),
  });
  assert.equal(kvs.length, 2);
  assert.notEqual(kvs[0]?.lease, 0n);
  assert.equal(kvs[0]?.lease, kvs[1]?.lease);
});
