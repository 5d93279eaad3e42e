/** CustomResourceDefinitions and what they define. */
import assert from "node:assert/strict";
import type { Api, Loose, Reply } from "../api.ts";
import { changes, define, definitions, everywhere, undefine } from "../definitions.ts";
import type { Check } from "../helpers.ts";
import { apply, good, merge } from "../lifecycle.ts";

const aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** The resources that aggregated discovery has of a group, by version. */
async function discovered(api: Api, group: string): Promise<Record<string, Loose[]> | undefined> {
  const reply = await api.call("GET", "/apis", undefined, { accept: aggregated });
  const { items } = good(reply, 200, "aggregated discovery");
  assert.match(reply.headers.get("content-type") ?? "", /as=APIGroupDiscoveryList/);
  const found = items.find((it: Loose) => it.metadata.name === group);
  return found && Object.fromEntries(found.versions.map((it: Loose) => [it.version, it.resources]));
}

/** What the suite's field validation tests give their definition. */
function ports(more: Loose = {}, onSpec: Loose = {}): Loose {
  const text = { type: "string" };
  const number = { type: "integer", format: "int32" };
  const port = { containerPort: number, hostIP: text, hostPort: number, name: text, protocol: text };
  return {
    type: "object",
    properties: {
      spec: {
        type: "object",
        ...onSpec,
        properties: {
          foo: text,
          cronSpec: { type: "string", pattern: "^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$" },
          ports: {
            type: "array",
            "x-kubernetes-list-map-keys": ["containerPort", "protocol"],
            "x-kubernetes-list-type": "map",
            items: { type: "object", properties: port, required: ["containerPort", "protocol"] },
          },
          ...more,
        },
      },
    },
  };
}

const preserving = { "x-kubernetes-preserve-unknown-fields": true };

/** Applies, strictly, a cluster-scoped object written in YAML. @param lines where the object differs from the sound one */
async function applied(
  api: Api,
  namespace: string,
  schema: Loose,
  lines: { readonly root?: string; readonly metadata?: string; readonly spec: string },
): Promise<Reply> {
  const version = { name: "v1beta1", storage: true, ...(schema === undefined ? {} : { schema }) };
  const noxu = await define(api, `${namespace}.example.com`, "noxu", [version], { scope: "Cluster" });
  const body = `
apiVersion: ${noxu.group}/v1beta1
kind: ${noxu.kind}
metadata:
  name: mytest${lines.metadata ?? ""}
  finalizers:
  - test-finalizer${lines.root ?? ""}
spec:${lines.spec}
  cronSpec: "* * * * */5"
  ports:
  - name: x
    containerPort: 80
    protocol: TCP`;
  const path = noxu.path("v1beta1", "", "mytest");
  const reply = await api.call(
    "PATCH",
    `${path}?fieldManager=field_validation_mgr&fieldValidation=Strict`,
    body,
    apply,
  );
  await api.call("PATCH", path, { metadata: { finalizers: null } }, merge);
  await undefine(api, noxu);
  return reply;
}

function says(reply: Reply, words: string): void {
  assert.ok(reply.code >= 400, `refused: ${reply.code}`);
  assert.ok(JSON.stringify(reply.body).includes(words), `${words} in ${JSON.stringify(reply.body)}`);
}

