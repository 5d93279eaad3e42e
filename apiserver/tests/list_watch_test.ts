import assert from "node:assert/strict";
import { decodeContinue, encodeContinue } from "../registry/continue_token.ts";
import { createLocalStore, StoreError } from "../../store/mod.ts";
import { type Answer, settle, start, testRandom, type TestServer, VirtualTime } from "../testing.ts";

const configMaps = "/api/v1/namespaces/default/configmaps";
const everywhere = "/api/v1/configmaps";

function names(answer: Answer): string[] {
  return answer.body.items.map((it: { metadata: { name: string } }) => it.metadata.name);
}

async function make(server: TestServer, name: string, labels: Record<string, string> = {}, namespace = "default") {
  const answer = await server.post(`/api/v1/namespaces/${namespace}/configmaps`, { metadata: { name, labels } });
  assert.equal(answer.code, 201);
  return answer.body;
}

Deno.test("a list is in key order, at a revision not older than every write before it", async () => {
  await using server = await start();
  for (const name of ["c", "a", "b"]) await make(server, name);
  const last = await make(server, "z", {}, "kube-system");
  const list = await server.get(everywhere);
  assert.equal(list.body.kind, "ConfigMapList");
  assert.equal(list.body.apiVersion, "v1");
  assert.deepEqual(names(list), ["a", "b", "c", "z"]);
  assert.ok(Number(list.body.metadata.resourceVersion) >= Number(last.metadata.resourceVersion));
  assert.deepEqual(names(await server.get(configMaps)), ["a", "b", "c"]);
  assert.deepEqual((await server.get("/api/v1/namespaces/nope/configmaps")).body.items, []);
});

Deno.test("label and field selectors choose; unknown fields and broken selectors are 400", async () => {
  await using server = await start();
  await make(server, "a", { app: "x", tier: "1" });
  await make(server, "b", { app: "x" });
  await make(server, "c", { app: "y" });
  const select = async (query: string) => names(await server.get(`${configMaps}?${query}`));
  assert.deepEqual(await select("labelSelector=app%3Dx"), ["a", "b"]);
  assert.deepEqual(await select("labelSelector=app+in+(x,y),tier"), ["a"]);
  assert.deepEqual(await select("labelSelector=!tier"), ["b", "c"]);
  assert.deepEqual(await select("fieldSelector=metadata.name%3Db"), ["b"]);
  assert.deepEqual(await select("fieldSelector=metadata.name!%3Db"), ["a", "c"]);
  assert.deepEqual(await select("fieldSelector=metadata.namespace%3Dother"), []);
  const unknown = await server.get(`${configMaps}?fieldSelector=spec.x%3D1`);
  assert.equal(unknown.code, 400);
  assert.equal(
    unknown.body.message,
    '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
  );
  const broken = await server.get(`${configMaps}?labelSelector=a%3D%3D%3Db`);
  assert.equal(broken.code, 400);
  assert.match(broken.body.message, /^unable to parse requirement: /);
});

Deno.test("limit and continue page through one revision, whatever happens meanwhile", async () => {
  await using server = await start();
  for (const name of ["a", "b", "c", "d", "e"]) await make(server, name);
  const first = await server.get(`${configMaps}?limit=2`);
  assert.deepEqual(names(first), ["a", "b"]);
  assert.equal(first.body.metadata.remainingItemCount, 3);
  const { revision, start: startKey } = decodeContinue(first.body.metadata.continue);
  assert.equal(String(revision), first.body.metadata.resourceVersion);
  assert.equal(startKey, "default/b\0");
  await make(server, "bb");
  await server.delete(`${configMaps}/d`);
  const second = await server.get(`${configMaps}?limit=2&continue=${first.body.metadata.continue}`);
  assert.deepEqual(names(second), ["c", "d"]);
  assert.equal(second.body.metadata.resourceVersion, first.body.metadata.resourceVersion);
  assert.equal(second.body.metadata.remainingItemCount, 1);
  const third = await server.get(`${configMaps}?limit=2&continue=${second.body.metadata.continue}`);
  assert.deepEqual(names(third), ["e"]);
  assert.equal(third.body.metadata.continue, undefined);
  assert.equal(third.body.metadata.remainingItemCount, undefined);
});

