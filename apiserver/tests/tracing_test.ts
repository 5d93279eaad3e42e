import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { batchType, encodeBatchRequests } from "../../api/batch.ts";
import type { PostHttps } from "../../platform/mod.ts";
import { createTracer, type OtlpSpan } from "../../platform/tracing/mod.ts";
import { createLocalStore } from "../../store/mod.ts";
import { type Loose, start, type StartOptions, testRandom, until, VirtualTime } from "../testing.ts";

const configMaps = "/api/v1/namespaces/default/configmaps";
const traceId = "4bf92f3577b34da6a3ce929d0e0e4736";
const parentId = "00f067aa0ba902b7";
const sampled = { traceparent: `00-${traceId}-${parentId}-01` };
const unsampled = { traceparent: `00-${traceId}-${parentId}-00` };
const jane = { commonName: "jane", organizations: ["dev"] };

/** Server and store of one process, whose spans come together. */
async function tracing(perMillion: number, options: StartOptions = {}) {
  const time = new VirtualTime();
  const spans: OtlpSpan[] = [];
  const sink = { take: (span: OtlpSpan) => void spans.push(span) };
  const tracer = createTracer({ clock: time, random: testRandom(2), sink });
  const store = createLocalStore({ clock: time, timers: time, random: testRandom(3), tracer });
  const config = { traceSamplingPerMillion: perMillion, ...options.config };
  const server = await start({ ...options, store, time, tracer, config });
  assert.equal(spans.length, 0, "what a server does on its own is not traced");
  return {
    server,
    spans,
    [Symbol.asyncDispose]: async () => {
      await server[Symbol.asyncDispose]();
      store.close();
    },
  };
}

function attributes(span: OtlpSpan | undefined): Record<string, string | boolean> {
  const all = (span ?? assert.fail("no such span")).attributes.map(({ key, value }) => [key, Object.values(value)[0]]);
  return Object.fromEntries(all);
}

/** `name < parent's name`, `remote` for the client's own span. */
function tree(spans: readonly OtlpSpan[]): string[] {
  const names = new Map(spans.map((span) => [span.spanId, span.name]));
  names.set(parentId, "remote");
  return spans.map(({ name, parentSpanId }) =>
    parentSpanId === undefined ? name : `${name} < ${names.get(parentSpanId)}`
  );
}

Deno.test("a request with a sampled traceparent is one chain of spans, from the HTTP server to the commit", async () => {
  await using it = await tracing(0);
  const answer = await it.server.post(configMaps, { metadata: { name: "c" } }, {
    headers: { ...sampled, "user-agent": "test/1" },
  });
  assert.equal(answer.code, 201);
  const route = "/api/v1/namespaces/{:namespace}/configmaps";
  assert.deepEqual(tree(it.spans.slice(-3)), [
    "raft propose..commit < Create etcd3",
    `Create etcd3 < POST ${route}`,
    `POST ${route} < remote`,
  ]);
  assert.ok(it.spans.every((span) => span.traceId === traceId));
  const [raft, create, http] = it.spans.slice(-3);
  assert.deepEqual([raft?.kind, create?.kind, http?.kind], [1, 3, 2]);
  assert.deepEqual(attributes(http), {
    "http.request.method": "POST",
    "url.path": configMaps,
    "http.route": route,
    "client.address": "127.0.0.1",
    "user_agent.original": "test/1",
    "audit-id": answer.headers.get("audit-id"),
    "http.response.status_code": "201",
  });
  const revision = answer.body.metadata.resourceVersion;
  assert.deepEqual(attributes(create), { key: "/registry/configmaps/default/c", revision, attempts: "1" });
  const { "raft.index": index, ...proposed } = attributes(raft);
  assert.match(String(index), /^\d+$/);
  assert.deepEqual(proposed, { "raft.term": "1", revision, succeeded: true });
});

Deno.test("each store call of a request is a span of its own; a failure of the client's is none of the server's", async () => {
  await using it = await tracing(0);
  await it.server.post(configMaps, { metadata: { name: "c" } });
  assert.equal(it.spans.length, 0);
  const { code } = await it.server.post(configMaps, { metadata: { name: "c" } }, { headers: sampled });
  assert.equal(code, 409);
  assert.equal((await it.server.get(`${configMaps}/none`, { headers: sampled })).code, 404);
  assert.deepEqual(tree(it.spans.slice(-2)), [
    "Get etcd3 < GET /api/v1/namespaces/{:namespace}/configmaps/{:name}",
    "GET /api/v1/namespaces/{:namespace}/configmaps/{:name} < remote",
  ]);
  assert.equal(attributes(it.spans.at(-1))["http.response.status_code"], "404");
  assert.ok(it.spans.every(({ status }) => status.code === undefined));
  const refused = it.spans.find(({ name }) => name === "raft propose..commit");
  assert.equal(attributes(refused).succeeded, false);
});

