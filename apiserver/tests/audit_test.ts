import assert from "node:assert/strict";
import { createDisk } from "../../platform/deno/disk.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { openAuditFile } from "../audit/log.ts";
import { AuditPolicyError, parseAuditPolicy } from "../audit/policy.ts";
import type { Json } from "../dig.ts";
import { type Loose, quiet, start } from "../testing.ts";

const configMaps = "/api/v1/namespaces/default/configmaps";
const jane = { commonName: "jane", organizations: ["dev"] };

function policy(rules: unknown[], more: Record<string, unknown> = {}) {
  return parseAuditPolicy({ apiVersion: "audit.k8s.io/v1", kind: "Policy", ...more, rules });
}

async function audited(rules: unknown[], more: Record<string, unknown> = {}) {
  const events: Loose[] = [];
  const log = { write: (event: Json) => void events.push(JSON.parse(JSON.stringify(event))) };
  const server = await start({ config: { audit: { policy: policy(rules, more), log } } });
  events.length = 0;
  return { server, events };
}

Deno.test("Metadata: who did what to which object, from where, allowed by which rule; the answer names the event", async () => {
  const { server, events } = await audited([{ level: "Metadata" }]);
  await using _ = server;
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const rules = [{ apiGroups: [""], resources: ["configmaps"], verbs: ["get"] }];
  await server.post(`${rbac}/clusterroles`, { metadata: { name: "reader" }, rules });
  await server.post(`${rbac}/clusterrolebindings`, {
    metadata: { name: "readers" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "reader" },
    subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "jane" }],
  });
  events.length = 0;
  const got = await server.get(`${configMaps}/c`, { as: jane, headers: { "user-agent": "test/1" } });
  const auditID = got.headers.get("audit-id");
  assert.deepEqual(events.map((it) => it.stage), ["RequestReceived", "ResponseComplete"]);
  assert.deepEqual(events[1], {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: "Metadata",
    auditID,
    stage: "ResponseComplete",
    requestURI: `${configMaps}/c`,
    verb: "get",
    user: { username: "jane", groups: ["dev", "system:authenticated"] },
    sourceIPs: ["127.0.0.1"],
    userAgent: "test/1",
    objectRef: { resource: "configmaps", namespace: "default", name: "c", apiVersion: "v1" },
    responseStatus: {
      metadata: {},
      status: "Failure",
      message: 'configmaps "c" not found',
      reason: "NotFound",
      code: 404,
    },
    requestReceivedTimestamp: "2026-01-01T00:00:00.000000Z",
    stageTimestamp: "2026-01-01T00:00:00.000000Z",
    annotations: {
      "authorization.k8s.io/decision": "allow",
      "authorization.k8s.io/reason":
        'RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to User "jane"',
    },
  });
  assert.equal(events[0].responseStatus, undefined);
  events.length = 0;
  const denied = await server.post(configMaps, { metadata: { name: "c" } }, {
    as: jane,
    headers: { "audit-id": "mine-1" },
  });
  assert.equal(denied.headers.get("audit-id"), "mine-1");
  assert.deepEqual(
    [events[1].auditID, events[1].responseStatus.code, events[1].annotations["authorization.k8s.io/decision"]],
    ["mine-1", 403, "forbid"],
  );
  events.length = 0;
  await server.get("/api", { as: null });
  assert.deepEqual([events.length, events[0].stage, events[0].user], [1, "ResponseStarted", {}]);
  assert.equal(events[0].responseStatus.message, "Authentication failed, no credentials provided");
  events.length = 0;
  await server.get("/healthz?verbose", { as: jane, headers: { "x-forwarded-for": "10.0.0.1, 10.0.0.2" } });
  assert.deepEqual([events[1].verb, events[1].requestURI, events[1].objectRef], ["get", "/healthz?verbose", undefined]);
  assert.deepEqual(events[1].sourceIPs, ["10.0.0.1", "10.0.0.2", "127.0.0.1"]);
});

Deno.test("RequestResponse has both objects, without managedFields where so told; impersonation shows both users", async () => {
  const { server, events } = await audited([{ level: "RequestResponse", omitManagedFields: true }], {
    omitStages: ["RequestReceived"],
  });
  await using _ = server;
  const as = { headers: { "impersonate-user": "jane", "impersonate-group": "system:masters" } };
  await server.post(configMaps, { metadata: { name: "c" }, data: { a: "b" } }, as);
  const [event] = events;
  assert.equal(events.length, 1);
  assert.deepEqual([event.user.username, event.impersonatedUser.username], ["kubernetes-admin", "jane"]);
  assert.deepEqual(event.requestObject, { metadata: { name: "c" }, data: { a: "b" } });
  assert.equal(event.objectRef.name, "c");
  assert.equal(event.responseObject.data.a, "b");
  assert.match(event.responseObject.metadata.uid, /-/);
  assert.equal(event.responseObject.metadata.managedFields, undefined);
  events.length = 0;
  const accept = { headers: { accept: "application/vnd.kubernetes.protobuf" } };
  const response = await server.raw("GET", `${configMaps}/c`, accept);
  assert.ok((await response.arrayBuffer()).byteLength > 0, "the client still has its body");
  assert.equal(events[0].responseObject.data.a, "b");
  assert.equal(events[0].responseObject.metadata.managedFields, undefined);
});

