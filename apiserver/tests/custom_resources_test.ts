import assert from "node:assert/strict";
import { createLocalStore } from "../../store/mod.ts";
import { type Answer, type Loose, start, testRandom, type TestServer, until, VirtualTime } from "../testing.ts";

const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const things = "/apis/example.com/v1/namespaces/default/things";

const schema = {
  type: "object",
  properties: {
    spec: {
      type: "object",
      required: ["size"],
      properties: {
        size: { type: "integer", minimum: 1, maximum: 9 },
        color: { type: "string", enum: ["red", "blue"], default: "red" },
        code: { type: "string", pattern: "^[a-z]+$", maxLength: 5 },
        port: { "x-kubernetes-int-or-string": true },
        note: { type: "string", nullable: true },
        free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
        parts: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["name"],
          items: {
            type: "object",
            required: ["name"],
            properties: { name: { type: "string" }, weight: { type: "integer", default: 7 } },
          },
        },
        labels: { type: "object", additionalProperties: { type: "string" } },
        inner: {
          type: "object",
          "x-kubernetes-embedded-resource": true,
          "x-kubernetes-preserve-unknown-fields": true,
        },
        replicas: { type: "integer" },
      },
    },
    status: { type: "object", properties: { replicas: { type: "integer" }, selector: { type: "string" } } },
  },
};

function definition(change: (it: Loose) => void = () => {}): Loose {
  const it = {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "things.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "things", singular: "thing", kind: "Thing", shortNames: ["th"], categories: ["all"] },
      versions: [{
        name: "v1",
        served: true,
        storage: true,
        schema: { openAPIV3Schema: schema },
        subresources: {
          status: {},
          scale: {
            specReplicasPath: ".spec.replicas",
            statusReplicasPath: ".status.replicas",
            labelSelectorPath: ".status.selector",
          },
        },
        additionalPrinterColumns: [
          { name: "Size", type: "integer", jsonPath: ".spec.size" },
          { name: "Color", type: "string", jsonPath: ".spec.color", priority: 1 },
          { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
        ],
        selectableFields: [{ jsonPath: ".spec.color" }],
      }],
    },
  };
  change(it);
  return structuredClone(it);
}

function thing(name: string, spec: Loose, more: Loose = {}): Loose {
  return { apiVersion: "example.com/v1", kind: "Thing", metadata: { name }, spec, ...more };
}

function hasCondition(answer: Answer, type: string, status: string): boolean {
  return (answer.body.status?.conditions ?? []).some((it: Loose) => it.type === type && it.status === status);
}

async function define(server: TestServer, body: Loose = definition()): Promise<void> {
  const answer = await server.post(path, body);
  assert.equal(answer.code, 201, JSON.stringify(answer.body));
  const name = body.metadata.name;
  await until(() => server.get(`${path}/${name}`), (it) => hasCondition(it, "Established", "True"));
}

Deno.test("a definition is accepted, established and served; discovery and OpenAPI name it", async () => {
  await using server = await start();
  assert.equal((await server.get(things)).code, 404);
  await define(server);
  const { body } = await server.get(`${path}/things.example.com`);
  const told = body.status.conditions.map((it: Loose) => [it.type, it.status, it.reason, it.message]);
  assert.deepEqual(told, [
    ["NamesAccepted", "True", "NoConflicts", "no conflicts found"],
    ["Established", "True", "InitialNamesAccepted", "the initial names have been accepted"],
  ]);
  assert.deepEqual(body.status.storedVersions, ["v1"]);
  assert.equal(body.status.acceptedNames.listKind, "ThingList");
  assert.equal((await server.get(things)).body.kind, "ThingList");
  const groups = (await server.get("/apis")).body.groups.map((it: Loose) => it.name);
  assert.equal(groups.at(-1), "example.com");
  const list = (await server.get("/apis/example.com/v1")).body.resources;
  assert.deepEqual(list.map((it: Loose) => it.name), ["things", "things/scale", "things/status"]);
  assert.deepEqual([list[0].shortNames, list[0].categories, list[0].kind], [["th"], ["all"], "Thing"]);
  const v3 = (await server.get("/openapi/v3/apis/example.com/v1")).body;
  assert.equal(v3.components.schemas["com.example.v1.Thing"].properties.spec.properties.size.type, "integer");
  // kubectl apply sends what is listed here; strategic merges of custom resources are refused.
  const { patch } = v3.paths["/apis/example.com/v1/namespaces/{namespace}/things/{name}"];
  const types = Object.keys(patch.requestBody.content);
  assert.ok(types.includes("application/merge-patch+json"));
  assert.ok(!types.includes("application/strategic-merge-patch+json"));
  const v2 = (await server.get("/openapi/v2")).body;
  assert.ok(v2.definitions["com.example.v1.Thing"].properties.metadata.$ref.startsWith("#/definitions/"));
  await server.delete(`${path}/things.example.com`);
  await until(() => server.get("/apis/example.com"), (it) => it.code === 404);
  assert.equal((await server.get("/openapi/v3/apis/example.com/v1")).code, 404);
});

