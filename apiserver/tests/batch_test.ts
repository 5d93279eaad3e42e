import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { type BatchRequest, batchType, decodeBatchAnswers, encodeBatchRequests } from "../../api/batch.ts";
import type { PeerIdentity } from "../../platform/mod.ts";
import { type Loose, start, type TestServer } from "../testing.ts";

const scheduler: PeerIdentity = { commonName: "system:kube-scheduler", organizations: [] };

function request(method: string, path: string, body: unknown): BatchRequest {
  const json = "application/json";
  return { method, path, contentType: json, accept: json, body: utf8(JSON.stringify(body)) };
}

function binding(name: string, node: string): BatchRequest {
  const target = { apiVersion: "v1", kind: "Node", name: node };
  const body = { apiVersion: "v1", kind: "Binding", metadata: { name }, target };
  return request("POST", `/api/v1/namespaces/default/pods/${name}/binding`, body);
}

async function send(api: TestServer, requests: readonly BatchRequest[], as?: PeerIdentity | null) {
  const response = await api.raw("POST", "/apis/sauropod.dev/v1/batch", {
    headers: { "content-type": batchType },
    body: encodeBatchRequests(requests),
    ...(as === undefined ? {} : { as }),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  if (response.status !== 200) {
    return { code: response.status, body: JSON.parse(fromUtf8(bytes)) as Loose, answers: [] };
  }
  const answers = decodeBatchAnswers(bytes).map(({ status, body, contentType }) => {
    assert.equal(contentType, "application/json");
    return { status, body: JSON.parse(fromUtf8(body)) as Loose };
  });
  return { code: 200, body: null, answers };
}

async function withPods(names: readonly string[]): Promise<TestServer> {
  const api = await start();
  await api.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  for (const name of names) {
    const spec = { containers: [{ name: "c", image: "i" }] };
    const { code } = await api.post("/api/v1/namespaces/default/pods", {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name },
      spec,
    });
    assert.equal(code, 201);
  }
  return api;
}

Deno.test("a batch answers each request for itself, in order, and one failure leaves the others alone", async () => {
  await using api = await withPods(["a", "b"]);
  const { answers } = await send(api, [binding("a", "n1"), binding("gone", "n1"), binding("b", "n2")], scheduler);
  assert.deepEqual(answers.map(({ status }) => status), [201, 404, 201]);
  assert.equal(answers[1]?.body.message, 'pods "gone" not found');
  for (const [name, node] of [["a", "n1"], ["b", "n2"]]) {
    assert.equal((await api.get(`/api/v1/namespaces/default/pods/${name}`)).body.spec.nodeName, node);
  }
  // Two claims on one pod in one batch: exactly one of them is carried out.
  await api.post("/api/v1/namespaces/default/pods", {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "c" },
    spec: { containers: [{ name: "c", image: "i" }] },
  });
  const rivals = await send(api, [binding("c", "n1"), binding("c", "n2")], scheduler);
  assert.deepEqual(rivals.answers.map(({ status }) => status).sort(), [201, 409]);
});

Deno.test("a batch gives nobody a right that its requests would not have by themselves", async () => {
  await using api = await withPods(["a"]);
  const secret = request("POST", "/api/v1/namespaces/default/secrets", { apiVersion: "v1", kind: "Secret" });
  const { answers } = await send(api, [secret, binding("a", "n1")], scheduler);
  assert.deepEqual(answers.map(({ status }) => status), [403, 201]);
  assert.match(answers[0]?.body.message, /User "system:kube-scheduler" cannot create resource "secrets"/);
  assert.equal((await send(api, [binding("a", "n1")], null)).code, 401);
});

Deno.test("a batch is refused as a whole when it cannot be read or holds anything but writes of resources", async () => {
  await using api = await withPods([]);
  for (const path of ["/api/v1/namespaces/default/pods?watch=1", "/api/v1/namespaces/default/pods/p", "/livez"]) {
    const { code, body } = await send(api, [request("GET", path, {})]);
    assert.equal(code, 400);
    assert.match(body.message, /a batch holds writes of resources only, not GET/);
  }
  const nested = await send(api, [request("POST", "/apis/sauropod.dev/v1/batch", {})]);
  assert.equal(nested.code, 400);
  const exec = await send(api, [request("POST", "/api/v1/namespaces/default/pods/p/exec?command=sh", {})]);
  assert.equal(exec.code, 400);
  const broken = await api.raw("POST", "/apis/sauropod.dev/v1/batch", { body: "{", headers: {} });
  assert.equal(broken.status, 400);
  assert.match((await broken.json()).message, /the batch cannot be read: A head has no end/);
  assert.equal((await api.raw("GET", "/apis/sauropod.dev/v1/batch")).status, 405);
});
