import assert from "node:assert/strict";
import { apiVersionOf, type ResourceInfo, resources } from "../../api/resources.ts";
import { minimalOf } from "../../api/rules/testing.ts";
import type { Api, Loose, Reply } from "./api.ts";

export function good(reply: Reply, code: number, what: string): Loose {
  assert.equal(reply.code, code, `${what}: ${JSON.stringify(reply.body).slice(0, 500)}`);
  return reply.body;
}

export function infoOf(resource: string, group?: string): ResourceInfo {
  const info = resources.find((it) => it.resource === resource && (group === undefined || it.group === group));
  assert.ok(info !== undefined, `${resource} is served`);
  return info;
}

export function pathIn(info: ResourceInfo, namespace: string, name = ""): string {
  const root = info.group === "" ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`;
  const place = info.namespaced ? `${root}/namespaces/${namespace}` : root;
  return `${place}/${info.resource}${name === "" ? "" : `/${encodeURIComponent(name)}`}`;
}

/** The least object of a kind. @param name its own unless the kind prescribes one @param label the check's namespace */
export function sample(info: ResourceInfo, name: string, label: string): Loose {
  const { metadata, ...rest } = minimalOf(info);
  // An Event is about something in its own namespace.
  if (info.resource === "events") Object.assign(rest, { involvedObject: { namespace: label } });
  return structuredClone({
    apiVersion: apiVersionOf(info),
    kind: info.kind,
    metadata: { name, labels: { conformance: label }, ...(metadata as Loose ?? {}) },
    ...rest,
  });
}

export const merge = { contentType: "application/merge-patch+json" };
export const apply = { contentType: "application/apply-patch+yaml" };

/** The next event that is neither a bookmark nor a repeated change. */
async function event(events: { next(): Promise<Loose> }, type: string, name: string): Promise<void> {
  for (;;) {
    const it = await events.next();
    assert.ok(it !== null, `the watch ended before ${type} ${name}`);
    if (it.type === type && it.object.metadata.name === name) return;
    assert.ok(it.type === "MODIFIED" || it.type === "BOOKMARK", `${it.type} where ${type} ${name} was due`);
  }
}

/** What the suite's API operations tests ask of a kind; `not` leaves out what a kind does not allow. */
export async function lifecycle(
  api: Api,
  namespace: string,
  info: ResourceInfo,
  not: { readonly update?: boolean } = {},
): Promise<void> {
  await discovered(api, info);
  const label = namespace;
  const name = `life-${namespace}`;
  const collection = pathIn(info, namespace);
  const selected = `${collection}?labelSelector=conformance=${label}`;
  const before = good(await api.call("GET", selected), 200, "list");
  const from = before.metadata.resourceVersion;
  const events = await api.watch(`${selected}&watch=true&resourceVersion=${from}&timeoutSeconds=60`);
  try {
    const object = sample(info, name, label);
    const path = pathIn(info, namespace, object.metadata.name);
    const made = good(await api.call("POST", collection, object), 201, "create");
    assert.deepEqual(good(await api.call("GET", path), 200, "get").metadata.uid, made.metadata.uid);
    assert.equal(good(await api.call("GET", selected), 200, "list by label").items.length, 1);
    await event(events, "ADDED", object.metadata.name);
    const patched = good(await api.call("PATCH", path, { metadata: { annotations: { p: "1" } } }, merge), 200, "patch");
    assert.equal(patched.metadata.annotations.p, "1");
    if (not.update !== true) {
      patched.metadata.annotations.u = "1";
      const updated = good(await api.call("PUT", path, patched), 200, "update");
      assert.equal(updated.metadata.annotations.u, "1");
      assert.equal((await api.call("PUT", path, patched)).code, 409, "an update of an old version");
    }
    const config = {
      apiVersion: object.apiVersion,
      kind: object.kind,
      metadata: { name: object.metadata.name, annotations: { a: "1" } },
    };
    const applied = good(await api.call("PATCH", `${path}?fieldManager=conformance`, config, apply), 200, "apply");
    assert.deepEqual([applied.metadata.annotations.p, applied.metadata.annotations.a], ["1", "1"]);
    await event(events, "MODIFIED", object.metadata.name);
    if (info.subresources.includes("status")) await status(api, path, info);
    const options = { gracePeriodSeconds: 0, propagationPolicy: "Background" };
    good(await api.call("DELETE", path, options), 200, "delete");
    await event(events, "DELETED", object.metadata.name);
    assert.equal((await api.call("GET", path)).code, 404, "get of the deleted");
    await collected(api, namespace, info, label);
  } finally {
    await events.close();
  }
}

async function discovered(api: Api, info: ResourceInfo): Promise<void> {
  const version = apiVersionOf(info);
  if (info.group !== "") {
    const { groups } = good(await api.call("GET", "/apis"), 200, "/apis");
    const group = groups.find((it: Loose) => it.name === info.group);
    assert.ok(group?.versions.some((it: Loose) => it.groupVersion === version), `${version} in /apis`);
    const own = good(await api.call("GET", `/apis/${info.group}`), 200, `/apis/${info.group}`);
    assert.ok(own.versions.some((it: Loose) => it.groupVersion === version));
  }
  const root = info.group === "" ? `/api/${info.version}` : `/apis/${version}`;
  const list = good(await api.call("GET", root), 200, root);
  const found = list.resources.find((it: Loose) => it.name === info.resource);
  for (const verb of ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]) {
    assert.ok(found?.verbs.includes(verb), `${info.resource} has ${verb}`);
  }
  if (info.subresources.includes("status")) {
    assert.ok(list.resources.some((it: Loose) => it.name === `${info.resource}/status`));
  }
}

/** Read, patch and update of /status. */
export async function status(api: Api, path: string, info: ResourceInfo): Promise<void> {
  good(await api.call("GET", `${path}/status`), 200, "get status");
  const lastTransitionTime = "2026-01-01T00:00:00Z";
  const condition = { type: "StatusPatched", status: "True", reason: "E2E", message: "m", lastTransitionTime };
  const annotated = { metadata: { annotations: { s: "1" } }, status: { conditions: [condition] } };
  const patched = good(await api.call("PATCH", `${path}/status`, annotated, merge), 200, "patch status");
  const has = (object: Loose, type: string) => object.status?.conditions?.some((it: Loose) => it.type === type);
  // Not every status has conditions; where it has none the field was dropped.
  if (!has(patched, "StatusPatched")) return;
  const updated = await updateStatus(api, path, { ...condition, type: "StatusUpdated" }, patched);
  assert.ok(has(good(updated, 200, `update status of ${info.kind}`), "StatusUpdated"));
}

/** As the suite does: a controller may write in between, and a conflict means to read and try again. */
async function updateStatus(api: Api, path: string, condition: Loose, read: Loose): Promise<Reply> {
  let current = read;
  for (let attempt = 1;; attempt++) {
    current.status.conditions = [condition];
    const answer = await api.call("PUT", `${path}/status`, current);
    if (answer.code !== 409 || attempt === 5) return answer;
    current = good(await api.call("GET", `${path}/status`), 200, "read again after a conflict");
  }
}

async function collected(api: Api, namespace: string, info: ResourceInfo, label: string): Promise<void> {
  const collection = pathIn(info, namespace);
  const selected = `${collection}?labelSelector=conformance=${label}`;
  // Kinds whose name is prescribed have one object at most.
  const fixed = (minimalOf(info)["metadata"] as Loose)?.name !== undefined;
  for (const suffix of fixed ? [""] : ["-a", "-b", "-c"]) {
    const object = sample(info, `many-${namespace}${suffix}`, label);
    good(await api.call("POST", collection, object), 201, "create");
  }
  assert.equal(good(await api.call("GET", selected), 200, "list").items.length, fixed ? 1 : 3);
  good(
    await api.call("DELETE", selected, { gracePeriodSeconds: 0, propagationPolicy: "Background" }),
    200,
    "delete all",
  );
  assert.deepEqual(good(await api.call("GET", selected), 200, "list").items, []);
}