Deno.test("a custom resource is defaulted, pruned, counted and shown by its definition", async () => {
  await using server = await start();
  await define(server);
  const spec = {
    size: 3,
    extra: 1,
    note: null,
    free: { any: { thing: 1 } },
    parts: [{ name: "a", x: 1 }],
    replicas: 2,
  };
  const made = await server.post(things, thing("a", spec, { status: { replicas: 9 } }));
  assert.equal(made.code, 201);
  assert.match(made.headers.get("warning") ?? "", /unknown field \\"spec.extra\\"/);
  assert.deepEqual(made.body.spec, {
    size: 3,
    note: null,
    free: { any: { thing: 1 } },
    parts: [{ name: "a", weight: 7 }],
    replicas: 2,
    color: "red",
  });
  assert.equal(made.body.status, undefined);
  assert.equal(made.body.metadata.generation, 1);
  const strict = await server.post(`${things}?fieldValidation=Strict`, thing("b", { size: 3, extra: 1 }));
  assert.equal(strict.code, 400);
  assert.match(strict.body.message, /strict decoding error: unknown field "spec.extra"/);
  const patched = await server.patch(`${things}/a`, { spec: { size: 4 } });
  assert.equal(patched.body.metadata.generation, 2);
  const status = await server.patch(`${things}/a/status`, {
    spec: { size: 5 },
    status: { replicas: 2, selector: "a=b" },
  });
  assert.deepEqual([status.body.spec.size, status.body.status.replicas, status.body.metadata.generation], [4, 2, 2]);
  const scale = await server.get(`${things}/a/scale`);
  assert.deepEqual([scale.body.spec, scale.body.status], [{ replicas: 2 }, { replicas: 2, selector: "a=b" }]);
  await server.patch(`${things}/a/scale`, { spec: { replicas: 5 } });
  assert.equal((await server.get(`${things}/a`)).body.spec.replicas, 5);
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
  const table = (await server.get(things, { headers: { accept } })).body;
  assert.deepEqual(table.columnDefinitions.map((it: Loose) => it.name), ["Name", "Size", "Color", "Age"]);
  assert.deepEqual(table.rows[0].cells.slice(0, 3), ["a", 4, "red"]);
  assert.equal((await server.get(`${things}?fieldSelector=spec.color%3Dred`)).body.items.length, 1);
  assert.equal((await server.get(`${things}?fieldSelector=spec.color%3Dblue`)).body.items.length, 0);
  assert.equal((await server.get(`${things}?fieldSelector=spec.size%3D4`)).code, 400);
  const noVersion = thing("a", { size: 1 });
  assert.equal((await server.put(`${things}/a`, noVersion)).code, 422);
  const strategic = { "content-type": "application/strategic-merge-patch+json" };
  assert.equal((await server.patch(`${things}/a`, {}, { headers: strategic })).code, 415);
});

