import { describeMachine, type Machine } from "../machine.ts";
import { type LiveCluster, startLiveCluster } from "../live_cluster.ts";
import { profileCluster } from "../profile.ts";
import { percentile } from "../store/compare.ts";
import { killApiServers } from "./failover.ts";
import { cachedObjectOverhead, residentBytes } from "./memory.ts";
import { idleWatchBytes } from "./watch_memory.ts";
import { type ApiTarget, createPods, fanOut, listPods, type StepResult } from "./steps.ts";

export const stepNames = ["create", "list", "fanout", "memory", "kill"] as const;
export type StepName = typeof stepNames[number];

export interface ApiServerOptions {
  readonly steps: readonly StepName[];
  readonly pods: number;
  readonly watchers: number;
  readonly events: number;
  readonly kills: number;
  readonly controlPlanes: number;
  readonly profile?: string;
  readonly log: (line: string) => void;
}

/** One line of the table. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** "" where none is set. */
  readonly goal: string;
}

export interface ApiServerResult {
  readonly benchmark: "apiserver";
  readonly input: Omit<ApiServerOptions, "log" | "profile">;
  readonly machine: Machine;
  readonly figures: readonly Figure[];
  readonly samplesMs: Readonly<Record<string, readonly number[]>>;
}

const warmUpPods = 500;
const createClients = 16;
const listTimes = 10;
const settleMs = 2_000;
const memoryObjects = 10_000;
const memoryWatches = 2_000;

/** Brings up a cluster, measures, takes it away. METHOD.md says what each figure means. */
export async function benchApiServer(options: ApiServerOptions): Promise<ApiServerResult> {
  const { log, profile, ...input } = options;
  const machine = await describeMachine();
  log(`load average before the run: ${machine.loadAverage.join(" ")}`);
  const figures: Figure[] = [];
  const samplesMs: Record<string, readonly number[]> = {};
  const keep = (name: StepName, step: StepResult, rows: readonly Figure[]) => {
    samplesMs[name] = step.samplesMs;
    figures.push(...rows);
    log(`${name}: done`);
  };
  if (options.steps.includes("memory")) figures.push(...await memoryFigures());
  if (options.steps.every((step) => step === "memory")) {
    return { benchmark: "apiserver", input, machine, figures, samplesMs };
  }
  await using cluster = await startLiveCluster({
    controlPlanes: options.controlPlanes,
    hollowNodes: 0,
    ...(profile === undefined ? {} : { profile }),
    log,
  });
  const target = targetOf(cluster);
  await createPods(target, { count: warmUpPods, clients: createClients, prefix: "warm" });
  const stopProfiles = profile === undefined ? null : await profileCluster(cluster, profile);
  if (options.steps.includes("create") || options.steps.includes("list")) {
    const created = await createPods(target, { count: options.pods, clients: createClients, prefix: "pod" });
    keep("create", created, createFigures(created));
  }
  if (options.steps.includes("list")) {
    const listed = await listPods(target, listTimes);
    keep("list", listed, listFigures(listed));
  }
  if (options.steps.includes("fanout")) await fanOutStep(cluster, target, options, keep);
  for (const file of await stopProfiles?.() ?? []) log(`wrote ${file}`);
  if (options.steps.includes("kill")) {
    const killed = await killApiServers(cluster, options.kills);
    keep("kill", killed, killFigures(killed));
  }
  return { benchmark: "apiserver", input, machine, figures, samplesMs };
}

function targetOf(cluster: LiveCluster): ApiTarget {
  return {
    transports: cluster.transports,
    async cpu() {
      let all = 0;
      const seconds = await cluster.cpu();
      for (const [name, spent] of seconds) if (name.startsWith("apiserver-")) all += spent;
      return { all, first: seconds.get("apiserver-0") ?? 0 };
    },
  };
}