export const customResourceChecks: Readonly<Record<string, Check>> = {
  async "aggregated discovery of definitions"(api, namespace) {
    const group = `${namespace}.example.com`;
    const versions = [{ name: "v1", storage: true, subresources: { status: {} } }, { name: "v2" }];
    const foo = await define(api, group, "foo", versions);
    await everywhere(`${group} is discovered`, async () => {
      const found = await discovered(api, group);
      return found?.["v1"]?.some((it) => it.resource === "foos") === true && found["v2"] !== undefined;
    });
    const [resource] = (await discovered(api, group))?.["v1"] ?? [];
    assert.deepEqual(resource.responseKind, { group, version: "v1", kind: "Foo" });
    assert.equal(resource.scope, "Namespaced");
    for (const verb of ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]) {
      assert.ok(resource.verbs.includes(verb), verb);
    }
    assert.ok(resource.subresources.some((it: Loose) => it.subresource === "status"));
    await undefine(api, foo);
    await everywhere(`${group} is discovered no more`, async () => await discovered(api, group) === undefined);
  },
  async "watch of definitions"(api, namespace) {
    const noxu = await define(api, `${namespace}.example.com`, "noxu", [{ name: "v1", storage: true }], {
      scope: "Cluster",
    });
    const collection = noxu.path("v1", "");
    const from = good(await api.call("GET", collection), 200, "list").metadata.resourceVersion;
    const watch = (name: string) =>
      api.watch(`${collection}?watch=true&fieldSelector=metadata.name=${name}&resourceVersion=${from}`);
    const [a, b] = [await watch("name1"), await watch("name2")];
    const object = (name: string) => ({
      apiVersion: `${noxu.group}/v1`,
      kind: noxu.kind,
      metadata: { name },
      content: { key: "value" },
      num: { num1: 1, num2: 1_000_000 },
    });
    try {
      for (const name of ["name1", "name2"]) good(await api.call("POST", collection, object(name)), 201, name);
      for (const name of ["name1", "name2"]) {
        good(await api.call("PATCH", `${collection}/${name}`, { dummy: "test" }, merge), 200, `modify ${name}`);
      }
      for (const name of ["name1", "name2"]) good(await api.call("DELETE", `${collection}/${name}`), 200, name);
      assert.deepEqual(await changes(a, 3), ["ADDED name1", "MODIFIED name1", "DELETED name1"]);
      assert.deepEqual(await changes(b, 3), ["ADDED name2", "MODIFIED name2", "DELETED name2"]);
    } finally {
      await a.close();
      await b.close();
    }
    await undefine(api, noxu);
  },
  async "defaults of definitions"(api, namespace) {
    const properties = { a: { type: "string", default: "A" }, b: { type: "string" } };
    const schema = { type: "object", properties };
    const noxu = await define(api, `${namespace}.example.com`, "noxu", [{ name: "v1", storage: true, schema }]);
    const collection = noxu.path("v1", namespace);
    const object = (name: string) => ({
      apiVersion: `${noxu.group}/v1`,
      kind: noxu.kind,
      metadata: { name },
    });
    const made = good(await api.call("POST", collection, object("foo")), 201, "create");
    assert.deepEqual([made.a, made.b], ["A", undefined]);
    // A default that comes after the object was stored shows when it is read.
    const path = "/spec/versions/0/schema/openAPIV3Schema/properties/b/default";
    const patch = [{ op: "add", path, value: "B" }];
    const contentType = "application/json-patch+json";
    good(await api.call("PATCH", `${definitions}/${noxu.name}`, patch, { contentType }), 200, "give b a default");
    await everywhere("b has its default", async () => {
      const read = good(await api.call("GET", `${collection}/foo`), 200, "get");
      return read.a === "A" && read.b === "B";
    });
    const last = good(await api.call("POST", collection, object("bar")), 201, "create");
    assert.deepEqual([last.a, last.b], ["A", "B"]);
    const list = good(await api.call("GET", collection), 200, "list");
    assert.deepEqual(list.items.map((it: Loose) => [it.a, it.b]), [["A", "B"], ["A", "B"]]);
    await undefine(api, noxu);
  },
  async "unknown fields without a schema"(api, namespace) {
    good(await applied(api, namespace, undefined, { spec: "\n  unknown: uk1" }), 201, "apply");
  },
  async "valid custom resource"(api, namespace) {
    good(await applied(api, namespace, ports(), { spec: "\n  foo: foo1" }), 201, "apply");
  },
  async "unknown field of a custom resource"(api, namespace) {
    const lines = { root: "\nunknownField: unknown", spec: "\n  foo: foo1" };
    says(await applied(api, namespace, ports(), lines), ".unknownField: field not declared in schema");
  },
  async "duplicate field of a custom resource"(api, namespace) {
    const lines = { spec: "\n  unknown: uk1\n  foo: foo1\n  foo: foo2" };
    says(await applied(api, namespace, ports({}, preserving), lines), `line 11: key \\"foo\\" already set in map`);
  },
  async "unknown metadata of a custom resource"(api, namespace) {
    const template = {
      type: "object",
      "x-kubernetes-embedded-resource": true,
      properties: {
        metadata: { type: "object", properties: { name: { type: "string" } } },
        spec: { type: "object" },
      },
    };
    const spec = `
  template:
    apiVersion: foo/v1
    kind: Sub
    metadata:
      unknownSubMeta: unknown
      name: subobject
      namespace: ${namespace}
  foo: foo1`;
    const schema = ports({ template }, preserving);
    const reply = await applied(api, namespace, schema, { metadata: "\n  unknownMeta: unknown", spec });
    says(reply, ".spec.template.metadata.unknownSubMeta: field not declared in schema");
    says(reply, ".metadata.unknownMeta: field not declared in schema");
  },
};
