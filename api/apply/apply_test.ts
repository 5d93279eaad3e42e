import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import { resources } from "../resources.ts";
import { sampleObject } from "../samples.ts";
import { toFieldsV1 } from "./field_set.ts";
import {
  applyConfig,
  applyTypeOf,
  compareValues,
  conflictReport,
  decodeManagers,
  encodeManagers,
  type FieldManager,
  fieldSetOf,
  printedPaths,
  trackNew,
  trackUpdate,
} from "./mod.ts";

const deployment = applyTypeOf("io.k8s.api.apps.v1.Deployment");
const service = applyTypeOf("io.k8s.api.core.v1.Service");
const configMap = applyTypeOf("io.k8s.api.core.v1.ConfigMap");

function writer(manager: string) {
  return { manager, apiVersion: "v1", subresource: "", time: "2026-01-01T00:00:00Z" };
}

// deno-lint-ignore no-explicit-any -- results of every shape are compared whole
type Loose = any;

function apply(managers: readonly FieldManager[], live: Loose, config: Loose, manager = "me", force = false) {
  const applied = applyConfig(managers, live, config, live.rules !== undefined ? configMap : deployment, {
    writer: writer(manager),
    force,
    ignored: (field) => field === "status",
  });
  return applied;
}

const web = (spec: Loose, labels: Loose = { app: "web" }) => ({ metadata: { labels }, spec });
const containers = (...list: Loose[]) => ({ template: { spec: { containers: list } } });

Deno.test("fieldSetOf() claims leaves, items of keyed lists and map keys, and takes atomic values whole", () => {
  const config = web({
    replicas: 1,
    selector: { matchLabels: { app: "web" } },
    ...containers({ name: "c", image: "i" }),
  });
  assert.deepEqual(toFieldsV1(fieldSetOf(config, deployment)), {
    "f:metadata": { "f:labels": { "f:app": {} } },
    "f:spec": {
      "f:replicas": {},
      "f:selector": {},
      "f:template": { "f:spec": { "f:containers": { 'k:{"name":"c"}': { ".": {}, "f:image": {}, "f:name": {} } } } },
    },
  });
  const ports = { spec: { ports: [{ port: 80 }, { port: 53, protocol: "UDP" }] } };
  assert.deepEqual(printedPaths(fieldSetOf(ports, service)), [
    '.spec.ports[port=53,protocol="UDP"]',
    '.spec.ports[port=53,protocol="UDP"].port',
    '.spec.ports[port=53,protocol="UDP"].protocol',
    '.spec.ports[port=80,protocol="TCP"]',
    '.spec.ports[port=80,protocol="TCP"].port',
  ]);
});

Deno.test("trackUpdate() of a create writes what kubectl create leaves behind", () => {
  const object = web({
    replicas: 1,
    strategy: { rollingUpdate: { maxSurge: 1 } },
    ...containers({ name: "c", image: "i" }),
  });
  const [mine] = encodeManagers(trackUpdate([], writer("kubectl-create"), {}, object, deployment));
  assert.deepEqual(mine, {
    manager: "kubectl-create",
    operation: "Update",
    apiVersion: "v1",
    time: "2026-01-01T00:00:00Z",
    fieldsType: "FieldsV1",
    fieldsV1: {
      "f:metadata": { "f:labels": { ".": {}, "f:app": {} } },
      "f:spec": {
        "f:replicas": {},
        "f:strategy": { "f:rollingUpdate": { ".": {}, "f:maxSurge": {} } },
        "f:template": {
          "f:spec": { "f:containers": { ".": {}, 'k:{"name":"c"}': { ".": {}, "f:image": {}, "f:name": {} } } },
        },
      },
    },
  });
});

Deno.test("trackNew() is trackUpdate() of nothing, on objects of every kind", () => {
  const random = prng(5);
  for (let i = 0; i < 300; i++) {
    const info = resources[i % resources.length] as (typeof resources)[number];
    const object = sampleObject(info, random);
    const type = applyTypeOf(info.type);
    const slow = encodeManagers(trackUpdate([], writer("a"), {}, object, type));
    assert.deepEqual(trackNew(writer("a"), object, type), slow, `object ${i}, a ${info.kind}`);
  }
});

Deno.test("trackUpdate() moves a changed field to who changed it and forgets a removed one", () => {
  const first = web({ replicas: 1, paused: true });
  const managers = trackUpdate([], writer("a"), {}, first, deployment);
  const next = trackUpdate(managers, writer("b"), first, web({ replicas: 2 }), deployment);
  assert.deepEqual(next.map((it) => [it.manager, printedPaths(it.fields)]), [
    ["a", [".metadata.labels", ".metadata.labels.app"]],
    ["b", [".spec.replicas"]],
  ]);
  assert.equal(trackUpdate(next, writer("c"), first, first, deployment), next, "no change, no new owner");
});

Deno.test("applyConfig() merges, removes what the applier no longer names, and keeps what others own", () => {
  const one = apply([], {}, web({ replicas: 1, ...containers({ name: "a", image: "1" }, { name: "b", image: "1" }) }));
  assert.equal(one.kind, "applied");
  if (one.kind !== "applied") return;
  // Defaults that the server added to an item vanish with it.
  const live: Loose = structuredClone(one.object);
  live.spec.template.spec.containers[1].imagePullPolicy = "Always";
  live.spec.revisionHistoryLimit = 10;
  const two = apply(one.managers, live, web(containers({ name: "a", image: "2" })));
  assert.equal(two.kind, "applied");
  if (two.kind !== "applied") return;
  assert.deepEqual(two.object, {
    metadata: { labels: { app: "web" } },
    spec: { revisionHistoryLimit: 10, ...containers({ name: "a", image: "2" }) },
  });
});

