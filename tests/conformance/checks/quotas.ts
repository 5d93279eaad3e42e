/** ResourceQuotas, as the admission charges and the controller counts them. */
import assert from "node:assert/strict";
import type { Api, Loose } from "../api.ts";
import { type Check, create, eventually, pod } from "../helpers.ts";
import { good, infoOf, pathIn } from "../lifecycle.ts";

const quotas = infoOf("resourcequotas");
const pods = infoOf("pods");

async function makeQuota(api: Api, namespace: string, name: string, hard: Loose, scopes?: string[]): Promise<void> {
  await create(api, namespace, quotas, {
    metadata: { name },
    spec: { hard, ...(scopes === undefined ? {} : { scopes }) },
  });
}

/** Waits until the quota's `used` has these amounts, besides others. */
async function used(api: Api, namespace: string, name: string, amounts: Loose): Promise<void> {
  let last: Loose;
  await eventually("", async () => {
    last = good(await api.call("GET", pathIn(quotas, namespace, name)), 200, "quota").status;
    return Object.entries(amounts).every(([key, value]) =>
      last?.used?.[key] === value && last?.hard?.[key] !== undefined
    );
  }).catch(() => assert.fail(`${JSON.stringify(amounts)} used of ${name}: ${JSON.stringify(last)}`));
}

async function refused(api: Api, namespace: string, resource: string, object: Loose): Promise<void> {
  const reply = await api.call("POST", pathIn(infoOf(resource), namespace), object);
  assert.equal(reply.code, 403, JSON.stringify(reply.body));
  assert.match(reply.body.message, /exceeded quota/);
}

async function remove(api: Api, namespace: string, resource: string, name: string): Promise<void> {
  const path = pathIn(infoOf(resource), namespace, name);
  good(await api.call("DELETE", path, { gracePeriodSeconds: 0, propagationPolicy: "Background" }), 200, "delete");
}

/** An object is counted when it is made, and its share comes back when it goes. */
function lifeOf(resource: string, counted: string, object: Loose): Check {
  return async (api, namespace) => {
    // Others of the kind may be there already: every namespace has the root certificate.
    await makeQuota(api, namespace, "test-quota", { [counted]: "10" });
    const path = pathIn(quotas, namespace, "test-quota");
    const read = async () => (await api.call("GET", path)).body.status?.used?.[counted];
    const before = await eventually("the quota is counted", async () => {
      const expected = resource === "configmaps" ? "1" : "0";
      const it = await read();
      return it === expected ? it : undefined;
    });
    await create(api, namespace, infoOf(resource), object);
    await used(api, namespace, "test-quota", { [counted]: String(Number(before) + 1) });
    await remove(api, namespace, resource, object.metadata.name);
    await used(api, namespace, "test-quota", { [counted]: before });
  };
}

function sized(name: string, cpu: string, memory: string, spec: Loose = {}): Loose {
  const resources = { requests: { cpu, memory }, limits: { cpu, memory } };
  return pod(name, { containers: [{ name: "c", image: "registry.k8s.io/pause:3.10", resources }], ...spec });
}

const template = { metadata: { labels: { name: "t" } }, spec: pod("").spec };

/** Two quotas of opposite scope: a pod counts in one of them alone. */
async function scoped(
  api: Api,
  namespace: string,
  [inside, outside]: readonly [string, string],
  [first, second]: readonly [Loose, Loose],
): Promise<void> {
  await makeQuota(api, namespace, "inside", { pods: "5" }, [inside]);
  await makeQuota(api, namespace, "outside", { pods: "5" }, [outside]);
  const both = async (a: string, b: string) => {
    await used(api, namespace, "inside", { pods: a });
    await used(api, namespace, "outside", { pods: b });
  };
  await both("0", "0");
  await create(api, namespace, pods, first);
  await both("1", "0");
  await remove(api, namespace, "pods", first.metadata.name);
  await both("0", "0");
  await create(api, namespace, pods, second);
  await both("0", "1");
  await remove(api, namespace, "pods", second.metadata.name);
  await both("0", "0");
}

