import assert from "node:assert/strict";
import { events, nodes, pods } from "../api/resources.ts";
import type { Node, Pod } from "../api/gen/types.ts";
import { conflict } from "../api/status.ts";
import { type EventObject, type RestClient, TransportError } from "../client/mod.ts";
import { createFakeApi, createTestRandom, createVirtualTime, silentLog } from "../client/testing.ts";
import { checkMetrics } from "../platform/deno/metrics_testing.ts";
import { createMetrics } from "../platform/metrics.ts";
import { startScheduler } from "./scheduler.ts";
import { node, pod, type PodOptions } from "./testing.ts";

const timing = { leaseDurationMs: 2000, renewDeadlineMs: 1500, retryPeriodMs: 250 };

interface Bind {
  readonly name: string;
  readonly nodeName: string;
}

/** A small cluster. `onBind` may fail a bind before (thrown) or after (returned) it was carried out. */
function setUp(onBind: (bind: Bind, tries: number) => Error | null = () => null) {
  const time = createVirtualTime();
  const api = createFakeApi({ clock: time.clock });
  const binds: Bind[] = [];
  const client: RestClient = {
    ...api.client,
    async bind(namespace, name, uid, nodeName) {
      binds.push({ name, nodeName });
      const stored = await api.client.get<Pod>(pods, name, namespace);
      if (stored.metadata?.uid !== uid || (stored.spec?.nodeName ?? "") !== "") throw conflict(pods, name);
      const afterwards = onBind({ name, nodeName }, binds.filter((each) => each.name === name).length);
      await api.client.bind(namespace, name, uid, nodeName);
      if (afterwards !== null) throw afterwards;
    },
  };
  const metrics = createMetrics();
  const start = (identity = "a") =>
    startScheduler({ identity, schedulerName: "default-scheduler", seed: 1, timers: timing }, {
      client,
      clock: time.clock,
      timers: time.timers,
      random: createTestRandom(7),
      log: silentLog,
      metrics,
    });
  return {
    time,
    api,
    binds,
    metrics,
    start,
    addNode: (name: string, options: Parameters<typeof node>[1] = {}) => api.client.create(nodes, node(name, options)),
    addPod: (name: string, options: PodOptions = {}) => api.client.create(pods, pod(name, options)),
    getPod: (name: string) => api.client.get<Pod>(pods, name, "default"),
    where: async (name: string) => (await api.client.get<Pod>(pods, name, "default")).spec?.nodeName ?? "",
    eventsOf: (name: string) =>
      api.objects<EventObject>(events).filter(({ involvedObject }) => involvedObject.name === name),
    async stop(...schedulers: { stop(): Promise<void> }[]) {
      const stopped = Promise.all(schedulers.map((each) => each.stop()));
      await time.advance(5000);
      await stopped;
    },
  };
}

Deno.test("startScheduler() binds waiting pods, records Scheduled, and sees only pods that name it", async () => {
  const { time, start, addNode, addPod, where, eventsOf, metrics, stop } = setUp();
  await addNode("n1");
  await addPod("before", { requests: { cpu: "1" } });
  await addPod("other", { spec: { schedulerName: "mine" } });
  const scheduler = start();
  await time.advance(100);
  await scheduler.ready;
  await addPod("after");
  await time.advance(1000);
  assert.deepEqual([await where("before"), await where("after"), await where("other")], ["n1", "n1", ""]);
  const [event] = eventsOf("before");
  assert.equal(event?.message, "Successfully assigned default/before to n1");
  assert.deepEqual([event?.type, event?.reason, event?.source?.component], [
    "Normal",
    "Scheduled",
    "default-scheduler",
  ]);
  assert.match(
    metrics.text(),
    /scheduler_schedule_attempts_total\{profile="default-scheduler",result="scheduled"\} 2\n/,
  );
  const samples = await checkMetrics(metrics.text());
  const of = (name: string, labels: string) => samples.get(`scheduler_${name}`)?.get(labels);
  const profile = 'profile="default-scheduler"';
  assert.equal(of("pod_scheduling_sli_duration_seconds_count", 'attempts="1"'), 2);
  for (const point of ["Filter", "Score", "Bind"]) {
    const labels = `extension_point="${point}",${profile},status="Success"`;
    assert.equal(of("framework_extension_point_duration_seconds_count", labels), 2, point);
  }
  assert.equal(of("queue_incoming_pods_total", 'event="UnscheduledPodAdd",queue="active"'), 2);
  assert.deepEqual([of("cache_size", 'type="nodes"'), of("cache_size", 'type="pods"')], [1, 2]);
  assert.equal(samples.get("leader_election_master_status")?.get('name="kube-scheduler"'), 1);
  const [decision] = scheduler.decisions("default/before");
  assert.deepEqual([decision?.node, decision?.feasible, decision?.evaluated], ["n1", 1, 1]);
  await stop(scheduler);
});

