import assert from "node:assert/strict";
import { fromUtf8, prefixEnd, utf8 } from "../../base/bytes.ts";
import { settle } from "../../platform/http2/testing.ts";
import { type Store, StoreError, type WatchRequest, type WatchSink } from "../types.ts";
import { numberOf } from "./ids.ts";
import { etcdLimits } from "./limits.ts";
import type { Input, Message } from "./messages.ts";
import { type Bench, refusal, withGateway } from "./testing.ts";

const kv = (name: string) => `/etcdserverpb.KV/${name}`;
const watchPath = "/etcdserverpb.Watch/Watch";
const watchTypes = ["WatchRequest", "WatchResponse"] as const;
const txn = (bench: Bench, request: Input<"TxnRequest">) =>
  bench.call(kv("Txn"), ["TxnRequest", "TxnResponse"], request);
const range = (bench: Bench, request: Input<"RangeRequest">) =>
  bench.call(kv("Range"), ["RangeRequest", "RangeResponse"], request);
const put = (bench: Bench, key: string, value = "v", more: Input<"PutRequest"> = {}) =>
  bench.call(kv("Put"), ["PutRequest", "PutResponse"], { key: utf8(key), value: utf8(value), ...more });
const all = { key: utf8("/registry/"), range_end: prefixEnd(utf8("/registry/")) };
const keys = (response: Message<"RangeResponse">) => response.kvs.map((each) => fromUtf8(each.key));

/** What a kube-apiserver sends: COMPATIBILITY's table of seven methods. */
const optimisticPut = (key: string, modRevision: number, value: string): Input<"TxnRequest"> => ({
  compare: [{ key: utf8(key), target: 2, result: 0, mod_revision: modRevision }],
  success: [{ request_put: { key: utf8(key), value: utf8(value) } }],
  ...(modRevision === 0 ? {} : { failure: [{ request_range: { key: utf8(key) } }] }),
});

Deno.test("the gateway answers the writes of a kube-apiserver: create once, update at the revision seen, delete, else what is there", async () => {
  await withGateway(async (bench) => {
    const created = await txn(bench, optimisticPut("/registry/a", 0, "one"));
    assert.deepEqual([created.succeeded, created.header?.revision], [true, 2]);
    assert.equal((await txn(bench, optimisticPut("/registry/a", 0, "two"))).succeeded, false);
    assert.equal((await txn(bench, optimisticPut("/registry/a", 2, "two"))).succeeded, true);
    const stale = await txn(bench, optimisticPut("/registry/a", 2, "three"));
    const there = stale.responses[0]?.response_range?.kvs[0];
    assert.deepEqual([stale.succeeded, fromUtf8(there?.value ?? utf8("")), there?.mod_revision], [false, "two", 3]);
    assert.deepEqual([there?.create_revision, there?.version, stale.header?.revision], [2, 2, 3]);
    const gone = await txn(bench, {
      compare: [{ key: utf8("/registry/a"), target: 2, result: 0, mod_revision: 3 }],
      success: [{ request_delete_range: { key: utf8("/registry/a") } }],
      failure: [{ request_range: { key: utf8("/registry/a") } }],
    });
    assert.deepEqual([gone.succeeded, gone.responses[0]?.response_delete_range?.deleted], [true, 1]);
  });
});

Deno.test("the gateway answers the reads of a kube-apiserver: count is the whole range's, more says that there is more, keys in order", async () => {
  await withGateway(async (bench) => {
    for (const name of ["c", "a", "b"]) await put(bench, `/registry/${name}`);
    const page = await range(bench, { ...all, limit: 2 });
    assert.deepEqual([keys(page), page.count, page.more], [["/registry/a", "/registry/b"], 3, true]);
    const counted = await range(bench, { ...all, count_only: true });
    assert.deepEqual([counted.kvs.length, counted.count, counted.more], [0, 3, false]);
    const named = await range(bench, { ...all, keys_only: true });
    assert.ok(named.kvs.length === 3 && named.kvs.every((each) => each.value.length === 0 && each.mod_revision > 1));
    assert.deepEqual(keys(await range(bench, { ...all, revision: 2 })), ["/registry/c"]);
    const header = page.header;
    assert.deepEqual([header?.cluster_id, header?.member_id], [numberOf("cluster"), numberOf("local")]);
  });
});

