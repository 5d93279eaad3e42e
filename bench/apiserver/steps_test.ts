import assert from "node:assert/strict";
import { admin, start } from "../../apiserver/testing.ts";
import type { Transport } from "../../client/mod.ts";
import { cachedObjectOverhead } from "./memory.ts";
import { idleWatchBytes } from "./watch_memory.ts";
import { type ApiTarget, createPods, fanOut, listPods } from "./steps.ts";

Deno.test("the steps of bench apiserver create, list and deliver what they count", async () => {
  await using server = await start();
  const account = { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "default" } };
  assert.equal((await server.post("/api/v1/namespaces/default/serviceaccounts", account)).code, 201);
  const transport: Transport = (path, { method, headers, body }) =>
    server.raw(method, path, { as: admin, headers, ...(body === undefined ? {} : { body }) });
  const target: ApiTarget = { transports: [transport], cpu: () => Promise.resolve({ all: 0, first: 0 }) };
  const created = await createPods(target, { count: 20, clients: 4, prefix: "pod" });
  assert.equal(created.samplesMs.length, 20);
  const { body } = await server.get("/api/v1/namespaces/default/pods");
  assert.equal(body.items.length, 20);
  for (const item of body.items) {
    const { length } = JSON.stringify(item);
    assert.ok(length > 1_800 && length < 2_600, `a pod has ${length} bytes`);
  }
  const listed = await listPods(target, 2);
  assert.equal(listed.samplesMs.length, 2);
  assert.ok((listed.figures["megabytes"] ?? 0) > 20 * 1_800 / 1e6);
  let opened = 0;
  const fanned = await fanOut(target, { watchers: 10, events: 6, clients: 3, opened: async () => void opened++ });
  assert.equal(opened, 1);
  assert.ok((fanned.figures["perSecond"] ?? 0) > 0);
  assert.ok((fanned.figures["eventsPerChunk"] ?? 0) >= 1);
});

Deno.test("idleWatchBytes() opens real watches, which hold a few kilobytes each", async () => {
  const bytes = await idleWatchBytes(300);
  assert.ok(bytes > 500 && bytes < 16 * 1_024, `${bytes}`);
});

Deno.test("cachedObjectOverhead() counts what a cache holds, the bytes among it", async () => {
  const { factor, bytesPerObject } = await cachedObjectOverhead(500);
  assert.ok(factor > 1 && factor < 4, `${factor}`);
  assert.ok(bytesPerObject > 1_400);
});