Deno.test("values are refused in kube-openapi's words; what an update leaves alone is not", async () => {
  await using server = await start();
  await define(server);
  const refused = async (spec: Loose): Promise<string[]> => {
    const { code, body } = await server.post(things, thing("x", spec));
    assert.equal(code, 422, JSON.stringify(body));
    return body.details.causes.map((it: Loose) => `${it.reason} ${it.field}: ${it.message}`);
  };
  assert.deepEqual(await refused({}), ["FieldValueRequired spec.size: Required value"]);
  assert.deepEqual(await refused({ size: "3" }), [
    'FieldValueTypeInvalid spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
  ]);
  assert.deepEqual(await refused({ size: 10 }), [
    "FieldValueInvalid spec.size: Invalid value: 10: spec.size in body should be less than or equal to 9",
  ]);
  assert.deepEqual(await refused({ size: 1, color: "green" }), [
    'FieldValueNotSupported spec.color: Unsupported value: "green": supported values: "red", "blue"',
  ]);
  assert.deepEqual(await refused({ size: 1, code: "ABCDEF" }), [
    "FieldValueTooLong spec.code: Too long: may not be more than 5 bytes",
    `FieldValueInvalid spec.code: Invalid value: "ABCDEF": spec.code in body should match '^[a-z]+$'`,
  ]);
  assert.deepEqual(await refused({ size: 1, parts: [{ name: "a" }, { name: "a" }] }), [
    'FieldValueDuplicate spec.parts[1]: Duplicate value: {"name":"a"}',
  ]);
  assert.deepEqual(await refused({ size: 1, port: true }), [
    'FieldValueTypeInvalid spec.port: Invalid value: "boolean": ' +
    'spec.port in body must be of type integer,string: "boolean"',
  ]);
  assert.deepEqual(await refused({ size: 1, inner: { kind: "X" } }), [
    "FieldValueRequired spec.inner.apiVersion: Required value: must not be empty",
  ]);
  await server.post(things, thing("old", { size: 9 }));
  const tighter = definition((it) => it.spec.versions[0].schema = { openAPIV3Schema: narrower(5) });
  await server.patch(`${path}/things.example.com`, { spec: tighter.spec });
  await until(() => server.post(`${things}?dryRun=All`, thing("y", { size: 9 })), (it) => it.code === 422);
  assert.equal((await server.patch(`${things}/old`, { spec: { replicas: 1 } })).code, 200);
  assert.equal((await server.patch(`${things}/old`, { spec: { size: 8 } })).code, 422);
});

function narrower(maximum: number): Loose {
  const copy: Loose = structuredClone(schema);
  copy.properties.spec.properties.size.maximum = maximum;
  return copy;
}

Deno.test("a head that is no text and holds a number beyond a double is 400 (found by fuzzing)", async () => {
  await using server = await start();
  await define(server);
  const body =
    '{"apiVersion":{"toString":[9007199254740993]},"kind":"Thing","metadata":{"name":"a"},"spec":{"size":1}}';
  assert.equal((await server.post(things, body)).code, 400);
});

Deno.test("__proto__ keys, deep nesting and patterns that JavaScript would choke on cost nothing", async () => {
  await using server = await start();
  const evil = definition((it) => {
    const { properties }: Loose =
      (it.spec.versions[0].schema.openAPIV3Schema = structuredClone(schema)).properties.spec;
    properties.code = { type: "string", pattern: "^(a+)+$" };
  });
  await define(server, evil);
  const text = `{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"p"},` +
    `"spec":{"size":1,"__proto__":{"polluted":1},"labels":{"__proto__":"x"},"free":{"__proto__":{"a":1}}}}`;
  const made = await server.post(things, text);
  assert.equal(made.code, 201, JSON.stringify(made.body));
  assert.equal(({} as Loose).polluted, undefined);
  const begun = performance.now();
  const slow = await server.post(things, thing("slow", { size: 1, code: `${"a".repeat(40_000)}!` }));
  assert.equal(slow.code, 422);
  assert.ok(performance.now() - begun < 5000, "linear time");
  let deep: Loose = 1;
  for (let i = 0; i < 5000; i++) deep = { a: deep };
  assert.equal((await server.post(things, thing("deep", { size: 1, free: deep }))).code, 400);
});