Deno.test("the gateway sorts and filters as etcd does: a target without an order ascends, filters leave count alone", async () => {
  await withGateway(async (bench) => {
    for (const name of ["c", "a", "b"]) await put(bench, `/registry/${name}`, name);
    const by = async (request: Input<"RangeRequest">) => keys(await range(bench, { ...all, ...request })).join();
    assert.equal(await by({ sort_target: 3 }), "/registry/c,/registry/a,/registry/b");
    assert.equal(await by({ sort_target: 3, sort_order: 2 }), "/registry/b,/registry/a,/registry/c");
    assert.equal(await by({ sort_order: 2, limit: 1 }), "/registry/c");
    const filtered = await range(bench, { ...all, min_mod_revision: 3 });
    assert.deepEqual([keys(filtered), filtered.count], [["/registry/a", "/registry/b"], 3]);
    assert.equal(await refusal(range(bench, { ...all, sort_order: 9 })), "3 etcdserver: invalid sort option");
  });
});

Deno.test("the gateway refuses in etcd's own words and codes", async () => {
  await withGateway(async (bench) => {
    await put(bench, "/registry/a");
    await put(bench, "/registry/a");
    const compact = (revision: number) =>
      bench.call(kv("Compact"), ["CompactionRequest", "CompactionResponse"], { revision });
    const lease = (name: string) => `/etcdserverpb.Lease/${name}`;
    const grant = (request: Input<"LeaseGrantRequest">) =>
      bench.call(lease("LeaseGrant"), ["LeaseGrantRequest", "LeaseGrantResponse"], request);
    await compact(3);
    await grant({ TTL: 10, ID: 7n });
    const op = { request_put: { key: utf8("x") } };
    const cases: [Promise<unknown>, string][] = [
      [range(bench, {}), "3 etcdserver: key is not provided"],
      [range(bench, { key: utf8("a"), revision: 2 }), "11 etcdserver: mvcc: required revision has been compacted"],
      [range(bench, { key: utf8("a"), revision: 9 }), "11 etcdserver: mvcc: required revision is a future revision"],
      [compact(3), "11 etcdserver: mvcc: required revision has been compacted"],
      [compact(99), "11 etcdserver: mvcc: required revision is a future revision"],
      [put(bench, "", "v"), "3 etcdserver: key is not provided"],
      [put(bench, "a", "v", { ignore_value: true }), "3 etcdserver: value is provided"],
      [put(bench, "a", "", { ignore_value: true }), "3 etcdserver: key not found"],
      [put(bench, "a", "v", { ignore_lease: true, lease: 1n }), "3 etcdserver: lease is provided"],
      [put(bench, "a", "v", { lease: 99n }), "5 etcdserver: requested lease not found"],
      [put(bench, "a", "x".repeat(1_600_000)), "3 etcdserver: request is too large"],
      [txn(bench, { success: [op, op] }), "3 etcdserver: duplicate key given in txn request"],
      [txn(bench, { success: Array(129).fill(op) }), "3 etcdserver: too many operations in txn request"],
      [txn(bench, { success: [{}] }), "3 etcdserver: key not found"],
      [txn(bench, { compare: [{}] }), "3 etcdserver: key is not provided"],
      [grant({ TTL: 10, ID: 7n }), "9 etcdserver: lease already exists"],
      [grant({ TTL: 9_000_000_001 }), "11 etcdserver: too large lease TTL"],
      [
        bench.call(lease("LeaseRevoke"), ["LeaseRevokeRequest", "LeaseRevokeResponse"], { ID: 99n }),
        "5 etcdserver: requested lease not found",
      ],
      [bench.grpc.unary("/etcdserverpb.Auth/AuthEnable", utf8(""), 100), "12 unknown service etcdserverpb.Auth"],
      [bench.grpc.unary(kv("RangeStream"), utf8(""), 100), "12 unknown method RangeStream for service etcdserverpb.KV"],
    ];
    for (const [call, expected] of cases) assert.equal(await refusal(call), expected);
  });
});

