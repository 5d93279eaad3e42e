import assert from "node:assert/strict";
import { type Loose, start, type TestServer } from "../testing.ts";

const deployments = "/apis/apps/v1/namespaces/default/deployments";
const applyType = "application/apply-patch+yaml";

function config(spec: Loose = {}, metadata: Loose = {}): Loose {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web", labels: { app: "web" }, ...metadata },
    spec: {
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: { containers: [{ name: "c", image: "i" }] },
      },
      ...spec,
    },
  };
}

function apply(server: TestServer, body: Loose, query = "?fieldManager=me", path = `${deployments}/web`) {
  return server.patch(`${path}${query}`, body, { headers: { "content-type": applyType } });
}

function owners(object: Loose): string[] {
  return (object.metadata.managedFields ?? []).map((it: Loose) =>
    `${it.manager} ${it.operation}${it.subresource === undefined ? "" : ` ${it.subresource}`}`
  );
}

Deno.test("apply creates with 201, changes with 200, and an equal one keeps the resourceVersion", async () => {
  await using server = await start();
  const made = await apply(server, config({ replicas: 2 }));
  assert.equal(made.code, 201);
  assert.deepEqual(owners(made.body), ["me Apply"]);
  assert.equal(made.body.spec.revisionHistoryLimit, 10, "defaults are set, and no one's");
  const changed = await apply(server, config({ replicas: 3 }));
  assert.equal(changed.code, 200);
  assert.equal(changed.body.spec.replicas, 3);
  await server.time.advance(5000);
  const same = await apply(server, config({ replicas: 3 }));
  assert.equal(same.body.metadata.resourceVersion, changed.body.metadata.resourceVersion);
  const yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yam}\ndata: {a: b}\n";
  assert.equal((await apply(server, yaml, "?fieldManager=me", "/api/v1/namespaces/default/configmaps/yam")).code, 201);
});

Deno.test("a conflict is 409 with a cause for every field; force takes the fields", async () => {
  await using server = await start();
  await server.post(`${deployments}?fieldManager=kubectl-create`, config({ replicas: 1 }));
  const refused = await apply(server, config({ replicas: 2 }));
  assert.deepEqual(refused.body, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: 'Apply failed with 1 conflict: conflict with "kubectl-create" using apps/v1: .spec.replicas',
    reason: "Conflict",
    details: {
      causes: [{
        reason: "FieldManagerConflict",
        message: 'conflict with "kubectl-create" using apps/v1',
        field: ".spec.replicas",
      }],
    },
    code: 409,
  });
  const forced = await apply(server, config({ replicas: 2 }), "?fieldManager=me&force=true");
  assert.equal(forced.code, 200);
  const { managedFields } = forced.body.metadata;
  const creator = managedFields.find((it: Loose) => it.manager === "kubectl-create");
  assert.equal(creator.fieldsV1["f:spec"]["f:replicas"], undefined);
  // With dry run, nothing of it stays.
  const dry = await apply(server, config({ replicas: 9 }), "?fieldManager=other&force=true&dryRun=All");
  assert.equal(dry.body.spec.replicas, 9);
  assert.equal((await server.get(`${deployments}/web`)).body.spec.replicas, 2);
});

Deno.test("what the applier no longer names goes, unless another owns it", async () => {
  await using server = await start();
  await apply(server, config({ replicas: 2, paused: true }, { annotations: { a: "1", b: "2" } }));
  await apply(server, config({ replicas: 2 }), "?fieldManager=hpa");
  const { body } = await apply(server, config({}, { annotations: { a: "1" } }));
  assert.equal(body.spec.paused, undefined);
  assert.equal(body.spec.replicas, 2);
  assert.deepEqual(body.metadata.annotations, { a: "1" });
});

Deno.test("every verb is tracked under its manager and sub-resource; status is apart from the rest", async () => {
  await using server = await start();
  const agent = { headers: { "user-agent": "curl/8.1 (linux)" } };
  const made = await server.post(deployments, config(), agent);
  assert.deepEqual(owners(made.body), ["curl Update"]);
  const replicas = { spec: { replicas: 7 } };
  await server.patch(`${deployments}/web?fieldManager=patcher`, replicas);
  await server.patch(`${deployments}/web/scale?fieldManager=scaler`, { spec: { replicas: 8 } });
  await server.patch(`${deployments}/web/status?fieldManager=controller`, { status: { replicas: 3 } });
  const { body } = await server.get(`${deployments}/web`);
  assert.deepEqual(owners(body).sort(), ["controller Update status", "curl Update", "scaler Update scale"]);
  const status = body.metadata.managedFields.find((it: Loose) => it.subresource === "status");
  assert.deepEqual(status.fieldsV1, { "f:status": { "f:replicas": {} } });
  // Status in a configuration for the object itself does not count.
  const applied = await apply(server, { ...config(), status: { replicas: 99 } });
  assert.equal(applied.body.status.replicas, 3);
});