Deno.test("a next page does not depend on a store member that lags", async () => {
  const time = new VirtualTime();
  const inner = createLocalStore({ clock: time, timers: time, random: testRandom(1) });
  const store = new Proxy(inner, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name, target);
      if (name !== "range") return typeof value === "function" ? value.bind(target) : value;
      return (request: Parameters<typeof inner.range>[0]) => {
        const lags = request.serializable === true && request.revision !== undefined;
        return lags ? Promise.reject(new StoreError("FutureRevision", "not there yet")) : target.range(request);
      };
    },
  });
  await using server = await start({ store, time });
  for (const name of ["a", "b", "c"]) await make(server, name);
  const first = await server.get(`${configMaps}?limit=2`);
  const next = await server.get(`${configMaps}?limit=2&continue=${first.body.metadata.continue}`);
  assert.equal(next.code, 200, JSON.stringify(next.body));
  assert.deepEqual(names(next), ["c"]);
  inner.close();
});

Deno.test("with selectors the limit counts what is selected and remainingItemCount is not said", async () => {
  await using server = await start();
  for (let i = 0; i < 6; i++) await make(server, `n${i}`, { even: String(i % 2 === 0) });
  const first = await server.get(`${configMaps}?limit=2&labelSelector=even%3Dtrue`);
  assert.deepEqual(names(first), ["n0", "n2"]);
  assert.equal(first.body.metadata.remainingItemCount, undefined);
  await make(server, "n3x", { even: "true" });
  const rest = await server.get(
    `${configMaps}?limit=2&labelSelector=even%3Dtrue&continue=${first.body.metadata.continue}`,
  );
  assert.deepEqual(names(rest), ["n4"]);
});

Deno.test("a continue token whose revision is compacted is 410 with a token that goes on at the present", async () => {
  await using server = await start();
  for (const name of ["a", "b", "c"]) await make(server, name);
  const first = await server.get(`${configMaps}?limit=1`);
  const last = await make(server, "d");
  await server.store.compact(Number(last.metadata.resourceVersion));
  const expired = await server.get(`${configMaps}?limit=1&continue=${first.body.metadata.continue}`);
  assert.equal(expired.code, 410);
  assert.equal(expired.body.reason, "Expired");
  const token = expired.body.metadata.continue;
  assert.deepEqual(decodeContinue(token), { revision: -1, start: "default/a\0" });
  const rest = await server.get(`${configMaps}?continue=${token}`);
  assert.deepEqual(names(rest), ["b", "c", "d"]);
});

Deno.test("continue tokens that lead elsewhere or nowhere are 400", async () => {
  await using server = await start();
  for (const startKey of ["../secrets/x\0", "a/../../b\0", "", "a//b\0", "./a\0"]) {
    const token = encodeContinue({ revision: 5, start: startKey });
    assert.equal((await server.get(`${configMaps}?continue=${token}`)).code, 400, startKey);
  }
  assert.equal((await server.get(`${configMaps}?continue=%21`)).code, 400);
  const good = encodeContinue({ revision: 5, start: "default/a\0" });
  const both = await server.get(`${configMaps}?continue=${good}&resourceVersion=5`);
  assert.equal(both.body.message, "specifying resource version is not allowed when using continue");
});

Deno.test("resourceVersionMatch: Exact reads that snapshot, NotOlderThan at least it", async () => {
  await using server = await start();
  const a = await make(server, "a");
  await make(server, "b");
  const rv = a.metadata.resourceVersion;
  const exact = await server.get(`${configMaps}?resourceVersion=${rv}&resourceVersionMatch=Exact`);
  assert.deepEqual(names(exact), ["a"]);
  assert.equal(exact.body.metadata.resourceVersion, rv);
  assert.deepEqual(names(await server.get(`${configMaps}?resourceVersion=${rv}`)), ["a", "b"]);
  assert.deepEqual(names(await server.get(`${configMaps}?resourceVersion=0&limit=1`)), ["a", "b"]);
  assert.deepEqual(names(await server.get(`${configMaps}?resourceVersion=${rv}&limit=5`)), ["a"]);
});

