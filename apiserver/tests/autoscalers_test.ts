import assert from "node:assert/strict";
import { type Answer, type Loose, start, until } from "../testing.ts";

const v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
const v2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
const metricsOf = "autoscaling.alpha.kubernetes.io/metrics";
const target = { apiVersion: "apps/v1", kind: "Deployment", name: "d" };
const applied = { headers: { "content-type": "application/apply-patch+yaml" } };

function old(name: string, spec: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    apiVersion: "autoscaling/v1",
    kind: "HorizontalPodAutoscaler",
    metadata: { name },
    spec: { scaleTargetRef: target, maxReplicas: 3, ...spec },
  };
}

function utilization(percent: number): Record<string, unknown> {
  return {
    type: "Resource",
    resource: { name: "cpu", target: { type: "Utilization", averageUtilization: percent } },
  };
}

const podsMetric = {
  type: "Pods",
  pods: { metric: { name: "p" }, target: { type: "AverageValue", averageValue: "4" } },
};

function good(answer: Answer, code = 200): Answer["body"] {
  assert.equal(answer.code, code, JSON.stringify(answer.body));
  return answer.body;
}

Deno.test("one autoscaler is written and watched by either version, and each shows all of it", async () => {
  await using server = await start();
  const watchOld = await server.watch(`${v1}?watch=1`);
  const watchNew = await server.watch(`${v2}?watch=1`);
  const created = good(await server.post(`${v1}?fieldValidation=Strict`, old("h")), 201);
  assert.deepEqual(created.spec, {
    scaleTargetRef: target,
    maxReplicas: 3,
    minReplicas: 1,
    targetCPUUtilizationPercentage: 80,
  });
  assert.deepEqual(created.status, { currentReplicas: 0, desiredReplicas: 0 });
  const stored = good(await server.get(`${v2}/h`));
  assert.deepEqual([stored.metadata.uid, stored.apiVersion], [created.metadata.uid, "autoscaling/v2"]);
  assert.deepEqual(stored.spec.metrics, [utilization(80)]);

  const metrics = [podsMetric, utilization(60)];
  good(await server.put(`${v2}/h`, { ...stored, spec: { ...stored.spec, metrics } }));
  const shown = good(await server.get(`${v1}/h`));
  assert.equal(shown.spec.targetCPUUtilizationPercentage, 60);
  assert.equal(
    shown.metadata.annotations[metricsOf],
    '[{"type":"Pods","pods":{"metricName":"p","targetAverageValue":"4"}}]',
  );
  // An old client that changes what it knows loses nothing of the rest.
  good(await server.patch(`${v1}/h`, { spec: { targetCPUUtilizationPercentage: 50, maxReplicas: 7 } }));
  const again = good(await server.get(`${v2}/h`));
  assert.deepEqual([again.spec.maxReplicas, again.spec.metrics], [7, [podsMetric, utilization(50)]]);
  assert.equal(again.metadata.annotations, undefined);

  good(await server.delete(`${v1}/h`));
  assert.equal((await server.get(`${v2}/h`)).code, 404);
  for (const [watch, version] of [[watchOld, "v1"], [watchNew, "v2"]] as const) {
    const events = [await watch.next(), await watch.next(), await watch.next(), await watch.next()];
    assert.deepEqual(events.map(({ type }) => type), ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]);
    for (const { object } of events) assert.equal(object.apiVersion, `autoscaling/${version}`);
    await watch.cancel();
  }
});

Deno.test("the status of an autoscaler by either version: conditions are in an annotation of autoscaling/v1", async () => {
  await using server = await start();
  good(await server.post(v1, old("h")), 201);
  const conditions = [{ type: "ScalingActive", status: "False", lastTransitionTime: "2026-01-01T00:00:00Z" }];
  good(await server.patch(`${v2}/h/status`, { status: { desiredReplicas: 2, currentReplicas: 1, conditions } }));
  const shown = good(await server.get(`${v1}/h/status`));
  assert.deepEqual(shown.status, { currentReplicas: 1, desiredReplicas: 2 });
  assert.equal(
    shown.metadata.annotations["autoscaling.alpha.kubernetes.io/conditions"],
    JSON.stringify([{ type: "ScalingActive", status: "False", lastTransitionTime: "2026-01-01T00:00:00Z" }]),
  );
  const marked = good(
    await server.put(`${v1}/h/status`, { ...shown, status: { ...shown.status, desiredReplicas: 3 } }),
  );
  assert.equal(marked.status.desiredReplicas, 3);
  const stored = good(await server.get(`${v2}/h`));
  assert.deepEqual(stored.status, { currentReplicas: 1, desiredReplicas: 3, conditions });
  // The object's own path leaves the status, whose annotation a client may have dropped.
  good(await server.put(`${v1}/h`, { ...old("h", { maxReplicas: 4 }) }));
  assert.deepEqual(good(await server.get(`${v2}/h`)).status, stored.status);
});

