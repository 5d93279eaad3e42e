import assert from "node:assert/strict";
import {
  apiVersionOf,
  customResourceDefinitions,
  namespaces,
  pathOf,
  type ResourceInfo,
  resources,
} from "../../api/resources.ts";
import { minimalOf } from "../../api/rules/testing.ts";
import { type Answer, start, type TestServer, until } from "../testing.ts";

const strategic = { headers: { "content-type": "application/strategic-merge-patch+json" } };

function minimal(info: ResourceInfo): Record<string, unknown> & { metadata: { name: string } } {
  const { metadata, ...rest } = minimalOf(info);
  return {
    apiVersion: apiVersionOf(info),
    kind: info.kind,
    metadata: { name: `least-${info.singular}`, ...(metadata ?? {}) },
    ...rest,
  };
}

function good(answer: Answer, code: number, what: string): Answer {
  assert.equal(answer.code, code, `${what}: ${JSON.stringify(answer.body)}`);
  return answer;
}

/** Create, read, list, table, watch, both kinds of patch, update, status, delete. */
async function live(server: TestServer, info: ResourceInfo): Promise<void> {
  const object = minimal(info);
  const { name } = object.metadata;
  const what = `${apiVersionOf(info)} ${info.kind}`;
  const collection = pathOf(info, info.namespaced ? "default" : undefined);
  const path = `${collection}/${encodeURIComponent(name)}`;
  const watch = await server.watch(`${collection}?watch=true&fieldSelector=metadata.name=${name}`);

  let created = good(await server.post(`${collection}?fieldValidation=Strict`, object), 201, `create ${what}`).body;
  if (info === customResourceDefinitions) {
    created = (await until(() => server.get(path), (it) => it.body.status.conditions !== undefined)).body;
  }
  assert.equal(created.kind, info.kind);
  assert.equal(created.apiVersion, apiVersionOf(info));
  assert.match(created.metadata.uid, /^[0-9a-f-]{36}$/);
  good(await server.post(collection, object), 409, `create ${what} twice`);
  assert.deepEqual(good(await server.get(path), 200, `get ${what}`).body, created);

  const list = good(await server.get(collection), 200, `list ${what}`).body;
  assert.equal(list.kind, `${info.kind}List`);
  assert.ok(list.items.some((it: { metadata: { name: string } }) => it.metadata.name === name));
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const table = good(await server.get(path, { headers: { accept } }), 200, `table of ${what}`).body;
  assert.equal(table.kind, "Table");
  assert.equal(table.rows[0].cells.length, table.columnDefinitions.length, `columns of ${what}`);

  const merged = good(await server.patch(path, { metadata: { labels: { m: "1" } } }), 200, `merge ${what}`).body;
  assert.equal(merged.metadata.labels.m, "1");
  assert.equal(merged.metadata.generation, created.metadata.generation, `${what}: a label is no new generation`);
  const patched = good(
    await server.patch(path, { metadata: { annotations: { s: "1" } } }, strategic),
    200,
    `strategic merge ${what}`,
  ).body;
  assert.deepEqual([patched.metadata.labels.m, patched.metadata.annotations.s], ["1", "1"]);
  const replaced = good(
    await server.put(path, { ...patched, metadata: { ...patched.metadata, labels: { u: "1" } } }),
    200,
    `update ${what}`,
  ).body;
  assert.deepEqual(replaced.metadata.labels, info === namespaces ? replaced.metadata.labels : { u: "1" });
  good(await server.put(path, { ...patched }), 409, `update ${what} of an old version`);

  // The server itself writes the status of definitions, against all others.
  if (info.subresources.includes("status") && info !== customResourceDefinitions) {
    const condition = {
      type: "T",
      status: "True",
      reason: "R",
      message: "m",
      lastTransitionTime: "2026-01-01T00:00:00Z",
    };
    const marked = good(
      await server.patch(`${path}/status`, { spec: { bogus: 1 }, status: { conditions: [condition] } }, strategic),
      200,
      `status of ${what}`,
    ).body;
    assert.deepEqual(marked.spec, replaced.spec, `${what}: /status leaves the spec`);
    assert.deepEqual(good(await server.get(`${path}/status`), 200, `get status of ${what}`).body, marked);
    const spoiled = good(await server.patch(path, { status: null }), 200, `patch of ${what} with a status`).body;
    assert.deepEqual(spoiled.status, marked.status, `${what}: the object's own path leaves the status`);
  }
  if (info.subresources.includes("scale")) {
    const scaled = good(await server.patch(`${path}/scale`, { spec: { replicas: 3 } }), 200, `scale ${what}`).body;
    assert.equal(scaled.spec.replicas, 3);
    assert.equal(scaled.status.selector, "a=b", `${what}: the scale's selector`);
    assert.equal((await server.get(path)).body.spec.replicas, 3);
  }

  good(await server.delete(path, { gracePeriodSeconds: 0, propagationPolicy: "Background" }), 200, `delete ${what}`);
  if (info === namespaces) {
    await watch.cancel();
    return;
  }
  // A definition waits for its instances.
  const isGone = (it: Answer) => info !== customResourceDefinitions || it.code === 404;
  good(await until(() => server.get(path), isGone), 404, `get of the deleted ${what}`);
  assert.equal((await watch.next()).type, "ADDED");
  let event = await watch.next();
  while (event.type === "MODIFIED") event = await watch.next();
  assert.equal(event.type, "DELETED", `watch of ${what}`);
  await watch.cancel();
}

Deno.test("every served kind: create, get, list, table, watch, patches, update, status, scale, delete", async (t) => {
  await using server = await start();
  good(await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } }), 201, "sa");
  for (const info of resources) await t.step(`${info.resource}.${info.group}`, () => live(server, info));
});

Deno.test("every served kind but a few refuses an object without anything in it", async () => {
  await using server = await start();
  good(await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } }), 201, "sa");
  // What upstream takes with nothing but a name.
  const free = new Set([
    ...["configmaps", "secrets", "serviceaccounts", "namespaces", "nodes", "leases", "roles", "clusterroles"],
    ...["limitranges", "resourcequotas", "endpoints", "podtemplates", "controllerrevisions", "priorityclasses"],
    ...["mutatingwebhookconfigurations", "validatingwebhookconfigurations", "networkpolicies", "csidrivers"],
    ...["csinodes", "poddisruptionbudgets", "deviceclasses", "resourceclaims", "resourceclaimtemplates", "events"],
  ]);
  const taken: string[] = [];
  for (const info of resources) {
    if (free.has(info.resource)) continue;
    const { apiVersion, kind, metadata } = minimal(info);
    const answer = await server.post(pathOf(info, "default"), { apiVersion, kind, metadata });
    if (answer.code !== 422) taken.push(`${info.resource}: ${answer.code}`);
  }
  assert.deepEqual(taken, []);
});
