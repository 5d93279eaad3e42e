import assert from "node:assert/strict";
import { encodeMsgpack } from "../../api/codec/msgpack.ts";
import { limits } from "../limits.ts";
import { start, type TestServer, until } from "../testing.ts";

/** What clients have done to apiservers before (CVE numbers of Kubernetes and of what it is built from). */

const configMaps = "/api/v1/namespaces/default/configmaps";
const pods = "/api/v1/namespaces/default/pods";
const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const node = { commonName: "system:node:n1", organizations: ["system:nodes"] };

async function send(server: TestServer, type: string, body: Uint8Array | string, path = configMaps, method = "POST") {
  const response = await server.raw(method, path, { body, headers: { "content-type": type } });
  const text = await response.text();
  return { code: response.status, message: text.startsWith("{") ? String(JSON.parse(text).message) : text };
}

function nested(depth: number): unknown {
  let value: unknown = "x";
  for (let i = 0; i < depth; i++) value = { a: value };
  return value;
}

Deno.test("YAML that multiplies itself by aliases is refused (CVE-2019-11253)", async () => {
  await using server = await start();
  const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let i = 1; i < 9; i++) lines.push(`a${i}: &a${i} [${Array(10).fill(`*a${i - 1}`).join(", ")}]`);
  const body = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n${lines.join("\n")}\n`;
  for (
    const [path, method, type] of [
      [configMaps, "POST", "application/yaml"],
      [`${configMaps}/a?fieldManager=f`, "PATCH", "application/apply-patch+yaml"],
    ] as const
  ) {
    const { code, message } = await send(server, type, body, path, method);
    assert.equal(code, 400, message);
    assert.match(message, /alias/i);
  }
});

Deno.test("nesting that would exhaust a stack is refused, in every format and every kind of write", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a" } });
  const depth = 100_000;
  const json = `{"metadata":{"name":"b"},"data":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}`;
  const list = `{"metadata":{"name":"b"},"data":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  const flow = `metadata: {name: b}\ndata: ${"[".repeat(5000)}${"]".repeat(5000)}\n`;
  // A map of one entry whose value is such a map, and so on.
  const msgpack = new Uint8Array(3 * depth).map((_, i) => [0x81, 0xa1, 0x61][i % 3] as number);
  const one = `${configMaps}/a`;
  const cases: [type: string, body: string | Uint8Array, path?: string, method?: string][] = [
    ["application/json", json],
    ["application/json", list],
    ["application/yaml", flow],
    ["application/vnd.kubernetes.protobuf", Uint8Array.of(0x6b, 0x38, 0x73, 0, ...Array(9000).fill(0x0a))],
    ["application/merge-patch+json", json, one, "PATCH"],
    ["application/strategic-merge-patch+json", json, one, "PATCH"],
    [
      "application/json-patch+json",
      `[{"op":"add","path":"/data","value":${'{"a":'.repeat(depth)}1${"}".repeat(depth)}}]`,
      one,
      "PATCH",
    ],
    ["application/apply-patch+yaml", flow, `${one}?fieldManager=f`, "PATCH"],
  ];
  for (const [type, body, path, method] of cases) {
    const { code, message } = await send(server, type, body, path, method);
    assert.equal(code, 400, `${type}: ${message}`);
    assert.ok(message.length < 2000, `${type}: an error of ${message.length} characters`);
  }
  for (const type of ["application/msgpack", "application/vnd.msgpack"]) {
    assert.ok([400, 415].includes((await send(server, type, msgpack)).code));
  }
  assert.equal((await server.get(one)).code, 200);
});

Deno.test("an object nested as deep as is allowed is taken, and one level more is not", async () => {
  await using server = await start();
  const crd = {
    metadata: { name: "deeps.example.com" },
    spec: {
      group: "example.com",
      scope: "Cluster",
      names: { plural: "deeps", singular: "deep", kind: "Deep" },
      versions: [{
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } },
      }],
    },
  };
  assert.equal((await server.post(definitions, crd)).code, 201);
  const path = "/apis/example.com/v1/deeps";
  await until(() => server.get(path), ({ code }) => code === 200);
  const deep = (depth: number) => ({
    apiVersion: "example.com/v1",
    kind: "Deep",
    metadata: { name: `d${depth}` },
    spec: nested(depth),
  });
  assert.equal((await server.post(path, deep(100))).code, 201);
  assert.equal((await server.post(path, deep(600))).code, 400);
  assert.equal((await server.patch(`${path}/d100`, { spec: nested(600) })).code, 400);
});

