import assert from "node:assert/strict";
import type {
  ClusterRole,
  ConfigMap,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  EndpointSlice,
  Lease,
  Namespace,
  Node,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ResourceQuota,
  Service,
} from "../../api/gen/types.ts";
import { start, type TestServer } from "../../apiserver/testing.ts";
import type { KubeObject } from "../../api/meta.ts";
import {
  clusterRoles,
  configMaps,
  customResourceDefinitions,
  daemonSets,
  deployments,
  endpointSlices,
  events,
  leases,
  namespaces,
  nodes,
  podDisruptionBudgets,
  pods,
  replicaSets,
  type ResourceInfo,
  resourceQuotas,
  serviceAccounts,
  services,
} from "../../api/resources.ts";
import { formatMicroTime, formatTime } from "../../api/time.ts";
import { createRestClient, type RestClient, type Transport } from "../../client/mod.ts";
import { createTestRandom, silentLog } from "../../client/testing.ts";
import { startControllerManager } from "../../controllers/mod.ts";
import { checkMetrics } from "../../platform/deno/metrics_testing.ts";
import { createMetrics } from "../../platform/metrics.ts";
import type { Component, Metrics } from "../../platform/mod.ts";
import { inProcess } from "./in_process.ts";

const timers = {
  leaseDurationMs: 2_000,
  renewDeadlineMs: 1_500,
  retryPeriodMs: 250,
  nodeMonitorPeriodMs: 250,
  nodeMonitorGraceMs: 4_000,
  podEvictionMs: 2_000,
};

/** Controllers over a real apiserver in one process, with nodes and pods that do what they are told. */
class World implements AsyncDisposable {
  readonly server: TestServer;
  readonly client: RestClient;
  readonly managers = new Map<string, { component: Component; role: string; cut: boolean; metrics: Metrics }>();
  /** `METHOD path` of what the managers wrote. */
  readonly writes: string[] = [];
  /** Nodes whose kubelet lives. */
  readonly living = new Set<string>();
  #seed = 0;

  private constructor(server: TestServer) {
    this.server = server;
    this.client = createRestClient(this.#transport(() => false), { encoding: "json", userAgent: "test" });
  }

  static async begin(): Promise<World> {
    const world = new World(await start());
    await world.startManager("cm-1");
    return world;
  }

  #transport(isCut: () => boolean, writes: string[] = []): Transport {
    const call = inProcess(this.server);
    return (path, options) => {
      if (isCut()) return Promise.reject(new Error("cut off"));
      if (options.method !== "GET") writes.push(`${options.method} ${path}`);
      return call(path, options);
    };
  }

  async startManager(identity: string): Promise<void> {
    const state = { role: "", cut: false, metrics: createMetrics() };
    const transport = this.#transport(() => state.cut, this.writes);
    const client = createRestClient(transport, { encoding: "json", userAgent: identity });
    const { time } = this.server;
    const component = startControllerManager({
      identity,
      timers,
      clusterCaPem: "CA",
      onRole: (role) => void (state.role = role),
    }, {
      client,
      platform: {
        clock: time,
        timers: time,
        random: createTestRandom(++this.#seed),
        log: silentLog,
        metrics: state.metrics,
      },
    });
    this.managers.set(identity, Object.assign(state, { component }));
    await this.until(() => component.ready.then(() => true), "informers synced");
  }

  /** Lets `ms` of virtual time pass, beating the living nodes' hearts each second. */
  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 100) {
      if (Math.round(left / 100) % 10 === 0) { for (const name of this.living) await this.#renew(name); }
      await this.#advance(Math.min(100, left));
    }
  }

  async #advance(ms: number): Promise<void> {
    await this.server.time.advance(ms);
    // Some of the server's promises are settled by the runtime and not by other promises (streams, crypto).
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  async until(condition: () => boolean | Promise<boolean>, what: string, withinMs = 20_000): Promise<void> {
    let held = false;
    for (let passed = 0; passed < withinMs; passed += 100) {
      const check = Promise.resolve(condition()).then((value) => held = value);
      await this.pass(100);
      // A condition that waits itself (for an answer) is looked at again in the next round.
      await Promise.race([check, Promise.resolve()]);
      if (held) return;
    }
    assert.fail(`not within ${withinMs} ms: ${what}`);
  }

