import assert from "node:assert/strict";
import { parseAuditPolicy } from "../../apiserver/mod.ts";
import { type Loose, start, type TestServer, until } from "../../apiserver/testing.ts";

const group = "/apis/admissionregistration.k8s.io/v1";
const maps = "/api/v1/namespaces/default/configmaps";
const configMaps = {
  apiGroups: [""],
  apiVersions: ["v1"],
  operations: ["CREATE", "UPDATE"],
  resources: ["configmaps"],
};

async function policy(server: TestServer, spec: Loose, binding: Loose = {}): Promise<void> {
  const made = await server.post(`${group}/validatingadmissionpolicies`, {
    metadata: { name: "p" },
    spec: { matchConstraints: { resourceRules: [configMaps] }, ...spec },
  });
  assert.equal(made.code, 201, JSON.stringify(made.body));
  const bound = await server.post(`${group}/validatingadmissionpolicybindings`, {
    metadata: { name: "b" },
    spec: { policyName: "p", validationActions: ["Deny"], ...binding },
  });
  assert.equal(bound.code, 201, JSON.stringify(bound.body));
}

const config = (name: string, data: Loose = {}, labels: Loose = {}) => ({ metadata: { name, labels }, data });

Deno.test("a policy denies in upstream's words, with its variables and messages", async () => {
  await using server = await start();
  assert.equal((await server.post(maps, config("before", { n: "9" }))).code, 201);
  await policy(server, {
    variables: [{ name: "n", expression: "has(object.data) && 'n' in object.data ? int(object.data.n) : 0" }],
    validations: [
      { expression: "variables.n < 5", messageExpression: "'n is ' + string(variables.n)" },
      { expression: "object.metadata.name != 'never'", reason: "Forbidden" },
    ],
  });
  assert.equal((await server.post(maps, config("good", { n: "1" }))).code, 201);
  const bad = await server.post(maps, config("bad", { n: "7" }));
  assert.deepEqual([bad.code, bad.body.reason], [422, "Invalid"]);
  assert.equal(
    bad.body.message,
    "configmaps \"bad\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: n is 7",
  );
  const never = await server.post(maps, config("never"));
  assert.deepEqual([never.code, never.body.reason], [403, "Forbidden"]);
  assert.match(never.body.message, /denied request: failed expression: object.metadata.name != 'never'$/);
  assert.equal((await server.patch(`${maps}/before`, { data: { n: "8" } })).code, 422);
  assert.equal((await server.delete(`${maps}/before`)).code, 200);
  const broken = await server.post(maps, config("broken", { n: "x" }));
  assert.match(broken.body.message, /expression 'variables.n < 5' resulted in error: strconv.ParseInt/);
});

Deno.test("parameters, match conditions, bindings and warnings", async () => {
  await using server = await start();
  await server.post("/api/v1/namespaces", { metadata: { name: "params" } });
  await policy(server, {
    paramKind: { apiVersion: "v1", kind: "ConfigMap" },
    matchConditions: [{ name: "no-params", expression: "request.namespace != 'params'" }],
    validations: [{ expression: "object.data.size() <= int(params.data.max)", message: "too many keys" }],
  }, {
    paramRef: { name: "limits", namespace: "params", parameterNotFoundAction: "Deny" },
    matchResources: { objectSelector: { matchLabels: { checked: "yes" } } },
  });
  const checked = { checked: "yes" };
  const missing = await server.post(maps, config("a", { x: "1" }, checked));
  assert.match(missing.body.message, /no params found for policy binding with `Deny` parameterNotFoundAction/);
  await server.post("/api/v1/namespaces/params/configmaps", config("limits", { max: "1" }));
  assert.equal((await server.post(maps, config("a", { x: "1" }, checked))).code, 201);
  assert.match((await server.post(maps, config("b", { x: "1", y: "2" }, checked))).body.message, /too many keys/);
  assert.equal((await server.post(maps, config("c", { x: "1", y: "2" }))).code, 201);
  await server.patch(`${group}/validatingadmissionpolicybindings/b`, { spec: { validationActions: ["Warn"] } });
  const warned = await server.post(maps, config("d", { x: "1", y: "2" }, checked));
  assert.equal(warned.code, 201);
  assert.match(
    warned.headers.get("warning") ?? "",
    /Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': too many keys/,
  );
});

