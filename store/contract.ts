import assert from "node:assert/strict";
import { fromUtf8, prefixEnd, utf8 } from "../base/bytes.ts";
import {
  type Operation,
  type RangeRequest,
  type Store,
  StoreError,
  type StoreErrorCode,
  type StoreEvent,
  type TxnRequest,
  type WatchRequest,
} from "./types.ts";

/**
 * What every store must do, whatever it is made of: in memory, a member behind frames, a real etcd, our gateway behind
 * etcd's API. Each test works under a prefix of its own, in real time, on a store that others may use as well.
 */
export interface StoreUnderTest {
  readonly store: Store;
  readonly close: () => Promise<void>;
}

/** @param open a fresh client; called once, by the first test @param ignore why all are skipped, or null */
export function storeContract(name: string, open: () => Promise<StoreUnderTest>, ignore: string | null = null): void {
  Deno.test({
    name: `store contract: ${name}${ignore === null ? "" : ` (skipped: ${ignore})`}`,
    ignore: ignore !== null,
    async fn(t) {
      const { store, close } = await open();
      try {
        for (const [sentence, test] of Object.entries(tests)) {
          await t.step(sentence, () => test(new Scene(store, `/${name}/${sentence.length}-${++count}/`)));
        }
      } finally {
        await close();
      }
    },
  });
}

let count = 0;
const patienceMs = 15_000;

/** A store seen from one prefix. */
class Scene {
  readonly store: Store;
  readonly prefix: string;
  readonly all: { key: Uint8Array; rangeEnd: Uint8Array };

  constructor(store: Store, prefix: string) {
    this.store = store;
    this.prefix = prefix;
    this.all = { key: utf8(prefix), rangeEnd: prefixEnd(utf8(prefix)) };
  }

  key(name: string): Uint8Array {
    return utf8(this.prefix + name);
  }

  put(name: string, value = "v", more: Partial<Operation & { kind: "put" }> = {}): Operation & { kind: "put" } {
    return { kind: "put", key: this.key(name), value: utf8(value), ...more };
  }

  run(success: readonly Operation[], more: Partial<TxnRequest> = {}) {
    return this.store.txn({ compare: [], success, failure: [], ...more });
  }

  async names(request: Partial<RangeRequest> = {}): Promise<string> {
    const { kvs } = await this.store.range({ ...this.all, ...request });
    return kvs.map((kv) => fromUtf8(kv.key).slice(this.prefix.length)).join();
  }

  /** Collects what a watch says until it is told to stop. */
  watch(request: Partial<WatchRequest> = {}) {
    const events: StoreEvent[] = [];
    const calls: number[] = [];
    const progress: number[] = [];
    let created: number | null = null;
    let closed: StoreError | null | undefined;
    let wake = () => {};
    const watch = this.store.watch({ ...this.all, ...request }, {
      onCreated: (revision) => (created = revision, wake()),
      onEvents: (batch, revision) => (events.push(...batch), calls.push(revision), wake()),
      onProgress: (revision) => (progress.push(revision), wake()),
      onClose: (error) => (closed = error, wake()),
    });
    const state = { events, calls, progress, created: () => created, closed: () => closed, ...watch };
    const until = async (condition: () => boolean): Promise<void> => {
      const timeout = Promise.withResolvers<never>();
      const timer = setTimeout(
        () =>
          timeout.reject(
            new Error(
              `waited ${patienceMs} ms: ${JSON.stringify({ created, calls, progress, closed: String(closed) })}`,
            ),
          ),
        patienceMs,
      );
      try {
        while (!condition()) await Promise.race([new Promise<void>((resolve) => wake = resolve), timeout.promise]);
      } finally {
        clearTimeout(timer);
      }
    };
    return { ...state, until, cancel: () => watch.cancel(), requestProgress: () => watch.requestProgress() };
  }
}

async function refused(call: Promise<unknown>, code: StoreErrorCode): Promise<StoreError> {
  const error = await call.then(() => null, (reason) => reason);
  assert.ok(error instanceof StoreError, `expected ${code}, got ${String(error)}`);
  assert.equal(error.code, code);
  return error;
}