Deno.test("managedFields: a client that sends none keeps them, [{}] ends the tracking, apply starts it again", async () => {
  await using server = await start();
  const { body } = await server.post(`${deployments}?fieldManager=a`, config());
  const { managedFields: _none, ...metadata } = body.metadata;
  const kept = await server.put(`${deployments}/web?fieldManager=b`, { ...body, metadata });
  assert.deepEqual(kept.body.metadata.managedFields, body.metadata.managedFields);
  const reset = await server.patch(`${deployments}/web`, { metadata: { managedFields: [{}] } });
  assert.equal(reset.body.metadata.managedFields, undefined);
  const untracked = await server.patch(`${deployments}/web?fieldManager=b`, { spec: { replicas: 4 } });
  assert.equal(untracked.body.metadata.managedFields, undefined);
  const refused = await apply(server, config({ replicas: 5 }));
  assert.match(refused.body.message, /conflict with "before-first-apply" using apps\/v1: \.spec\.replicas/);
});

Deno.test("kubectl apply --server-side takes over from kubectl apply what is still as applied", async () => {
  await using server = await start();
  const annotation = "kubectl.kubernetes.io/last-applied-configuration";
  const before = config({ replicas: 2 });
  const annotations = { [annotation]: JSON.stringify(before) };
  await server.post(`${deployments}?fieldManager=kubectl-client-side-apply`, config({ replicas: 2 }, { annotations }));
  const taken = await apply(server, config({ replicas: 3 }), "?fieldManager=kubectl");
  assert.equal(taken.code, 200, JSON.stringify(taken.body));
  assert.equal(JSON.parse(taken.body.metadata.annotations[annotation]).spec.replicas, 3);
  await server.patch(`${deployments}/web?fieldManager=edit`, { spec: { replicas: 9 } });
  assert.equal((await apply(server, config({ replicas: 4 }), "?fieldManager=kubectl")).code, 409);
});

Deno.test("who may patch and not create gets 403 for an apply that would create", async () => {
  await using server = await start();
  const rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
  const rules = [{ apiGroups: ["apps"], resources: ["deployments"], verbs: ["patch"] }];
  await server.post(`${rbac}/roles`, { metadata: { name: "patcher" }, rules });
  await server.post(`${rbac}/rolebindings`, {
    metadata: { name: "patcher" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "patcher" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "jane" }],
  });
  const as = { commonName: "jane", organizations: [] };
  const refused = await server.patch(`${deployments}/web?fieldManager=me`, config(), {
    as,
    headers: { "content-type": applyType },
  });
  assert.equal(refused.code, 403);
  assert.equal(
    refused.body.message,
    'deployments.apps "web" is forbidden: User "jane" cannot create resource "deployments" in API group "apps" ' +
      'in the namespace "default"',
  );
});

Deno.test("apply refuses what it cannot do, in upstream's words", async () => {
  await using server = await start();
  const cases: [body: Loose, query: string, code: number, message: string][] = [
    [
      config(),
      "",
      422,
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    ],
    [config({}, { managedFields: [] }), "?fieldManager=me", 201, ""],
    [config({}, { managedFields: [{ manager: "x" }] }), "?fieldManager=me", 400, "metadata.managedFields must be nil"],
    [
      config({ template: { spec: { containers: [{ name: "c", image: "i", nope: 1 }] } } }),
      "?fieldManager=me",
      500,
      "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): " +
      '.spec.template.spec.containers[name="c"].nope: field not declared in schema',
    ],
    [
      config({}, { name: "other" }),
      "?fieldManager=me",
      400,
      "the name of the object (other) does not match the name on the URL (web)",
    ],
  ];
  for (const [body, query, code, message] of cases) {
    const answer = await apply(server, body, query);
    assert.equal(answer.code, code, JSON.stringify(answer.body));
    if (code >= 400) assert.equal(answer.body.message, message);
  }
  const forced = await server.patch(`${deployments}/web?force=true`, {});
  assert.equal(
    forced.body.message,
    'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
  );
  const twice = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: yam}\ndata:\n  a: b\n  a: c\n";
  const path = "/api/v1/namespaces/default/configmaps/yam";
  const strict = await apply(server, twice, "?fieldManager=me&fieldValidation=Strict", path);
  assert.equal(strict.code, 400);
  assert.match(strict.body.message, /^error strict decoding YAML: .*key "a" already set in map/s);
});
