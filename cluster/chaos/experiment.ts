import { prng } from "../../base/prng.ts";
import type { KubeObject } from "../../api/meta.ts";
import { configMaps, namespaces, nodes } from "../../api/resources.ts";
import { atLeast, createRestClient, createTransport, isNotFound, latest } from "../../client/mod.ts";
import type { RestClient } from "../../client/types.ts";
import type { Platform } from "../../platform/mod.ts";
import { dataDirectory, layout } from "../home.ts";
import { apiServerUrls } from "../plan.ts";
import { signalProcess } from "../processes.ts";
import type { ClusterSpec } from "../spec.ts";
import type { FaultRecord, Recording } from "./analysis.ts";
import {
  awaitNewLeader,
  awaitRecovery,
  chooseTarget,
  type FaultDeps,
  hit,
  type Scenario,
  type Target,
} from "./faults.ts";
import * as limits from "./limits.ts";
import { startLoad } from "./load.ts";
import { type Probes, startProbes } from "./probes.ts";
import { startWatcher, type Watcher } from "./watchers.ts";

export interface ExperimentConfig {
  readonly scenario: Scenario;
  readonly repeat: number;
  /** Operations per second. */
  readonly rate: number;
  readonly seed: number;
  readonly onRun: (run: number, fault: FaultRecord) => void;
  /** Ends it early; what was broken is healed all the same. */
  readonly signal: AbortSignal;
}

/** Breaks a running cluster `repeat` times under load and returns what was seen. Heals what it broke, also when it throws. */
export async function runExperiment(
  spec: ClusterSpec,
  config: ExperimentConfig,
  platform: Platform,
): Promise<Recording> {
  const { clock, timers, random } = platform;
  const suffix = random.uuid().slice(0, 8);
  const namespace = `chaos-${suffix}`;
  const connections = connect(spec, platform);
  const { clients, pinned, admin } = connections;
  const deps: FaultDeps = { spec, client: admin, platform };
  const paused: Target[] = [];
  const probeKind = { "scheduler-kill": "bind", "controller-kill": "reconcile" } as const;
  let watchers: Watcher[] = [];
  let probes: Probes | null = null;
  try {
    config.signal.throwIfAborted();
    await awaitRecovery(deps);
    await admin.create<KubeObject>(namespaces, { metadata: { name: namespace } });
    const start = await admin.list(configMaps, { namespace });
    const resourceVersion = start.metadata.resourceVersion ?? "";
    watchers = pinned.map((client) => startWatcher({ namespace, resourceVersion }, client, platform));
    const kind = config.scenario === "scheduler-kill" || config.scenario === "controller-kill"
      ? probeKind[config.scenario]
      : null;
    if (kind !== null) {
      probes = await startProbes({ kind, namespace, nodeName: namespace }, { client: admin, clock, timers });
    }
    const load = startLoad({ namespace, rate: config.rate, seed: config.seed }, clients, { clock, timers });
    const faults: FaultRecord[] = [];
    const draws = prng(config.seed);
    try {
      await timers.sleep(limits.settleMs, config.signal);
      for (let run = 0; run < config.repeat; run++) {
        const fault = await inject(config, deps, paused, (bound) => draws.int(bound));
        faults.push(fault);
        config.onRun(run, fault);
        await awaitRecovery(deps);
        // Faults do not fall into step with anything periodic.
        await timers.sleep(limits.settleMs + draws.int(250), config.signal);
      }
    } finally {
      await load.stop();
    }
    await probes?.stop();
    const acknowledged = load.records.map((each) => each.resourceVersion ?? "").reduce(latest, resourceVersion);
    const deadline = performance.now() + limits.drainMs;
    while (!watchers.every((each) => atLeast(each.seen, acknowledged)) && performance.now() < deadline) {
      await timers.sleep(20, config.signal);
    }
    return {
      scenario: config.scenario,
      seed: config.seed,
      rate: config.rate,
      timers: spec.timers,
      faults,
      operations: load.records,
      shed: load.shed,
      watches: watchers.map((each) => each.record),
      probes: probes?.records ?? [],
    };
  } finally {
    for (const { pid } of paused) signalProcess(pid, "SIGCONT");
    await Promise.all(watchers.map((each) => each.stop()));
    await probes?.stop();
    await cleanUp(namespace, admin, platform);
    connections.close();
  }
}

async function inject(
  config: ExperimentConfig,
  deps: FaultDeps,
  paused: Target[],
  draw: (bound: number) => number,
): Promise<FaultRecord> {
  const { clock, timers } = deps.platform;
  const target = await chooseTarget(config.scenario, deps, draw);
  const pauses = config.scenario === "pause-leader";
  const patience = new AbortController();
  const sinceWall = clock.now();
  const at = clock.monotonic();
  if (pauses) paused.push(target);
  hit(target, pauses ? "SIGSTOP" : "SIGKILL");
  const observed = awaitNewLeader(config.scenario, target, sinceWall, deps, patience.signal);
  const limit = timers.schedule(limits.recoveryMaxMs, () => patience.abort());
  const onAbort = () => patience.abort();
  config.signal.addEventListener("abort", onAbort, { once: true });
  try {
    if (pauses) {
      await timers.sleep(limits.pauseMs, config.signal);
      hit(target, "SIGCONT");
      paused.splice(paused.indexOf(target), 1);
    }
    const newLeader = await observed;
    config.signal.throwIfAborted();
    return { target: target.name, at, newLeader };
  } finally {
    patience.abort();
    limit.cancel();
    config.signal.removeEventListener("abort", onAbort);
    await observed.catch(() => {});
  }
}

/**
 * Clients over all apiservers: `clients` begin on different ones and fail over; `pinned` likewise, for watchers; `admin`
 * for everything else.
 */
function connect(spec: ClusterSpec, platform: Platform) {
  const read = (file: string) => Deno.readTextFileSync(`${dataDirectory(spec.name)}/${layout.pki}/${file}`);
  const tls = { ca: read("ca.crt"), cert: read("admin.crt"), key: read("admin.key") };
  const urls = apiServerUrls(spec);
  const options = { tls, requestTimeoutMs: limits.requestTimeoutMs };
  const rotated = (i: number) => [...urls.slice(i), ...urls.slice(0, i)];
  // Each begins at the first of its list, rather than at a random one.
  const first = { ...platform, random: { next: () => platform.random.next(), int: () => 0 } };
  const transports = [...urls, ...urls, ""].map((_, i) => {
    return createTransport({ ...options, endpoints: rotated(i % urls.length) }, first);
  });
  const clients: RestClient[] = transports.map((transport) =>
    createRestClient(transport, { encoding: "json", userAgent: "sauropod-chaos" })
  );
  const admin = clients.pop();
  if (admin === undefined) throw new Error("unreachable: there is always one transport");
  return {
    clients: clients.slice(0, urls.length),
    pinned: clients.slice(urls.length),
    admin,
    close: () => transports.forEach((transport) => transport.close()),
  };
}

/** Removes the experiment's objects; waits until the namespace is gone. Never throws: there may be nothing to remove. */
async function cleanUp(namespace: string, client: RestClient, platform: Platform): Promise<void> {
  await client.delete(nodes, namespace).catch(() => {});
  await client.delete(namespaces, namespace).catch(() => {});
  const deadline = performance.now() + limits.cleanUpMs;
  while (performance.now() < deadline) {
    const gone = await client.get(namespaces, namespace).then(() => false, isNotFound);
    if (gone) return;
    await platform.timers.sleep(50);
  }
}
