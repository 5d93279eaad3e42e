import assert from "node:assert/strict";
import { enabledPlugins } from "../admission/plugins.ts";
import { start, type TestServer } from "../testing.ts";

const core = "/api/v1/namespaces/default";

async function withAccount(): Promise<TestServer> {
  const server = await start();
  await server.post(`${core}/serviceaccounts`, { metadata: { name: "default" } });
  return server;
}

function pod(server: TestServer, spec: Record<string, unknown> = {}, resources: Record<string, unknown> = {}) {
  return server.post(`${core}/pods`, {
    metadata: { name: "p" },
    spec: { containers: [{ name: "c", image: "i", resources }], ...spec },
  });
}

Deno.test("LimitRanger gives containers their defaults, says so, and holds pods to minimum, maximum and ratio", async () => {
  await using server = await withAccount();
  const made = await server.post(`${core}/limitranges`, {
    metadata: { name: "l" },
    spec: {
      limits: [
        {
          type: "Container",
          min: { cpu: "50m" },
          max: { cpu: "1" },
          default: { cpu: "500m" },
          maxLimitRequestRatio: { cpu: "4" },
        },
        { type: "Pod", max: { cpu: "1500m" } },
      ],
    },
  });
  assert.equal(made.code, 201, JSON.stringify(made.body));
  assert.deepEqual(made.body.spec.limits[0].defaultRequest, { cpu: "500m" });
  const defaulted = (await pod(server)).body;
  assert.deepEqual(defaulted.spec.containers[0].resources, { requests: { cpu: "500m" }, limits: { cpu: "500m" } });
  assert.equal(
    defaulted.metadata.annotations["kubernetes.io/limit-ranger"],
    "LimitRanger plugin set: cpu request for container c; cpu limit for container c",
  );
  const refused = async (resources: Record<string, unknown>, containers?: unknown[]) =>
    (await pod(server, containers === undefined ? {} : { containers }, resources)).body.message
      .replace('pods "p" is forbidden: ', "");
  assert.equal(
    await refused({ requests: { cpu: "1" }, limits: { cpu: "2" } }),
    "[maximum cpu usage per Container is 1, but limit is 2, maximum cpu usage per Pod is 1500m, but limit is 2]",
  );
  assert.equal(
    await refused({ requests: { cpu: "10m" }, limits: { cpu: "30m" } }),
    "minimum cpu usage per Container is 50m, but request is 10m",
  );
  assert.equal(
    await refused({ requests: { cpu: "100m" }, limits: { cpu: "500m" } }),
    "cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000",
  );
  const two = ["a", "b"].map((name) => ({ name, image: "i", resources: { limits: { cpu: "1" } } }));
  assert.equal(await refused({}, two), "maximum cpu usage per Pod is 1500m, but limit is 2");
});

Deno.test("a LimitRange for claims bounds their storage; one that contradicts itself is 422", async () => {
  await using server = await withAccount();
  await server.post(`${core}/limitranges`, {
    metadata: { name: "l" },
    spec: { limits: [{ type: "PersistentVolumeClaim", min: { storage: "1Gi" }, max: { storage: "5Gi" } }] },
  });
  const claim = (storage: string) =>
    server.post(`${core}/persistentvolumeclaims`, {
      metadata: { name: "c" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage } } },
    });
  assert.equal(
    (await claim("10Gi")).body.message,
    'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 10Gi',
  );
  assert.match((await claim("500Mi")).body.message, /minimum storage usage .* is 1Gi, but request is 500Mi$/);
  assert.equal((await claim("2Gi")).code, 201);
  const odd = await server.post(`${core}/limitranges`, {
    metadata: { name: "odd" },
    spec: { limits: [{ type: "Container", min: { cpu: "2" }, max: { cpu: "1" } }] },
  });
  assert.equal(odd.code, 422);
  assert.match(odd.body.message, /spec\.limits\[0\]\.min\[cpu\]: Invalid value: "2": min value 2 is greater than max/);
});

Deno.test("Priority comes from PriorityClass objects: the system's two, the named one, the default one", async () => {
  await using server = await withAccount();
  const classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
  const names = (await server.get(classes)).body.items.map((it: { metadata: { name: string } }) => it.metadata.name);
  assert.deepEqual(names, ["system-cluster-critical", "system-node-critical"]);
  assert.equal((await pod(server)).body.spec.priority, 0);
  await server.delete(`${core}/pods/p`);
  await server.post(classes, { metadata: { name: "high" }, value: 1000, preemptionPolicy: "Never" });
  await server.post(classes, { metadata: { name: "usual" }, value: 10, globalDefault: true });
  const high = (await pod(server, { priorityClassName: "high" })).body;
  assert.equal(high.spec.priority, 1000);
  assert.equal(high.spec.preemptionPolicy, "Never");
  await server.delete(`${core}/pods/p`);
  const usual = (await pod(server)).body;
  assert.deepEqual([usual.spec.priority, usual.spec.priorityClassName], [10, "usual"]);
  const nope = await pod(server, { priorityClassName: "nope" });
  assert.equal(nope.body.message, 'pods "p" is forbidden: no PriorityClass with name nope was found');
  const second = await server.post(classes, { metadata: { name: "other" }, value: 20, globalDefault: true });
  assert.match(second.body.message, /PriorityClass usual is already marked as default\. Only one default can exist$/);
});

