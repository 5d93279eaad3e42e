import { nodes as nodesInfo, pathOf, pods as podsInfo } from "../api/resources.ts";
import type { Node, Pod } from "../api/gen/types.ts";
import { prng } from "../base/prng.ts";
import { createInformer } from "../client/mod.ts";
import { CliError, exitCode } from "../cluster/errors.ts";
import { Latency, type Summary } from "./histograms.ts";
import { type LiveCluster, startLiveCluster } from "./live_cluster.ts";
import { profileCluster } from "./profile.ts";
import { inParallel } from "./workers.ts";
import { cpuSeconds, describeMachine, type Machine } from "./machine.ts";

/** The question, what is not measured, and every unit: METHOD.md. */
export interface SchedulingOptions {
  readonly nodes: number;
  readonly pods: number;
  /** Scheduled before the clock starts, as scheduler_perf's initPods. */
  readonly initPods: number;
  readonly withKubelets: boolean;
  /** Pods a second in an open loop; null: a closed loop of `concurrency` creations under way. */
  readonly rate: number | null;
  readonly concurrency: number;
  readonly controlPlanes: number;
  readonly seed: number;
  /** Where CPU profiles of the measured part go, one a process; undefined: none are taken. */
  readonly profile?: string;
  readonly log: (line: string) => void;
}

export interface SchedulingResult {
  readonly benchmark: "scheduling";
  readonly input: {
    readonly nodes: number;
    readonly pods: number;
    readonly initPods: number;
    readonly withKubelets: boolean;
    readonly loop: "open" | "closed";
    readonly rate: number | null;
    readonly concurrency: number | null;
    readonly controlPlanes: number;
    readonly seed: number;
    readonly timers: string;
  };
  readonly machine: Machine;
  /** Measured pods over the time from the first creation to the last one bound. */
  readonly podsPerSecond: number;
  readonly elapsedMs: number;
  readonly bound: number;
  /** Creation (open loop: when it was due) until a watch shows the pod with its node. */
  readonly createToBoundMs: Summary;
  /** Creation until the API server's answer. */
  readonly createMs: Summary;
  /** In the scheduler's active queue. */
  readonly queueMs: Summary;
  readonly decisionUs: Summary;
  /** The Binding's POST. */
  readonly bindMs: Summary;
  readonly cpu: {
    readonly secondsPerPod: number;
    /** CPU milliseconds a pod, by kind of component; `bench` is the load generator itself. */
    readonly msPerPodByKind: Readonly<Record<string, number>>;
  };
  /** Pods a node, over all nodes, the initial ones counted. */
  readonly spread: { readonly min: number; readonly max: number; readonly mean: number; readonly deviation: number };
}

export interface SchedulingRun {
  readonly result: SchedulingResult;
  readonly latencies: Readonly<Record<string, Latency>>;
}

/** What fits on one of scheduler_perf's default nodes at 100m CPU a pod. */
const podsPerNode = 40;
const timeoutMs = 300_000;
const pollMs = 500;
const drainMs = 5_000;

