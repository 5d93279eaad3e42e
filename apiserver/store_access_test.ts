import assert from "node:assert/strict";
import { utf8 } from "../base/bytes.ts";
import { createTracer, type OtlpSpan } from "../platform/tracing/mod.ts";
import { ApiError } from "../api/status.ts";
import { createLocalStore, type LocalStore, type Store, StoreError, type StoreErrorCode } from "../store/mod.ts";
import { StoreAccess } from "./store_access.ts";
import { testRandom, VirtualTime } from "./testing.ts";

type Fault = { readonly code: StoreErrorCode; readonly applied: boolean };

/** A store whose transactions fail as told, after or before they took effect. */
function faulty(inner: LocalStore, faults: Fault[]): Store {
  return new Proxy<Store>(inner, {
    get: (target, name) => {
      if (name === "txn") {
        return async (request: Parameters<Store["txn"]>[0]) => {
          const fault = faults.shift();
          if (fault === undefined) return await inner.txn(request);
          if (fault.applied) await inner.txn(request);
          throw new StoreError(fault.code, "fault");
        };
      }
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

interface World extends Disposable {
  readonly time: VirtualTime;
  readonly inner: LocalStore;
  readonly faults: Fault[];
  readonly access: StoreAccess;
}

function world(): World {
  const time = new VirtualTime();
  const random = testRandom(1);
  const inner = createLocalStore({ clock: time, timers: time, random });
  const faults: Fault[] = [];
  const access = new StoreAccess(faulty(inner, faults), { clock: time, timers: time, random });
  return { time, inner, faults, access, [Symbol.dispose]: () => inner.close() };
}

async function through<T>(time: VirtualTime, work: Promise<T>, ms = 2000): Promise<T> {
  work.catch(() => {});
  await time.advance(ms);
  return await work;
}

const key = utf8("/registry/x/a");

Deno.test("a write rides out elections: NoLeader, NotLeader and Overloaded are tried again", async () => {
  using it = world();
  it.faults.push(
    { code: "NoLeader", applied: false },
    { code: "NotLeader", applied: false },
    { code: "Overloaded", applied: false },
  );
  const outcome = await through(it.time, it.access.write({ key, expected: 0, value: utf8("1") }));
  assert.equal(outcome.kind, "written");
  assert.equal((await it.access.get(key))?.version, 1);
});

Deno.test("a create whose answer was lost happens once and is reported as done", async () => {
  using it = world();
  it.faults.push({ code: "Unavailable", applied: true });
  const outcome = await through(it.time, it.access.write({ key, expected: 0, value: utf8("1") }));
  const stored = await it.access.get(key);
  assert.deepEqual(outcome, { kind: "written", revision: stored?.modRevision });
  assert.equal(stored?.version, 1);
});

Deno.test("an update or delete whose answer was lost is reported as done", async () => {
  using it = world();
  const made = await it.access.write({ key, expected: 0, value: utf8("1") });
  assert.equal(made.kind, "written");
  const expected = made.kind === "written" ? made.revision : 0;
  it.faults.push({ code: "Unavailable", applied: true });
  const updated = await through(it.time, it.access.write({ key, expected, value: utf8("2") }));
  assert.equal(updated.kind, "written");
  it.faults.push({ code: "Unavailable", applied: true });
  const next = updated.kind === "written" ? updated.revision : 0;
  const deleted = await through(it.time, it.access.write({ key, expected: next, value: null }));
  assert.equal(deleted.kind, "written");
  assert.equal(await it.access.get(key), null);
});

Deno.test("a lost answer does not hide somebody else's write", async () => {
  using it = world();
  await it.inner.txn({ compare: [], success: [{ kind: "put", key, value: utf8("theirs") }], failure: [] });
  it.faults.push({ code: "Unavailable", applied: false });
  const outcome = await through(it.time, it.access.write({ key, expected: 0, value: utf8("ours") }));
  assert.equal(outcome.kind, "conflict");
});

Deno.test("a conflict that was answered is a conflict even when the bytes are equal", async () => {
  using it = world();
  await it.access.write({ key, expected: 0, value: utf8("same") });
  const outcome = await it.access.write({ key, expected: 0, value: utf8("same") });
  assert.equal(outcome.kind, "conflict");
});

Deno.test("without a leader for ten seconds the client hears 503, after an unanswered write 504", async () => {
  for (const [code, expected] of [["NoLeader", 503], ["Unavailable", 504]] as const) {
    using it = world();
    for (let i = 0; i < 1000; i++) it.faults.push({ code, applied: false });
    const work = it.access.write({ key, expected: 0, value: utf8("1") });
    await assert.rejects(through(it.time, work, 11_000), (error) => {
      assert.ok(error instanceof ApiError);
      assert.equal(error.code, expected);
      assert.equal(error.retryAfterSeconds, 1);
      return true;
    });
  }
});

Deno.test("side keys and the parent are part of the condition, and the outcome says which failed", async () => {
  using it = world();
  const side = [{ key: utf8("/side/1"), value: utf8("a"), mustBeAbsent: true }];
  const parent = utf8("/registry/namespaces/n");
  assert.deepEqual(await it.access.write({ key, expected: 0, value: utf8("1"), side, parent }), {
    kind: "parentMissing",
  });
  await it.inner.txn({ compare: [], success: [{ kind: "put", key: parent, value: utf8("n") }], failure: [] });
  assert.equal((await it.access.write({ key, expected: 0, value: utf8("1"), side, parent })).kind, "written");
  const other = utf8("/registry/x/b");
  assert.deepEqual(await it.access.write({ key: other, expected: 0, value: utf8("1"), side, parent }), {
    kind: "sideTaken",
    taken: [0],
  });
  assert.equal(await it.access.get(other), null);
});

Deno.test("under(): a call and its retries are one span, which says how many there were and how it ended", async () => {
  using it = world();
  const spans: OtlpSpan[] = [];
  const sink = { take: (span: OtlpSpan) => void spans.push(span) };
  const request = createTracer({ clock: it.time, random: testRandom(2), sink }).start("PUT", "server");
  const access = it.access.under(request);
  it.faults.push({ code: "NoLeader", applied: false }, { code: "NotLeader", applied: false });
  await through(it.time, access.write({ key, expected: 0, value: utf8("1") }));
  it.faults.push({ code: "NoSpace", applied: false });
  await assert.rejects(through(it.time, access.write({ key, expected: 2, value: utf8("2") })), ApiError);
  assert.deepEqual(spans.map(({ name, parentSpanId }) => [name, parentSpanId]), [
    ["Create etcd3", request.context.spanId],
    ["Update etcd3", request.context.spanId],
  ]);
  const attempts = spans.map(({ attributes }) => attributes.find((each) => each.key === "attempts")?.value);
  assert.deepEqual(attempts, [{ intValue: "3" }, { intValue: "1" }]);
  assert.deepEqual(spans[0]?.status, {});
  assert.match(spans[1]?.status.message ?? "", /out of space/);
});