  /** Calls the API while time stands still but work goes on. */
  async list<T extends KubeObject>(info: ResourceInfo, namespace?: string): Promise<T[]> {
    return (await this.client.list<T>(info, namespace === undefined ? {} : { namespace })).items;
  }

  async addNode(name: string): Promise<void> {
    const now = this.server.time.now();
    await this.client.create<Node>(nodes, { metadata: { name } });
    this.living.add(name);
    await this.#renew(name);
    const node = await this.client.get<Node>(nodes, name);
    const conditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map((type) => ({
      type,
      status: type === "Ready" ? "True" : "False",
      reason: "Kubelet",
      message: "",
      lastHeartbeatTime: formatTime(now),
      lastTransitionTime: formatTime(now),
    }));
    await this.client.update<Node>(nodes, { ...node, status: { conditions } }, "status");
  }

  async #renew(name: string): Promise<void> {
    const renewTime = formatMicroTime(this.server.time.now());
    const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime };
    const metadata = { name, namespace: "kube-node-lease" };
    try {
      const lease = await this.client.get<Lease>(leases, name, metadata.namespace);
      await this.client.update<Lease>(leases, { ...lease, spec });
    } catch {
      await this.client.create<Lease>(leases, { metadata, spec });
    }
  }

  /** What scheduler and kubelets would do now: bind, run, end. @param run false leaves pods unready */
  async workPods(run = true): Promise<void> {
    const names = [...this.living];
    let next = 0;
    for (const pod of await this.list<Pod>(pods)) {
      const { name = "", namespace = "", uid = "" } = pod.metadata ?? {};
      const node = pod.spec?.nodeName;
      if (pod.metadata?.deletionTimestamp !== undefined) {
        if (node === undefined || this.living.has(node)) {
          await this.client.delete(pods, name, namespace, { gracePeriodSeconds: 0 });
        }
      } else if (node === undefined) {
        const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
        const pinned = required?.nodeSelectorTerms[0]?.matchFields?.[0]?.values?.[0];
        const target = pinned ?? names[next++ % Math.max(1, names.length)];
        if (target !== undefined) await this.client.bind(namespace, name, uid, target);
      } else if (run && this.living.has(node) && pod.status?.phase !== "Running") {
        const at = formatTime(this.server.time.now());
        const condition = { type: "Ready", status: "True", lastTransitionTime: at };
        const status = { phase: "Running", podIP: `127.9.0.${++next}`, conditions: [condition] };
        await this.client.patch(pods, { name, namespace, subresource: "status" }, "merge", { status });
      }
    }
  }

  /** Works pods until the Deployment says that it is complete. */
  async rolledOut(name: string, withinMs = 20_000): Promise<Deployment> {
    let last: Deployment = {} as Deployment;
    for (let passed = 0; passed < withinMs; passed += 100) {
      await this.workPods();
      await this.pass(100);
      last = await this.client.get<Deployment>(deployments, name, "default");
      const { replicas = 0, updatedReplicas = 0, availableReplicas = 0, observedGeneration } = last.status ?? {};
      const wanted = last.spec?.replicas ?? 1;
      const complete = replicas === wanted && updatedReplicas === wanted && availableReplicas === wanted;
      if (complete && observedGeneration === last.metadata?.generation) return last;
    }
    assert.fail(`${name} not rolled out within ${withinMs} ms: ${JSON.stringify(last.status)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const stopping = [...this.managers.values()].map(({ component }) => component.stop());
    await this.pass(3_000);
    await Promise.all(stopping);
    await this.server[Symbol.asyncDispose]();
  }
}

function web(replicas = 3): Deployment {
  return {
    metadata: { name: "web", namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: {
          containers: [{ name: "c", image: "v1", ports: [{ name: "http", containerPort: 8080 }] }],
        },
      },
    },
  };
}

const ports = [{ name: "http", containerPort: 8080 }];
const setImage = (image: string) => ({ spec: { template: { spec: { containers: [{ name: "c", image, ports }] } } } });

Deno.test("controllers make a Deployment's pods, roll a new template out, scale, undo and clean up on delete", async () => {
  await using world = await World.begin();
  const { client } = world;
  await world.addNode("n1");
  await world.addNode("n2");
  await client.create<Deployment>(deployments, web());
  const first = await world.rolledOut("web");
  assert.equal(first.status?.conditions?.find((each) => each.type === "Progressing")?.reason, "NewReplicaSetAvailable");
  assert.equal(first.metadata?.generation, 1, "nobody but its user has changed what is wanted");
  const [original] = await world.list<ReplicaSet>(replicaSets);

  await client.patch(deployments, { name: "web", namespace: "default" }, "merge", setImage("v2"));
  await world.rolledOut("web");
  const sets = await world.list<ReplicaSet>(replicaSets);
  assert.equal(sets.length, 2);
  assert.equal(sets.find((each) => each.metadata?.uid === original?.metadata?.uid)?.spec?.replicas, 0);

  await client.patch(deployments, { name: "web", namespace: "default" }, "merge", { spec: { replicas: 6 } });
  await world.rolledOut("web");
  assert.equal((await world.list<Pod>(pods)).length, 6);

  await client.patch(deployments, { name: "web", namespace: "default" }, "merge", setImage("v1"));
  const undone = await world.rolledOut("web");
  assert.equal(undone.metadata?.annotations?.["deployment.kubernetes.io/revision"], "3");
  const back = await client.get<ReplicaSet>(replicaSets, original?.metadata?.name ?? "", "default");
  assert.equal(back.spec?.replicas, 6);
  const messages = (await world.list<KubeObject & { reason?: string; message?: string }>(events)).map((each) =>
    `${each.reason}: ${each.message}`
  );
  assert.ok(messages.some((each) => /^ScalingReplicaSet: Scaled up replica set web-\w+ from 0 to 3$/.test(each)));
  assert.ok(messages.some((each) => /^SuccessfulCreate: Created pod: web-\w+-\w{5}$/.test(each)), messages.join("\n"));

  await client.delete(deployments, "web", "default");
  for (let i = 0; i < 50; i++) {
    await world.workPods();
    await world.pass(100);
  }
  assert.deepEqual((await world.list(replicaSets)).length, 0);
  assert.deepEqual((await world.list(pods)).length, 0);
});

Deno.test("controllers write nothing while nothing changes, but for the leader's Lease", async () => {
  await using world = await World.begin();
  await world.addNode("n1");
  await world.client.create<Service>(services, {
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { app: "web" }, ports: [{ port: 80 }] },
  });
  await world.client.create<Deployment>(deployments, web(3));
  await world.rolledOut("web");
  await world.pass(1_000);
  world.writes.length = 0;
  await world.pass(10_000);
  const others = world.writes.filter((each) => !each.endsWith("/leases/kube-controller-manager"));
  assert.deepEqual(others, []);
  assert.ok(world.writes.length > 20, "the Lease is renewed");
});

Deno.test("a Deployment of 500 replicas is made with one create a pod, and few other writes", async () => {
  await using world = await World.begin();
  await world.addNode("n1");
  await world.client.create<Deployment>(deployments, web(500));
  await world.rolledOut("web", 10_000);
  const of = (pattern: RegExp) => world.writes.filter((each) => pattern.test(each)).length;
  assert.equal(of(/^POST .*\/pods$/), 500);
  assert.ok(of(/replicasets|deployments/) < 100, `${of(/replicasets|deployments/)} writes to the owners`);
});

Deno.test("a Deployment deleted in the foreground goes after its dependents", async () => {
  await using world = await World.begin();
  const { client } = world;
  await world.addNode("n1");
  await client.create<Deployment>(deployments, web(2));
  await world.rolledOut("web");
  await client.delete(deployments, "web", "default", { propagationPolicy: "Foreground" });
  await world.pass(1_000);
  assert.equal((await world.list(deployments)).length, 1, "waits for its pods");
  assert.ok((await world.list<Pod>(pods)).every((pod) => pod.metadata?.deletionTimestamp !== undefined));
  for (let i = 0; i < 30; i++) {
    await world.workPods();
    await world.pass(100);
  }
  assert.deepEqual([(await world.list(deployments)).length, (await world.list(replicaSets)).length], [0, 0]);
});

Deno.test("a Deployment deleted with orphaned dependents leaves its ReplicaSet and pods running, without an owner", async () => {
  await using world = await World.begin();
  const { client } = world;
  await world.addNode("n1");
  await client.create<Deployment>(deployments, web(2));
  await world.rolledOut("web");
  await client.delete(deployments, "web", "default", { propagationPolicy: "Orphan" });
  await world.pass(2_000);
  assert.equal((await world.list(deployments)).length, 0);
  const [left] = await world.list<ReplicaSet>(replicaSets);
  assert.deepEqual(left?.metadata?.ownerReferences ?? [], []);
  assert.equal((await world.list<Pod>(pods)).filter((pod) => pod.metadata?.deletionTimestamp === undefined).length, 2);
  // The same Deployment adopts what it finds.
  await client.create<Deployment>(deployments, web(2));
  const adopted = await world.rolledOut("web");
  const [only, ...more] = await world.list<ReplicaSet>(replicaSets);
  assert.equal(more.length, 0);
  assert.equal(only?.metadata?.ownerReferences?.[0]?.uid, adopted.metadata?.uid);
});

Deno.test("a node that stops posting becomes Unknown and tainted, and its pods are replaced on others", async () => {
  await using world = await World.begin();
  const { client } = world;
  for (const name of ["n1", "n2", "n3"]) await world.addNode(name);
  await client.create<Deployment>(deployments, web(3));
  await world.rolledOut("web");
  world.living.delete("n2");
  const died = world.server.time.monotonic();
  await world.pass(4_600);
  const node = await client.get<Node>(nodes, "n2");
  const ready = node.status?.conditions?.find((each) => each.type === "Ready");
  assert.deepEqual([ready?.status, ready?.reason, ready?.message], [
    "Unknown",
    "NodeStatusUnknown",
    "Kubelet stopped posting node status.",
  ]);
  assert.deepEqual(node.spec?.taints?.map((taint) => `${taint.key}:${taint.effect}`), [
    "node.kubernetes.io/unreachable:NoSchedule",
    "node.kubernetes.io/unreachable:NoExecute",
  ]);
  const samples = await checkMetrics(world.managers.get("cm-1")?.metrics.text() ?? "");
  const zone = (name: string) => samples.get(`node_collector_${name}`)?.get('zone=""');
  assert.deepEqual([zone("zone_size"), zone("unhealthy_nodes_in_zone"), zone("evictions_total")], [3, 1, 1]);
  assert.equal(samples.get("leader_election_master_status")?.get('name="kube-controller-manager"'), 1);
  for (
    const name of ["deployment", "replicaset", "replicationmanager", "endpoint_slice", "node_lifecycle_controller"]
  ) {
    assert.ok(samples.get("workqueue_adds_total")?.has(`name="${name}"`), name);
  }
  assert.ok((samples.get("workqueue_work_duration_seconds_count")?.get('name="replicaset"') ?? 0) > 0);
  const lost = (await world.list<Pod>(pods)).find((pod) => pod.spec?.nodeName === "n2");
  assert.equal(lost?.status?.conditions?.find((each) => each.type === "Ready")?.status, "False");
  await world.pass(2_500);
  await world.rolledOut("web");
  const all = await world.list<Pod>(pods);
  const active = all.filter((pod) => pod.metadata?.deletionTimestamp === undefined);
  assert.equal(active.length, 3);
  assert.ok(active.every((pod) => pod.spec?.nodeName !== "n2"));
  assert.ok(world.server.time.monotonic() - died < 9_000);
  assert.equal((await client.get<Node>(nodes, "n1")).spec?.taints, undefined);

  // The kubelet comes back: no taint stays.
  world.living.add("n2");
  const conditions = (node.status?.conditions ?? []).map((each) => ({
    ...each,
    status: each.type === "Ready" ? "True" : "False",
    lastHeartbeatTime: formatTime(world.server.time.now()),
  }));
  await client.patch(nodes, { name: "n2", subresource: "status" }, "merge", { status: { conditions } });
  await world.pass(1_000);
  assert.deepEqual((await client.get<Node>(nodes, "n2")).spec?.taints ?? [], []);
});

Deno.test("pods of a deleted node are removed", async () => {
  await using world = await World.begin();
  const { client } = world;
  await world.addNode("n1");
  await world.addNode("n2");
  await client.create<Deployment>(deployments, web(4));
  await world.rolledOut("web");
  world.living.delete("n2");
  await client.delete(nodes, "n2");
  await world.pass(7_000);
  await world.rolledOut("web");
  const all = await world.list<Pod>(pods);
  assert.ok(all.every((pod) => pod.spec?.nodeName === "n1"), JSON.stringify(all.map((pod) => pod.spec?.nodeName)));
  assert.equal(all.length, 4);
});

Deno.test("a Service's EndpointSlice follows readiness, deletion and named ports", async () => {
  await using world = await World.begin();
  const { client } = world;
  await world.addNode("n1");
  await client.create<Service>(services, {
    metadata: { name: "web", namespace: "default" },
    spec: { selector: { app: "web" }, ports: [{ name: "http", port: 80, targetPort: "http" }] },
  });
  const slice = async () => {
    const all = await world.list<EndpointSlice>(endpointSlices, "default");
    return all.filter((each) => each.metadata?.labels?.["kubernetes.io/service-name"] === "web");
  };
  await world.pass(500);
  assert.deepEqual((await slice()).map((each) => each.endpoints ?? []), [[]], "a placeholder");
  await client.create<Deployment>(deployments, web(2));
  await world.rolledOut("web");
  const [full] = await slice();
  assert.deepEqual(full?.ports, [{ name: "http", port: 8080, protocol: "TCP" }]);
  assert.equal(full?.endpoints?.length, 2);
  const ready = { ready: true, serving: true, terminating: false };
  assert.deepEqual(full?.endpoints?.map((each) => [each.nodeName, each.conditions]), [["n1", ready], ["n1", ready]]);
  const gone = full?.endpoints?.[0]?.targetRef?.name ?? "";
  await client.delete(pods, gone, "default");
  await world.pass(300);
  const terminating = (await slice())[0]?.endpoints?.find((each) => each.targetRef?.name === gone);
  assert.deepEqual(terminating?.conditions, { ready: false, serving: true, terminating: true });
  await client.delete(services, "web", "default");
  await world.pass(1_000);
  assert.deepEqual(await slice(), []);
});

Deno.test("every namespace gets its ServiceAccount and CA; a deleted one is emptied, then gone", async () => {
  await using world = await World.begin();
  const { client } = world;
  await world.addNode("n1");
  await client.create<Namespace>(namespaces, { metadata: { name: "team" } });
  await world.pass(500);
  assert.equal((await client.get(serviceAccounts, "default", "team")).metadata?.name, "default");
  const ca = await client.get<ConfigMap>(configMaps, "kube-root-ca.crt", "team");
  assert.deepEqual(ca.data, { "ca.crt": "CA" });
  await client.create<Deployment>(deployments, { ...web(2), metadata: { name: "web", namespace: "team" } });
  await world.pass(500);
  await world.workPods();
  assert.equal((await world.list(pods, "team")).length, 2);
  await client.delete(namespaces, "team");
  await world.pass(1_000);
  const terminating = await client.get<Namespace>(namespaces, "team");
  assert.equal(terminating.status?.phase, "Terminating");
  const remaining = terminating.status?.conditions?.find((each) => each.type === "NamespaceContentRemaining");
  assert.equal(remaining?.message, "Some resources are remaining: pods. has 2 resource instances");
  for (let i = 0; i < 30; i++) {
    await world.workPods(false);
    await world.pass(100);
  }
  const left = (await world.list<Namespace>(namespaces)).map((each) => each.metadata?.name);
  assert.ok(!left.includes("team"), left.join());
  assert.equal((await world.list(configMaps, "team")).length, 0);
});

Deno.test("custom resources are garbage, owners, and part of their namespaces", async () => {
  await using world = await World.begin();
  const { client } = world;
  await client.create<CustomResourceDefinition>(customResourceDefinitions, {
    metadata: { name: "widgets.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "widgets", kind: "Widget" },
      versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
    },
  });
  const path = "/apis/example.com/v1/namespaces/team/widgets";
  const widgets = async () => (await world.server.get(path)).body.items?.map((it: KubeObject) => it.metadata?.name);
  const make = async (name: string, owner?: KubeObject) => {
    const { apiVersion = "v1", kind = "", metadata } = owner ?? {};
    const reference = { apiVersion, kind, name: metadata?.name, uid: metadata?.uid };
    const ownerReferences = owner === undefined ? [] : [reference];
    const body = { apiVersion: "example.com/v1", kind: "Widget", metadata: { name, ownerReferences } };
    return (await world.server.post(path, body)).body;
  };
  await client.create<Namespace>(namespaces, { metadata: { name: "team" } });
  await world.until(async () => (await world.server.get(path)).code === 200, "widgets are served");
  const owner = await make("owner");
  await make("owned", owner);
  await make("free");
  const config = { apiVersion: "example.com/v1", kind: "Widget", name: "owner", uid: owner.metadata.uid };
  await client.create<ConfigMap>(configMaps, {
    metadata: { name: "of-owner", namespace: "team", ownerReferences: [config] },
  });
  await world.server.delete(`${path}/owner`);
  await world.until(async () => (await widgets()).join() === "free", "what the widget owned goes after it");
  const names = async () => (await world.list(configMaps, "team")).map((it) => it.metadata?.name);
  await world.until(async () => !(await names()).includes("of-owner"), "built-in kinds too");
  await client.delete(namespaces, "team");
  const left = async () => (await world.list<Namespace>(namespaces)).map((each) => each.metadata?.name);
  await world.until(async () => !(await left()).includes("team"), "the namespace goes");
  assert.deepEqual(await widgets(), []);
});

Deno.test("another controller-manager takes over when the leader is cut off, and finishes the rollout", async () => {
  await using world = await World.begin();
  const { client, managers } = world;
  await world.startManager("cm-2");
  await world.addNode("n1");
  await world.until(() => managers.get("cm-1")?.role === "leader", "cm-1 leads");
  assert.equal(managers.get("cm-2")?.role, "standby");
  const leader = managers.get("cm-1");
  assert.ok(leader !== undefined);
  leader.cut = true;
  await client.create<Deployment>(deployments, web(3));
  await world.until(() => managers.get("cm-2")?.role === "leader", "cm-2 leads", 4_000);
  await world.rolledOut("web");
  assert.equal(leader.role, "standby");
});

Deno.test("view, edit and admin are put together from what is labelled for them, as it comes and goes", async () => {
  await using world = await World.begin();
  const verbsOn = async (name: string, resource: string): Promise<string[]> => {
    const role = await world.client.get<ClusterRole>(clusterRoles, name);
    return (role.rules ?? []).filter((rule) => rule.resources?.includes(resource)).flatMap((rule) => rule.verbs).sort();
  };
  await world.until(async () => (await verbsOn("admin", "rolebindings")).includes("create"), "admin grants roles");
  await world.until(async () => (await verbsOn("admin", "configmaps")).includes("get"), "admin has what view has");
  assert.deepEqual(await verbsOn("view", "configmaps"), ["get", "list", "watch"]);
  assert.deepEqual(await verbsOn("view", "secrets"), []);
  await world.client.create<ClusterRole>(clusterRoles, {
    metadata: { name: "widgets", labels: { "rbac.authorization.k8s.io/aggregate-to-view": "true" } },
    rules: [{ verbs: ["get"], apiGroups: ["acme.com"], resources: ["widgets"] }],
  });
  await world.until(async () => (await verbsOn("admin", "widgets")).length === 1, "admin has the new rule");
  await world.client.delete(clusterRoles, "widgets");
  await world.until(async () => (await verbsOn("admin", "widgets")).length === 0, "the rule went with its role");
});

Deno.test("a ResourceQuota holds a Deployment back, is recounted as pods go, and a budget follows what is ready", async () => {
  await using world = await World.begin();
  await world.addNode("n1");
  const quota = { metadata: { name: "q", namespace: "default" }, spec: { hard: { pods: "2" } } };
  await world.client.create<ResourceQuota>(resourceQuotas, quota);
  const usedPods = async () =>
    (await world.client.get<ResourceQuota>(resourceQuotas, "q", "default")).status?.used?.["pods"];
  await world.until(async () => await usedPods() === "0", "the quota is counted");
  await world.client.create<PodDisruptionBudget>(podDisruptionBudgets, {
    metadata: { name: "b", namespace: "default" },
    spec: { maxUnavailable: 2, selector: { matchLabels: { app: "web" } } },
  });
  await world.client.create<Deployment>(deployments, web(3));
  await world.until(async () => {
    await world.workPods();
    return await usedPods() === "2" && (await world.list<Pod>(pods, "default")).length === 2;
  }, "two of three pods are let in");
  const allowed = async () =>
    (await world.client.get<PodDisruptionBudget>(podDisruptionBudgets, "b", "default")).status?.disruptionsAllowed;
  // Two of three are healthy, one may be missing: one more may go.
  await world.until(async () => {
    await world.workPods();
    return await allowed() === 1;
  }, "the budget counts what is ready");
  await world.client.delete(deployments, "web", "default", { propagationPolicy: "Background" });
  await world.until(async () => {
    await world.workPods();
    return await usedPods() === "0";
  }, "the quota gives back what went");
});

Deno.test("a DaemonSet follows nodes and quotas, replaces failed pods ever later, and writes nothing when all is well", async () => {
  await using world = await World.begin();
  const { client } = world;
  await world.addNode("n1");
  const labels = { app: "log" };
  const template = { metadata: { labels }, spec: { containers: [{ name: "c", image: "v1" }] } };
  await client.create<ResourceQuota>(resourceQuotas, {
    metadata: { name: "few", namespace: "default" },
    spec: { hard: { pods: "1" } },
  });
  await client.create<DaemonSet>(daemonSets, {
    metadata: { name: "log", namespace: "default" },
    spec: { selector: { matchLabels: labels }, template },
  });
  const available = async (count: number) => {
    await world.workPods();
    const { status } = await client.get<DaemonSet>(daemonSets, "log", "default");
    return status?.numberAvailable === count && status.desiredNumberScheduled === count;
  };
  const said = async () =>
    (await world.list<KubeObject & { reason?: string; message?: string }>(events)).map((each) =>
      `${each.reason}: ${each.message}`
    );
  await world.until(() => available(1), "a pod on the only node");
  await world.addNode("n2");
  await world.until(
    async () => (await said()).some((each) => /^FailedCreate: Error creating: .*exceeded quota: few/.test(each)),
    "the quota is felt",
  );
  await client.delete(resourceQuotas, "few", "default");
  await world.pass(1_000);
  await world.until(() => available(2), "a pod on the new node");

  const replacedAfterMs: number[] = [];
  for (let i = 0; i < 3; i++) {
    await world.pass(1_000); // the nodes' hearts beat
    const pod = (await world.list<Pod>(pods)).find((each) => each.spec?.nodeName === "n2");
    const { name = "", uid } = pod?.metadata ?? {};
    await client.patch(pods, { name, namespace: "default", subresource: "status" }, "merge", {
      status: { phase: "Failed" },
    });
    const failedAt = world.server.time.now();
    await world.until(
      async () => (await world.list<Pod>(pods)).every((each) => each.metadata?.uid !== uid),
      "replaced",
    );
    replacedAfterMs.push(world.server.time.now() - failedAt);
    await world.until(() => available(2), "a pod instead of the failed one");
  }
  assert.ok((await said()).some((each) => /^FailedDaemonPod: Found failed daemon pod default\/log-/.test(each)));
  const [first = 0, , third = 0] = replacedAfterMs;
  assert.ok(first < 500 && third > 500, `${replacedAfterMs}`);
  await world.pass(2_000);
  world.writes.length = 0;
  await world.pass(5_000);
  assert.deepEqual(world.writes.filter((each) => !each.endsWith("/leases/kube-controller-manager")), []);
  await client.delete(daemonSets, "log", "default", { propagationPolicy: "Foreground" });
  await world.until(async () => {
    await world.workPods();
    return (await world.list(pods)).length === 0 && (await world.list(daemonSets)).length === 0;
  }, "it goes after its pods");
});