Deno.test("two versions see one object; each has its defaults, and a change of storage is written down", async () => {
  await using server = await start();
  const version = (name: string, storage: boolean, fallback: string) => ({
    name,
    served: true,
    storage,
    schema: {
      openAPIV3Schema: {
        type: "object",
        properties: {
          spec: {
            type: "object",
            properties: { size: { type: "integer" }, [name]: { type: "string", default: fallback } },
          },
        },
      },
    },
  });
  const two = definition((it) => it.spec.versions = [version("v1beta1", true, "old"), version("v1", false, "new")]);
  await define(server, two);
  const beta = things.replace("/v1/", "/v1beta1/");
  assert.equal((await server.post(things, thing("a", { size: 1 }))).body.spec.v1, "new");
  const read = await server.get(`${beta}/a`);
  assert.deepEqual([read.body.apiVersion, read.body.spec], ["example.com/v1beta1", { size: 1, v1beta1: "old" }]);
  const group = await server.get("/apis/example.com");
  assert.equal(group.body.preferredVersion.version, "v1");
  const watch = await server.watch(`${things}?watch=1&resourceVersion=${read.body.metadata.resourceVersion}`);
  await server.patch(`${beta}/a`, { spec: { size: 2 } });
  const event = await watch.next();
  assert.deepEqual([event.type, event.object.apiVersion, event.object.spec], ["MODIFIED", "example.com/v1", {
    size: 2,
    v1: "new",
  }]);
  await watch.cancel();
  const swapped = structuredClone(two.spec.versions);
  [swapped[0].storage, swapped[1].storage] = [false, true];
  const moved = await server.patch(`${path}/things.example.com`, { spec: { versions: swapped } });
  assert.deepEqual(moved.body.status.storedVersions, ["v1beta1", "v1"]);
});

Deno.test("names that are taken are not accepted, until they are free", async () => {
  await using server = await start();
  await define(server);
  const other = definition((it) => {
    it.metadata.name = "others.example.com";
    it.spec.names = { plural: "others", kind: "Thing", shortNames: ["th"] };
  });
  assert.equal((await server.post(path, other)).code, 201);
  const refused = await until(
    () => server.get(`${path}/others.example.com`),
    (it) => hasCondition(it, "NamesAccepted", "False"),
  );
  const [names] = refused.body.status.conditions;
  assert.deepEqual([names.reason, names.message], ["ListKindConflict", '"ThingList" is already in use']);
  assert.equal((await server.get("/apis/example.com/v1/others")).code, 404);
  await server.delete(`${path}/things.example.com`);
  await until(() => server.get(`${path}/others.example.com`), (it) => hasCondition(it, "Established", "True"));
  assert.equal((await server.get("/apis/example.com/v1/others")).code, 200);
});

Deno.test("a definition goes when its instances are gone; one that waits for a finalizer holds it", async () => {
  await using server = await start();
  await define(server);
  await server.post(things, thing("free", { size: 1 }));
  const held = thing("held", { size: 1 });
  held.metadata.finalizers = ["example.com/wait"];
  await server.post(things, held);
  const deleted = await server.delete(`${path}/things.example.com`);
  assert.deepEqual(deleted.body.metadata.finalizers, ["customresourcecleanup.apiextensions.k8s.io"]);
  await until(() => server.get(`${things}/free`), (it) => it.code === 404);
  const waiting = await server.get(`${path}/things.example.com`);
  assert.ok(hasCondition(waiting, "Terminating", "True"));
  const late = await server.post(things, thing("late", { size: 1 }));
  assert.equal(late.code, 405);
  assert.equal(late.body.message, "create not allowed while custom resource definition is terminating");
  await server.patch(`${things}/held`, { metadata: { finalizers: null } });
  await server.time.advance(1000);
  await until(() => server.get(`${path}/things.example.com`), (it) => it.code === 404);
  await until(() => server.get(things), (it) => it.code === 404);
});

Deno.test("a second server serves what the first one learned; a new one what is stored", async () => {
  const time = new VirtualTime();
  const store = createLocalStore({ clock: time, timers: time, random: testRandom(1) });
  {
    await using one = await start({ store, time });
    await using two = await start({ store, time, seed: 2 });
    await define(one);
    assert.equal((await two.get(things)).code, 200);
    const watch = await two.watch(`${things}?watch=1`);
    await one.post(things, thing("a", { size: 1 }));
    assert.deepEqual(await watch.names(1), ["ADDED a"]);
    await watch.cancel();
  }
  await using three = await start({ store, time, seed: 3 });
  assert.equal((await three.get(`${things}/a`)).body.spec.size, 1);
  store.close();
});

