import assert from "node:assert/strict";
import { start, type TestServer } from "../testing.ts";

const core = "/api/v1/namespaces/default";

async function withQuota(hard: Record<string, string>, spec: Record<string, unknown> = {}): Promise<TestServer> {
  const server = await start();
  await server.post(`${core}/serviceaccounts`, { metadata: { name: "default" } });
  const made = await server.post(`${core}/resourcequotas`, { metadata: { name: "q" }, spec: { hard, ...spec } });
  assert.equal(made.code, 201, JSON.stringify(made.body));
  return server;
}

/** What the controller does: says how much is used. */
async function count(server: TestServer, hard: Record<string, string>, used: Record<string, string>): Promise<void> {
  assert.equal((await server.patch(`${core}/resourcequotas/q/status`, { status: { hard, used } })).code, 200);
}

async function used(server: TestServer): Promise<Record<string, string>> {
  return (await server.get(`${core}/resourcequotas/q`)).body.status.used;
}

function pod(server: TestServer, name: string, resources: Record<string, unknown> = {}, spec = {}, query = "") {
  return server.post(`${core}/pods${query}`, {
    metadata: { name },
    spec: { containers: [{ name: "c", image: "i", resources }], ...spec },
  });
}

Deno.test("a quota is charged as objects come, and refuses what exceeds it, in upstream's words", async () => {
  const hard = { pods: "2", "requests.cpu": "1", "limits.memory": "1Gi" };
  await using server = await withQuota(hard);
  const unknown = await pod(server, "p", { requests: { cpu: "600m" }, limits: { memory: "512Mi" } });
  assert.equal(
    unknown.body.message,
    'pods "p" is forbidden: status unknown for quota: q, resources: limits.memory,pods,requests.cpu',
  );
  await count(server, hard, { pods: "0", "requests.cpu": "0", "limits.memory": "0" });
  const unsaid = await pod(server, "p");
  assert.equal(
    unsaid.body.message,
    'pods "p" is forbidden: failed quota: q: must specify limits.memory for: c; requests.cpu for: c',
  );
  const resources = { requests: { cpu: "600m" }, limits: { memory: "512Mi" } };
  assert.equal((await pod(server, "dry", resources, {}, "?dryRun=All")).code, 201);
  assert.deepEqual(await used(server), { pods: "0", "requests.cpu": "0", "limits.memory": "0" });
  assert.equal((await pod(server, "p", resources)).code, 201);
  assert.deepEqual(await used(server), { pods: "1", "requests.cpu": "600m", "limits.memory": "512Mi" });
  const over = await pod(server, "p2", resources);
  assert.equal(over.code, 403);
  assert.equal(
    over.body.message,
    'pods "p2" is forbidden: exceeded quota: q, requested: requests.cpu=600m, used: requests.cpu=600m, limited: ' +
      "requests.cpu=1",
  );
});

Deno.test("object counts, node ports and storage count; an update is charged for what it adds", async () => {
  const hard = { "count/configmaps": "1", services: "2", "services.nodeports": "1", "requests.storage": "3Gi" };
  await using server = await withQuota(hard);
  await count(server, hard, {
    "count/configmaps": "0",
    services: "1",
    "services.nodeports": "0",
    "requests.storage": "0",
  });
  const post = (kind: string, body: Record<string, unknown>) => server.post(`${core}/${kind}`, body);
  assert.equal((await post("configmaps", { metadata: { name: "a" } })).code, 201);
  assert.match(
    (await post("configmaps", { metadata: { name: "b" } })).body.message,
    /requested: count\/configmaps=1, used/,
  );
  assert.equal((await post("services", { metadata: { name: "s" }, spec: { ports: [{ port: 80 }] } })).code, 201);
  assert.equal((await server.patch(`${core}/services/s`, { spec: { type: "NodePort" } })).code, 200);
  assert.equal((await used(server))["services.nodeports"], "1");
  const ports = [{ name: "a", port: 80 }, { name: "b", port: 81 }];
  assert.equal((await server.patch(`${core}/services/s`, { spec: { ports } })).code, 403);
  const claim = (name: string, storage: string) =>
    post("persistentvolumeclaims", {
      metadata: { name },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage } } },
    });
  assert.equal((await claim("c", "2Gi")).code, 201);
  assert.match(
    (await claim("d", "2Gi")).body.message,
    /exceeded quota: q, requested: requests\.storage=2Gi, used: .*=2Gi/,
  );
});

Deno.test("scopes pick the pods that a quota is about", async () => {
  const hard = { pods: "1" };
  await using server = await withQuota(hard, { scopes: ["BestEffort", "NotTerminating"] });
  await count(server, hard, { pods: "0" });
  const cpu = { requests: { cpu: "1" } };
  assert.equal((await pod(server, "burstable", cpu)).code, 201);
  assert.equal((await pod(server, "ending", {}, { activeDeadlineSeconds: 5 })).code, 201);
  assert.deepEqual(await used(server), { pods: "0" });
  assert.equal((await pod(server, "best")).code, 201);
  assert.equal((await pod(server, "best2")).code, 403);
});

Deno.test("two servers do not spend the same remainder", async () => {
  const hard = { pods: "5" };
  await using first = await withQuota(hard);
  await count(first, hard, { pods: "0" });
  await using second = await start({ store: first.store, time: first.time, seed: 2 });
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, i) => pod(i % 2 === 0 ? first : second, `p${i}`)),
  );
  assert.equal(answers.filter(({ code }) => code === 201).length, 5);
  assert.ok(answers.every(({ code }) => code === 201 || code === 403));
  assert.deepEqual(await used(first), { pods: "5" });
});