Deno.test("applyConfig() refuses to change another's field, in upstream's words, unless forced", () => {
  const live = web({ replicas: 1 });
  const managers = trackUpdate([], writer("kubectl-create"), {}, live, deployment);
  const refused = apply(managers, live, web({ replicas: 3 }));
  assert.equal(refused.kind, "conflict");
  if (refused.kind !== "conflict") return;
  assert.deepEqual(conflictReport(refused.conflicts), {
    message: 'Apply failed with 1 conflict: conflict with "kubectl-create" using v1: .spec.replicas',
    causes: [{
      reason: "FieldManagerConflict",
      message: 'conflict with "kubectl-create" using v1',
      field: ".spec.replicas",
    }],
  });
  const forced = apply(managers, live, web({ replicas: 3 }), "me", true);
  assert.equal(forced.kind, "applied");
  if (forced.kind !== "applied") return;
  const theirs = forced.managers.find((it) => it.manager === "kubectl-create");
  assert.ok(theirs !== undefined && !printedPaths(theirs.fields).includes(".spec.replicas"));
});

Deno.test("conflictReport() lists several conflicts by manager", () => {
  const live = web({ replicas: 1 });
  const managers = trackUpdate([], writer("a"), {}, live, deployment);
  const refused = apply(managers, live, web({ replicas: 3 }, { app: "other" }));
  assert.equal(refused.kind, "conflict");
  if (refused.kind !== "conflict") return;
  assert.equal(
    conflictReport(refused.conflicts).message,
    'Apply failed with 2 conflicts: conflicts with "a" using v1:\n- .metadata.labels.app\n- .spec.replicas',
  );
});

Deno.test("applyConfig() shares a field on which all agree", () => {
  const live = web({ replicas: 1 });
  const managers = trackUpdate([], writer("a"), {}, live, deployment);
  const shared = apply(managers, live, web({ replicas: 1 }));
  assert.equal(shared.kind, "applied");
  if (shared.kind !== "applied") return;
  // What was shared stays when one of the two lets go.
  const left = apply(shared.managers, live, web({}));
  assert.deepEqual(left.kind === "applied" && left.object, live);
});

Deno.test("managedFields survive their encoding; garbage is no managedFields", () => {
  const managers = trackUpdate([], writer("a"), {}, web({ replicas: 1 }), deployment);
  assert.deepEqual(decodeManagers(encodeManagers(managers)), managers);
  assert.equal(decodeManagers([{ manager: "a", operation: "Nope", apiVersion: "v1", fieldsType: "FieldsV1" }]), null);
  assert.equal(
    decodeManagers([{ operation: "Update", apiVersion: "v1", fieldsType: "FieldsV1", fieldsV1: { "x:y": {} } }]),
    null,
  );
});

Deno.test("encodeManagers() keeps ten updating managers and merges the oldest into ancient-changes", () => {
  let managers: readonly FieldManager[] = [];
  for (let i = 0; i < 14; i++) {
    const at = { ...writer(`m${i}`), time: `2026-01-01T00:00:${String(i).padStart(2, "0")}Z` };
    managers = trackUpdate(managers, at, { data: {} }, { data: { [`k${i}`]: "v" } }, configMap);
  }
  const names = encodeManagers(managers).map((it) => it.manager);
  assert.equal(names.length, 10);
  assert.equal(names.filter((name) => name === "ancient-changes").length, 1);
  assert.ok(names.includes("m13") && !names.includes("m0"));
});

Deno.test("applying the same twice changes nothing; what is applied is there, and nothing of others is lost", () => {
  const random = prng(11);
  const names = ["a", "b", "c", "d"];
  const draw = () => {
    const spec: Loose = {};
    if (random.int(2) === 0) spec.replicas = random.int(3);
    if (random.int(2) === 0) spec.paused = true;
    const list = names.filter(() => random.int(2) === 0).map((name) => ({ name, image: String(random.int(3)) }));
    if (list.length > 0) Object.assign(spec, containers(...list));
    const labels = names.filter(() => random.int(2) === 0).map((name) => [name, "x"]);
    // The codec drops empty maps: a configuration never has one.
    return labels.length === 0 ? { spec } : web(spec, Object.fromEntries(labels));
  };
  let managers: readonly FieldManager[] = [];
  let live: Loose = {};
  for (let i = 0; i < 500; i++) {
    const config = draw();
    const manager = `m${random.int(3)}`;
    const done = apply(managers, live, config, manager, true);
    assert.equal(done.kind, "applied");
    if (done.kind !== "applied") return;
    const again = apply(done.managers, done.object, config, manager);
    assert.equal(again.kind, "applied", `step ${i}: no conflict with oneself`);
    if (again.kind !== "applied") return;
    assert.deepEqual(again.object, done.object, `step ${i}: idempotent`);
    const missing = compareValues(config, done.object, deployment);
    assert.deepEqual(printedPaths(missing.modified), [], `step ${i}: every applied value is there`);
    assert.deepEqual(printedPaths(missing.removed).filter((path) => path.includes(".")), [], `step ${i}`);
    const there = printedPaths(fieldSetOf(done.object, deployment));
    for (const it of done.managers) {
      const lost = printedPaths(it.fields).filter((path) => !there.some((known) => known.startsWith(path)));
      assert.deepEqual(lost, [], `step ${i}: ${it.manager} owns only what exists`);
    }
    managers = done.managers;
    live = done.object;
  }
});