Deno.test("definitions are refused in upstream's words", async () => {
  await using server = await start();
  const causes = async (change: (it: Loose) => void): Promise<string[]> => {
    const { code, body } = await server.post(path, definition(change));
    assert.equal(code, 422, JSON.stringify(body));
    return body.details.causes.map((it: Loose) => `${it.field}: ${it.message}`);
  };
  assert.deepEqual(await causes((it) => it.metadata.name = "x.example.com"), [
    'metadata.name: Invalid value: "x.example.com": must be spec.names.plural+"."+spec.group',
  ]);
  assert.deepEqual(await causes((it) => it.spec.scope = "Global"), [
    'spec.scope: Unsupported value: "Global": supported values: "Cluster", "Namespaced"',
  ]);
  assert.deepEqual(await causes((it) => delete it.spec.versions[0].schema), [
    "spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required",
  ]);
  const at = "spec.validation.openAPIV3Schema";
  const withSpec = (props: Loose) => (it: Loose) =>
    it.spec.versions[0].schema = { openAPIV3Schema: { type: "object", properties: { spec: props } } };
  assert.deepEqual(await causes(withSpec({ properties: {} })), [
    `${at}.properties[spec].type: Required value: must not be empty for specified object fields`,
  ]);
  assert.deepEqual(await causes(withSpec({ type: "array" })), [
    `${at}.properties[spec].items: Required value: must be specified`,
  ]);
  assert.deepEqual(await causes(withSpec({ type: "string", pattern: "(" })), [
    `${at}.properties[spec].pattern: Invalid value: "(": must be a valid regular expression, but isn't: ` +
    "error parsing regexp: missing closing ): `(`",
  ]);
  assert.deepEqual(await causes(withSpec({ type: "string", default: 3 })), [
    `${at}.properties[spec].default: Invalid value: "integer": ${at}.properties[spec].default in body must be of type ` +
    'string: "integer"',
  ]);
});

Deno.test("x-kubernetes-validations: rules, transitions, messages, places and reasons", async () => {
  await using server = await start();
  const ruled = definition((it) => {
    const copy: Loose = it.spec.versions[0].schema.openAPIV3Schema = structuredClone(schema);
    const { spec } = copy.properties;
    spec["x-kubernetes-validations"] = [
      {
        rule: "!has(self.replicas) || self.replicas <= self.size",
        message: "too many replicas",
        fieldPath: ".replicas",
      },
      { rule: "self.size >= oldSelf.size", messageExpression: "'size was ' + string(oldSelf.size)" },
      { rule: "!has(self.code) || self.code != 'no'", reason: "FieldValueForbidden" },
    ];
    spec.properties.parts.items["x-kubernetes-validations"] = [
      { rule: "!oldSelf.hasValue() || self.weight == oldSelf.value().weight", optionalOldSelf: true },
    ];
  });
  await define(server, ruled);
  const causes = (answer: Answer) =>
    answer.body.details.causes.map((it: Loose) => `${it.reason} ${it.field}: ${it.message}`);
  const many = await server.post(things, thing("a", { size: 2, replicas: 3, code: "no" }));
  assert.deepEqual(causes(many), [
    'FieldValueInvalid spec.replicas: Invalid value: "object": too many replicas',
    "FieldValueForbidden spec: Forbidden: failed rule: !has(self.code) || self.code != 'no'",
  ]);
  assert.equal((await server.post(things, thing("a", { size: 2, parts: [{ name: "p" }] }))).code, 201);
  assert.deepEqual(causes(await server.patch(`${things}/a`, { spec: { size: 1 } })), [
    'FieldValueInvalid spec: Invalid value: "object": size was 2',
  ]);
  assert.deepEqual(causes(await server.patch(`${things}/a`, { spec: { parts: [{ name: "p", weight: 8 }] } })), [
    'FieldValueInvalid spec.parts[0]: Invalid value: "object": failed rule: ' +
    "!oldSelf.hasValue() || self.weight == oldSelf.value().weight",
  ]);
  const bad = definition((it) => {
    it.metadata.name = "bads.example.com";
    it.spec.names = { plural: "bads", kind: "Bad" };
    const copy: Loose = it.spec.versions[0].schema.openAPIV3Schema = structuredClone(schema);
    copy.properties.spec["x-kubernetes-validations"] = [{ rule: "self.size > other" }];
  });
  assert.match(
    (await server.post(path, bad)).body.message,
    /compilation failed: ERROR: .*undeclared reference to 'other'/,
  );
});
