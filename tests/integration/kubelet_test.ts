import assert from "node:assert/strict";
import type { KubeObject } from "../../api/meta.ts";
import {
  configMaps,
  endpointSlices,
  events,
  leases,
  namespaces,
  nodes,
  pods,
  serviceAccounts,
  services,
} from "../../api/resources.ts";
import type { ConfigMap, CoreV1Event, EndpointSlice, Lease, Node, Pod, Service } from "../../api/gen/types.ts";
import { createApiServer } from "../../apiserver/mod.ts";
import { createRestClient, isNotFound, type RestClient, type Transport } from "../../client/mod.ts";
import { createAuthority, createSigningKey } from "../../cluster/pki.ts";
import { type KubeletConfig, startHollowNodes, startKubelet } from "../../kubelet/mod.ts";
import { ProcessRuntime } from "../../kubelet/runtime/process/runtime.ts";
import { checkMetrics } from "../../platform/deno/metrics_testing.ts";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import type { Component, PeerIdentity, Platform, TlsIdentity } from "../../platform/mod.ts";
import { startProxy } from "../../proxy/mod.ts";
import { createLocalStore } from "../../store/mod.ts";

/** A real apiserver in this process, real kubelets and proxies, real child processes; no scheduler, no controllers. */
interface World {
  readonly platform: Platform;
  readonly client: RestClient;
  readonly clientOf: (peer: PeerIdentity) => RestClient;
  readonly call: Transport;
  readonly nodeTls: TlsIdentity;
  readonly directory: string;
  /** Stops it at the end of the test, also of one that failed. */
  run<C extends Component>(component: C): C;
}

const admin: PeerIdentity = { commonName: "admin", organizations: ["system:masters"] };
const nodeAddress = "127.249.1.1";
const nodePeer: PeerIdentity = { commonName: "system:node:worker-1", organizations: ["system:nodes"] };
const deadlineMs = 20_000;

