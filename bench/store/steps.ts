import { utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { cpuSeconds } from "../machine.ts";
import { type Client, type Running, sleep } from "./target.ts";

export const stepNames = ["start", "put", "put64", "get", "watch", "kill", "stop", "memory"] as const;
export type StepName = (typeof stepNames)[number];

export interface StepOptions {
  /** Of each steady step, warm-up of a quarter of it not counted. */
  readonly seconds: number;
  /** SIGKILLs, and SIGSTOPs, in each of the runs. */
  readonly kills: number;
  readonly stops: number;
  readonly seed: number;
}

/** What one step of one run measured: raw samples, and figures that are not samples. */
export interface StepResult {
  readonly samplesMs: readonly number[];
  readonly figures: Readonly<Record<string, number>>;
}

const valueBytes = 2_000;
const liveKeys = 10_000;
const memoryPuts = 90_000;
const warmUpPuts = 5_000;
const width = 64;
const probeEveryMs = 2;
const gapTimeoutMs = 30_000;
const restMs = 400;

interface Load {
  readonly key: () => Uint8Array;
  readonly value: Uint8Array;
}

function loadOf(seed: number): Load {
  const random = prng(seed);
  return {
    key: () => utf8(`/registry/pods/default/pod-${random.int(liveKeys)}`),
    value: new Uint8Array(valueBytes).map(() => random.int(256)),
  };
}

export async function runStep(step: Exclude<StepName, "start">, running: Running, options: StepOptions) {
  const load = loadOf(options.seed);
  const leader = await running.leader();
  const client = await running.open(leader);
  try {
    switch (step) {
      case "put":
        return await steady(running, 1, options.seconds, () => client.put(load.key(), load.value));
      case "put64":
        return await steady(running, width, options.seconds, () => client.put(load.key(), load.value));
      case "get": {
        const key = utf8("/registry/pods/default/read");
        await client.put(key, load.value);
        return await steady(running, 1, options.seconds, () => client.get(key));
      }
      case "watch":
        return await watchStep(running, client, load, options.seconds);
      case "memory":
        return await memoryStep(running, client, load);
      case "kill":
      case "stop":
        return await gapsStep(running, step, options);
    }
  } finally {
    client.close();
  }
}

/** The same number of puts for everyone, so that compilers and caches have seen the path before anything counts. */
export async function warmUp(running: Running, options: StepOptions): Promise<void> {
  const load = loadOf(options.seed + 2);
  const client = await running.open(await running.leader());
  let left = warmUpPuts;
  await Promise.all(Array.from({ length: width }, async () => {
    while (left-- > 0) await client.put(load.key(), load.value);
  }));
  client.close();
}

/** Keeps `concurrent` calls in flight. */
async function steady(
  running: Running,
  concurrent: number,
  seconds: number,
  call: () => Promise<void>,
): Promise<StepResult> {
  const samplesMs: number[] = [];
  const termBefore = await running.term?.();
  const countFrom = performance.now() + seconds * 250;
  const end = countFrom + seconds * 1_000;
  let cpuBefore = 0;
  const loop = async () => {
    for (let began = performance.now(); began < end; began = performance.now()) {
      await call();
      if (began >= countFrom) samplesMs.push(performance.now() - began);
    }
  };
  const loops = Array.from({ length: concurrent }, loop);
  await sleep(countFrom - performance.now());
  cpuBefore = cpuOf(running);
  const began = performance.now();
  await Promise.all(loops);
  const elapsed = (performance.now() - began) / 1_000;
  const cpu = cpuOf(running) - cpuBefore;
  const term = await running.term?.();
  return {
    samplesMs,
    figures: {
      // Nobody was killed: each is a false alarm.
      ...(term === undefined || termBefore === undefined ? {} : { elections: term - termBefore }),
      perSecond: samplesMs.length / elapsed,
      cpuUsPerCall: cpu / samplesMs.length * 1e6,
    },
  };
}

function cpuOf(running: Running): number {
  return running.pids.reduce((sum, pid) => sum + cpuSeconds(pid), 0);
}

/** From the call of a put until the watch has its event. */
async function watchStep(running: Running, client: Client, load: Load, seconds: number): Promise<StepResult> {
  const key = utf8("/registry/pods/default/watched");
  let arrived = () => {};
  await client.watch(key, () => arrived());
  return await steady(running, 1, seconds, async () => {
    const event = Promise.withResolvers<void>();
    arrived = event.resolve;
    const put = client.put(key, load.value);
    await event.promise;
    await put;
  });
}

async function memoryStep(running: Running, client: Client, load: Load): Promise<StepResult> {
  let left = memoryPuts;
  const began = performance.now();
  await Promise.all(Array.from({ length: width }, async () => {
    while (left-- > 0) await client.put(load.key(), load.value);
  }));
  const residentMb = await Promise.all(running.pids.map(residentMegabytes));
  return {
    samplesMs: [],
    figures: {
      residentMbMax: Math.max(...residentMb),
      residentMbMin: Math.min(...residentMb),
      perSecond: memoryPuts / (performance.now() - began) * 1_000,
    },
  };
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1_024;
}

/**
 * The leader is killed, or stopped for as long as it takes, again and again. A put begins every 2 ms whatever is
 * unanswered; a sample runs from the signal to the first acknowledgement of a put that began after it.
 */
async function gapsStep(running: Running, step: "kill" | "stop", options: StepOptions): Promise<StepResult> {
  const samplesMs: number[] = [];
  const load = loadOf(options.seed + 1);
  let unknown = 0;
  for (let i = 0; i < (step === "kill" ? options.kills : options.stops); i++) {
    const leader = await running.leader();
    const client = await running.open((leader + 1) % running.pids.length);
    try {
      await client.put(load.key(), load.value);
      await sleep(restMs);
      const acknowledged = Promise.withResolvers<number>();
      const pid = running.pids[leader] ?? 0;
      Deno.kill(pid, step === "kill" ? "SIGKILL" : "SIGSTOP");
      const signalledAt = performance.now();
      const probe = () => {
        client.put(load.key(), load.value).then(() => acknowledged.resolve(performance.now()), () => unknown++);
      };
      probe();
      const probing = setInterval(probe, probeEveryMs);
      const timeout = setTimeout(() => acknowledged.reject(new Error(`No write in ${gapTimeoutMs} ms`)), gapTimeoutMs);
      try {
        samplesMs.push(await acknowledged.promise - signalledAt);
      } finally {
        clearInterval(probing);
        clearTimeout(timeout);
        if (step === "stop") Deno.kill(pid, "SIGCONT");
      }
      if (step === "kill") await running.restart(leader);
    } finally {
      client.close();
    }
    await sleep(restMs);
  }
  return { samplesMs, figures: { failedOrUnknown: unknown } };
}