Deno.test("a snapshot that is compacted is 410 Expired", async () => {
  await using server = await start();
  const a = await make(server, "a");
  await make(server, "b");
  const c = await make(server, "c");
  await server.store.compact(Number(c.metadata.resourceVersion));
  const answer = await server.get(
    `${configMaps}?resourceVersion=${a.metadata.resourceVersion}&resourceVersionMatch=Exact`,
  );
  assert.equal(answer.code, 410);
  assert.equal(answer.body.reason, "Expired");
});

function notRevision(text: string, why: string): string {
  return `resourceVersion: Invalid value: "${text}": strconv.ParseUint: parsing "${text}": ${why}`;
}

Deno.test("a GET at what is no revision is 422, at one of the far future 504", async () => {
  await using server = await start();
  await make(server, "a");
  const { code, body } = await server.get(`${configMaps}/a?resourceVersion=-1`);
  assert.equal(code, 422);
  assert.deepEqual([body.reason, body.message, body.details], [
    "Invalid",
    notRevision("-1", "invalid syntax"),
    undefined,
  ]);
  for (const path of [`${configMaps}/a?`, `${configMaps}?`, `${configMaps}?watch=1&`]) {
    const pending = server.get(`${path}resourceVersion=18446744073709551615`);
    await server.time.advance(3000);
    assert.equal((await pending).code, 504, path);
  }
});