Deno.test("a JSON patch of many operations, or one that doubles itself, is refused (CVE-2019-1002100)", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a" }, data: { k: "v".repeat(1000) } });
  const type = "application/json-patch+json";
  const many = JSON.stringify(Array(10_001).fill({ op: "test", path: "/data/k", value: "x" }));
  const tooMany = await send(server, type, many, `${configMaps}/a`, "PATCH");
  assert.equal(tooMany.code, 413);
  assert.equal(
    tooMany.message,
    "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001",
  );
  const doubling = Array.from({ length: 40 }, (_, i) => ({ op: "copy", from: "/data", path: `/data/c${i}` }));
  const copied = await send(server, type, JSON.stringify(doubling), `${configMaps}/a`, "PATCH");
  assert.ok([400, 413, 422].includes(copied.code), copied.message);
});

Deno.test("a length that is announced twice is still counted", async () => {
  await using server = await start();
  const chunk = new Uint8Array(64 * 1024).fill(0x20);
  let sent = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      sent += chunk.length;
      if (sent > 64 * 1024 * 1024) controller.close();
      else controller.enqueue(chunk);
    },
  });
  const request = new Request(`https://test${configMaps}`, {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": "67108864, 67108864" },
    body,
  });
  const context = {
    peer: { commonName: "kubernetes-admin", organizations: ["system:masters"] },
    remoteAddress: "127.0.0.1",
    upgradeWebSocket: () => {
      throw new Error("this test upgrades nothing");
    },
  };
  assert.equal((await server.server.handle(request, context)).status, 413);
  assert.ok(sent < 8 * 1024 * 1024, `${sent} bytes were read`);
});

Deno.test("path segments that mean something to a file system or a store key reach nothing", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a" } });
  const bad = ["%2E%2E%2Fsecrets", "a%00", "a%2F..%2Fb", "a%5cb", "%ff", "..%2f..%2fregistry"];
  for (const name of bad) {
    const { code } = await server.get(`${configMaps}/${name}`);
    assert.ok(code === 400 || code === 404, `${name}: ${code}`);
    const namespaced = await server.get(`/api/v1/namespaces/${name}/configmaps/a`);
    assert.ok(namespaced.code === 400 || namespaced.code === 404, `${name}: ${namespaced.code}`);
  }
  for (const name of ["..", "a/b", "a%2fb", "A", "a\u0000b", "-a", "a_b"]) {
    assert.equal((await server.post(configMaps, { metadata: { name } })).code, 422, name);
  }
});

Deno.test("a custom resource is reached by its own group, version and scope alone (CVE-2019-11247, CVE-2022-3162)", async () => {
  await using server = await start();
  const define = (plural: string, group: string, scope: string) =>
    server.post(definitions, {
      metadata: { name: `${plural}.${group}` },
      spec: {
        group,
        scope,
        names: { plural, singular: plural.slice(0, -1), kind: plural[0]?.toUpperCase() + plural.slice(1, -1) },
        versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
      },
    });
  assert.equal((await define("wides", "one.example.com", "Cluster")).code, 201);
  assert.equal((await define("secrets2s", "two.example.com", "Namespaced")).code, 201);
  const wide = "/apis/one.example.com/v1/wides";
  await until(() => server.get(wide), ({ code }) => code === 200);
  await until(() => server.get("/apis/two.example.com/v1/secrets2s"), ({ code }) => code === 200);
  assert.equal(
    (await server.post(wide, { apiVersion: "one.example.com/v1", kind: "Wide", metadata: { name: "w" } })).code,
    201,
  );
  for (
    const path of [
      "/apis/one.example.com/v1/namespaces/default/wides",
      "/apis/one.example.com/v1/namespaces/default/wides/w",
    ]
  ) {
    assert.equal((await server.get(path)).code, 404, path);
    assert.equal((await server.delete(path)).code, 404, path);
  }
  assert.equal((await server.get("/apis/two.example.com/v1/wides/w")).code, 404);
  assert.equal((await server.get("/apis/one.example.com/v1/secrets2s")).code, 404);
  assert.equal((await server.get("/apis/one.example.com/v1/secrets2s/../../two.example.com/v1/secrets2s")).code, 404);
});

