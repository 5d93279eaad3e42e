import assert from "node:assert/strict";
import type { KubeObject } from "../api/meta.ts";
import { configMaps } from "../api/resources.ts";
import { createInformer } from "./informer.ts";
import { createFakeApi, createTestRandom, createVirtualTime, settle, silentLog } from "./testing.ts";
import type { InformerOptions } from "./types.ts";

interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

function setUp(options: InformerOptions<ConfigMap> = {}) {
  const time = createVirtualTime();
  const api = createFakeApi({ clock: time.clock });
  const deps = { clock: time.clock, timers: time.timers, random: createTestRandom(1), log: silentLog };
  const informer = createInformer<ConfigMap>(api.client, configMaps, options, deps);
  const seen: string[] = [];
  const name = (object: Readonly<ConfigMap>) => `${object.metadata?.name}=${object.data?.["v"] ?? ""}`;
  informer.subscribe({
    added: (object) => seen.push(`+${name(object)}`),
    updated: (_, object) => seen.push(`~${name(object)}`),
    deleted: (object) => seen.push(`-${name(object)}`),
  });
  const put = (name: string, v: string) =>
    api.client.create<ConfigMap>(configMaps, { metadata: { name, namespace: "d" }, data: { v } });
  const set = (name: string, v: string) =>
    api.client.patch<ConfigMap>(configMaps, { name, namespace: "d" }, "merge", { data: { v } });
  return { time, api, informer, seen, put, set };
}

Deno.test("createInformer() lists, then watches, and calls handlers in order", async () => {
  const { informer, seen, put, set, api } = setUp();
  await put("a", "1");
  informer.start();
  await informer.synced;
  await set("a", "2");
  await put("b", "1");
  await api.client.delete(configMaps, "a", "d");
  await settle();
  assert.deepEqual(seen, ["+a=1", "~a=2", "+b=1", "-a=2"]);
  assert.deepEqual(informer.list().map((object) => object.metadata?.name), ["b"]);
  assert.equal(informer.get("d/b")?.data?.["v"], "1");
  informer.stop();
});

Deno.test("createInformer() resumes a broken watch at its last resourceVersion without a second list", async () => {
  const { informer, seen, put, api, time } = setUp();
  await put("a", "1");
  informer.start();
  await informer.synced;
  await settle();
  api.disconnect();
  await settle();
  await put("b", "1");
  await time.advance(500);
  assert.deepEqual(seen, ["+a=1", "+b=1"]);
  assert.equal(api.calls.filter((call) => call === "list configmaps").length, 1);
  assert.deepEqual(api.calls.filter((call) => call.startsWith("watch")), ["watch configmaps 2", "watch configmaps 2"]);
  informer.stop();
});

Deno.test("createInformer() lists again after 410 and reports deletions that it missed", async () => {
  const { informer, seen, put, set, api, time } = setUp();
  await put("a", "1");
  await put("b", "1");
  await put("c", "1");
  informer.start();
  await informer.synced;
  await settle();
  api.disconnect();
  await api.client.delete(configMaps, "a", "d");
  await set("b", "2");
  api.compact();
  await time.advance(500);
  assert.deepEqual(seen.slice(3), ["-a=1", "~b=2"]);
  informer.stop();
});

Deno.test("createInformer() reports an object of another uid under the same name as deleted and added", async () => {
  const { informer, seen, put, api, time } = setUp();
  await put("a", "1");
  informer.start();
  await informer.synced;
  await settle();
  api.disconnect();
  await api.client.delete(configMaps, "a", "d");
  await put("a", "9");
  api.compact();
  await time.advance(500);
  assert.deepEqual(seen, ["+a=1", "-a=1", "+a=9"]);
  informer.stop();
});

Deno.test("createInformer() moves its resourceVersion on at a bookmark", async () => {
  const { informer, put, api } = setUp();
  await put("a", "1");
  informer.start();
  await informer.synced;
  await settle();
  await api.client.create(
    { ...configMaps, resource: "secrets", type: "other" },
    { metadata: { name: "s", namespace: "d" } },
  );
  assert.equal(informer.resourceVersion, "2");
  api.bookmark();
  await settle();
  assert.equal(informer.resourceVersion, "3");
  informer.stop();
});

Deno.test("createInformer().pace() opens the watch again where it was, and caughtUp() waits for what had happened", async () => {
  const { informer, seen, put, api } = setUp({ gatherMs: 250 });
  await put("a", "1");
  informer.start();
  await informer.synced;
  await settle();
  const other = { ...configMaps, resource: "secrets", type: "other" };
  await api.client.create(other, { metadata: { name: "s", namespace: "d" } });
  assert.equal(informer.resourceVersion, "2");
  informer.pace(250);
  await settle();
  assert.deepEqual(api.calls.filter((call) => call.startsWith("watch")), ["watch configmaps 2"], "the same pace");
  let caughtUp = false;
  informer.pace(0);
  void informer.caughtUp().then(() => caughtUp = true);
  await put("b", "1");
  await settle();
  assert.equal(caughtUp, true);
  assert.deepEqual(api.calls.filter((call) => call.startsWith("watch")), ["watch configmaps 2", "watch configmaps 2"]);
  assert.deepEqual(seen, ["+a=1", "+b=1"]);
  assert.equal(informer.resourceVersion, "4");
  informer.stop();
});

Deno.test("createInformer().caughtUp() ends after a while where the server sends no bookmark, and with stop()", async () => {
  const { informer, put, api, time } = setUp();
  await put("a", "1");
  informer.start();
  await informer.synced;
  await settle();
  const other = { ...configMaps, resource: "secrets", type: "other" };
  await api.client.create(other, { metadata: { name: "s", namespace: "d" } });
  const ended: string[] = [];
  void informer.caughtUp().then(() => ended.push("first"));
  await settle();
  assert.equal(ended.length, 0);
  await time.advance(500);
  assert.equal(ended.join(), "first");
  void informer.caughtUp().then(() => ended.push("second"));
  await settle();
  informer.stop();
  await settle();
  assert.equal(ended.join(), "first,second");
});

Deno.test("createInformer() waits longer after each failure, up to the maximum", async () => {
  const { informer, api, time } = setUp();
  api.intercept = (verb) => verb === "list" ? new Error("refused") : null;
  informer.start();
  await time.advance(60_000);
  const early = api.calls.length;
  await time.advance(60_000);
  const late = api.calls.length - early;
  assert.ok(early > late, `${early} lists in the first minute, ${late} in the second`);
  assert.ok(late >= 4 && late <= 13, `${late} lists in a minute at 10 s +- 50 %`);
  informer.stop();
});

Deno.test("createInformer() replays known objects to a late subscriber, indexes and transforms", async () => {
  const { informer, put, set } = setUp({
    indexers: { v: (object) => [object.data?.["v"] ?? ""] },
    transform: (object) => ({ ...object, data: { v: (object.data?.["v"] ?? "").toUpperCase() } }),
  });
  await put("a", "x");
  await put("b", "y");
  informer.start();
  await informer.synced;
  await settle();
  await set("b", "x");
  await settle();
  const late: string[] = [];
  informer.subscribe({ added: (object) => late.push(object.metadata?.name ?? "") });
  assert.deepEqual(late, ["a", "b"]);
  assert.deepEqual(informer.byIndex("v", "X").map((object) => object.metadata?.name), ["a", "b"]);
  assert.deepEqual(informer.byIndex("v", "Y"), []);
  informer.stop();
});