/** Brings up a cluster, measures, takes it away. */
export async function benchScheduling(options: SchedulingOptions): Promise<SchedulingRun> {
  const total = options.pods + options.initPods;
  if (!options.withKubelets && total > options.nodes * podsPerNode) {
    throw new CliError(
      exitCode.usage,
      `${total} pods do not fit on ${options.nodes} nodes: each holds ${podsPerNode}`,
    );
  }
  const machine = await describeMachine();
  options.log(`load average before the run: ${machine.loadAverage.join(" ")}`);
  await using cluster = await startLiveCluster({
    controlPlanes: options.controlPlanes,
    hollowNodes: options.withKubelets ? options.nodes : 0,
    ...(options.profile === undefined ? {} : { profile: options.profile }),
    log: options.log,
  });
  options.log(`cluster is up: ${options.controlPlanes} stores, apiservers, schedulers, controller managers`);
  if (!options.withKubelets) await createNodes(cluster, options.nodes, options.concurrency);
  options.log(`${options.nodes} nodes`);

  const watch = await watchBound(cluster);
  const random = prng(options.seed);
  await load(cluster, watch, { ...options, rate: null, pods: options.initPods }, "init", random.next);
  options.log(`${options.initPods} initial pods are bound`);

  const cursors = new Map<string, number>();
  const latencies = emptyLatencies();
  await drainTimings(cluster, cursors, emptyLatencies(), options.initPods);
  const stopProfiles = options.profile === undefined ? null : await profileCluster(cluster, options.profile);
  const cpuBefore = await cluster.cpu();
  const ownBefore = cpuSeconds(Deno.pid);
  const startedAt = performance.now();
  const run = await load(cluster, watch, options, "pod", random.next);
  const elapsedMs = run.lastBoundAt - startedAt;
  const cpuAfter = await cluster.cpu();
  const ownAfter = cpuSeconds(Deno.pid);
  for (const file of await stopProfiles?.() ?? []) options.log(`wrote ${file}`);
  await drainTimings(cluster, cursors, latencies, options.pods);
  watch.stop();

  for (const name of run.names) {
    const at = run.createdAt.get(name) ?? 0;
    latencies.createToBound.record((watch.boundAt.get(name) ?? Infinity) - at);
  }
  for (const tookMs of run.createMs) latencies.create.record(tookMs);
  const spread = await placements(cluster, total);
  const msPerPodByKind = cpuPerPod(cpuBefore, cpuAfter, options.pods);
  const secondsPerPod = Object.values(msPerPodByKind).reduce((sum, each) => sum + each, 0) / 1_000;
  const result: SchedulingResult = {
    benchmark: "scheduling",
    input: {
      nodes: options.nodes,
      pods: options.pods,
      initPods: options.initPods,
      withKubelets: options.withKubelets,
      loop: options.rate === null ? "closed" : "open",
      rate: options.rate,
      concurrency: options.rate === null ? options.concurrency : null,
      controlPlanes: options.controlPlanes,
      seed: options.seed,
      timers: cluster.spec.timers,
    },
    machine,
    podsPerSecond: round(options.pods / (elapsedMs / 1_000), 1),
    elapsedMs: round(elapsedMs, 1),
    bound: run.names.length,
    createToBoundMs: latencies.createToBound.summary("ms"),
    createMs: latencies.create.summary("ms"),
    queueMs: latencies.queue.summary("ms"),
    decisionUs: latencies.decision.summary("us"),
    bindMs: latencies.bind.summary("ms"),
    cpu: {
      secondsPerPod: round(secondsPerPod, 6),
      msPerPodByKind: {
        ...msPerPodByKind,
        bench: round((ownAfter - ownBefore) * 1_000 / options.pods, 3),
      },
    },
    spread,
  };
  return { result, latencies: { ...latencies } };
}

function emptyLatencies() {
  return {
    createToBound: new Latency(),
    create: new Latency(),
    queue: new Latency(),
    decision: new Latency(),
    bind: new Latency(),
  };
}

/** scheduler_perf's node-default.yaml: 4 CPUs, 32Gi, 110 pods, Ready. */
function nodeObject(index: number): Node {
  const name = `scheduler-perf-${String(index).padStart(5, "0")}`;
  const resources = { cpu: "4", memory: "32Gi", pods: "110" };
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name } },
    status: {
      capacity: resources,
      allocatable: resources,
      conditions: [{ type: "Ready", status: "True", reason: "KubeletReady", message: "posted by the benchmark" }],
      phase: "Running",
    },
  };
}

/** scheduler_perf's pod-default.yaml. */
function podObject(name: string): Pod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: "default" },
    spec: {
      containers: [{
        name: "pause",
        image: "sauropod.dev/pause:1",
        ports: [{ containerPort: 80 }],
        resources: { limits: { cpu: "100m", memory: "500Mi" }, requests: { cpu: "100m", memory: "500Mi" } },
      }],
    },
  };
}