/** One run of it warms up: connections and compiled code are there before the measured one. */
async function fanOutStep(
  cluster: LiveCluster,
  target: ApiTarget,
  options: ApiServerOptions,
  keep: (name: StepName, step: StepResult, rows: readonly Figure[]) => void,
): Promise<void> {
  const { watchers, events } = options;
  await fanOut(target, { watchers: 10, events: 50, clients: 4 });
  const pid = (await cluster.pids()).get("apiserver-0") ?? 0;
  const before = residentBytes(pid);
  let after = 0;
  const fanned = await fanOut(target, {
    watchers,
    events,
    clients: createClients,
    opened: async () => {
      await new Promise((resolve) => setTimeout(resolve, settleMs));
      after = residentBytes(pid);
    },
  });
  keep("fanout", fanned, [
    ...fanoutFigures(fanned),
    {
      what: "resident growth a watch, garbage of opening",
      value: (after - before) / watchers / 1_024,
      unit: "KiB",
      goal: "",
    },
  ]);
}

function createFigures({ figures, samplesMs }: StepResult): Figure[] {
  return [
    { what: "create 2 KB pod, 16 clients", value: figures["perSecond"] ?? 0, unit: "/s", goal: ">= 2000" },
    { what: "create p50", value: percentile(samplesMs, 0.5) ?? 0, unit: "ms", goal: "" },
    { what: "create p99", value: percentile(samplesMs, 0.99) ?? 0, unit: "ms", goal: "" },
    { what: "CPU of the apiservers a create", value: figures["cpuUsPerCall"] ?? 0, unit: "us", goal: "" },
  ];
}

function listFigures({ figures, samplesMs }: StepResult): Figure[] {
  return [
    { what: "LIST: size", value: figures["megabytes"] ?? 0, unit: "MB", goal: "" },
    {
      what: "LIST a CPU second of the apiserver",
      value: figures["megabytesPerCpuSecond"] ?? 0,
      unit: "MB",
      goal: ">= 300",
    },
    { what: "LIST as the client has it", value: figures["megabytesPerSecond"] ?? 0, unit: "MB/s", goal: "" },
    { what: "LIST until the first byte, p50", value: percentile(samplesMs, 0.5) ?? 0, unit: "ms", goal: "<= 20" },
    { what: "LIST until the first byte, max", value: percentile(samplesMs, 1) ?? 0, unit: "ms", goal: "" },
  ];
}

function fanoutFigures({ figures }: StepResult): Figure[] {
  return [
    { what: "watch deliveries", value: figures["perSecond"] ?? 0, unit: "/s", goal: ">= 60000" },
    { what: "CPU of the apiserver a delivery", value: figures["cpuUsPerDelivery"] ?? 0, unit: "us", goal: "" },
    { what: "events a chunk", value: figures["eventsPerChunk"] ?? 0, unit: "", goal: "" },
  ];
}

function killFigures({ figures, samplesMs }: StepResult): Figure[] {
  return [
    { what: "apiserver SIGKILL: client's gap p50", value: percentile(samplesMs, 0.5) ?? 0, unit: "ms", goal: "" },
    { what: "apiserver SIGKILL: longest gap", value: figures["longestGapMs"] ?? 0, unit: "ms", goal: "<= 100" },
    { what: "apiserver SIGKILL: lists again", value: figures["relists"] ?? 0, unit: "", goal: "0" },
  ];
}

async function memoryFigures(): Promise<Figure[]> {
  const { factor, bytesPerObject } = await cachedObjectOverhead(memoryObjects);
  const watchBytes = await idleWatchBytes(memoryWatches);
  return [
    { what: "memory an idle watch, both ends, without TLS", value: watchBytes / 1_024, unit: "KiB", goal: "<= 8" },
    { what: "memory a cached pod, over its bytes", value: factor, unit: "x", goal: "<= 1.5" },
    { what: "memory a cached pod", value: bytesPerObject, unit: "B", goal: "" },
  ];
}

/** A figure a line, beside its goal. */
export function tableOf({ figures, machine }: ApiServerResult): string {
  const width = Math.max(...figures.map(({ what }) => what.length));
  const lines = figures.map(({ what, value, unit, goal }) =>
    `${what.padEnd(width)}  ${rounded(value).padStart(9)} ${unit.padEnd(4)}  ${goal}`.trimEnd()
  );
  return [...lines, `load average before: ${machine.loadAverage.join(" ")}, commit ${machine.commit}`].join("\n");
}

function rounded(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}