Deno.test("Watch: created comes first, then each revision's events together, with what was there before, until it is cancelled", async () => {
  await withGateway(async (bench) => {
    const call = await bench.open(watchPath, watchTypes);
    await call.send({ create_request: { ...all, start_revision: 2, prev_kv: true } });
    await put(bench, "/registry/a", "old");
    await txn(bench, {
      success: [
        { request_put: { key: utf8("/registry/a"), value: utf8("new") } },
        { request_put: { key: utf8("/registry/b") } },
        { request_put: { key: utf8("/other") } },
      ],
    });
    await bench.call(kv("DeleteRange"), ["DeleteRangeRequest", "DeleteRangeResponse"], all);
    await settle();
    const [created, first, second, third] = call.answers;
    assert.deepEqual([created?.created, created?.watch_id, created?.events.length], [true, 0, 0]);
    assert.deepEqual([first?.events.length, first?.events[0]?.prev_kv], [1, undefined]);
    assert.deepEqual([second?.events.length, fromUtf8(second?.events[0]?.prev_kv?.value ?? utf8(""))], [2, "old"]);
    assert.deepEqual(third?.events.map((event) => [event.type, event.kv?.mod_revision, event.kv?.create_revision]), [[
      1,
      4,
      0,
    ], [1, 4, 0]]);
    assert.equal(fromUtf8(third?.events[0]?.prev_kv?.value ?? utf8("")), "new");
    await call.send({ cancel_request: { watch_id: 0 } });
    assert.deepEqual([call.answers.at(-1)?.canceled, call.answers.at(-1)?.cancel_reason], [true, ""]);
    const before = call.answers.length;
    await put(bench, "/registry/a");
    await settle();
    assert.equal(call.answers.length, before);
    call.raw.end();
    assert.equal(await call.ended, null);
  });
});

Deno.test("Watch: from a compacted revision it is created and cancelled with the compact revision and etcd's reason", async () => {
  await withGateway(async (bench) => {
    for (let i = 0; i < 5; i++) await put(bench, "/registry/a");
    await bench.store.compact(5);
    const call = await bench.open(watchPath, watchTypes);
    await call.send({ create_request: { ...all, start_revision: 2 } });
    const [created, cancelled] = call.answers;
    assert.equal(created?.created, true);
    assert.deepEqual([cancelled?.canceled, cancelled?.compact_revision, cancelled?.watch_id], [true, 5, 0]);
    assert.equal(cancelled?.cancel_reason, "etcdserver: mvcc: required revision has been compacted");
    await call.send({ create_request: { ...all, start_revision: -1 } });
    assert.deepEqual([call.answers.at(-1)?.watch_id, call.answers.at(-1)?.created, call.answers.at(-1)?.canceled], [
      -1,
      true,
      true,
    ]);
    call.raw.cancel();
  });
});

Deno.test("Watch: a progress request is answered once for the whole stream, with watch id -1, behind all events before it", async () => {
  await withGateway(async (bench) => {
    const call = await bench.open(watchPath, watchTypes);
    await call.send({ create_request: { ...all, start_revision: 1 } });
    await call.send({ create_request: { key: utf8("/none") } });
    await put(bench, "/registry/a");
    await call.send({ progress_request: {} });
    await call.send({ progress_request: {} });
    const progress = call.answers.filter((answer) => answer.watch_id === -1);
    assert.deepEqual(progress.map((answer) => [answer.header?.revision, answer.events.length]), [[2, 0], [2, 0]]);
    const events = call.answers.findIndex((answer) => answer.events.length > 0);
    assert.ok(events >= 0 && events < call.answers.findIndex((answer) => answer.watch_id === -1));
    call.raw.cancel();
  });
});

Deno.test("Watch: ids are the client's or counted from 0, twice the same is refused; filters drop what they name", async () => {
  await withGateway(async (bench) => {
    const call = await bench.open(watchPath, watchTypes);
    await call.send({ create_request: { ...all, watch_id: 7, filters: [0] } });
    await call.send({ create_request: { ...all, watch_id: 7 } });
    await call.send({ create_request: { ...all, filters: [1] } });
    assert.deepEqual(call.answers.map((answer) => [answer.watch_id, answer.canceled]), [[7, false], [-1, true], [
      0,
      false,
    ]]);
    assert.equal(call.answers[1]?.cancel_reason, "mvcc: duplicate watch ID provided on the WatchStream");
    await put(bench, "/registry/a");
    await bench.call(kv("DeleteRange"), ["DeleteRangeRequest", "DeleteRangeResponse"], all);
    await settle();
    assert.deepEqual(call.answers.slice(3).map((answer) => [answer.watch_id, answer.events[0]?.type]), [[0, 0], [
      7,
      1,
    ]]);
    call.raw.cancel();
  });
});