async function withWorld(body: (world: World) => Promise<void>): Promise<void> {
  const platform = createDenoPlatform({ component: "test", logLevel: "error" });
  const authority = await createAuthority("test-ca");
  const signing = await createSigningKey();
  const serving = await authority.issue({ commonName: "system:node:worker-1", names: [nodeAddress], usage: "both" });
  const dialing = await authority.issue({ commonName: "kube-apiserver", usage: "client" });
  const kubelets = platform.network.http.client({ tls: { ...dialing, ca: authority.cert } });
  const store = createLocalStore(platform);
  const server = createApiServer({
    name: "test",
    serviceAccount: { privateKeyPem: signing.privateKey, publicKeyPem: signing.publicKey, issuer: "https://test" },
    serviceCidr: "127.249.240.0/24",
    allowLoopbackEndpoints: true,
    advertise: { address: "127.249.0.10", port: 6443 },
    timers: {},
  }, { ...platform, store, kubelets });
  await server.ready;
  function transportOf(peer: PeerIdentity): Transport {
    return (path, { method, headers, body, signal }) => {
      const request = new Request(`https://test${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: new Uint8Array(body) }),
        ...(signal === undefined ? {} : { signal }),
      });
      return server.handle(request, {
        peer,
        remoteAddress: "127.0.0.1",
        upgradeWebSocket: () => {
          throw new Error("nothing is upgraded here");
        },
      });
    };
  }
  const clientOf = (peer: PeerIdentity) =>
    createRestClient(transportOf(peer), { encoding: "json", userAgent: "integration-test" });
  const directory = await Deno.makeTempDir({ prefix: "sauropod-kubelet-" });
  const running: Component[] = [];
  function run<C extends Component>(component: C): C {
    running.push(component);
    return component;
  }
  try {
    const client = clientOf(admin);
    for (const name of ["default", "kube-node-lease"]) {
      await client.create(namespaces, { metadata: { name } }).catch(() => {}); // bootstrap may have been quicker
    }
    // What controllers make for every namespace.
    await client.create(serviceAccounts, { metadata: { name: "default", namespace: "default" } });
    const ca: ConfigMap & KubeObject = {
      metadata: { name: "kube-root-ca.crt", namespace: "default" },
      data: { "ca.crt": authority.cert },
    };
    await client.create(configMaps, ca);
    const nodeTls = { ...serving, ca: authority.cert };
    await body({ platform, client, clientOf, call: transportOf(admin), nodeTls, directory, run });
  } finally {
    for (const component of running) await component.stop();
    await removeContainers(platform, directory);
    kubelets.close();
    await server.stop();
    store.close();
    await Deno.remove(directory, { recursive: true });
  }
}

/** Containers outlive kubelets; they must not outlive a test. */
async function removeContainers(platform: Platform, directory: string): Promise<void> {
  const dataDirectory = `${directory}/kubelet`;
  const runtime = new ProcessRuntime({
    dataDirectory,
    denoPath: Deno.execPath(),
    podCidr: "127.249.16.0/24",
    nodeAddress,
    owner: dataDirectory,
  }, platform);
  await runtime.start();
  for (const sandbox of await runtime.listPodSandboxes()) await runtime.removePodSandbox(sandbox.id);
  await runtime.stop();
}

function kubeletConfig(world: World, over: Partial<KubeletConfig> = {}): KubeletConfig {
  return {
    nodeName: "worker-1",
    nodeAddress,
    port: 0,
    runtime: "process",
    dataDirectory: `${world.directory}/kubelet`,
    podCidr: "127.249.16.0/24",
    tls: world.nodeTls,
    timers: { heartbeatMs: 200, monitorGraceMs: 4000, restartBackoffMs: 100, restartBackoffMaxMs: 400 },
    denoPath: Deno.execPath(),
    ...over,
  };
}

function kubeletIn(world: World): Component {
  return world.run(startKubelet(kubeletConfig(world), { ...world.platform, client: world.clientOf(nodePeer) }));
}

/** Asks until `found` says so; the API's answer, not the time, is the criterion. */
async function until<T>(ask: () => Promise<T>, found: (value: T) => boolean): Promise<T> {
  const start = performance.now();
  for (;;) {
    const value = await ask();
    if (found(value)) return value;
    if (performance.now() - start > deadlineMs) throw new Error(`not in time: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

type PodObject = Pod & KubeObject;

function getPod(world: World, name: string): Promise<PodObject> {
  return world.client.get<PodObject>(pods, name, "default");
}

function untilGone(world: World, name: string): Promise<boolean> {
  return until(() => getPod(world, name).then(() => false, (error) => isNotFound(error)), (gone) => gone);
}

function condition(pod: PodObject, type: string): string | undefined {
  return pod.status?.conditions?.find((each) => each.type === type)?.status;
}

function podOf(name: string, spec: Partial<Pod["spec"]> & { containers: unknown[] }): PodObject {
  return {
    metadata: { name, namespace: "default", labels: { app: name } },
    spec: { nodeName: "worker-1", terminationGracePeriodSeconds: 1, ...spec } as NonNullable<Pod["spec"]>,
  };
}

Deno.test("startKubelet() registers its node and renews its lease", () =>
  withWorld(async (world) => {
    const kubelet = kubeletIn(world);
    await kubelet.ready;
    const node = await world.client.get<Node & KubeObject>(nodes, "worker-1");
    assert.equal(
      node.status?.conditions?.find((each) => each.type === "Ready")?.message,
      "kubelet is posting ready status",
    );
    assert.deepEqual(node.status?.addresses?.[0], { type: "InternalIP", address: nodeAddress });
    assert.equal(node.status?.nodeInfo?.kubeletVersion, "v1.36.0");
    const lease = () => world.client.get<Lease & KubeObject>(leases, "worker-1", "kube-node-lease");
    const first = (await until(() => lease().catch(() => null), (found) => found !== null))?.spec?.renewTime;
    await until(lease, (found) => found.spec?.renewTime !== first);

    const status = { conditions: [{ type: "Ready", status: "Unknown", reason: "NodeStatusUnknown" }] };
    await world.client.patch(nodes, { name: "worker-1", subresource: "status" }, "strategic", { status });
    await until(
      () => world.client.get<Node & KubeObject>(nodes, "worker-1"),
      (found) => found.status?.conditions?.find((each) => each.type === "Ready")?.status === "True",
    );
    await kubelet.stop();
  }));

Deno.test("a pod of the echo image becomes Ready, answers on its address, shows its log, and goes when deleted", () =>
  withWorld(async (world) => {
    const kubelet = kubeletIn(world);
    await kubelet.ready;
    await world.client.create(
      pods,
      podOf("echo", {
        containers: [{
          name: "main",
          image: "sauropod.dev/echo:1",
          ports: [{ name: "http", containerPort: 8080 }],
          readinessProbe: { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 1 },
        }],
      }),
    );
    const ready = await until(() => getPod(world, "echo"), (pod) => condition(pod, "Ready") === "True");
    assert.equal(ready.status?.phase, "Running");
    assert.equal(ready.status?.qosClass, "BestEffort");
    assert.match(ready.status?.containerStatuses?.[0]?.containerID ?? "", /^process:\/\/[0-9a-f]{64}$/);
    const http = world.platform.network.http.client({});
    const answer = await http.fetch(`http://${ready.status?.podIP}:8080/hello`);
    assert.match(await answer.text(), /pod: echo\n/);
    http.close();
    const log = await world.call("/api/v1/namespaces/default/pods/echo/log", { method: "GET", headers: {} });
    const text = await log.text();
    assert.match(text, /GET \/hello from 127\./);
    const said = (await world.client.list<CoreV1Event & KubeObject>(events, { namespace: "default" })).items;
    for (const reason of ["Pulled", "Created", "Started"]) {
      assert.ok(said.some((event) => event.reason === reason && event.involvedObject.name === "echo"), reason);
    }
    const scrape = await world.call("/api/v1/nodes/worker-1/proxy/metrics", { method: "GET", headers: {} });
    const samples = await checkMetrics(await scrape.text());
    const of = (name: string, labels = "") => samples.get(`kubelet_${name}`)?.get(labels);
    assert.deepEqual([of("running_pods"), of("node_name", 'node="worker-1"')], [1, 1]);
    assert.equal(of("running_containers", 'container_state="running"'), 1);
    assert.equal(of("started_containers_total", 'container_type="container"'), 1);
    assert.deepEqual([of("started_pods_total"), of("started_pods_errors_total")], [1, 0]);
    assert.equal(of("pod_start_duration_seconds_count"), 1);
    assert.ok((of("pod_status_sync_duration_seconds_count") ?? 0) > 0);
    assert.equal(of("pod_worker_duration_seconds_count", 'operation_type="create"'), 1);
    await world.client.delete(pods, "echo", "default");
    await untilGone(world, "echo");
    await kubelet.stop();
  }));

Deno.test("a crashing container restarts with back-off; a missing image says what to use; init containers run first", () =>
  withWorld(async (world) => {
    const kubelet = kubeletIn(world);
    await kubelet.ready;
    const image = "sauropod.dev/host:1";
    await world.client.create(
      pods,
      podOf("crash", {
        containers: [{ name: "main", image, command: ["sh", "-c", "echo failing; exit 3"] }],
      }),
    );
    await world.client.create(pods, podOf("foreign", { containers: [{ name: "main", image: "nginx:1.27" }] }));
    await world.client.create(
      pods,
      podOf("steps", {
        restartPolicy: "Never",
        volumes: [{ name: "shared", emptyDir: {} }],
        initContainers: [{
          name: "first",
          image,
          command: ["sh", "-c", "echo $(WHO) >data/name"],
          env: [{ name: "WHO", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
          volumeMounts: [{ name: "shared", mountPath: "/data" }],
        }],
        containers: [{
          name: "main",
          image,
          command: ["cat", "data/name"],
          volumeMounts: [{ name: "shared", mountPath: "/data" }],
        }],
      }),
    );

    const crashed = await until(
      () => getPod(world, "crash"),
      (pod) => {
        const status = pod.status?.containerStatuses?.[0];
        return (status?.restartCount ?? 0) >= 2 && status?.state?.waiting?.reason === "CrashLoopBackOff";
      },
    );
    const status = crashed.status?.containerStatuses?.[0];
    assert.match(
      status?.state?.waiting?.message ?? "",
      /^back-off \S+ restarting failed container=main pod=crash_default\(/,
    );
    assert.equal(status?.lastState?.terminated?.exitCode, 3);
    assert.equal(status?.lastState?.terminated?.reason, "Error");

    const foreign = await until(
      () => getPod(world, "foreign"),
      (pod) => pod.status?.containerStatuses?.[0]?.state?.waiting?.reason === "ImagePullBackOff",
    );
    assert.match(foreign.status?.containerStatuses?.[0]?.state?.waiting?.message ?? "", /use sauropod\.dev\/echo:1/);

    const done = await until(() => getPod(world, "steps"), (pod) => pod.status?.phase === "Succeeded");
    assert.equal(done.status?.containerStatuses?.[0]?.state?.terminated?.reason, "Completed");
    assert.equal(done.status?.conditions?.find((each) => each.type === "Ready")?.reason, "PodCompleted");
    const log = await world.call("/api/v1/namespaces/default/pods/steps/log?container=main", {
      method: "GET",
      headers: {},
    });
    assert.equal(await log.text(), "steps\n");

    for (const name of ["crash", "foreign", "steps"]) await world.client.delete(pods, name, "default");
    for (const name of ["crash", "foreign", "steps"]) await untilGone(world, name);
    await kubelet.stop();
  }));

Deno.test("containers outlive their kubelet, and the next one takes them over", () =>
  withWorld(async (world) => {
    const first = kubeletIn(world);
    await first.ready;
    const containers = [{ name: "main", image: "sauropod.dev/host:1", command: ["sleep", "1000"] }];
    for (const name of ["stays", "goes"]) await world.client.create(pods, podOf(name, { containers }));
    const before = await until(() => getPod(world, "stays"), (pod) => condition(pod, "Ready") === "True");
    await until(() => getPod(world, "goes"), (pod) => condition(pod, "Ready") === "True");
    await first.stop();
    await world.client.delete(pods, "goes", "default", { gracePeriodSeconds: 0 });
    await untilGone(world, "goes");

    const second = kubeletIn(world);
    await second.ready;
    const after = await until(() => getPod(world, "stays"), (pod) => condition(pod, "Ready") === "True");
    assert.deepEqual(after.status?.containerStatuses, before.status?.containerStatuses);
    assert.equal(after.status?.podIP, before.status?.podIP);
    assert.deepEqual(
      [...Deno.readDirSync(`${world.directory}/kubelet/pods`)].map((entry) => entry.name),
      [before.metadata?.uid],
      "the pod that was deleted meanwhile is swept away",
    );
    await world.client.delete(pods, "stays", "default");
    await untilGone(world, "stays");
    await second.stop();
  }));

Deno.test("startHollowNodes() runs pods of any image on many nodes; their logs say that nothing runs", () =>
  withWorld(async (world) => {
    const hollow = world.run(startHollowNodes({
      count: 20,
      prefix: "hollow",
      address: nodeAddress,
      port: 0,
      tls: world.nodeTls,
      timers: { heartbeatMs: 1000, monitorGraceMs: 4000 },
      podCidrOf: (i) => `127.249.${100 + i}.0/24`,
      startDelayMs: 1,
    }, { ...world.platform, client: world.client }));
    await hollow.ready;
    assert.equal((await world.client.list(nodes)).items.length, 20);
    for (let i = 0; i < 40; i++) {
      const pod = podOf(`p-${i}`, { containers: [{ name: "main", image: "nginx:1.27" }] });
      await world.client.create(
        pods,
        { ...pod, spec: { ...pod.spec, nodeName: `hollow-${(i % 20) + 1}` } } as PodObject,
      );
    }
    await until(
      () => world.client.list<PodObject>(pods, { namespace: "default" }),
      (list) => list.items.filter((pod) => condition(pod, "Ready") === "True").length === 40,
    );
    const log = await world.call("/api/v1/namespaces/default/pods/p-7/log", { method: "GET", headers: {} });
    assert.match(await log.text(), /simulated container main of image nginx:1\.27/);
    await world.client.delete(pods, "p-7", "default");
    await untilGone(world, "p-7");
    await hollow.stop();
  }));

Deno.test("startProxy() makes a ClusterIP answer from a ready endpoint, passing over one that is dead", () =>
  withWorld(async (world) => {
    const backend = Deno.serve({ hostname: "127.249.16.9", port: 8080, onListen() {} }, () => new Response("hello"));
    const service = await world.client.create<Service & KubeObject>(services, {
      metadata: { name: "web", namespace: "default" },
      spec: { ports: [{ port: 8080, targetPort: 8080, protocol: "TCP" }], sessionAffinity: "None", type: "ClusterIP" },
    });
    await world.client.create<EndpointSlice & KubeObject>(endpointSlices, {
      metadata: { name: "web-1", namespace: "default", labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      ports: [{ name: "", port: 8080, protocol: "TCP" }],
      endpoints: [
        { addresses: ["127.249.16.8"], conditions: { ready: true } },
        { addresses: ["127.249.16.9"], conditions: { ready: true } },
      ],
    });
    const peer = { commonName: "system:kube-proxy", organizations: [] };
    const start = () =>
      world.run(
        startProxy({ nodeName: "worker-1", timers: {} }, { ...world.platform, client: world.clientOf(peer) }),
      );
    const proxies = [start(), start()];
    for (const proxy of proxies) await proxy.ready;
    for (let i = 0; i < 20; i++) {
      const http = world.platform.network.http.client({});
      const answer = await http.fetch(`http://${service.spec?.clusterIP}:8080/`);
      assert.equal(await answer.text(), "hello");
      http.close();
    }
    const samples = await checkMetrics(world.platform.metrics.text());
    const of = (name: string, labels = "") => samples.get(`kubeproxy_sync_proxy_rules_${name}`)?.get(labels) ?? NaN;
    const family = 'ip_family="IPv4"';
    assert.ok(of("duration_seconds_count", family) >= 2);
    assert.ok(Math.abs(of("last_timestamp_seconds", family) - Date.now() / 1000) < 60);
    // Both proxies of this process see the Service, its slice, and what the apiserver made of its own.
    assert.ok(of("service_changes_total") >= 2 && of("endpoint_changes_total") >= 2);
    assert.deepEqual([of("service_changes_pending"), of("endpoint_changes_pending")], [0, 0]);
    for (const proxy of proxies) await proxy.stop();
    await backend.shutdown();
  }));
