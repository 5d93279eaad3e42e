import assert from "node:assert/strict";
import type { Pod, ResourceQuota } from "../../api/gen/types.ts";
import { configMaps, pods, services } from "../../api/resources.ts";
import { reconcileQuota } from "./resource_quota.ts";

function pod(name: string, cpu: string, phase = "Running"): Pod {
  const container = { name: "c", image: "i", resources: { requests: { cpu } } };
  return { metadata: { name }, spec: { containers: [container] }, status: { phase } };
}

function statusOf(quota: ResourceQuota, ...counted: Parameters<typeof reconcileQuota>[1]): unknown {
  const [action] = reconcileQuota(quota, counted, 0).actions;
  return action?.kind === "updateStatus" ? (action.object as ResourceQuota).status : undefined;
}

Deno.test("reconcileQuota() counts what is there, leaves out what has ended, and says nothing when all is said", () => {
  const hard = { pods: "10", "requests.cpu": "4", "count/configmaps": "3", services: "1" };
  const quota: ResourceQuota = { metadata: { name: "q" }, spec: { hard } };
  const counted = [
    { info: pods, objects: [pod("a", "500m"), pod("b", "1"), pod("done", "2", "Succeeded")] },
    { info: configMaps, objects: [{ metadata: { name: "m" } }] },
    { info: services, objects: [] },
  ];
  const status = statusOf(quota, ...counted);
  const used = { pods: "2", "requests.cpu": "1500m", "count/configmaps": "1", services: "0" };
  assert.deepEqual(status, { hard, used });
  assert.equal(statusOf({ ...quota, status: { hard, used } }, ...counted), undefined);
  assert.notEqual(statusOf({ ...quota, status: { hard, used: { ...used, pods: "3" } } }, ...counted), undefined);
});

Deno.test("reconcileQuota() counts by scope, and a pod past its end no longer", () => {
  const hard = { pods: "10" };
  const scoped: ResourceQuota = { metadata: { name: "q" }, spec: { hard, scopes: ["NotBestEffort"] } };
  const bestEffort: Pod = { metadata: { name: "x" }, spec: { containers: [{ name: "c", image: "i" }] } };
  const ended = pod("ended", "1");
  ended.metadata = { name: "ended", deletionTimestamp: "1969-12-31T23:00:00Z", deletionGracePeriodSeconds: 30 };
  const status = statusOf(scoped, { info: pods, objects: [bestEffort, pod("a", "1"), ended] });
  assert.deepEqual(status, { hard, used: { pods: "1" } });
});
