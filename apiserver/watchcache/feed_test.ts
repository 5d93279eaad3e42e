import assert from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { configMaps } from "../../api/resources.ts";
import {
  createLocalStore,
  type LocalStore,
  type Store,
  StoreError,
  type Watch,
  type WatchRequest,
  type WatchSink,
} from "../../store/mod.ts";
import { limits } from "../limits.ts";
import { quiet, testRandom, VirtualTime } from "../testing.ts";
import { storedResource } from "./cached.ts";
import type { Change } from "./change.ts";
import { StoreFeed } from "./feed.ts";
import { ResourceCache } from "./resource_cache.ts";

const resource = storedResource(configMaps, "/registry/configmaps/", () => ({}));

/** A store whose watches can be cut, as a dying member cuts them. */
class CuttableStore {
  readonly store: Store;
  readonly starts: number[] = [];
  #sinks: { sink: WatchSink; watch: Watch }[] = [];
  down = false;

  constructor(inner: LocalStore) {
    const watch = (request: WatchRequest, sink: WatchSink): Watch => {
      this.starts.push(request.startRevision ?? 0);
      if (this.down) {
        sink.onClose(new StoreError("Unavailable", "nobody there"));
        return { cancel() {}, requestProgress() {} };
      }
      const made = inner.watch(request, sink);
      this.#sinks.push({ sink, watch: made });
      return made;
    };
    this.store = new Proxy(inner, {
      get: (target, name) => {
        if (name === "watch") return watch;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  cut(error: StoreError): void {
    const sinks = this.#sinks;
    this.#sinks = [];
    for (const { sink, watch } of sinks) {
      watch.cancel();
      sink.onClose(error);
    }
  }
}

interface World extends Disposable {
  readonly time: VirtualTime;
  readonly inner: LocalStore;
  readonly cuttable: CuttableStore;
  readonly cache: ResourceCache;
  readonly feed: StoreFeed;
  readonly seen: string[];
  put(name: string): Promise<number>;
}

async function world(): Promise<World> {
  const time = new VirtualTime();
  const random = testRandom(1);
  const inner = createLocalStore({ clock: time, timers: time, random });
  const cuttable = new CuttableStore(inner);
  const cache = new ResourceCache(resource);
  const feed = new StoreFeed([cache], { store: cuttable.store, timers: time, random, log: quiet });
  const seen: string[] = [];
  const put = async (name: string) => {
    const value = utf8(`{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"${name}","namespace":"ns"}}`);
    const key = utf8(`/registry/configmaps/ns/${name}`);
    return (await inner.txn({ compare: [], success: [{ kind: "put", key, value }], failure: [] })).revision;
  };
  await put("before");
  await feed.start();
  cache.subscribe({
    trigger: null,
    offer: (change: Change) => void seen.push(`${change.object?.name ?? change.previous?.name}@${change.revision}`),
    bookmark() {},
    end: () => void seen.push("end"),
  });
  return {
    time,
    inner,
    cuttable,
    cache,
    feed,
    seen,
    put,
    [Symbol.dispose]: () => {
      feed.stop();
      inner.close();
    },
  };
}

Deno.test("StoreFeed resumes at the next revision when its watch is cut: no change is lost or repeated", async () => {
  using it = await world();
  const expected: string[] = [];
  for (let round = 0; round < 20; round++) {
    expected.push(`r${round}@${await it.put(`r${round}`)}`);
    it.cuttable.down = round % 2 === 0;
    it.cuttable.cut(new StoreError("Unavailable", "the member died"));
    expected.push(`s${round}@${await it.put(`s${round}`)}`);
    await it.time.advance(500);
    it.cuttable.down = false;
    await it.time.advance(5000);
  }
  assert.deepEqual(it.seen, expected);
  assert.equal(it.cache.size, 41);
  assert.equal(it.feed.synced, true);
});

Deno.test("StoreFeed pauses longer and longer, up to its bound, while no member answers", async () => {
  using it = await world();
  it.cuttable.down = true;
  it.cuttable.cut(new StoreError("Unavailable", "the member died"));
  assert.equal(it.feed.synced, false);
  await it.time.advance(60_000);
  const attempts = it.cuttable.starts.length;
  assert.ok(attempts > 60_000 / limits.rewatchMaxMs && attempts < 100, String(attempts));
});

Deno.test("StoreFeed loads anew and ends every watch when the store has compacted past it", async () => {
  using it = await world();
  it.cuttable.down = true;
  it.cuttable.cut(new StoreError("Unavailable", "the member died"));
  await it.put("a");
  await it.put("b");
  const last = await it.put("b");
  await it.inner.compact(last);
  it.cuttable.down = false;
  await it.time.advance(5000);
  assert.deepEqual(it.seen.filter((entry) => entry === "end"), ["end"]);
  assert.deepEqual(it.cache.list("").map((object) => object.name), ["a", "b", "before"]);
  assert.ok(it.feed.revision >= last);
});

Deno.test("StoreFeed.waitUntil() learns of revisions that bring no event, and gives up in time", async () => {
  using it = await world();
  const elsewhere = await it.inner.txn({
    compare: [],
    success: [{ kind: "put", key: utf8("/elsewhere"), value: utf8("x") }],
    failure: [],
  });
  const reached = it.feed.waitUntil(elsewhere.revision, 3000);
  await it.time.advance(200);
  assert.equal(await reached, true);
  const never = it.feed.waitUntil(elsewhere.revision + 100, 3000);
  await it.time.advance(3000);
  assert.equal(await never, false);
});

Deno.test("ResourceCache keeps a bounded ring and says when it does not reach back", async () => {
  using it = await world();
  const first = await it.put("x");
  for (let i = 0; i < limits.ringEvents + 10; i++) await it.put("x");
  assert.equal(it.cache.changesAfter(first), null);
  const recent = it.cache.changesAfter(it.feed.revision - 5);
  assert.equal(recent?.length, 5);
  assert.deepEqual(it.cache.changesAfter(it.feed.revision), []);
});
