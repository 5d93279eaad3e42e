import assert from "node:assert/strict";
import { events, namespaces, nodes, pods, serviceAccounts } from "../../api/resources.ts";
import type { CoreV1Event, Node, Pod } from "../../api/gen/types.ts";
import { createApiServer } from "../../apiserver/mod.ts";
import { createRestClient, isConflict, type RestClient, type Transport } from "../../client/mod.ts";
import { createSigningKey } from "../../cluster/pki.ts";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import type { PeerIdentity, Platform } from "../../platform/mod.ts";
import { type Scheduler, startScheduler } from "../../scheduler/mod.ts";
import { createLocalStore } from "../../store/mod.ts";

/** A real apiserver in this process and real schedulers, as the user they have in a cluster; no kubelet. */
interface World {
  readonly platform: Platform;
  readonly client: RestClient;
  start(identity: string): Scheduler;
  /** Stops answering the schedulers, as the death of their apiserver does. */
  cut(off: boolean): void;
  until<T>(what: string, look: () => Promise<T | undefined>): Promise<T>;
}

const admin: PeerIdentity = { commonName: "admin", organizations: ["system:masters"] };
const schedulerPeer: PeerIdentity = { commonName: "system:kube-scheduler", organizations: [] };
const deadlineMs = 20_000;

async function withWorld(body: (world: World) => Promise<void>): Promise<void> {
  const platform = createDenoPlatform({ component: "test", logLevel: "error" });
  const signing = await createSigningKey();
  const store = createLocalStore(platform);
  const server = createApiServer({
    name: "test",
    serviceAccount: { privateKeyPem: signing.privateKey, publicKeyPem: signing.publicKey, issuer: "https://test" },
    serviceCidr: "127.248.240.0/24",
    allowLoopbackEndpoints: true,
    advertise: { address: "127.248.0.10", port: 6443 },
    timers: {},
    // No controller is there to take the taint from a node that is ready.
    admissionPlugins: { disable: ["TaintNodesByCondition"] },
  }, { ...platform, store });
  await server.ready;
  const state = { cut: false };
  const transportOf = (peer: PeerIdentity): Transport => (path, { method, headers, body, signal }) => {
    if (state.cut && peer === schedulerPeer) return Promise.reject(new Error("connection refused"));
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
  const clientOf = (peer: PeerIdentity) =>
    createRestClient(transportOf(peer), { encoding: "json", userAgent: "integration-test" });
  const client = clientOf(admin);
  const running: Scheduler[] = [];
  try {
    for (const name of ["default", "kube-system"]) {
      await client.create(namespaces, { metadata: { name } }).catch(() => {}); // bootstrap may have been quicker
    }
    // What a controller makes for every namespace.
    await client.create(serviceAccounts, { metadata: { name: "default", namespace: "default" } });
    await body({
      platform,
      client,
      start(identity) {
        const timers = { leaseDurationMs: 2000, renewDeadlineMs: 1500, retryPeriodMs: 250 };
        const scheduler = startScheduler({ identity, schedulerName: "default-scheduler", seed: 1, timers }, {
          ...platform,
          client: clientOf(schedulerPeer),
        });
        running.push(scheduler);
        return scheduler;
      },
      cut: (off) => state.cut = off,
      async until(what, look) {
        const end = platform.clock.monotonic() + deadlineMs;
        for (;;) {
          const found = await look();
          if (found !== undefined) return found;
          if (platform.clock.monotonic() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
          await platform.timers.sleep(5);
        }
      },
    });
  } finally {
    state.cut = false;
    await Promise.all(running.map((scheduler) => scheduler.stop()));
    await server.stop();
    store.close();
  }
}

async function addNode(client: RestClient, name: string, cpu: string, extra: Partial<Node> = {}): Promise<Node> {
  const resources = { cpu, memory: "8Gi", pods: "110" };
  const created = await client.create<Node>(nodes, {
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    ...extra,
  });
  return await client.update<Node>(nodes, {
    ...created,
    status: { ...created.status, capacity: resources, allocatable: resources },
  }, "status");
}

function podOf(name: string, cpu: string, extra: Partial<Pod["spec"]> = {}): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: "c", image: "pause", resources: { requests: { cpu, memory: "16Mi" } } }],
      ...extra,
    },
  };
}