Deno.test("Watch: with `fragment`, an answer too large comes in parts, the last one without the mark", async () => {
  await withGateway(async (bench) => {
    const both = (letter: string) => {
      const value = utf8(letter.repeat(700_000));
      return txn(bench, {
        success: ["a", "b"].map((key) => ({ request_put: { key: utf8(`/registry/${key}`), value } })),
      });
    };
    await both("x");
    await both("y");
    const call = await bench.open(watchPath, watchTypes);
    // With what was there before, one revision has 2.8 MB.
    await call.send({ create_request: { ...all, start_revision: 3, prev_kv: true, fragment: true } });
    for (let i = 0; i < 100 && call.answers.length < 3; i++) await settle();
    const parts = call.answers.slice(1);
    assert.deepEqual(parts.map((part) => [part.events.length, part.fragment]), [[1, true], [1, false]]);
    call.raw.cancel();
  });
});

Deno.test("Watch: when the store ends it, the gateway goes on from the next revision and the client misses nothing; with hasleader it ends", async () => {
  const lose: (() => void)[] = [];
  const starts: (number | undefined)[] = [];
  await withGateway(async (bench) => {
    const patient = await bench.open(watchPath, watchTypes);
    const strict = await bench.open(watchPath, watchTypes, [["hasleader", "true"]]);
    await patient.send({ create_request: all });
    await strict.send({ create_request: all });
    await put(bench, "/registry/a");
    await settle();
    for (const each of lose.splice(0)) each();
    await put(bench, "/registry/b");
    await bench.world.run(etcdLimits.watchRetryMs + 1);
    await settle();
    const seen = patient.answers.flatMap((answer) => answer.events.map((event) => fromUtf8(event.kv?.key ?? utf8(""))));
    assert.deepEqual(seen, ["/registry/a", "/registry/b"]);
    assert.equal(patient.answers.filter((answer) => answer.created).length, 1);
    assert.deepEqual(starts, [0, 0, 3]);
    const error = await strict.ended;
    assert.deepEqual([error?.code, error?.message], [14, "etcdserver: no leader"]);
    patient.raw.cancel();
  }, (store) => recording(store, lose, starts));
});

/** The store, from where it was watched, and how to end each watch. */
function recording<T extends Store>(store: T, lose: (() => void)[], starts: (number | undefined)[]): T {
  return new Proxy(store, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      if (name !== "watch") return value.bind(target);
      return (request: WatchRequest, sink: WatchSink) => {
        starts.push(request.startRevision);
        const watch = target.watch(request, sink);
        lose.push(() => {
          watch.cancel();
          sink.onClose(new StoreError("Unavailable", "gone"));
        });
        return watch;
      };
    },
  });
}

Deno.test("Lease: granted, renewed, looked at, revoked; one that is gone answers TTL 0 to a renewal and -1 to a look", async () => {
  await withGateway(async (bench) => {
    const path = (name: string) => `/etcdserverpb.Lease/${name}`;
    const { ID, TTL } = await bench.call(path("LeaseGrant"), ["LeaseGrantRequest", "LeaseGrantResponse"], { TTL: 30 });
    assert.equal(TTL, 30);
    await put(bench, "/registry/e", "v", { lease: ID });
    const look = (id: bigint) =>
      bench.call(path("LeaseTimeToLive"), ["LeaseTimeToLiveRequest", "LeaseTimeToLiveResponse"], {
        ID: id,
        keys: true,
      });
    assert.deepEqual((await look(ID)).keys.map(fromUtf8), ["/registry/e"]);
    const call = await bench.open(path("LeaseKeepAlive"), ["LeaseKeepAliveRequest", "LeaseKeepAliveResponse"]);
    await call.send({ ID });
    await call.send({ ID: 99n });
    assert.deepEqual(call.answers.map((answer) => [answer.ID, answer.TTL]), [[ID, 30], [99n, 0]]);
    const listed = await bench.call(path("LeaseLeases"), ["LeaseLeasesRequest", "LeaseLeasesResponse"], {});
    assert.deepEqual(listed.leases, [{ ID }]);
    await bench.call(path("LeaseRevoke"), ["LeaseRevokeRequest", "LeaseRevokeResponse"], { ID });
    assert.equal((await range(bench, all)).count, 0);
    const gone = await look(ID);
    assert.deepEqual([gone.ID, gone.TTL, gone.grantedTTL], [ID, -1, 0]);
    call.raw.end();
    assert.equal(await call.ended, null);
  });
});