Deno.test("expressions that name what does not exist are refused with the policy or webhook that holds them", async () => {
  await using server = await start();
  const refused = await server.post(`${group}/validatingadmissionpolicies`, {
    metadata: { name: "p" },
    spec: { matchConstraints: { resourceRules: [configMaps] }, validations: [{ expression: "thing.size() > 1" }] },
  });
  assert.equal(refused.code, 422);
  assert.match(refused.body.message, /spec.validations\[0\].expression: Invalid value: .*compilation failed: ERROR/);
  const hook = await server.post(`${group}/validatingwebhookconfigurations`, {
    metadata: { name: "v" },
    webhooks: [{
      name: "a.hook.test",
      clientConfig: { url: "https://127.0.0.1:1" },
      sideEffects: "None",
      admissionReviewVersions: ["v1"],
      matchConditions: [{ name: "bad", expression: "object.a ==" }],
    }],
  });
  assert.match(hook.body.message, /webhooks\[0\].matchConditions\[0\].expression: .*compilation failed/);
});

Deno.test("types are checked once for each generation; the status says what cannot be right", async () => {
  await using server = await start();
  const path = `${group}/validatingadmissionpolicies/p`;
  const warnings = async (generation: number) =>
    (await until(() => server.get(path), ({ body }) => body.status?.observedGeneration === generation)).body.status
      .typeChecking.expressionWarnings;
  const deployments = { apiGroups: ["apps"], apiVersions: ["v1"], operations: ["*"], resources: ["deployments"] };
  await policy(server, {
    matchConstraints: { resourceRules: [deployments] },
    variables: [{ name: "replicas", expression: "object.spec.replicas" }],
    validations: [
      { expression: "object.spec.replicas > '1'" },
      { expression: "variables.replicas >= 1 && object.spec.template.spec.containers.all(c, c.image.startsWith('x'))" },
      { expression: "object.spec.template.spec.containers.exists(c, c.imagee == 'x')" },
      { expression: "object.metadata.name", messageExpression: "1 + 1" },
    ],
  });
  const found = await warnings(1);
  assert.deepEqual(found.map((it: Loose) => it.fieldRef), [
    "spec.validations[0].expression",
    "spec.validations[2].expression",
    "spec.validations[3].expression",
    "spec.validations[3].messageExpression",
  ]);
  assert.equal(
    found[0].warning,
    "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n" +
      " | object.spec.replicas > '1'\n | .....................^\n",
  );
  assert.match(found[1].warning, /undefined field 'imagee'/);
  assert.match(found[2].warning, /must evaluate to bool but got string/);
  await server.patch(path, { spec: { validations: [{ expression: "object.spec.replicas > 1" }] } });
  assert.equal(await warnings(2), undefined);
});

Deno.test("what policies note reaches the audit log: annotations, and validations that only audit", async () => {
  const events: Loose[] = [];
  const log = { write: (event: Loose) => void events.push(event) };
  const rules = parseAuditPolicy({ apiVersion: "audit.k8s.io/v1", kind: "Policy", rules: [{ level: "Metadata" }] });
  await using server = await start({ config: { audit: { policy: rules, log } } });
  await policy(server, {
    auditAnnotations: [
      { key: "size", valueExpression: "string(object.data.size())" },
      { key: "never", valueExpression: "object.data.size() > 9 ? 'many' : null" },
    ],
    validations: [{ expression: "object.data.size() < 1", message: "too many" }],
  }, { validationActions: ["Audit", "Warn"] });
  const made = await server.post(maps, config("x", { a: "1" }));
  assert.equal(made.code, 201, JSON.stringify(made.body));
  const { annotations } = events.filter(({ stage, objectRef }) =>
    stage === "ResponseComplete" && objectRef?.resource === "configmaps"
  ).at(-1);
  assert.equal(annotations["p/size"], "1");
  assert.equal("p/never" in annotations, false);
  assert.deepEqual(JSON.parse(annotations["validation.policy.admission.k8s.io/validation_failure"]), [{
    message: "too many",
    policy: "p",
    binding: "b",
    expressionIndex: 0,
    validationActions: ["Audit", "Warn"],
  }]);
});