Deno.test("faults of an autoscaler of autoscaling/v1 are told by the fields of what is stored", async () => {
  await using server = await start();
  const faulty = old("h", {
    minReplicas: 0,
    maxReplicas: 0,
    targetCPUUtilizationPercentage: 0,
    scaleTargetRef: { kind: "Deployment", name: "a/b" },
  });
  const answer = await server.post(v1, faulty);
  assert.equal(answer.code, 422);
  assert.deepEqual(
    answer.body.details.causes.map((it: { field: string; message: string }) => `${it.field}: ${it.message}`),
    [
      "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
      "spec.maxReplicas: Required value: must be set and greater than 0",
      "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'",
      'spec.scaleTargetRef.apiVersion: Invalid value: "": apiVersion must specify API group',
      "spec.metrics[0].resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
    ],
  );
  assert.match(answer.body.message, /^HorizontalPodAutoscaler\.autoscaling "h" is invalid: \[spec\.minReplicas: /);
  // Of the core group there is one kind that can be scaled.
  const controller = { scaleTargetRef: { kind: "ReplicationController", name: "rc" } };
  good(await server.post(v1, old("rc", controller)), 201);
  assert.equal((await server.patch(`${v1}/rc`, { spec: { scaleTargetRef: { kind: "Deployment" } } })).code, 422);
});

Deno.test("an autoscaler is applied through autoscaling/v1, shown as a table, in protobuf, and in discovery", async () => {
  await using server = await start();
  const path = `${v1}/h?fieldManager=t`;
  good(await server.patch(path, old("h", { targetCPUUtilizationPercentage: 70 }), applied), 201);
  const again = good(await server.patch(path, old("h", { targetCPUUtilizationPercentage: 75 }), applied));
  assert.equal(again.spec.targetCPUUtilizationPercentage, 75);
  assert.equal(again.metadata.managedFields[0].apiVersion, "autoscaling/v1");
  const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
  const [table, same] = [
    good(await server.get(v1, { headers: { accept } })),
    good(await server.get(v2, { headers: { accept } })),
  ];
  const titles = table.columnDefinitions.map(({ name }: { name: string }) => name);
  assert.deepEqual(titles, ["Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age"]);
  assert.deepEqual(table.rows[0].cells.slice(0, 6), ["h", "Deployment/d", "cpu: <unknown>/75%", "1", "3", 0]);
  assert.deepEqual(table.rows[0].cells.slice(0, 6), same.rows[0].cells.slice(0, 6));
  const binary = await server.raw("GET", `${v1}/h`, { headers: { accept: "application/vnd.kubernetes.protobuf" } });
  const bytes = new Uint8Array(await binary.arrayBuffer());
  assert.equal(new TextDecoder().decode(bytes.subarray(0, 3)), "k8s");
  // HorizontalPodAutoscalerSpec has the percentage as its field 4.
  assert.ok(bytes.some((byte, at) => byte === 0x20 && bytes[at + 1] === 75));
  const group = good(await server.get("/apis/autoscaling"));
  assert.deepEqual(group.versions.map((it: { version: string }) => it.version), ["v2", "v1"]);
  assert.equal(group.preferredVersion.version, "v2");
  const [resource] = good(await server.get("/apis/autoscaling/v1")).resources;
  assert.deepEqual([resource.name, resource.shortNames], ["horizontalpodautoscalers", ["hpa"]]);
  const openApi = good(await server.get("/openapi/v3/apis/autoscaling/v1"));
  assert.ok(Object.keys(openApi.paths).includes(`${v1.replace("default", "{namespace}")}/{name}/status`));
});

Deno.test("a webhook for autoscaling/v2 sees, and changes, an autoscaler that is written through autoscaling/v1", async () => {
  const seen: unknown[] = [];
  const patch = btoa(JSON.stringify([{ op: "add", path: "/spec/metrics/-", value: podsMetric }]));
  await using server = await start({
    postHttps: ({ body }) => {
      const { request }: Loose = JSON.parse(body);
      seen.push([request.kind.version, request.requestKind.version, request.object.spec.metrics]);
      const response = { uid: request.uid, allowed: true, patchType: "JSONPatch", patch };
      const review = { apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", response };
      return Promise.resolve(Response.json(review));
    },
  });
  const rules = [{
    apiGroups: ["autoscaling"],
    apiVersions: ["v2"],
    operations: ["CREATE"],
    resources: ["horizontalpodautoscalers"],
  }];
  const webhook = {
    name: "hook.example.com",
    clientConfig: { url: "https://hook.example.com/" },
    sideEffects: "None",
    admissionReviewVersions: ["v1"],
    rules,
  };
  const hooks = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
  good(await server.post(hooks, { metadata: { name: "h" }, webhooks: [webhook] }), 201);
  // The hooks are known once the caches are.
  await until(() => server.post(`${v1}?dryRun=All`, old("probe")), () => seen.length > 0);
  seen.length = 0;
  const made = good(await server.post(v1, old("h", { targetCPUUtilizationPercentage: 40 })), 201);
  assert.deepEqual(seen, [["v2", "v1", [utilization(40)]]]);
  assert.match(made.metadata.annotations[metricsOf], /"metricName":"p"/);
  assert.deepEqual(good(await server.get(`${v2}/h`)).spec.metrics, [podsMetric, utilization(40)]);
});