Deno.test("startScheduler() says why a pod fits nowhere in Event and condition, and binds it once a node has room", async () => {
  const { time, start, addNode, addPod, getPod, where, eventsOf, metrics, stop } = setUp();
  const scheduler = start();
  await addPod("big", { requests: { cpu: "6" } });
  await time.advance(200);
  const first = (await getPod("big")).status?.conditions?.find(({ type }) => type === "PodScheduled");
  assert.equal(first?.message, "no nodes available to schedule pods");
  await addNode("small");
  await time.advance(3000);
  const condition = (await getPod("big")).status?.conditions?.find(({ type }) => type === "PodScheduled");
  const message = "0/1 nodes are available: 1 Insufficient cpu. " +
    "preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";
  assert.deepEqual([condition?.status, condition?.reason, condition?.message], ["False", "Unschedulable", message]);
  assert.equal(condition?.lastTransitionTime, first?.lastTransitionTime);
  const event = eventsOf("big").find((each) => each.message === message);
  assert.deepEqual([event?.type, event?.reason], ["Warning", "FailedScheduling"]);
  assert.match(metrics.text(), /scheduler_pending_pods\{queue="unschedulable"\} 1\n/);
  assert.equal(scheduler.queue()[0]?.place, "unschedulable");
  await addNode("large", { allocatable: { cpu: "8" } });
  await time.advance(100);
  assert.equal(await where("big"), "large");
  await stop(scheduler);
});

Deno.test("startScheduler() never gives a node more than it has while binds are under way", async () => {
  const { time, start, addNode, addPod, api, stop } = setUp();
  for (let i = 0; i < 3; i++) await addNode(`n${i}`, { allocatable: { cpu: "2" } });
  for (let i = 0; i < 20; i++) await addPod(`p${i}`, { requests: { cpu: "500m" } });
  const scheduler = start();
  await time.advance(1000);
  const perNode = new Map<string, number>();
  for (const each of api.objects<Pod>(pods)) {
    const name = each.spec?.nodeName ?? "";
    perNode.set(name, (perNode.get(name) ?? 0) + 1);
  }
  assert.deepEqual([perNode.get("n0"), perNode.get("n1"), perNode.get("n2"), perNode.get("")], [4, 4, 4, 8]);
  // A pod that goes makes room for one that waits.
  const victim = api.objects<Pod>(pods).find(({ spec }) => spec?.nodeName === "n0");
  await api.client.delete(pods, victim?.metadata?.name ?? "", "default", { gracePeriodSeconds: 0 });
  await time.advance(3000);
  assert.equal(api.objects<Pod>(pods).filter(({ spec }) => spec?.nodeName === "n0").length, 4);
  await stop(scheduler);
});

Deno.test("startScheduler() frees what a failed bind held, tells, backs off and tries again", async () => {
  const refused = new Error("the server is out of order");
  const { time, start, addNode, addPod, binds, where, eventsOf, metrics, stop } = setUp((_bind, tries) => {
    if (tries === 1) throw new TransportError("notSent", refused.message);
    return null;
  });
  await addNode("n1", { allocatable: { cpu: "1" } });
  const scheduler = start();
  await addPod("p", { requests: { cpu: "1" } });
  await time.advance(900);
  assert.equal(binds.length, 1);
  assert.equal(await where("p"), "");
  const failed = eventsOf("p").find(({ reason }) => reason === "FailedScheduling");
  assert.equal(failed?.message, `binding rejected: running Bind plugin "DefaultBinder": ${refused.message}`);
  assert.match(metrics.text(), /scheduler_cache_size\{type="assumed_pods"\} 0\n/);
  await time.advance(1000);
  assert.equal(await where("p"), "n1");
  await stop(scheduler);
});