export const quotaChecks: Readonly<Record<string, Check>> = {
  async "quota status"(api, namespace) {
    const hard = { cpu: "1", memory: "500Mi", pods: "5", services: "10", "count/replicasets.apps": "5", secrets: "10" };
    await makeQuota(api, namespace, "test-quota", hard);
    await used(api, namespace, "test-quota", { cpu: "0", memory: "0", pods: "0", services: "0", secrets: "0" });
  },
  "quota of configmaps": lifeOf("configmaps", "configmaps", { metadata: { name: "test-configmap" }, data: { a: "b" } }),
  "quota of secrets": lifeOf("secrets", "secrets", { metadata: { name: "test-secret" }, data: { a: "YQ==" } }),
  "quota of replicationcontrollers": lifeOf("replicationcontrollers", "replicationcontrollers", {
    metadata: { name: "test-rc" },
    spec: { replicas: 0, selector: { name: "t" }, template },
  }),
  "quota of replicasets": lifeOf("replicasets", "count/replicasets.apps", {
    metadata: { name: "test-rs" },
    spec: { replicas: 0, selector: { matchLabels: { name: "t" } }, template },
  }),
  async "quota of services"(api, namespace) {
    const hard = { services: "10", "services.nodeports": "1", "services.loadbalancers": "1" };
    await makeQuota(api, namespace, "test-quota", hard);
    await used(api, namespace, "test-quota", {
      services: "0",
      "services.nodeports": "0",
      "services.loadbalancers": "0",
    });
    const service = (name: string, type: string, more: Loose = {}) => ({
      metadata: { name },
      spec: { type, ports: [{ port: 80, targetPort: 80 }], ...more },
    });
    await create(api, namespace, infoOf("services"), service("test-service", "ClusterIP"));
    await create(api, namespace, infoOf("services"), service("test-service-np", "NodePort"));
    await refused(api, namespace, "services", service("refused-np", "NodePort"));
    await refused(api, namespace, "services", service("refused-lb", "LoadBalancer"));
    await used(api, namespace, "test-quota", {
      services: "2",
      "services.nodeports": "1",
      "services.loadbalancers": "0",
    });
    for (const name of ["test-service", "test-service-np"]) await remove(api, namespace, "services", name);
    await used(api, namespace, "test-quota", {
      services: "0",
      "services.nodeports": "0",
      "services.loadbalancers": "0",
    });
  },
  async "quota of pods"(api, namespace) {
    const extended = "requests.example.com/dongle";
    const hard = { cpu: "1", memory: "500Mi", pods: "5", "requests.ephemeral-storage": "50Gi", [extended]: "3" };
    await makeQuota(api, namespace, "test-quota", hard);
    const none = { cpu: "0", memory: "0", pods: "0", "requests.ephemeral-storage": "0", [extended]: "0" };
    await used(api, namespace, "test-quota", none);
    const requests = { cpu: "500m", memory: "252Mi", "ephemeral-storage": "30Gi", "example.com/dongle": "2" };
    const asking = (name: string, amounts: Loose) =>
      pod(name, {
        containers: [{
          name: "c",
          image: "registry.k8s.io/pause:3.10",
          resources: {
            requests: amounts,
            ...(amounts["example.com/dongle"] === undefined
              ? {}
              : { limits: { "example.com/dongle": amounts["example.com/dongle"] } }),
          },
        }],
      });
    await create(api, namespace, pods, asking("test-pod", requests));
    const one = { cpu: "500m", memory: "252Mi", pods: "1", "requests.ephemeral-storage": "30Gi", [extended]: "2" };
    await used(api, namespace, "test-quota", one);
    await refused(api, namespace, "pods", asking("fail-pod", { cpu: "600m", memory: "100Mi" }));
    const dongles = { cpu: "100m", memory: "100Mi", "example.com/dongle": "2", "ephemeral-storage": "1Gi" };
    await refused(api, namespace, "pods", asking("fail-pod-for-extended-resource", dongles));
    const path = pathIn(pods, namespace, "test-pod");
    const body = good(await api.call("GET", path), 200, "pod");
    body.metadata.labels = { changed: "true" };
    good(await api.call("PUT", path, body), 200, "update of what is not counted");
    const resized = structuredClone(body);
    delete resized.metadata.resourceVersion;
    resized.spec.containers[0].resources.requests.cpu = "100m";
    assert.equal((await api.call("PUT", path, resized)).code, 422, "what a pod requests is fixed");
    await used(api, namespace, "test-quota", one);
    await remove(api, namespace, "pods", "test-pod");
    await used(api, namespace, "test-quota", none);
  },
  async "quota of best effort"(api, namespace) {
    const [besteffort, other] = [pod("besteffort-pod"), sized("not-besteffort-pod", "500m", "200Mi")];
    await scoped(api, namespace, ["BestEffort", "NotBestEffort"], [besteffort, other]);
  },
  async "quota of terminating"(api, namespace) {
    const ends = sized("terminating-pod", "500m", "200Mi", { activeDeadlineSeconds: 3600 });
    await scoped(api, namespace, ["Terminating", "NotTerminating"], [ends, sized("test-pod", "500m", "200Mi")]);
  },
};
