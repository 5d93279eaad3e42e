import assert from "node:assert/strict";
import { type Loose, start, type TestServer } from "../../apiserver/testing.ts";

const group = "/apis/admissionregistration.k8s.io/v1";
const maps = "/api/v1/namespaces/default/configmaps";
const pods = "/api/v1/namespaces/default/pods";
const rule = (...resources: string[]) => ({
  apiGroups: [""],
  apiVersions: ["v1"],
  operations: ["CREATE", "UPDATE"],
  resources,
});

async function policy(server: TestServer, name: string, spec: Loose, binding: Loose = {}): Promise<void> {
  const made = await server.post(`${group}/mutatingadmissionpolicies`, {
    metadata: { name },
    spec: {
      matchConstraints: { resourceRules: [rule("configmaps", "pods")] },
      reinvocationPolicy: "Never",
      failurePolicy: "Fail",
      ...spec,
    },
  });
  assert.equal(made.code, 201, JSON.stringify(made.body));
  const bound = await server.post(`${group}/mutatingadmissionpolicybindings`, {
    metadata: { name },
    spec: { policyName: name, ...binding },
  });
  assert.equal(bound.code, 201, JSON.stringify(bound.body));
}

const apply = (expression: string) => ({ patchType: "ApplyConfiguration", applyConfiguration: { expression } });
const json = (expression: string) => ({ patchType: "JSONPatch", jsonPatch: { expression } });
const config = (name: string, data: Loose = {}, more: Loose = {}) => ({ metadata: { name, ...more }, data });

Deno.test("an ApplyConfiguration is merged as server-side apply merges, with variables and conditions", async () => {
  await using server = await start();
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  await policy(server, "a", {
    variables: [{ name: "side", expression: "'sidecar-' + object.metadata.name" }],
    matchConditions: [{ name: "pods-only", expression: "request.resource.resource == 'pods'" }],
    mutations: [
      apply(`Object{
        metadata: Object.metadata{labels: {"touched": "yes"}}, // a comment { with: a brace }
        spec: Object.spec{
          initContainers: [Object.spec.initContainers{name: variables.side, image: "i", restartPolicy: "Always"}],
          containers: [Object.spec.containers{name: "main", env: [Object.spec.containers.env{name: "E", value: "{x: y}"}]}],
        }
      }`),
    ],
  });
  const made = await server.post(pods, {
    metadata: { name: "p", labels: { own: "1" } },
    spec: { containers: [{ name: "main", image: "m" }, { name: "other", image: "o" }] },
  });
  assert.equal(made.code, 201, JSON.stringify(made.body));
  const { metadata, spec } = made.body;
  assert.deepEqual(metadata.labels, { own: "1", touched: "yes" });
  assert.deepEqual(spec.initContainers.map((it: Loose) => [it.name, it.restartPolicy]), [["sidecar-p", "Always"]]);
  assert.equal(spec.initContainers[0].terminationMessagePath, "/dev/termination-log", "what is added is defaulted");
  assert.deepEqual(spec.containers.map((it: Loose) => [it.name, it.image, it.env]), [
    ["main", "m", [{ name: "E", value: "{x: y}" }]],
    ["other", "o", undefined],
  ]);
  assert.equal((await server.post(maps, config("untouched"))).body.metadata.labels, undefined);
});

Deno.test("a JSONPatch is a list that an expression makes; a test that fails makes it do nothing", async () => {
  await using server = await start();
  await policy(server, "j", {
    mutations: [
      json(`[
        JSONPatch{op: "test", path: "/metadata/name", value: "yes"},
        JSONPatch{op: "add", path: "/metadata/annotations", value: {}},
        JSONPatch{op: "add", path: "/metadata/annotations/" + jsonpatch.escapeKey("example.com/a-b"), value: string(size(object.data))}
      ]`),
      json(`has(object.data.drop) ? [JSONPatch{op: "remove", path: "/data/drop"}] : []`),
    ],
  });
  const yes = await server.post(maps, config("yes", { drop: "1", keep: "2" }));
  assert.equal(yes.code, 201, JSON.stringify(yes.body));
  assert.deepEqual([yes.body.metadata.annotations, yes.body.data], [{ "example.com/a-b": "2" }, { keep: "2" }]);
  const no = await server.post(maps, config("no", { keep: "2" }));
  assert.deepEqual([no.code, no.body.metadata.annotations], [201, undefined]);
});

