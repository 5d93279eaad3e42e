import { configMaps } from "../api/resources.ts";
import { pathOf } from "../api/resources.ts";
import type { ConfigMap } from "../api/gen/types.ts";
import { askStatus } from "../cluster/mod.ts";
import { Latency, type Summary } from "./histograms.ts";
import { type LiveCluster, startLiveCluster } from "./live_cluster.ts";
import { describeMachine, type Machine } from "./machine.ts";

/** The question, what is not measured, and every unit: METHOD.md. */
export interface FailoverOptions {
  readonly kills: number;
  /** Loops that each write one ConfigMap after the other. */
  readonly writers: number;
  readonly controlPlanes: number;
  readonly log: (line: string) => void;
}

export interface FailoverResult {
  readonly benchmark: "failover";
  readonly input: { readonly writers: number; readonly controlPlanes: number; readonly timers: string };
  readonly machine: Machine;
  readonly kills: number;
  /** From the SIGKILL to the first acknowledgement of a write that began after it. */
  readonly gapMs: Summary;
  /** All acknowledged writes, those that waited for a new leader among them. */
  readonly writeMs: Summary;
  readonly acknowledgedWrites: number;
  /** No answer, or one that leaves open whether the write happened: neither lost nor kept counts against anyone. */
  readonly unknownWrites: number;
  readonly lostAcknowledgedWrites: number;
}

export interface FailoverRun {
  readonly result: FailoverResult;
  readonly latencies: Readonly<Record<string, Latency>>;
}

const pollMs = 5;
/** Between a full recovery and the next kill. */
const restMs = 500;
const recoveryTimeoutMs = 60_000;
const warmUpMs = 1_000;
const headers = { "content-type": "application/json", accept: "application/json", "user-agent": "sauropod-bench" };

interface Writing {
  readonly acknowledged: Set<string>;
  readonly latency: Latency;
  unknown: number;
  /** The first acknowledgement of a write that began at or after `since`. */
  onAck: (beganAt: number, now: number) => void;
  stopped: boolean;
}

/** Brings up a cluster, kills its store's leader again and again while it is written to, takes it away. */
export async function benchFailover(options: FailoverOptions): Promise<FailoverRun> {
  const machine = await describeMachine();
  options.log(`load average before the run: ${machine.loadAverage.join(" ")}`);
  await using cluster = await startLiveCluster({
    controlPlanes: options.controlPlanes,
    hollowNodes: 0,
    log: options.log,
  });
  const writing: Writing = {
    acknowledged: new Set(),
    latency: new Latency(),
    unknown: 0,
    onAck: () => {},
    stopped: false,
  };
  const writers = Array.from({ length: options.writers }, (_, i) => write(cluster, writing, i));
  const gap = new Latency();
  try {
    await sleep(warmUpMs);
    for (let i = 0; i < options.kills; i++) {
      const { member, gapMs } = await killLeader(cluster, writing);
      gap.record(gapMs);
      options.log(`kill ${i + 1} of ${options.kills}: ${member}, writes again after ${Math.round(gapMs)} ms`);
      await recovered(cluster);
      await sleep(restMs);
    }
  } finally {
    writing.stopped = true;
    await Promise.all(writers);
  }
  const kept = new Set<string>();
  for (const each of (await cluster.client.list<ConfigMap>(configMaps, { namespace: "default" })).items) {
    kept.add(each.metadata?.name ?? "");
  }
  const lost = [...writing.acknowledged].filter((name) => !kept.has(name));
  const result: FailoverResult = {
    benchmark: "failover",
    input: { writers: options.writers, controlPlanes: options.controlPlanes, timers: cluster.spec.timers },
    machine,
    kills: options.kills,
    gapMs: gap.summary("ms"),
    writeMs: writing.latency.summary("ms"),
    acknowledgedWrites: writing.acknowledged.size,
    unknownWrites: writing.unknown,
    lostAcknowledgedWrites: lost.length,
  };
  return { result, latencies: { gap, write: writing.latency } };
}

/** One ConfigMap after the other, each with a name of its own, so that an unknown outcome is never written again. */
async function write(cluster: LiveCluster, writing: Writing, writer: number): Promise<void> {
  const path = pathOf(configMaps, "default");
  for (let i = 0; !writing.stopped; i++) {
    const name = `write-${writer}-${i}`;
    const object = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name, namespace: "default" },
      data: { i: `${i}` },
    };
    const beganAt = performance.now();
    try {
      const body = new TextEncoder().encode(JSON.stringify(object));
      const response = await cluster.balanced(path, { method: "POST", headers, body });
      await response.body?.cancel();
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      const now = performance.now();
      writing.acknowledged.add(name);
      writing.latency.record(now - beganAt);
      writing.onAck(beganAt, now);
    } catch {
      writing.unknown++;
      await sleep(pollMs);
    }
  }
}

async function killLeader(cluster: LiveCluster, writing: Writing): Promise<{ member: string; gapMs: number }> {
  const leader = await findLeader(cluster);
  const acknowledged = Promise.withResolvers<number>();
  Deno.kill(leader.pid, "SIGKILL");
  const killedAt = performance.now();
  writing.onAck = (beganAt, now) => {
    if (beganAt >= killedAt) acknowledged.resolve(now - killedAt);
  };
  const timer = setTimeout(
    () => acknowledged.reject(new Error(`No write within ${recoveryTimeoutMs / 1_000} s of the kill`)),
    recoveryTimeoutMs,
  );
  try {
    return { member: leader.name, gapMs: await acknowledged.promise };
  } finally {
    clearTimeout(timer);
    writing.onAck = () => {};
  }
}

async function findLeader(cluster: LiveCluster): Promise<{ name: string; pid: number }> {
  const deadline = performance.now() + recoveryTimeoutMs;
  for (;;) {
    const status = await askStatus(cluster.spec.name, cluster.platform);
    const leader = status?.components.find((each) => each.kind === "store" && each.role === "leader");
    if (leader !== undefined && leader.pid !== null) return { name: leader.name, pid: leader.pid };
    if (performance.now() > deadline) throw new Error("No store member leads");
    await sleep(pollMs);
  }
}

/** Until every component, the killed one among them, is ready again. */
async function recovered(cluster: LiveCluster): Promise<void> {
  const deadline = performance.now() + recoveryTimeoutMs;
  for (;;) {
    const status = await askStatus(cluster.spec.name, cluster.platform);
    if (status?.components.every((each) => each.ready) === true) return;
    if (performance.now() > deadline) throw new Error("Not all components came back");
    await sleep(pollMs);
  }
}

function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