Deno.test("dots in a path are resolved before anyone decides about it: they lead around no right", async () => {
  await using server = await start();
  const jane = { commonName: "jane", organizations: [] };
  await server.post("/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", {
    metadata: { name: "r" },
    rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get", "list"] }],
  });
  await server.post("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", {
    metadata: { name: "r" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "r" },
    subjects: [{ kind: "User", name: "jane", apiGroup: "rbac.authorization.k8s.io" }],
  });
  await until(() => server.get(configMaps, { as: jane }), ({ code }) => code === 200);
  for (
    const way of [
      "/../secrets",
      "/%2e%2e/secrets",
      "/.%2E/secrets",
      "/a/../../secrets",
      "/../../kube-system/configmaps",
    ]
  ) {
    const { code } = await server.get(configMaps + way, { as: jane });
    assert.equal(code, 403, way);
  }
});

Deno.test("a kubelet creates no pods, mirror pods that reach for claims or secrets least of all (CVE-2025-4563)", async () => {
  await using server = await start();
  assert.equal((await server.post("/api/v1/nodes", { metadata: { name: "n1" } }, { as: node })).code, 201);
  for (const spec of [{}, { resourceClaims: [{ name: "r", resourceClaimName: "gpu" }] }]) {
    const metadata = { name: "m-n1", annotations: { "kubernetes.io/config.mirror": "x" } };
    const pod = { metadata, spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }], ...spec } };
    assert.equal((await server.post(pods, pod, { as: node })).code, 403);
  }
});

Deno.test("msgpack and protobuf that announce more than they hold cost what they hold", async () => {
  await using server = await start();
  const bombs: [string, Uint8Array][] = [
    ["application/msgpack", Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)], // an array of 4 billion
    ["application/msgpack", Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff)], // a map
    ["application/msgpack", Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff)], // bytes
    ["application/msgpack", Uint8Array.of(0xdb, 0x7f, 0xff, 0xff, 0xff)], // text
    ["application/vnd.kubernetes.protobuf", Uint8Array.of(0x6b, 0x38, 0x73, 0, 0x12, 0xff, 0xff, 0xff, 0xff, 0x07)],
  ];
  for (const [type, body] of bombs) assert.ok([400, 415].includes((await send(server, type, body)).code), type);
  assert.equal(
    (await send(server, "application/msgpack", encodeMsgpack({ metadata: { name: "ok" } }))).code < 500,
    true,
  );
});

Deno.test("a body that says it is compressed is not unpacked", async () => {
  await using server = await start();
  const zeros = new Response(new Uint8Array(1024 * 1024)).body?.pipeThrough(new CompressionStream("gzip"));
  const bomb = new Uint8Array(await new Response(zeros).arrayBuffer());
  const response = await server.raw("POST", configMaps, {
    body: bomb,
    headers: { "content-type": "application/json", "content-encoding": "gzip" },
  });
  assert.equal(response.status, 400);
});

Deno.test("a body that trickles is given up after the request timeout, announced or not, and frees its seat", async () => {
  await using server = await start();
  const outcomes: number[] = [];
  for (const headers of [{}, { "content-length": "100" }] as Record<string, string>[]) {
    let drip: () => void = () => {};
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => void (drip = () => controller.enqueue(new TextEncoder().encode("{"))),
    });
    const answer = server.rawBody("POST", configMaps, body, { headers }).then(async (response) => {
      outcomes.push(response.status);
      return await response.json();
    });
    const before = outcomes.length;
    for (let seconds = 0; seconds < limits.requestBodyMs / 1000 - 1; seconds++) {
      drip();
      await server.time.advance(1000);
    }
    assert.equal(outcomes.length, before);
    await server.time.advance(1000);
    assert.equal(outcomes.length, before + 1);
    const { reason, message } = await answer;
    assert.deepEqual([reason, message], ["Timeout", "Timeout: request did not complete within the allotted timeout"]);
  }
  assert.deepEqual(outcomes, [504, 504]);
});