Deno.test("policies run by their bindings' names; IfNeeded ones once more when a later one changed something", async () => {
  await using server = await start();
  const count = (name: string) =>
    apply(`Object{data: {"${name}": string((has(object.data.${name}) ? int(object.data.${name}) : 0) + 1)}}`);
  await policy(server, "a", { reinvocationPolicy: "IfNeeded", mutations: [count("first")] });
  await policy(server, "b", { mutations: [count("second")] });
  const made = await server.post(maps, config("x", { own: "0" }));
  assert.deepEqual(made.body.data, { own: "0", first: "2", second: "1" });
});

Deno.test("parameters select what is set, one call for each; a missing one denies or is let pass", async () => {
  await using server = await start();
  await policy(server, "p", {
    paramKind: { apiVersion: "v1", kind: "ConfigMap" },
    matchConditions: [{
      name: "not-params",
      expression: "!has(object.metadata.labels) || !('param' in object.metadata.labels)",
    }],
    mutations: [apply("Object{data: params.data}")],
  }, { paramRef: { selector: { matchLabels: { param: "yes" } }, parameterNotFoundAction: "Deny" } });
  const denied = await server.post(maps, config("early"));
  assert.deepEqual([denied.code, denied.body.reason], [403, "Invalid"]);
  assert.equal(
    denied.body.message,
    "policy 'p' with binding 'p' denied request: failed to configure binding: " +
      "no params found for policy binding with `Deny` parameterNotFoundAction",
  );
});

Deno.test("what a mutation may not do is refused in upstream's words, or ignored where the policy says so", async () => {
  await using server = await start();
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  const bad: [string, Loose, RegExp][] = [
    [
      "mismatch",
      apply("Object{metadata: Object.spec{}}"),
      /type mismatch: unexpected type name "Object.spec", expected "Object.metadata", which matches field name path from root Object type$/,
    ],
    ["notobject", apply("'text'"), /denied request: unsupported return type: string$/],
    [
      "fails",
      apply("Object{data: {'a': object.nope}}"),
      /denied request: expression 'Object\{data: \{'a': object.nope\}\}' resulted in error: no such key: nope$/,
    ],
    ["path", json("[JSONPatch{op: 'remove', path: '/data/none'}]"), /denied request: JSON Patch: /],
  ];
  for (const [name, mutation, words] of bad) {
    await policy(server, name, { mutations: [mutation] });
    const answer = await server.post(maps, config("x", { a: "1" }));
    assert.equal(answer.code, 403, name);
    assert.match(answer.body.message, words);
    const ignored = await server.patch(`${group}/mutatingadmissionpolicies/${name}`, {
      spec: { failurePolicy: "Ignore" },
    });
    assert.equal(ignored.code, 200);
    assert.equal((await server.post(maps, config(`x-${name}`, { a: "1" }))).code, 201);
    await server.delete(`${group}/mutatingadmissionpolicybindings/${name}`);
  }
  await policy(server, "atomic", {
    mutations: [apply("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'c', command: ['x']}]}}")],
  });
  const pod = { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }] } };
  const atomic = await server.post(pods, pod);
  assert.match(
    atomic.body.message,
    /invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .*command/,
  );
});

Deno.test("policies that cannot be read are not stored; expressions ask the authorizer", async () => {
  await using server = await start();
  const refused = async (spec: Loose) => {
    const answer = await server.post(`${group}/mutatingadmissionpolicies`, {
      metadata: { name: "bad" },
      spec: { matchConstraints: { resourceRules: [rule("configmaps")] }, reinvocationPolicy: "Never", ...spec },
    });
    assert.equal(answer.code, 422);
    return answer.body.message;
  };
  assert.match(
    await refused({ mutations: [apply("Object{")] }),
    /spec.mutations\[0\].applyConfiguration.expression: Invalid value: .*compilation failed/,
  );
  assert.match(await refused({ mutations: [json("[Unknown{op: 'add'}]")] }), /undeclared reference to 'Unknown'/);
  assert.match(
    await refused({ mutations: [{ patchType: "Other" }] }),
    /Unsupported value: "Other": supported values: "ApplyConfiguration", "JSONPatch"/,
  );
  await policy(server, "who", {
    matchConditions: [{
      name: "may",
      expression: "authorizer.group('').resource('secrets').namespace('default').check('delete').allowed()",
    }],
    mutations: [apply("Object{data: {'admin': string(authorizer.requestResource.check('create').allowed())}}")],
  });
  assert.deepEqual((await server.post(maps, config("x"))).body.data, { admin: "true" });
  await server.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", {
    metadata: { name: "maps" },
    rules: [{ apiGroups: [""], resources: ["configmaps"], verbs: ["create"] }],
  });
  await server.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
    metadata: { name: "maps" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "maps" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "jane" }],
  });
  const other = await server.post(maps, config("y"), { as: { commonName: "jane", organizations: [] } });
  assert.deepEqual([other.code, other.body.data], [201, undefined]);
});
