import assert from "node:assert/strict";
import { start, type TestServer } from "../testing.ts";

const pods = "/api/v1/namespaces/default/pods";
const budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

async function runningPod(server: TestServer, name: string, ready = true): Promise<void> {
  const made = await server.post(pods, {
    metadata: { name, labels: { app: "web" } },
    spec: { nodeName: "n1", containers: [{ name: "c", image: "i" }] },
  });
  assert.equal(made.code, 201);
  const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
  assert.equal((await server.patch(`${pods}/${name}/status`, { status: { phase: "Running", conditions } })).code, 200);
}

async function budget(server: TestServer, name: string, status: Record<string, unknown>, spec = {}): Promise<void> {
  const made = await server.post(budgets, {
    metadata: { name },
    spec: { minAvailable: 1, selector: { matchLabels: { app: "web" } }, ...spec },
  });
  assert.equal(made.code, 201, JSON.stringify(made.body));
  const filled = {
    currentHealthy: 2,
    desiredHealthy: 1,
    expectedPods: 2,
    disruptionsAllowed: 1,
    observedGeneration: 1,
  };
  assert.equal((await server.patch(`${budgets}/${name}/status`, { status: { ...filled, ...status } })).code, 200);
}

function evict(server: TestServer, name: string, more: Record<string, unknown> = {}, query = "") {
  const body = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace: "default" }, ...more };
  return server.post(`${pods}/${name}/eviction${query}`, body);
}

async function withAccount(): Promise<TestServer> {
  const server = await start();
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  return server;
}

Deno.test("eviction without a budget deletes the pod gracefully, by its delete options", async () => {
  await using server = await withAccount();
  await runningPod(server, "p");
  assert.equal((await evict(server, "p", {}, "?dryRun=All")).code, 201);
  assert.equal((await server.get(`${pods}/p`)).body.metadata.deletionTimestamp, undefined);
  const wrong = await evict(server, "p", { deleteOptions: { preconditions: { uid: "x" } } });
  assert.equal(wrong.code, 409);
  const done = await evict(server, "p", { deleteOptions: { gracePeriodSeconds: 5 } });
  assert.equal(done.code, 201);
  assert.deepEqual(done.body, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 });
  assert.equal((await server.get(`${pods}/p`)).body.metadata.deletionGracePeriodSeconds, 5);
  assert.equal((await evict(server, "gone")).code, 404);
  const other = await server.post(`${pods}/p/eviction`, { metadata: { name: "q" } });
  assert.equal(other.body.message, "name in URL does not match name in Eviction object");
});

Deno.test("eviction spends the budget, and is 429 with its cause when there is none left", async () => {
  await using server = await withAccount();
  await runningPod(server, "p1");
  await runningPod(server, "p2");
  await budget(server, "web", {});
  assert.equal((await evict(server, "p1")).code, 201);
  const { status } = (await server.get(`${budgets}/web`)).body;
  assert.equal(status.disruptionsAllowed, 0);
  assert.deepEqual(Object.keys(status.disruptedPods), ["p1"]);
  assert.equal(status.conditions[0].reason, "InsufficientPods");
  const refused = await evict(server, "p2");
  assert.deepEqual(refused.body, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    reason: "TooManyRequests",
    details: {
      causes: [{
        reason: "DisruptionBudget",
        message: "The disruption budget web needs 1 healthy pods and has 2 currently",
      }],
    },
    code: 429,
  });
  assert.equal((await server.get(`${pods}/p2`)).body.metadata.deletionTimestamp, undefined);
});

Deno.test("a budget that its controller has not caught up with says when to try again", async () => {
  await using server = await withAccount();
  await runningPod(server, "p");
  await budget(server, "web", { observedGeneration: 0 });
  const refused = await evict(server, "p");
  assert.equal(refused.code, 429);
  assert.equal(refused.headers.get("retry-after"), "10");
  assert.equal(
    refused.body.details.causes[0].message,
    "The disruption budget web is still being processed by the server.",
  );
});

Deno.test("two budgets for one pod are refused; a pod that is not ready needs none when enough others are", async () => {
  await using server = await withAccount();
  await runningPod(server, "sick", false);
  await budget(server, "one", { disruptionsAllowed: 0, currentHealthy: 1 });
  assert.equal((await evict(server, "sick")).code, 201);
  await runningPod(server, "sick2", false);
  await server.patch(`${budgets}/one/status`, { status: { currentHealthy: 0 } });
  assert.equal((await evict(server, "sick2")).code, 429);
  await server.patch(`${budgets}/one`, { spec: { unhealthyPodEvictionPolicy: "AlwaysAllow" } });
  assert.equal((await evict(server, "sick2")).code, 201);
  await runningPod(server, "p");
  await budget(server, "two", {});
  const both = await evict(server, "p");
  assert.equal(both.code, 500);
  assert.match(both.body.message, /^This pod has more than one PodDisruptionBudget/);
});

Deno.test("a pending or finished pod is deleted whatever its budget says; a kubelet evicts its own alone", async () => {
  await using server = await withAccount();
  await budget(server, "web", { disruptionsAllowed: 0 });
  const spec = { nodeName: "n1", containers: [{ name: "c", image: "i" }] };
  await server.post(pods, { metadata: { name: "new", labels: { app: "web" } }, spec });
  const as = (node: string) => ({ as: { commonName: `system:node:${node}`, organizations: ["system:nodes"] } });
  const body = { metadata: { name: "new" } };
  const other = await server.post(`${pods}/new/eviction`, body, as("n2"));
  assert.equal(
    other.body.message,
    'pods "new" is forbidden: node n2 can only evict pods with spec.nodeName set to itself',
  );
  assert.equal((await server.post(`${pods}/new/eviction`, body, as("n1"))).code, 201);
});

Deno.test("eviction in a namespace that is going away is 403 with cause NamespaceTerminating; discovery lists policy/v1", async () => {
  await using server = await withAccount();
  await server.post("/api/v1/namespaces", { metadata: { name: "ns" } });
  await server.delete("/api/v1/namespaces/ns");
  const refused = await server.post("/api/v1/namespaces/ns/pods/p/eviction", { metadata: { name: "p" } });
  assert.equal(refused.code, 403);
  assert.equal(refused.body.details.causes[0].reason, "NamespaceTerminating");
  const { resources } = (await server.get("/api/v1")).body;
  assert.deepEqual(resources.find((it: { name: string }) => it.name === "pods/eviction"), {
    name: "pods/eviction",
    singularName: "",
    namespaced: true,
    group: "policy",
    version: "v1",
    kind: "Eviction",
    verbs: ["create"],
  });
});