Deno.test("startScheduler() takes a bind whose answer was lost for done when the pod has the node", async () => {
  const { time, start, addNode, addPod, binds, where, eventsOf, stop } = setUp(() =>
    new TransportError("unknown", "connection reset")
  );
  await addNode("n1");
  const scheduler = start();
  await addPod("p");
  await time.advance(3000);
  assert.equal(await where("p"), "n1");
  assert.equal(binds.length, 1);
  assert.deepEqual(eventsOf("p").map(({ reason }) => reason), ["Scheduled"]);
  await stop(scheduler);
});

Deno.test("startScheduler() of a standby is warm: it binds within a retry period after the leader's release", async () => {
  const { time, start, addNode, addPod, where, binds, stop } = setUp();
  await addNode("n1");
  const a = start("a");
  await time.advance(500);
  const b = start("b");
  await time.advance(1000);
  assert.deepEqual([a.isLeader, b.isLeader], [true, false]);
  await addPod("first");
  await time.advance(200);
  const stopped = a.stop();
  await addPod("second");
  await time.advance(timing.retryPeriodMs);
  await stopped;
  assert.equal(b.isLeader, true);
  assert.deepEqual([await where("first"), await where("second")], ["n1", "n1"]);
  assert.equal(binds.length, 2);
  await stop(b);
});

Deno.test("startScheduler() of a new leader asks how far it must have come before it decides", async () => {
  const asked: number[] = [];
  const questions = () => api.calls.filter((call) => call === "list pods").length;
  const { api, time, start, addNode, addPod, where, stop } = setUp(() => {
    asked.push(questions());
    return null;
  });
  await addNode("n1");
  await addPod("p");
  const scheduler = start();
  await time.advance(3000);
  assert.equal(await where("p"), "n1");
  assert.deepEqual(asked, [2], "one list that begins the copy, one that says how far it must reach");
  await stop(scheduler);
});

Deno.test("startScheduler() survives a pod deleted and made anew under its name while its bind runs", async () => {
  const later: { recreate?: (name: string) => void } = {};
  const set = setUp(({ name }, tries) => {
    if (tries > 1) return null;
    // Between the server's look at the pod and the write: the old pod goes, a new one takes its name.
    later.recreate?.(name);
    throw conflict(pods, name);
  });
  const { client } = set.api;
  later.recreate = (name) => void client.delete(pods, name, "default").then(() => client.create(pods, pod(name)));
  await set.addNode("n1");
  const scheduler = set.start();
  await set.addPod("p");
  await set.time.advance(5000);
  assert.equal(await set.where("p"), "n1");
  assert.deepEqual(set.eventsOf("p").map(({ reason }) => reason), ["Scheduled"]);
  await set.stop(scheduler);
});

Deno.test("startScheduler() leaves gated and dying pods alone, and follows taints", async () => {
  const { time, start, addNode, addPod, where, api, stop } = setUp();
  const tainted = await addNode("n1", { taints: [{ key: "k", effect: "NoSchedule" }] });
  const scheduler = start();
  await addPod("gated", { spec: { schedulingGates: [{ name: "g" }] } });
  await addPod("plain");
  await time.advance(500);
  assert.deepEqual([await where("gated"), await where("plain")], ["", ""]);
  await api.client.update<Node>(nodes, { ...tainted, spec: {} });
  await time.advance(1500);
  assert.deepEqual([await where("gated"), await where("plain")], ["", "n1"]);
  const gated = await api.client.get<Pod>(pods, "gated", "default");
  await api.client.update<Pod>(pods, { ...gated, spec: { containers: [], schedulerName: "default-scheduler" } });
  await time.advance(100);
  assert.equal(await where("gated"), "n1");
  await stop(scheduler);
});

Deno.test("startScheduler().stop() before any answer of the server ends everything it started", async () => {
  const { time, start, api } = setUp();
  api.intercept = () => new Error("no route");
  const scheduler = start();
  await time.advance(1000);
  const stopped = scheduler.stop();
  await time.advance(20_000);
  await stopped;
  await scheduler.ready;
  assert.equal(time.pending, 0);
});