Deno.test("Lock: the second waits for the first, and whoever gives up waiting leaves no key behind", async () => {
  await withGateway(async (bench) => {
    const lock = () => bench.call("/v3lockpb.Lock/Lock", ["LockRequest", "LockResponse"], { name: utf8("l") });
    const first = await lock();
    const waiting = lock();
    await settle();
    const queue = { key: utf8("l/"), range_end: prefixEnd(utf8("l/")) };
    assert.equal((await range(bench, queue)).count, 2);
    await bench.call("/v3lockpb.Lock/Unlock", ["UnlockRequest", "UnlockResponse"], { key: first.key });
    const second = await waiting;
    assert.notDeepEqual(second.key, first.key);
    const late = refusal(lock());
    await settle();
    await bench.world.run(1_001); // the client's deadline
    assert.equal((await late).startsWith("4 "), true);
    await settle();
    assert.equal((await range(bench, queue)).count, 1);
  });
});

Deno.test("Election: a leader proclaims and resigns, the next takes over, an observer sees every value in order", async () => {
  await withGateway(async (bench) => {
    const path = (name: string) => `/v3electionpb.Election/${name}`;
    const campaign = (value: string) =>
      bench.call(path("Campaign"), ["CampaignRequest", "CampaignResponse"], { name: utf8("e"), value: utf8(value) });
    const leader = () => bench.call(path("Leader"), ["LeaderRequest", "LeaderResponse"], { name: utf8("e") });
    assert.equal(await refusal(leader()), "2 election: no leader");
    const observer = await bench.open(path("Observe"), ["LeaderRequest", "LeaderResponse"]);
    await observer.send({ name: utf8("e") });
    const first = await campaign("one");
    const second = campaign("two");
    await settle();
    const proclaim = (of: Message<"LeaderKey">, value: string) =>
      bench.call(path("Proclaim"), ["ProclaimRequest", "ProclaimResponse"], { leader: of, value: utf8(value) });
    const firstKey = first.leader ?? assert.fail("a leader has a key");
    await proclaim(firstKey, "uno");
    assert.equal(fromUtf8((await leader()).kv?.value ?? utf8("")), "uno");
    await bench.call(path("Resign"), ["ResignRequest", "ResignResponse"], { leader: firstKey });
    await second;
    await settle();
    assert.equal(await refusal(proclaim(firstKey, "late")), "2 election: not leader");
    assert.deepEqual(observer.answers.map((answer) => fromUtf8(answer.kv?.value ?? utf8(""))), ["one", "uno", "two"]);
    observer.raw.cancel();
  });
});

Deno.test("Maintenance: Status announces a version whose progress requests a kube-apiserver trusts; HashKV says -1 before any compaction", async () => {
  await withGateway(async (bench) => {
    const path = (name: string) => `/etcdserverpb.Maintenance/${name}`;
    await put(bench, "/registry/a");
    const status = await bench.call(path("Status"), ["StatusRequest", "StatusResponse"], {});
    const [major = 0, minor = 0, patch = 0] = status.version.split(".").map(Number);
    assert.ok(major === 3 && (minor > 5 || (minor === 5 && patch >= 13)), status.version);
    assert.deepEqual([status.leader, status.header?.revision, status.errors], [numberOf("local"), 2, []]);
    assert.ok(status.dbSize > 0 && status.dbSizeQuota > status.dbSize);
    const hash = await bench.call(path("HashKV"), ["HashKVRequest", "HashKVResponse"], {});
    assert.deepEqual([hash.hash_revision, hash.compact_revision, hash.hash > 0], [2, -1, true]);
    const alarms = await bench.call(path("Alarm"), ["AlarmRequest", "AlarmResponse"], {});
    assert.deepEqual(alarms.alarms, []);
    const members = await bench.call(
      "/etcdserverpb.Cluster/MemberList",
      ["MemberListRequest", "MemberListResponse"],
      {},
    );
    assert.deepEqual(members.members.map((each) => [each.ID, each.name, each.clientURLs]), [[
      numberOf("local"),
      "local",
      ["https://here:2379"],
    ]]);
  });
});