const headers = { "content-type": "application/json", accept: "application/json", "user-agent": "sauropod-bench" };
const encoder = new TextEncoder();

async function post(cluster: LiveCluster, index: number, path: string, object: unknown): Promise<void> {
  const transport = cluster.transports[index % cluster.transports.length];
  if (transport === undefined) throw new Error("No apiserver");
  const response = await transport(path, { method: "POST", headers, body: encoder.encode(JSON.stringify(object)) });
  if (response.ok) await response.body?.cancel();
  else throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
}

async function createNodes(cluster: LiveCluster, count: number, width: number): Promise<void> {
  const path = pathOf(nodesInfo);
  await inParallel(count, width, (i) => post(cluster, i, path, nodeObject(i)));
}

interface BoundWatch {
  /** Name of the pod -> performance.now() when the watch showed it with a node. */
  readonly boundAt: Map<string, number>;
  /** Resolves when so many pods are bound in all. */
  reached(count: number): Promise<void>;
  stop(): void;
}

/**
 * A watch of pods that have a node, on the apiservers themselves and resumed where it broke off, as every component's
 * own: what is measured is the cluster, and a watch that moves on is part of it.
 */
async function watchBound(cluster: LiveCluster): Promise<BoundWatch> {
  const boundAt = new Map<string, number>();
  let wanted = { count: Infinity, resolve: () => {} };
  const informer = createInformer<Pod>(
    cluster.direct,
    podsInfo,
    { namespace: "default", fieldSelector: "spec.nodeName!=", gatherMs: 0 },
    cluster.platform,
  );
  informer.subscribe({
    added({ metadata }) {
      boundAt.set(metadata?.name ?? "", performance.now());
      if (boundAt.size >= wanted.count) wanted.resolve();
    },
  });
  informer.start();
  await informer.synced;
  return {
    boundAt,
    reached(count) {
      const { promise, resolve } = Promise.withResolvers<void>();
      wanted = { count, resolve };
      if (boundAt.size >= count) resolve();
      return promise;
    },
    stop: () => informer.stop(),
  };
}

interface LoadRun {
  readonly names: readonly string[];
  readonly createdAt: ReadonlyMap<string, number>;
  readonly createMs: readonly number[];
  readonly lastBoundAt: number;
}

/** Creates the pods and waits until the watch has shown all of them bound. */
async function load(
  cluster: LiveCluster,
  watch: BoundWatch,
  options: Pick<SchedulingOptions, "pods" | "rate" | "concurrency">,
  prefix: string,
  random: () => number,
): Promise<LoadRun> {
  const suffix = Math.floor(random() * 2 ** 32).toString(36);
  const names = Array.from({ length: options.pods }, (_, i) => `${prefix}-${suffix}-${i}`);
  const createdAt = new Map<string, number>();
  const createMs: number[] = [];
  const path = pathOf(podsInfo, "default");
  const deadline = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    deadline.reject(new Error(`Only ${watch.boundAt.size} pods were bound after ${timeoutMs / 1_000} s`));
  }, timeoutMs);
  const all = watch.reached(watch.boundAt.size + options.pods);
  const create = async (index: number, dueAt: number) => {
    const name = names[index] ?? "";
    createdAt.set(name, dueAt);
    await post(cluster, index, path, podObject(name));
    createMs.push(performance.now() - dueAt);
  };
  const { rate } = options;
  const creations = rate === null
    ? inParallel(options.pods, options.concurrency, (i) => create(i, performance.now()))
    : openLoop(options.pods, rate, create);
  try {
    await Promise.race([Promise.all([creations, all]), deadline.promise]);
  } finally {
    clearTimeout(timer);
  }
  let lastBoundAt = 0;
  for (const name of names) lastBoundAt = Math.max(lastBoundAt, watch.boundAt.get(name) ?? 0);
  return { names, createdAt, createMs, lastBoundAt };
}