Deno.test("combinations of list options that mean nothing are refused in upstream's words", async () => {
  await using server = await start();
  const cases: [string, number, string][] = [
    [
      "resourceVersionMatch=Exact",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden ' +
      "unless resourceVersion is provided",
    ],
    [
      "resourceVersion=0&resourceVersionMatch=Exact",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is ' +
      'forbidden for resourceVersion "0"',
    ],
    [
      "resourceVersion=1&resourceVersionMatch=Nearly",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Nearly": supported values: ' +
      '"Exact", "NotOlderThan", ""',
    ],
    [
      "sendInitialEvents=true",
      422,
      'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    ],
    [
      "watch=1&sendInitialEvents=true",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting ' +
      "resourceVersionMatch to NotOlderThan",
    ],
    [
      "watch=1&resourceVersionMatch=NotOlderThan&resourceVersion=1",
      422,
      'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for ' +
      "watch unless sendInitialEvents is provided",
    ],
    ["resourceVersion=abc", 400, `invalid resource version: ${notRevision("abc", "invalid syntax")}`],
    ["resourceVersion=-1&limit=1", 400, `invalid resource version: ${notRevision("-1", "invalid syntax")}`],
    ["watch=1&resourceVersion=-1", 422, notRevision("-1", "invalid syntax")],
    [
      "watch=1&resourceVersion=18446744073709551616",
      422,
      notRevision("18446744073709551616", "value out of range"),
    ],
    ["limit=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'],
  ];
  for (const [query, code, message] of cases) {
    const answer = await server.get(`${configMaps}?${query}`);
    assert.equal(answer.code, code, query);
    assert.equal(answer.body.message, message);
  }
});

Deno.test("a revision that the server has not reached is 504 after a wait, with cause and retryAfterSeconds", async () => {
  await using server = await start();
  const pending = server.get(`${configMaps}?resourceVersion=1000000`);
  await server.time.advance(3000);
  const answer = await pending;
  assert.equal(answer.code, 504);
  assert.equal(answer.body.reason, "Timeout");
  assert.match(answer.body.message, /^Timeout: Too large resource version: 1000000, current: \d+$/);
  assert.equal(answer.body.details.causes[0].reason, "ResourceVersionTooLarge");
  assert.equal(answer.body.details.retryAfterSeconds, 1);
  assert.equal(answer.headers.get("retry-after"), "1");
});

Deno.test("a watch from a list's revision yields every later change, in order, each with its revision", async () => {
  await using server = await start();
  await make(server, "a");
  const list = await server.get(configMaps);
  const rv = list.body.metadata.resourceVersion;
  const watch = await server.watch(`${configMaps}?watch=1&resourceVersion=${rv}`);
  assert.equal(watch.response.headers.get("content-type"), "application/json");
  await make(server, "b");
  await server.patch(`${configMaps}/a`, { data: { k: "v" } });
  const { body: gone } = await server.delete(`${configMaps}/b`);
  assert.equal(gone.status, "Success");
  const events = [await watch.next(), await watch.next(), await watch.next()];
  assert.deepEqual(events.map((it) => `${it.type} ${it.object.metadata.name}`), ["ADDED b", "MODIFIED a", "DELETED b"]);
  const revisions = events.map((it) => Number(it.object.metadata.resourceVersion));
  assert.deepEqual(revisions, [...revisions].sort((x, y) => x - y));
  assert.ok((revisions[0] ?? 0) > Number(rv));
  await watch.cancel();
});

Deno.test("a watch without a revision begins with what there is", async () => {
  await using server = await start();
  await make(server, "a");
  for (const query of ["watch=1", "watch=true&resourceVersion=0"]) {
    const watch = await server.watch(`${configMaps}?${query}`);
    assert.deepEqual(await watch.names(1), ["ADDED a"]);
    await watch.cancel();
  }
});

Deno.test("leaving a selector is DELETED, entering it ADDED", async () => {
  await using server = await start();
  await make(server, "a", { on: "yes" });
  await make(server, "b", { on: "no" });
  const rv = (await server.get(configMaps)).body.metadata.resourceVersion;
  const watch = await server.watch(`${configMaps}?watch=1&resourceVersion=${rv}&labelSelector=on%3Dyes`);
  await server.patch(`${configMaps}/b`, { metadata: { labels: { on: "yes" } } });
  const left = await server.patch(`${configMaps}/a`, { metadata: { labels: { on: "no" } } });
  await server.patch(`${configMaps}/a`, { data: { k: "v" } });
  await server.patch(`${configMaps}/b`, { data: { k: "v" } });
  const events = [await watch.next(), await watch.next(), await watch.next()];
  assert.deepEqual(events.map((it) => `${it.type} ${it.object.metadata.name}`), ["ADDED b", "DELETED a", "MODIFIED b"]);
  // As upstream: the last state that matched, under the revision of the change.
  assert.equal(events[1].object.metadata.labels.on, "yes");
  assert.equal(events[1].object.metadata.resourceVersion, left.body.metadata.resourceVersion);
  await watch.cancel();
});

Deno.test("a pod watch by spec.nodeName sees a pod when it is bound there, and no other", async () => {
  await using server = await start();
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  const pods = "/api/v1/namespaces/default/pods";
  const rv = (await server.get("/api/v1/pods")).body.metadata.resourceVersion;
  const mine = await server.watch(`/api/v1/pods?watch=1&resourceVersion=${rv}&fieldSelector=spec.nodeName%3Dn1`);
  const unbound = await server.watch(`/api/v1/pods?watch=1&resourceVersion=${rv}&fieldSelector=spec.nodeName%3D`);
  for (const name of ["p", "q"]) {
    await server.post(pods, { metadata: { name }, spec: { containers: [{ name: "c", image: "i" }] } });
    const target = { kind: "Node", name: name === "p" ? "n1" : "n2" };
    assert.equal((await server.post(`${pods}/${name}/binding`, { metadata: { name }, target })).code, 201);
  }
  assert.deepEqual(await mine.names(1), ["ADDED p"]);
  assert.deepEqual(await unbound.names(4), ["ADDED p", "DELETED p", "ADDED q", "DELETED q"]);
  await server.delete(`${pods}/p`, { gracePeriodSeconds: 0 });
  assert.deepEqual(await mine.names(1), ["DELETED p"]);
  await mine.cancel();
  await unbound.cancel();
});

Deno.test("sendInitialEvents: everything as ADDED, then the bookmark that ends it, then changes", async () => {
  await using server = await start();
  await make(server, "a");
  const b = await make(server, "b");
  const watch = await server.watch(
    `${configMaps}?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan`,
  );
  assert.deepEqual(await watch.names(2), ["ADDED a", "ADDED b"]);
  const end = await watch.next();
  assert.equal(end.type, "BOOKMARK");
  assert.equal(end.object.kind, "ConfigMap");
  assert.deepEqual(end.object.metadata.annotations, { "k8s.io/initial-events-end": "true" });
  assert.ok(Number(end.object.metadata.resourceVersion) >= Number(b.metadata.resourceVersion));
  await make(server, "c");
  assert.deepEqual(await watch.names(1), ["ADDED c"]);
  await watch.cancel();
});

Deno.test("idle watches that asked for bookmarks get one a minute, others none", async () => {
  await using server = await start();
  const a = await make(server, "a");
  const rv = a.metadata.resourceVersion;
  const asked = await server.watch(`${configMaps}?watch=1&resourceVersion=${rv}&allowWatchBookmarks=true`);
  const silent = await server.watch(`${configMaps}?watch=1&resourceVersion=${rv}`);
  const secret = await server.post("/api/v1/namespaces/default/secrets", { metadata: { name: "s" } });
  await server.time.advance(60_000);
  const mark = await asked.next();
  assert.equal(mark.type, "BOOKMARK");
  assert.ok(Number(mark.object.metadata.resourceVersion) >= Number(secret.body.metadata.resourceVersion));
  await make(server, "b");
  assert.deepEqual(await silent.names(1), ["ADDED b"]);
  await asked.cancel();
  await silent.cancel();
});

Deno.test("a watch ends by itself at timeoutSeconds, with a clean end", async () => {
  await using server = await start();
  const watch = await server.watch(`${configMaps}?watch=1&timeoutSeconds=5`);
  const end = watch.next();
  await server.time.advance(5_000);
  assert.equal(await end, null);
});

Deno.test("a watch with bookmarks says how far it came just before it ends", async () => {
  await using server = await start();
  const rv = (await server.get(configMaps)).body.metadata.resourceVersion;
  const path = `${configMaps}?watch=1&allowWatchBookmarks=true&timeoutSeconds=5&resourceVersion=${rv}`;
  const watch = await server.watch(path);
  const first = watch.next();
  const secret = await server.post("/api/v1/namespaces/default/secrets", { metadata: { name: "s" } });
  await server.time.advance(5_000);
  const mark = await first;
  assert.equal(mark.type, "BOOKMARK");
  assert.equal(mark.object.metadata.resourceVersion, secret.body.metadata.resourceVersion);
  assert.equal(await watch.next(), null);
});

Deno.test("a stored value that is no object is left out and stops nothing", async () => {
  await using server = await start();
  await make(server, "a");
  const put = (name: string, value: string) => {
    const encoder = new TextEncoder();
    const key = encoder.encode(`/registry/configmaps/default/${name}`);
    return server.store.txn({
      compare: [],
      success: [{ kind: "put", key, value: encoder.encode(value) }],
      failure: [],
    });
  };
  await put("bad", "{not json");
  await make(server, "z");
  assert.deepEqual(names(await server.get(configMaps)), ["a", "z"]);
  await using other = await start({ store: server.store, time: server.time });
  assert.deepEqual(names(await other.get(configMaps)), ["a", "z"]);
});

Deno.test("without timeoutSeconds a watch lasts between half an hour and an hour", async () => {
  await using server = await start();
  const watch = await server.watch(`${configMaps}?watch=1`);
  let ended = false;
  const end = watch.next().then((event) => (ended = true, event));
  await server.time.advance(1_799_000);
  assert.equal(ended, false);
  await server.time.advance(1_801_000);
  assert.equal(await end, null);
});

Deno.test("a watch from before the ring comes out of the store's history; from before compaction it is 410", async () => {
  await using first = await start();
  const a = await make(first, "a");
  for (let i = 0; i < 20; i++) await first.patch(`${configMaps}/a`, { data: { i: String(i) } });
  await make(first, "b");
  await first.delete(`${configMaps}/b`);
  // A server that starts now knows only what its own ring holds; compaction below makes it load at the present.
  const { revision } = await first.store.range({ key: new Uint8Array([47]), countOnly: true });
  await using late = await start({ store: first.store, time: first.time });
  const watch = await late.watch(`${configMaps}?watch=1&resourceVersion=${a.metadata.resourceVersion}`);
  const seen = await watch.names(22);
  assert.equal(seen.filter((it) => it === "MODIFIED a").length, 20);
  assert.deepEqual(seen.slice(-2), ["ADDED b", "DELETED b"]);
  await make(first, "c");
  assert.deepEqual(await watch.names(1), ["ADDED c"]);
  await watch.cancel();
  await first.store.compact(revision);
  await using later = await start({ store: first.store, time: first.time });
  const old = await later.watch(`${configMaps}?watch=1&resourceVersion=${a.metadata.resourceVersion}`);
  assert.equal(old.response.status, 410);
  assert.equal((await old.next()).reason, "Expired");
});

Deno.test("a watch served by one server resumes on another at the revision it reached, without a gap or a repeat", async () => {
  await using one = await start({ seed: 1 });
  await using two = await start({ seed: 2, store: one.store, time: one.time });
  const rv = (await one.get(configMaps)).body.metadata.resourceVersion;
  const watch = await one.watch(`${configMaps}?watch=1&resourceVersion=${rv}`);
  await make(two, "a");
  const event = await watch.next();
  await watch.cancel();
  await make(one, "b");
  await make(two, "c");
  const again = await two.watch(`${configMaps}?watch=1&resourceVersion=${event.object.metadata.resourceVersion}`);
  assert.deepEqual(await again.names(2), ["ADDED b", "ADDED c"]);
  await again.cancel();
});

Deno.test("all events of a burst reach a reader that comes late in few chunks", async () => {
  await using server = await start();
  const rv = (await server.get(configMaps)).body.metadata.resourceVersion;
  const response = await server.raw("GET", `${configMaps}?watch=1&resourceVersion=${rv}`);
  for (let i = 0; i < 50; i++) await make(server, `n${i}`);
  const reader = response.body?.getReader();
  const chunk = await reader?.read();
  assert.equal(new TextDecoder().decode(chunk?.value).trimEnd().split("\n").length, 50);
  await reader?.cancel();
});

Deno.test("watches in msgpack are length-prefixed frames of the same events", async () => {
  await using server = await start();
  await make(server, "a");
  const { decodeMsgpack } = await import("../../api/codec/mod.ts");
  const response = await server.raw("GET", `${configMaps}?watch=1`, {
    headers: { accept: "application/vnd.msgpack;stream=watch" },
  });
  assert.equal(response.headers.get("content-type"), "application/vnd.msgpack;stream=watch");
  const reader = response.body?.getReader();
  const chunk = (await reader?.read())?.value ?? new Uint8Array(0);
  const length = new DataView(chunk.buffer, chunk.byteOffset).getUint32(0);
  assert.equal(length, chunk.length - 4);
  const event = decodeMsgpack(chunk.subarray(4)) as { type: string; object: { metadata: { name: string } } };
  assert.equal(event.type, "ADDED");
  assert.equal(event.object.metadata.name, "a");
  await reader?.cancel();
});

Deno.test("GET of one name with watch=1 watches that one alone", async () => {
  await using server = await start();
  await make(server, "a");
  await make(server, "b");
  const watch = await server.watch(`${configMaps}/b?watch=1`);
  assert.deepEqual(await watch.names(1), ["ADDED b"]);
  await server.patch(`${configMaps}/a`, { data: { k: "v" } });
  await server.patch(`${configMaps}/b`, { data: { k: "v" } });
  assert.deepEqual(await watch.names(1), ["MODIFIED b"]);
  await watch.cancel();
});

Deno.test("stopping the server ends its watches", async () => {
  const server = await start();
  const watch = await server.watch(`${configMaps}?watch=1`);
  const end = watch.next();
  await server[Symbol.asyncDispose]();
  await settle();
  assert.equal(await end, null);
});