Deno.test("a watch is ResponseStarted when it opens and ResponseComplete when it ends", async () => {
  const { server, events } = await audited([{ level: "Request", verbs: ["watch"] }]);
  await using _ = server;
  const watch = await server.watch(`${configMaps}?watch=1`);
  await server.post(configMaps, { metadata: { name: "c" } });
  assert.equal((await watch.next()).type, "ADDED");
  assert.deepEqual(events.map((it) => it.stage), ["RequestReceived", "ResponseStarted"]);
  await watch.cancel();
  assert.deepEqual(events.map((it) => it.stage), ["RequestReceived", "ResponseStarted", "ResponseComplete"]);
});

Deno.test("the first rule that fits decides; None and no rule at all write nothing", async () => {
  const { server, events } = await audited([
    { level: "None", users: ["jane"], verbs: ["get"] },
    { level: "None", nonResourceURLs: ["/healthz*", "/version"] },
    { level: "Request", resources: [{ group: "", resources: ["secrets", "*/status"], resourceNames: [] }] },
    {
      level: "Metadata",
      resources: [{ group: "", resources: ["configmaps"], resourceNames: ["c"] }],
      namespaces: ["default"],
    },
    { level: "Metadata", userGroups: ["dev"] },
  ], { omitStages: ["RequestReceived"] });
  await using _ = server;
  const levelOf = async (method: string, path: string, as?: typeof jane) => {
    events.length = 0;
    await (await server.raw(method, path, { ...(as === undefined ? {} : { as }) })).body?.cancel();
    return events.map((it) => it.level).join();
  };
  assert.equal(await levelOf("GET", `${configMaps}/c`, jane), "");
  assert.equal(await levelOf("GET", "/healthz/ping"), "");
  assert.equal(await levelOf("GET", "/version"), "");
  assert.equal(await levelOf("GET", "/version/x"), "");
  assert.equal(await levelOf("GET", "/api/v1/namespaces/x/secrets"), "Request");
  assert.equal(await levelOf("GET", "/api/v1/namespaces/default/pods/p/status"), "Request");
  assert.equal(await levelOf("GET", `${configMaps}/c`), "Metadata");
  assert.equal(await levelOf("GET", `${configMaps}/d`), "");
  assert.equal(await levelOf("GET", "/api/v1/namespaces/x/configmaps/c"), "");
  assert.equal(await levelOf("DELETE", `${configMaps}/z`, jane), "Metadata");
});

Deno.test("a policy that would not do what it says is refused", () => {
  assert.throws(() => policy([]), AuditPolicyError);
  assert.throws(() => policy([{ level: "Everything" }]), /rules\[0\].level: Unsupported value: "Everything"/);
  assert.throws(
    () => policy([{ level: "None" }], { omitStages: ["Never"] }),
    /omitStages\[0\]: Invalid value: "Never"/,
  );
  assert.throws(() => policy([{ level: "None", namespaces: ["a"], nonResourceURLs: ["/x"] }]), /cannot apply to both/);
  assert.throws(() => policy([{ level: "None", nonResourceURLs: ["/x*y"] }]), /must be the final character/);
});

Deno.test("the log is a file of lines that goes on where it ended; what it cannot keep up with is counted", async () => {
  const directory = await Deno.makeTempDir({ prefix: "sauropod-audit-" });
  const path = `${directory}/audit.log`;
  const metrics = createMetrics();
  try {
    for (const part of [0, 1]) {
      const file = openAuditFile(path, { disk: createDisk(), metrics, log: quiet });
      for (let i = 0; i < 500; i++) file.write({ part, i });
      await file.flush();
      file.write({ part, i: 500 });
      await file.close();
    }
    const lines = (await Deno.readTextFile(path)).trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.equal(lines.length, 1002);
    assert.deepEqual([lines[0], lines[1001]], [{ part: 0, i: 0 }, { part: 1, i: 500 }]);
    const full = openAuditFile(path, { disk: createDisk(), metrics, log: quiet });
    const filler = "x".repeat(1024 * 1024);
    for (let i = 0; i < 40; i++) full.write({ filler });
    await full.close();
    const lost = Number(/apiserver_audit_error_total\{plugin="log"\} (\d+)/.exec(metrics.text())?.[1] ?? 0);
    assert.ok(lost >= 20 && lost < 40, `lost ${lost}`);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