Deno.test("RuntimeClass gives its overhead, node selector and tolerations; overhead of one's own is refused", async () => {
  await using server = await withAccount();
  const toleration = { key: "k", operator: "Exists", effect: "NoSchedule" };
  await server.post("/apis/node.k8s.io/v1/runtimeclasses", {
    metadata: { name: "kata" },
    handler: "kata",
    overhead: { podFixed: { cpu: "250m" } },
    scheduling: { nodeSelector: { sandbox: "yes" }, tolerations: [toleration] },
  });
  const { spec } = (await pod(server, { runtimeClassName: "kata" })).body;
  assert.deepEqual(spec.overhead, { cpu: "250m" });
  assert.deepEqual(spec.nodeSelector, { sandbox: "yes" });
  assert.deepEqual(spec.tolerations, [toleration]);
  const refused = async (more: Record<string, unknown>) =>
    (await pod(server, more)).body.message.replace('pods "p" is forbidden: ', "");
  assert.equal(await refused({ runtimeClassName: "nope" }), 'pod rejected: RuntimeClass "nope" not found');
  assert.equal(
    await refused({ overhead: { cpu: "1" } }),
    "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
  );
  assert.equal(
    await refused({ runtimeClassName: "kata", overhead: { cpu: "1" } }),
    "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
  );
  assert.match(
    await refused({ runtimeClassName: "kata", nodeSelector: { sandbox: "no" } }),
    /^conflict: runtimeClass\.scheduling\.nodeSelector\[sandbox\] = yes; pod\.spec\.nodeSelector\[sandbox\] = no$/,
  );
});

Deno.test("a claim without a class gets the newest default class; one that asks for none does not", async () => {
  await using server = await withAccount();
  const annotations = { "storageclass.kubernetes.io/is-default-class": "true" };
  const claim = async (name: string, more: Record<string, unknown> = {}) =>
    (await server.post(`${core}/persistentvolumeclaims`, {
      metadata: { name },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...more },
    })).body.spec.storageClassName;
  assert.equal(await claim("before"), undefined);
  for (const name of ["old", "new"]) {
    const metadata = { name, annotations };
    await server.post("/apis/storage.k8s.io/v1/storageclasses", { metadata, provisioner: "p" });
    await server.time.advance(2_000);
  }
  assert.equal(await claim("a"), "new");
  assert.equal(await claim("b", { storageClassName: "" }), "");
});

Deno.test("plug-ins are switched by upstream's names: DenyServiceExternalIPs is off unless asked for, a new node is tainted", async () => {
  const service = { metadata: { name: "s" }, spec: { ports: [{ port: 80 }], externalIPs: ["203.0.113.1"] } };
  const node = { metadata: { name: "n" }, spec: { taints: [{ key: "mine", effect: "NoExecute" }] } };
  const notReady = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" };
  {
    await using server = await start();
    assert.equal((await server.post(`${core}/services`, service)).code, 201);
    assert.deepEqual((await server.post("/api/v1/nodes", node)).body.spec.taints, [...node.spec.taints, notReady]);
  }
  const disable = ["TaintNodesByCondition", "ServiceAccount"];
  await using server = await start({ config: { admissionPlugins: { disable } } });
  assert.deepEqual((await server.post("/api/v1/nodes", node)).body.spec.taints, node.spec.taints);
  const pod = { metadata: { name: "p" }, spec: { containers: [{ name: "c", image: "i" }] } };
  assert.equal((await server.post(`${core}/pods`, pod)).code, 201, "no ServiceAccount is asked for");
  assert.throws(() => enabledPlugins({ enable: ["Nope"] }), /enable-admission-plugins plugin "Nope" is unknown/);
  const both = { enable: ["Priority"], disable: ["Priority"] };
  assert.throws(
    () => enabledPlugins(both),
    /\[Priority\] in enable-admission-plugins and disable-admission-plugins overlapped/,
  );
});

Deno.test("externalIPs are refused, kept where they are, and may go", async () => {
  await using server = await start({ config: { admissionPlugins: { enable: ["DenyServiceExternalIPs"] } } });
  const service = (externalIPs: string[]) => ({
    metadata: { name: "s" },
    spec: { ports: [{ port: 80 }], externalIPs },
  });
  const refused = await server.post(`${core}/services`, service(["203.0.113.9"]));
  assert.equal(refused.code, 403);
  assert.equal(
    refused.body.message,
    'services "s" is forbidden: Use of external IPs is denied by admission control.',
  );
  assert.equal((await server.post(`${core}/services`, service([]))).code, 201);
  assert.equal((await server.patch(`${core}/services/s`, { spec: { externalIPs: ["203.0.113.9"] } })).code, 403);
});