const tests: Record<string, (scene: Scene) => Promise<void>> = {
  "a put is read back, with revisions, version and count": async (scene) => {
    const first = await scene.run([scene.put("a", "1")]);
    const second = await scene.run([scene.put("a", "2", { prevKv: true })]);
    assert.ok(second.revision > first.revision);
    const [answer] = second.responses;
    assert.equal(answer?.kind === "put" && fromUtf8(answer.prevKv?.value ?? utf8("")), "1");
    const { kvs: [kv], count, revision } = await scene.store.range({ key: scene.key("a") });
    assert.deepEqual([kv?.createRevision, kv?.modRevision, kv?.version, count], [
      first.revision,
      second.revision,
      2,
      1,
    ]);
    assert.ok(revision >= second.revision);
    assert.equal(kv?.lease, 0n);
  },
  "a range has a limit, more, an order, bounds and the past": async (scene) => {
    const { revision } = await scene.run([scene.put("c")]);
    await scene.run([scene.put("a")]);
    const last = await scene.run([scene.put("b")]);
    const page = await scene.store.range({ ...scene.all, limit: 2 });
    assert.deepEqual([page.kvs.length, page.more, page.count], [2, true, 3]);
    assert.equal(await scene.names(), "a,b,c");
    assert.equal(await scene.names({ sort: { by: "mod", order: "descend" } }), "b,a,c");
    assert.equal(await scene.names({ sort: { by: "create", order: "ascend" }, limit: 1 }), "c");
    assert.equal(await scene.names({ minModRevision: last.revision }), "b");
    assert.equal(await scene.names({ maxCreateRevision: revision }), "c");
    assert.equal(await scene.names({ revision }), "c");
    assert.equal(await scene.names({ serializable: true, revision: last.revision }), "a,b,c");
    const counted = await scene.store.range({ ...scene.all, countOnly: true });
    assert.deepEqual([counted.kvs.length, counted.count], [0, 3]);
    const bare = await scene.store.range({ ...scene.all, keysOnly: true });
    assert.ok(bare.kvs.length === 3 && bare.kvs.every((kv) => kv.value.length === 0));
  },
  "a transaction compares, then does one branch as one revision": async (scene) => {
    const create: TxnRequest = {
      compare: [{ key: scene.key("a"), op: "=", target: "mod", value: 0 }],
      success: [scene.put("a", "1"), scene.put("b", "2")],
      failure: [{ kind: "range", request: { key: scene.key("a") } }],
    };
    const made = await scene.store.txn(create);
    assert.equal(made.succeeded, true);
    const again = await scene.store.txn(create);
    const [answer] = again.responses;
    assert.equal(again.succeeded, false);
    assert.equal(answer?.kind === "range" && fromUtf8(answer.response.kvs[0]?.value ?? utf8("")), "1");
    const { kvs } = await scene.store.range(scene.all);
    assert.deepEqual(kvs.map((kv) => kv.modRevision), [made.revision, made.revision]);
    const compare: TxnRequest["compare"] = [
      { key: scene.key("a"), op: "=", target: "value", value: utf8("1") },
      { key: scene.key("a"), op: "!=", target: "version", value: 7 },
      { key: scene.key("a"), op: "<", target: "create", value: made.revision + 1 },
      { key: scene.key("a"), op: "=", target: "lease", value: 0n },
      { ...scene.all, op: ">", target: "mod", value: 0 },
    ];
    assert.equal((await scene.run([], { compare })).succeeded, true);
  },
  "a nested transaction sees what the outer one wrote": async (scene) => {
    const { responses } = await scene.run([
      scene.put("a", "1"),
      {
        kind: "txn",
        request: { compare: [], success: [{ kind: "range", request: scene.all }, scene.put("b")], failure: [] },
      },
    ]);
    const nested = responses[1]?.kind === "txn" ? responses[1].response : assert.fail("no nested answer");
    const read = nested.responses[0]?.kind === "range" ? nested.responses[0].response : assert.fail("no read");
    assert.deepEqual([nested.succeeded, read.kvs.length, nested.responses[1]?.kind], [true, 1, "put"]);
  },
  "a delete says how many and what": async (scene) => {
    await scene.run([scene.put("a"), scene.put("b")]);
    const { responses: [answer] } = await scene.run([{ kind: "delete", ...scene.all, prevKv: true }]);
    assert.deepEqual(answer?.kind === "delete" && [answer.deleted, answer.prevKvs.length], [2, 2]);
    assert.equal(await scene.names(), "");
    const { responses: [none] } = await scene.run([{ kind: "delete", key: scene.key("a") }]);
    assert.equal(none?.kind === "delete" && none.deleted, 0);
  },
  "what cannot be done is refused with its code": async (scene) => {
    const { revision } = await scene.run([scene.put("a")]);
    await refused(scene.store.range({ key: new Uint8Array(0) }), "InvalidArgument");
    await refused(scene.store.range({ ...scene.all, revision: revision + 100_000 }), "FutureRevision");
    await refused(scene.run([scene.put("x"), scene.put("x")]), "DuplicateKey");
    await refused(scene.run(Array.from({ length: 129 }, (_, i) => scene.put(String(i)))), "TooManyOperations");
    await refused(scene.run([scene.put("none", "", { ignoreValue: true })]), "KeyNotFound");
    await refused(scene.run([scene.put("a", "v", { lease: 12345n })]), "LeaseNotFound");
    await refused(scene.run([scene.put("a", "x".repeat(1_700_000))]), "TooLarge");
    await refused(scene.store.compact(revision + 100_000), "FutureRevision");
    await refused(scene.store.leaseRevoke(12345n), "LeaseNotFound");
    await refused(scene.store.leaseKeepAlive(12345n), "LeaseNotFound");
  },
  "a watch delivers from a past revision on, each revision's events together, with the pairs before": async (scene) => {
    const first = await scene.run([scene.put("a", "1")]);
    await scene.run([scene.put("a", "2"), scene.put("b")]);
    const watch = scene.watch({ startRevision: first.revision, prevKv: true });
    await watch.until(() => watch.events.length >= 3);
    const last = await scene.run([{ kind: "delete", ...scene.all }]);
    await watch.until(() => watch.events.length >= 5);
    assert.ok(watch.created() !== null);
    const seen = watch.events.map((event) =>
      `${event.type} ${fromUtf8(event.kv.key).slice(scene.prefix.length)} ${fromUtf8(event.prevKv?.value ?? utf8("-"))}`
    );
    assert.deepEqual(seen, ["put a -", "put a 1", "put b -", "delete a 2", "delete b v"]);
    assert.equal(watch.calls.at(-1), last.revision);
    assert.ok(watch.calls.every((revision, i) => i === 0 || revision > (watch.calls[i - 1] as number)));
    watch.cancel();
  },
  "a watch without a start sees what comes after it was created": async (scene) => {
    await scene.run([scene.put("before")]);
    const watch = scene.watch();
    await watch.until(() => watch.created() !== null);
    await scene.run([scene.put("after")]);
    await watch.until(() => watch.events.length > 0);
    assert.equal(fromUtf8(watch.events[0]?.kv.key ?? utf8("")), `${scene.prefix}after`);
    watch.cancel();
  },
  "a watch leaves out puts or deletes, whether it catches up or is up to date": async (scene) => {
    const { revision } = await scene.run([scene.put("a"), scene.put("b")]);
    await scene.run([{ kind: "delete", key: scene.key("a") }]);
    const [puts, deletes, neither] = [
      scene.watch({ startRevision: revision, noDelete: true }),
      scene.watch({ startRevision: revision, noPut: true, prevKv: true }),
      scene.watch({ startRevision: revision, noPut: true, noDelete: true }),
    ];
    await puts.until(() => puts.events.length >= 2);
    await deletes.until(() => deletes.events.length >= 1);
    await neither.until(() => neither.created() !== null);
    await scene.run([{ kind: "delete", key: scene.key("b") }]);
    await scene.run([scene.put("c")]);
    const last = await scene.run([{ kind: "delete", key: scene.key("c") }, scene.put("d")]);
    await puts.until(() => puts.calls.at(-1) === last.revision);
    await deletes.until(() => deletes.calls.at(-1) === last.revision);
    const told = ({ events }: { readonly events: readonly StoreEvent[] }) =>
      events.map(({ type, kv }) => `${type} ${fromUtf8(kv.key).slice(scene.prefix.length)}`).join();
    assert.equal(told(puts), "put a,put b,put c,put d");
    assert.equal(told(deletes), "delete a,delete b,delete c");
    assert.ok(deletes.events.every(({ prevKv }) => prevKv !== undefined));
    assert.equal(neither.events.length, 0);
    for (const watch of [puts, deletes, neither]) watch.cancel();
  },
  "a cancelled watch is silent; others on the same store go on": async (scene) => {
    const [one, two] = [scene.watch(), scene.watch()];
    await one.until(() => one.created() !== null);
    await two.until(() => two.created() !== null);
    one.cancel();
    await scene.run([scene.put("a")]);
    await two.until(() => two.events.length > 0);
    assert.equal(one.events.length, 0);
    assert.equal(one.closed(), undefined);
    two.cancel();
  },
  "a lease carries its keys, is renewed, told of, and takes its keys with it": async (scene) => {
    const { id, ttlSeconds } = await scene.store.leaseGrant(60);
    assert.equal(ttlSeconds, 60);
    await scene.run([scene.put("a", "v", { lease: id })]);
    assert.equal((await scene.store.range({ key: scene.key("a") })).kvs[0]?.lease, id);
    assert.equal(await scene.store.leaseKeepAlive(id), 60);
    const told = await scene.store.leaseTimeToLive(id, { keys: true });
    assert.deepEqual([told.grantedTtlSeconds, told.keys.map(fromUtf8)], [60, [`${scene.prefix}a`]]);
    assert.ok(told.ttlSeconds > 50 && told.ttlSeconds <= 60);
    assert.ok((await scene.store.leases()).includes(id));
    await refused(scene.store.leaseGrant(60, id), "LeaseExists");
    await scene.store.leaseRevoke(id);
    assert.equal(await scene.names(), "");
    assert.equal((await scene.store.leaseTimeToLive(id)).ttlSeconds, -1);
  },
  "status, hash and members tell of the cluster": async (scene) => {
    const { revision } = await scene.run([scene.put("a")]);
    const status = await scene.store.status();
    assert.ok(status.leaderId !== "" && status.term >= 1 && status.databaseBytes > 0);
    assert.ok(status.appliedIndex > 0 && status.commitIndex > 0);
    const hash = await scene.store.hashKv(revision);
    assert.ok(Number.isSafeInteger(hash.hash) && hash.hash > 0);
    assert.equal(hash.hashRevision, revision);
    const members = await scene.store.membership.list();
    assert.ok(members.length >= 1 && members.some((member) => member.id === status.leaderId));
    assert.deepEqual(await scene.store.alarm({ action: "list" }), []);
  },
  "a defragmentation answers, and what is kept is there as before": async (scene) => {
    for (let i = 0; i < 5; i++) await scene.run([scene.put("a")]);
    await scene.store.compact((await scene.run([scene.put("b")])).revision);
    const { revision } = await scene.run([scene.put("b")]);
    const before = await scene.store.hashKv(revision);
    await scene.store.defragment();
    const { allocatedBytes, databaseBytes } = await scene.store.status();
    assert.ok(databaseBytes > 0 && allocatedBytes >= databaseBytes, `${databaseBytes} of ${allocatedBytes}`);
    assert.equal((await scene.store.hashKv(revision)).hash, before.hash);
  },
  "a progress request is answered behind everything before it, or not at all": async (scene) => {
    const watch = scene.watch();
    await watch.until(() => watch.created() !== null);
    const { revision } = await scene.run([scene.put("a")]);
    watch.requestProgress();
    await watch.until(() => watch.events.length === 1);
    assert.ok(watch.progress.every((each) => each >= revision), String(watch.progress));
    watch.cancel();
  },
  // Last: it forgets the history that the others were written in.
  "what was compacted is refused, and a watch from there ends with the oldest revision kept": async (scene) => {
    const first = await scene.run([scene.put("a", "1")]);
    const second = await scene.run([scene.put("a", "2")]);
    await scene.store.compact(second.revision);
    await refused(scene.store.range({ ...scene.all, revision: first.revision }), "Compacted");
    await refused(scene.store.compact(second.revision), "Compacted");
    assert.equal(await scene.names({ revision: second.revision }), "a");
    const watch = scene.watch({ startRevision: first.revision });
    await watch.until(() => watch.closed() !== undefined);
    const error = watch.closed();
    assert.deepEqual([error?.code, error?.compactRevision], ["Compacted", second.revision]);
  },
};
