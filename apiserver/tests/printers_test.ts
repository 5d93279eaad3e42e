import assert from "node:assert/strict";
import { type ResourceInfo, resources } from "../../api/resources.ts";
import { minimalOf } from "../../api/rules/testing.ts";
import { printerFor } from "../table/printers.ts";

const now = Date.parse("2026-01-01T01:00:00Z");
const created = "2026-01-01T00:00:00Z";

function infoOf(resource: string): ResourceInfo {
  const info = resources.find((it) => it.resource === resource);
  assert.ok(info !== undefined, resource);
  return info;
}

/** Header and row, by column. */
function row(resource: string, object: Record<string, unknown>): Record<string, unknown> {
  const { columns, cells } = printerFor(infoOf(resource));
  const metadata = { name: "x", creationTimestamp: created, ...(object["metadata"] ?? {}) };
  const values = cells({ ...object, metadata }, now);
  return Object.fromEntries(columns.map(({ name }, i) => [name, values[i]]));
}

Deno.test("printerFor() has as many cells as columns for every kind, and none is undefined", () => {
  for (const info of resources) {
    const { columns, cells } = printerFor(info);
    const values = cells({ metadata: { name: "x", creationTimestamp: created }, ...minimalOf(info) }, now);
    assert.equal(values.length, columns.length, info.resource);
    for (const [i, { name, type }] of columns.entries()) {
      const value = values[i];
      // Upstream calls some a string that are none.
      const wanted = type === "integer" ? ["number"] : type === "boolean" ? ["boolean"] : ["string", "boolean"];
      assert.ok(wanted.includes(typeof value), `${info.resource} ${name}: ${value}`);
    }
  }
});

Deno.test("printerFor() prints what bounds workloads as kubectl get does", () => {
  const budget = { spec: { minAvailable: "50%" }, status: { disruptionsAllowed: 1 } };
  assert.deepEqual(row("poddisruptionbudgets", budget), {
    Name: "x",
    "Min Available": "50%",
    "Max Unavailable": "N/A",
    "Allowed Disruptions": 1,
    Age: "60m",
  });
  const quota = {
    status: { hard: { pods: "5", "limits.cpu": "2", cpu: "1" }, used: { pods: "1", "limits.cpu": "0" } },
  };
  assert.deepEqual(row("resourcequotas", quota), {
    Name: "x",
    Request: "cpu: 0/1, pods: 1/5",
    Limit: "limits.cpu: 0/2",
    Age: "60m",
  });
  const metrics = (target: unknown) => [{ type: "Resource", resource: { name: "cpu", target } }];
  const autoscaler = {
    spec: {
      scaleTargetRef: { kind: "Deployment", name: "web" },
      maxReplicas: 3,
      metrics: metrics({ type: "Utilization", averageUtilization: 80 }),
    },
    status: {
      currentReplicas: 2,
      currentMetrics: [{ type: "Resource", resource: { name: "cpu", current: { averageUtilization: 30 } } }],
    },
  };
  const { Reference, Targets, MinPods, MaxPods } = row("horizontalpodautoscalers", autoscaler);
  assert.deepEqual([Reference, Targets, MinPods, MaxPods], ["Deployment/web", "cpu: 30%/80%", "<unset>", "3"]);
});

Deno.test("printerFor() prints how far Jobs and CronJobs are", () => {
  const job = (spec: unknown, status: unknown) => {
    const { Status, Completions, Duration } = row("jobs", { spec, status });
    return [Status, Completions, Duration];
  };
  const startTime = "2026-01-01T00:50:00Z";
  assert.deepEqual(job({ completions: 3 }, { succeeded: 1, startTime }), ["Running", "1/3", "10m"]);
  assert.deepEqual(job({ parallelism: 2 }, {}), ["Running", "0/1 of 2", ""]);
  const done = { conditions: [{ type: "Complete", status: "True" }], succeeded: 1, startTime };
  assert.deepEqual(job({}, { ...done, completionTime: "2026-01-01T00:51:30Z" }), ["Complete", "1/1", "90s"]);
  const { Schedule, Timezone, Suspend, Active, ...rest } = row("cronjobs", {
    spec: { schedule: "* * * * *", suspend: false },
    status: { active: [{}], lastScheduleTime: "2026-01-01T00:59:00Z" },
  });
  assert.deepEqual([Schedule, Timezone, Suspend, Active], ["* * * * *", "<none>", "False", 1]);
  assert.equal(rest["Last Schedule"], "60s");
});

Deno.test("printerFor() prints volumes, claims and classes", () => {
  const claim = row("persistentvolumeclaims", {
    spec: { volumeName: "v", storageClassName: "fast", volumeMode: "Filesystem" },
    status: { phase: "Bound", capacity: { storage: "1Gi" }, accessModes: ["ReadWriteMany", "ReadWriteOnce"] },
  });
  assert.deepEqual(Object.values(claim), ["x", "Bound", "v", "1Gi", "RWO,RWX", "fast", "<unset>", "60m", "Filesystem"]);
  const unbound = row("persistentvolumeclaims", { metadata: { deletionTimestamp: created }, spec: {}, status: {} });
  assert.deepEqual(Object.values(unbound).slice(1, 5), ["Terminating", "", "", ""]);
  const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
  const fast = row("storageclasses", { metadata: { annotations }, provisioner: "p" });
  assert.deepEqual(Object.values(fast), ["x (default)", "p", "Delete", "Immediate", false, "60m"]);
});

Deno.test("printerFor() prints networking, access and flow control", () => {
  const rules = ["a", "b", "c", "d"].map((host) => ({ host }));
  const ingress = row("ingresses", {
    spec: { ingressClassName: "n", rules, tls: [{}] },
    status: { loadBalancer: { ingress: [{ ip: "1.2.3.4" }, { hostname: "h" }] } },
  });
  assert.deepEqual(Object.values(ingress), ["x", "n", "a,b,c + 1 more...", "1.2.3.4,h", "80, 443", "60m"]);
  const subjects = [
    { kind: "User", name: "u" },
    { kind: "ServiceAccount", namespace: "n", name: "s" },
    { kind: "User", name: "v" },
  ];
  const binding = row("rolebindings", { roleRef: { kind: "Role", name: "r" }, subjects });
  assert.deepEqual(Object.values(binding), ["x", "Role/r", "60m", "u, v", "", "n/s"]);
  const level = row("prioritylevelconfigurations", {
    spec: { type: "Limited", limited: { nominalConcurrencyShares: 30, limitResponse: { type: "Reject" } } },
  });
  assert.deepEqual(Object.values(level).slice(1, 6), ["Limited", "30", "<none>", "<none>", "<none>"]);
  const parentRef = { group: "", resource: "services", namespace: "n", name: "s" };
  assert.equal(row("ipaddresses", { spec: { parentRef } })["ParentRef"], "services/n/s");
});
