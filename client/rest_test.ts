import assert from "node:assert/strict";
import { encode } from "@msgpack/msgpack";
import { concatBytes, utf8 } from "../base/bytes.ts";
import type { KubeObject } from "../api/meta.ts";
import { configMaps, pods } from "../api/resources.ts";
import { ApiError } from "./errors.ts";
import { createRestClient } from "./rest.ts";
import type { Transport, WatchChange } from "./types.ts";

interface Seen {
  path: string;
  method: string;
  headers: Record<string, string>;
  body: string;
}

function setUp(answer: () => Response, encoding: "json" | "msgpack" = "json") {
  const seen: Seen[] = [];
  const transport: Transport = (path, init) => {
    seen.push({ path, method: init.method, headers: init.headers, body: new TextDecoder().decode(init.body) });
    return Promise.resolve(answer());
  };
  return { seen, client: createRestClient(transport, { encoding, userAgent: "test" }) };
}

function streamOf(chunks: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}

/** Cut at every `size` bytes, so that messages straddle chunks. */
function cut(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
}

async function collect<T>(changes: AsyncIterable<WatchChange<T>>): Promise<WatchChange<T>[]> {
  const all: WatchChange<T>[] = [];
  for await (const change of changes) all.push(change);
  return all;
}

Deno.test("createRestClient() builds paths, queries and bodies as the API wants them", async () => {
  const { client, seen } = setUp(() => new Response('{"items":[]}'));
  await client.create(configMaps, { metadata: { name: "c", namespace: "n" } });
  await client.list(pods, { fieldSelector: "spec.nodeName=w1", resourceVersion: "0" });
  await client.update(pods, { metadata: { name: "p", namespace: "n" } }, "status");
  await client.patch(pods, { name: "p", namespace: "n" }, "strategic", { metadata: {} });
  await client.delete(pods, "p", "n", { gracePeriodSeconds: 0, preconditions: { uid: "u" } });
  await client.bind("n", "p", "u", "w1");
  assert.deepEqual(seen.map(({ method, path }) => `${method} ${path}`), [
    "POST /api/v1/namespaces/n/configmaps",
    "GET /api/v1/pods?fieldSelector=spec.nodeName%3Dw1&resourceVersion=0",
    "PUT /api/v1/namespaces/n/pods/p/status",
    "PATCH /api/v1/namespaces/n/pods/p",
    "DELETE /api/v1/namespaces/n/pods/p",
    "POST /api/v1/namespaces/n/pods/p/binding",
  ]);
  assert.deepEqual(JSON.parse(seen[0]?.body ?? ""), {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "c", namespace: "n" },
  });
  assert.equal(seen[3]?.headers["content-type"], "application/strategic-merge-patch+json");
  assert.deepEqual(JSON.parse(seen[4]?.body ?? ""), {
    apiVersion: "v1",
    kind: "DeleteOptions",
    gracePeriodSeconds: 0,
    preconditions: { uid: "u" },
  });
});

Deno.test("createRestClient() rejects with ApiError carrying the Status and Retry-After", async () => {
  const status = { kind: "Status", status: "Failure", reason: "Conflict", code: 409, message: "modified" };
  const { client } = setUp(() => Response.json(status, { status: 409, headers: { "retry-after": "3" } }));
  await assert.rejects(client.get(pods, "p", "n"), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual(
      [error.code, error.reason, error.message, error.retryAfterSeconds],
      [409, "Conflict", "modified", 3],
    );
    return true;
  });
});

Deno.test("watch() yields one change a JSON line, however the bytes are cut", async () => {
  const text = ["ADDED", "MODIFIED", "DELETED"].map((type, i) =>
    JSON.stringify({ type, object: { metadata: { name: `п${i}` } } }) + "\n"
  ).join("");
  for (const size of [1, 7, 1000]) {
    const { client, seen } = setUp(() => new Response(streamOf(cut(utf8(text), size))));
    const changes = await collect(client.watch<KubeObject>(pods, { resourceVersion: "5", allowWatchBookmarks: true }));
    assert.deepEqual(changes.map((change) => change.type), ["ADDED", "MODIFIED", "DELETED"]);
    const last = changes[2];
    assert.equal(last?.type === "DELETED" ? last.object.metadata?.name : "", "п2");
    assert.equal(seen[0]?.path, "/api/v1/pods?watch=true&resourceVersion=5&allowWatchBookmarks=true");
  }
});

Deno.test("watch() yields one change a msgpack frame, however the bytes are cut", async () => {
  const frames = [1, 2, 3].map((i) => {
    const body = encode({ type: "ADDED", object: { metadata: { name: `p${i}` } } });
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint32(0, body.length);
    return concatBytes([head, body]);
  });
  for (const size of [1, 5, 1000]) {
    const headers = { "content-type": "application/vnd.msgpack;stream=watch" };
    const { client } = setUp(() => new Response(streamOf(cut(concatBytes(frames), size)), { headers }), "msgpack");
    const changes = await collect(client.watch<KubeObject>(pods, {}));
    assert.deepEqual(
      changes.map((change) => change.type === "ADDED" ? change.object.metadata?.name : change.type),
      ["p1", "p2", "p3"],
    );
  }
});

Deno.test("watch() hands an ERROR change on, and rejects when the watch is refused with 410", async () => {
  const gone = { kind: "Status", code: 410, reason: "Expired", message: "too old" };
  const inside = setUp(() => new Response(JSON.stringify({ type: "ERROR", object: gone }) + "\n"));
  const changes = await collect(inside.client.watch<KubeObject>(pods, {}));
  assert.deepEqual(changes.map((change) => change.type === "ERROR" ? change.object.code : 0), [410]);
  const outside = setUp(() => Response.json(gone, { status: 410 }));
  await assert.rejects(
    collect(outside.client.watch<KubeObject>(pods, {})),
    (error) => error instanceof ApiError && error.code === 410,
  );
});

Deno.test("watch() ends without an error when its signal aborts, and cancels the body", async () => {
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(utf8('{"type":"ADDED","object":{}}\n')),
    cancel: () => void (cancelled = true),
  });
  const abort = new AbortController();
  const { client } = setUp(() => new Response(body));
  const seen: string[] = [];
  for await (const change of client.watch<KubeObject>(pods, { signal: abort.signal })) {
    seen.push(change.type);
    abort.abort();
  }
  assert.deepEqual(seen, ["ADDED"]);
  assert.equal(cancelled, true);
});

Deno.test("createRestClient({ encoding: msgpack }) sends and reads msgpack, and leaves patches JSON", async () => {
  const { client, seen } = setUp(
    () => new Response(encode({ metadata: { name: "x" } }), { headers: { "content-type": "application/vnd.msgpack" } }),
    "msgpack",
  );
  const created = await client.create<KubeObject>(configMaps, { metadata: { name: "x", namespace: "n" } });
  await client.patch(configMaps, { name: "x", namespace: "n" }, "merge", { data: {} });
  assert.equal(created.metadata?.name, "x");
  assert.equal(seen[0]?.headers["content-type"], "application/vnd.msgpack");
  assert.equal(seen[1]?.headers["content-type"], "application/merge-patch+json");
  assert.equal(seen[1]?.body, '{"data":{}}');
});