Deno.test("without a traceparent, with one that says no, or a malformed one, nothing is traced while sampling is off", async () => {
  await using it = await tracing(0);
  const malformed = [`00-${traceId}-${parentId}-1`, `00-${"0".repeat(32)}-${parentId}-01`, "x"];
  for (const headers of [{}, unsampled, ...malformed.map((traceparent) => ({ traceparent }))]) {
    assert.equal((await it.server.get(configMaps, { headers })).code, 200);
  }
  assert.equal(it.spans.length, 0);
});

Deno.test("with sampling a malformed traceparent is no header at all: the request begins a trace, and a refusal is obeyed", async () => {
  await using it = await tracing(1_000_000);
  assert.equal((await it.server.get(configMaps, { headers: unsampled })).code, 200);
  assert.equal(it.spans.length, 0);
  assert.equal((await it.server.get(`${configMaps}/none`, { headers: { traceparent: "x" } })).code, 404);
  const [get, http] = it.spans;
  assert.equal(http?.parentSpanId, undefined);
  assert.equal(get?.parentSpanId, http?.spanId);
  assert.notEqual(http?.traceId, traceId);
});

Deno.test("sampling takes about its share of requests", async () => {
  await using it = await tracing(250_000);
  for (let i = 0; i < 400; i++) await it.server.get("/version");
  assert.ok(it.spans.length > 60 && it.spans.length < 140, `${it.spans.length} of 400`);
  assert.ok(it.spans.every(({ name }) => name === "GET"));
});

Deno.test("a traceparent of somebody who may not decide is at most linked to", async () => {
  for (const perMillion of [0, 1_000_000]) {
    await using it = await tracing(perMillion);
    assert.equal((await it.server.get(configMaps, { as: jane, headers: sampled })).code, 403);
    assert.equal(it.spans.length, perMillion === 0 ? 0 : 1);
    for (const span of it.spans) {
      assert.notEqual(span.traceId, traceId);
      assert.equal(span.parentSpanId, undefined);
      assert.deepEqual(span.links, [{ traceId, spanId: parentId }]);
    }
    it.spans.length = 0;
    assert.equal((await it.server.get(configMaps, { as: null, headers: sampled })).code, 401);
    assert.equal(it.spans.length, 0);
  }
});

Deno.test("each request of a batch is a span of the caller's trace", async () => {
  await using it = await tracing(0);
  const create = (name: string) => ({
    method: "POST",
    path: configMaps,
    contentType: "application/json",
    accept: "application/json",
    body: utf8(JSON.stringify({ metadata: { name } })),
  });
  const { status } = await it.server.raw("POST", "/apis/sauropod.dev/v1/batch", {
    headers: { "content-type": batchType, ...sampled },
    body: encodeBatchRequests([create("a"), create("b")]),
  });
  assert.equal(status, 200);
  const posts = it.spans.filter(({ name }) => name.startsWith("POST"));
  assert.deepEqual(posts.map(({ traceId: id, parentSpanId }) => [id, parentSpanId]), [
    [traceId, parentId],
    [traceId, parentId],
  ]);
});

Deno.test("a webhook hears which trace it is asked for, and of none for a request that is not traced", async () => {
  const heard: (string | undefined)[] = [];
  const postHttps: PostHttps = ({ body, traceparent }) => {
    heard.push(traceparent);
    const { apiVersion, kind, request }: Loose = JSON.parse(body);
    return Promise.resolve(Response.json({ apiVersion, kind, response: { uid: request.uid, allowed: true } }));
  };
  await using it = await tracing(0, { postHttps });
  const webhooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
  const made = await it.server.post(webhooks, {
    metadata: { name: "w" },
    webhooks: [{
      name: "w.example.com",
      clientConfig: { url: "https://example.com/" },
      rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["configmaps"] }],
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
    }],
  });
  assert.equal(made.code, 201);
  let name = 0;
  const post = (headers: Record<string, string>) =>
    it.server.post(configMaps, { metadata: { name: `c${name++}` } }, { headers });
  await until(() => post({}), () => heard.length > 0);
  await post(sampled);
  const http = it.spans.findLast(({ name }) => name.startsWith("POST"));
  assert.deepEqual(heard, [undefined, `00-${traceId}-${http?.spanId}-01`]);
});