/** Starts each call when it is due, however many are under way; time is counted from then (no coordinated omission). */
async function openLoop(
  count: number,
  rate: number,
  call: (index: number, dueAt: number) => Promise<void>,
): Promise<void> {
  const beganAt = performance.now();
  const underWay: Promise<void>[] = [];
  for (let i = 0; i < count; i++) {
    const dueAt = beganAt + i / rate * 1_000;
    const waitMs = dueAt - performance.now();
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
    underWay.push(call(i, dueAt));
  }
  await Promise.all(underWay);
}

type Timings = ReturnType<typeof emptyLatencies>;

/** Adds what the schedulers have recorded since the last call. */
async function collectTimings(cluster: LiveCluster, cursors: Map<string, number>, into: Timings): Promise<void> {
  for (let i = 0; i < cluster.spec.controlPlanes; i++) {
    const name = `scheduler-${i}`;
    const text = await cluster.ask(name, `/timings?after=${cursors.get(name) ?? 0}`);
    if (text === null) continue;
    const { next, timings } = JSON.parse(text) as {
      next: number;
      timings: { queuedMs: number; decisionMs: number; bindMs: number }[];
    };
    cursors.set(name, next);
    for (const { queuedMs, decisionMs, bindMs } of timings) {
      into.queue.record(queuedMs);
      into.decision.record(decisionMs);
      into.bind.record(bindMs);
    }
  }
}

/** The last binds may be seen by the watch before the scheduler has its answer: waits until `count` are there. */
async function drainTimings(
  cluster: LiveCluster,
  cursors: Map<string, number>,
  into: Timings,
  count: number,
): Promise<void> {
  const deadline = performance.now() + drainMs;
  while (into.bind.count < count && performance.now() < deadline) {
    await collectTimings(cluster, cursors, into);
    if (into.bind.count < count) await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** Reads every pod back: all of them have a node, and none has more than it holds. */
async function placements(cluster: LiveCluster, expected: number): Promise<SchedulingResult["spread"]> {
  const perNode = new Map<string, number>();
  for (const node of (await cluster.client.list<Node>(nodesInfo)).items) perNode.set(node.metadata?.name ?? "", 0);
  let bound = 0;
  for (const pod of (await cluster.client.list<Pod>(podsInfo, { namespace: "default" })).items) {
    const node = pod.spec?.nodeName;
    if (node === undefined) continue;
    const count = perNode.get(node);
    if (count === undefined) throw new CliError(exitCode.violated, `A pod is bound to ${node}, which does not exist`);
    perNode.set(node, count + 1);
    bound++;
  }
  if (bound !== expected) {
    throw new CliError(exitCode.violated, `${bound} pods are bound, ${expected} were acknowledged and seen bound`);
  }
  const counts = [...perNode.values()];
  const mean = counts.reduce((sum, each) => sum + each, 0) / counts.length;
  const variance = counts.reduce((sum, each) => sum + (each - mean) ** 2, 0) / counts.length;
  return {
    min: Math.min(...counts),
    max: Math.max(...counts),
    mean: round(mean, 3),
    deviation: round(Math.sqrt(variance), 3),
  };
}

function cpuPerPod(
  before: ReadonlyMap<string, number>,
  after: ReadonlyMap<string, number>,
  pods: number,
): Record<string, number> {
  const seconds: Record<string, number> = {};
  for (const [component, end] of after) {
    const kind = component.replace(/-\d+$/, "");
    seconds[kind] = (seconds[kind] ?? 0) + end - (before.get(component) ?? 0);
  }
  return Object.fromEntries(Object.entries(seconds).map(([kind, spent]) => [kind, round(spent * 1_000 / pods, 3)]));
}

function round(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
