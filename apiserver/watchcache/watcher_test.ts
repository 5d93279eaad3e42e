import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { configMaps } from "../../api/resources.ts";
import { limits } from "../limits.ts";
import { type CachedObject, cachedObject, storedResource } from "./cached.ts";
import { Change, encodeJsonFrame } from "./change.ts";
import { VirtualTime } from "../testing.ts";
import { FlushPacer } from "./pacer.ts";
import { Watcher, type WatcherOptions } from "./watcher.ts";

const resource = storedResource(configMaps, "/registry/configmaps/", () => ({}));

function object(name: string, revision: number, bytes = 0): CachedObject {
  const stored = utf8(JSON.stringify({
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: { name, namespace: "ns" },
    data: { k: "x".repeat(bytes) },
  }));
  return cachedObject(resource, `/registry/configmaps/ns/${name}`, stored, revision);
}

function watcher(more: Partial<WatcherOptions> = {}): { watcher: Watcher; ended: string[] } {
  const ended: string[] = [];
  const made = new Watcher({
    pacer: new FlushPacer(new VirtualTime(), 0),
    trigger: null,
    matches: () => true,
    encode: encodeJsonFrame,
    sharedAs: "json",
    initial: [],
    afterInitial: null,
    after: 0,
    bookmark: null,
    onEnd: (reason) => ended.push(reason),
    ...more,
  });
  return { watcher: made, ended };
}

Deno.test("a watcher whose client does not read is ended at its bound, and the rest is not kept", () => {
  const { watcher: stalled, ended } = watcher();
  let offered = 0;
  while (ended.length === 0) {
    offered++;
    stalled.offer(new Change(resource, offered, object("a", offered, 100_000), null));
  }
  assert.deepEqual(ended, ["stalled"]);
  assert.ok(offered * 100_000 > limits.watcherPendingBytes && offered < 100);
  stalled.offer(new Change(resource, 1000, object("a", 1000), null));
});

Deno.test("frames are encoded once for all watchers of an encoding", () => {
  let encoded = 0;
  const encode = (...given: Parameters<typeof encodeJsonFrame>) => {
    encoded++;
    return encodeJsonFrame(...given);
  };
  const change = new Change(resource, 1, object("a", 1), null);
  for (let i = 0; i < 100; i++) watcher({ encode }).watcher.offer(change);
  assert.equal(encoded, 1);
  watcher({ encode, sharedAs: undefined }).watcher.offer(change);
  assert.equal(encoded, 2);
});

Deno.test("initial objects come in bounded chunks, before changes that happened meanwhile", async () => {
  const initial = Array.from({ length: 10 }, (_, i) => object(`n${i}`, 1, 100_000));
  const { watcher: made, ended } = watcher({ initial, after: 1 });
  made.offer(new Change(resource, 2, object("late", 2), null));
  made.end();
  const sizes: number[] = [];
  let text = "";
  for await (const chunk of made.body) {
    sizes.push(chunk.length);
    text += new TextDecoder().decode(chunk);
  }
  assert.ok(sizes.length >= 3 && sizes.every((size) => size < 2 * limits.chunkBytes), sizes.join());
  const names = text.trimEnd().split("\n").map((line) => JSON.parse(line).object.metadata.name);
  assert.deepEqual(names, [...initial.map((it) => it.name), "late"]);
  assert.deepEqual(ended, ["server"]);
});

Deno.test("changes that the client knows already are not repeated", async () => {
  const { watcher: made } = watcher({ after: 5 });
  made.offer(new Change(resource, 5, object("old", 5), null));
  made.offer(new Change(resource, 6, object("new", 6), null));
  made.end();
  const text = await new Response(made.body).text();
  assert.equal(text.trimEnd().split("\n").length, 1);
  assert.match(text, /"name":"new"/);
});

Deno.test("watchers that write the same frames share one chunk, and others get their own", async () => {
  const pacer = new FlushPacer(new VirtualTime(), 2);
  const made = Array.from({ length: 3 }, (_, i) => watcher({ pacer, after: i === 2 ? 1 : 0 }).watcher);
  const readers = made.map(({ body }) => body.getReader());
  const reads = readers.map((reader) => reader.read());
  for (const revision of [1, 2, 3]) {
    const change = new Change(resource, revision, object(`n${revision}`, revision), null);
    for (const each of made) each.offer(change);
  }
  const [a, b, c] = (await Promise.all(reads)).map(({ value }) => value);
  assert.ok(a !== undefined && a === b, "the same bytes");
  const names = (bytes: Uint8Array | undefined) => [...new TextDecoder().decode(bytes).matchAll(/"name":"(n\d)"/g)];
  assert.deepEqual(names(a).map(([, name]) => name), ["n1", "n2", "n3"]);
  assert.deepEqual(names(c).map(([, name]) => name), ["n2", "n3"]);
  for (const each of made) each.end();
  for (const reader of readers) await reader.cancel();
  pacer.stop();
});