function conditionOf(pod: Pod) {
  return pod.status?.conditions?.find(({ type }) => type === "PodScheduled");
}

Deno.test("the scheduler binds pods through a real apiserver, sets PodScheduled and records Scheduled", async () => {
  await withWorld(async ({ client, start, until }) => {
    await addNode(client, "n1", "4");
    const scheduler = start("a");
    await scheduler.ready;
    await client.create(pods, podOf("p", "1"));
    const bound = await until("p bound", async () => {
      const pod = await client.get<Pod>(pods, "p", "default");
      return pod.spec?.nodeName === undefined ? undefined : pod;
    });
    assert.equal(bound.spec?.nodeName, "n1");
    assert.equal(conditionOf(bound)?.status, "True");
    const event = await until("the Scheduled Event", async () => {
      const { items } = await client.list<CoreV1Event>(events, { namespace: "default" });
      return items.find(({ reason, involvedObject }) => reason === "Scheduled" && involvedObject.name === "p");
    });
    assert.equal(event.message, "Successfully assigned default/p to n1");
  });
});

Deno.test("the scheduler writes the reason of a pod that fits nowhere and binds it once the taint goes", async () => {
  await withWorld(async ({ client, start, until }) => {
    const tainted = await addNode(client, "n1", "4", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } });
    await addNode(client, "n2", "1");
    start("a");
    await client.create(pods, podOf("p", "2"));
    const message = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). " +
      "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
    await until("the condition", async () => {
      const condition = conditionOf(await client.get<Pod>(pods, "p", "default"));
      return condition?.status === "False" && condition.message === message ? condition : undefined;
    });
    const event = await until("the FailedScheduling Event", async () => {
      const { items } = await client.list<CoreV1Event>(events, { namespace: "default" });
      return items.find(({ reason }) => reason === "FailedScheduling");
    });
    assert.equal(event.message, message);
    await client.update<Node>(nodes, { ...tainted, spec: { ...tainted.spec, taints: [] } });
    await until("p bound", async () => (await client.get<Pod>(pods, "p", "default")).spec?.nodeName);
  });
});

Deno.test("three schedulers under cuts and a change of leader bind 200 pods once each and overfill no node", async () => {
  await withWorld(async ({ client, start, until, cut }) => {
    for (let i = 0; i < 10; i++) await addNode(client, `n${i}`, "2");
    const candidates = ["a", "b", "c"].map(start);
    await Promise.all(candidates.map(({ ready }) => ready));
    const leader = await until("a leader", async () => candidates.find(({ isLeader }) => isLeader));
    for (let i = 0; i < 200; i++) {
      await client.create(pods, podOf(`p${i}`, "100m"));
      if (i === 60) cut(true);
      if (i === 90) cut(false);
      if (i === 130) void leader.stop();
    }
    // 10 nodes of 2 cores hold exactly 200 such pods.
    await until("all bound", async () => {
      const { items } = await client.list<Pod>(pods, { namespace: "default" });
      return items.every(({ spec }) => spec?.nodeName !== undefined) ? items : undefined;
    });
    const { items } = await client.list<Pod>(pods, { namespace: "default" });
    const perNode = new Map<string, number>();
    for (const { spec } of items) perNode.set(spec?.nodeName ?? "", (perNode.get(spec?.nodeName ?? "") ?? 0) + 1);
    assert.deepEqual([...perNode.values()], Array.from({ length: 10 }, () => 20));
    assert.equal(candidates.filter(({ isLeader }) => isLeader).length, 1);
  });
});

Deno.test("a second binding of a pod is refused with 409", async () => {
  await withWorld(async ({ client, start, until }) => {
    await addNode(client, "n1", "4");
    start("a");
    const created = await client.create(pods, podOf("p", "1"));
    await until("p bound", async () => (await client.get<Pod>(pods, "p", "default")).spec?.nodeName);
    await assert.rejects(
      client.bind("default", "p", created.metadata?.uid ?? "", "n2"),
      (error) => isConflict(error),
    );
  });
});
