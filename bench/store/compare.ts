import { utf8 } from "../../base/bytes.ts";
import { describeMachine, type Machine } from "../machine.ts";
import { etcd, etcdVersion } from "./etcd.ts";
import { sauropod } from "./ours.ts";
import { runStep, type StepName, stepNames, type StepOptions, type StepResult, warmUp } from "./steps.ts";
import { eventually, type Running, type Target } from "./target.ts";

/** The question, the order of the runs, what each row is: bench/METHOD.md. */
export interface CompareOptions extends StepOptions {
  readonly against: "etcd" | null;
  readonly steps: readonly StepName[];
  readonly log: (line: string) => void;
}

export interface Run extends StepResult {
  readonly target: string;
  readonly step: StepName;
}

export interface CompareResult {
  readonly benchmark: "store";
  readonly machine: Machine;
  readonly targets: readonly { readonly name: string; readonly about: string }[];
  readonly options: Pick<CompareOptions, "seconds" | "kills" | "stops" | "seed">;
  /** In the order in which they ran, raw samples and all. */
  readonly runs: readonly Run[];
  /** Why there is no etcd in it. */
  readonly skipped: string | null;
}

export const defaultSteps: readonly StepName[] = stepNames.filter((step) => step !== "memory");
/** What tuning changes: etcd's steady state is the same with either flags. */
const tunedSteps: ReadonlySet<StepName> = new Set(["start", "kill", "stop", "memory"]);

export async function compareStores(options: CompareOptions): Promise<CompareResult> {
  const machine = await describeMachine();
  options.log(`load average before the run: ${machine.loadAverage.join(" ")}`);
  const { targets, order, skipped } = await targetsOf(options);
  if (skipped !== null) options.log(skipped);
  const runs: Run[] = [];
  for (const target of order) {
    const steps = options.steps.filter((step) => target !== targets[2] || tunedSteps.has(step));
    if (steps.length > 0) runs.push(...await runTarget(target, steps, options));
  }
  const { seconds, kills, stops, seed } = options;
  return {
    benchmark: "store",
    machine,
    targets: targets.map(({ name, about }) => ({ name, about })),
    options: { seconds, kills, stops, seed },
    runs,
    skipped,
  };
}

/** A B B A, so that what drifts on the machine meets both. */
async function targetsOf({ against }: CompareOptions) {
  if (against === null) return { targets: [sauropod], order: [sauropod, sauropod], skipped: null };
  const version = await etcdVersion();
  if (version === null) {
    const skipped = "etcd is not on this machine (Debian: apt-get install etcd-server): only our own figures follow";
    return { targets: [sauropod], order: [sauropod, sauropod], skipped };
  }
  const plain = etcd("etcd", version, []);
  const tuned = etcd("etcd tuned", version, [
    "--heartbeat-interval=10",
    "--election-timeout=100",
    "--snapshot-count=10000",
  ]);
  const targets: Target[] = [sauropod, plain, tuned];
  return { targets, order: [sauropod, plain, tuned, tuned, plain, sauropod], skipped: null };
}

async function runTarget(target: Target, steps: readonly StepName[], options: CompareOptions): Promise<Run[]> {
  const directory = await Deno.makeTempDir({ prefix: "sauropod-bench-store-" });
  const runs: Run[] = [];
  let running: Running | null = null;
  // Ctrl-C must not leave six processes and a directory behind.
  const interrupted = () => {
    void (running?.stop() ?? Promise.resolve())
      .then(() => Deno.remove(directory, { recursive: true }))
      .finally(() => Deno.exit(130));
  };
  Deno.addSignalListener("SIGINT", interrupted);
  Deno.addSignalListener("SIGTERM", interrupted);
  try {
    const began = performance.now();
    running = target.start(directory);
    const firstWriteMs = await untilFirstWrite(running, began);
    if (steps.includes("start")) runs.push(record(target, "start", { samplesMs: [firstWriteMs], figures: {} }));
    if (steps.some((step) => step !== "start")) await warmUp(running, options);
    for (const step of steps) {
      if (step !== "start") runs.push(record(target, step, await runStep(step, running, options)));
    }
  } finally {
    Deno.removeSignalListener("SIGINT", interrupted);
    Deno.removeSignalListener("SIGTERM", interrupted);
    await running?.stop();
    await Deno.remove(directory, { recursive: true });
  }
  for (const { step, samplesMs, figures } of runs) {
    const p50 = percentile(samplesMs, 0.5);
    options.log(
      `${target.name.padEnd(10)} ${step.padEnd(6)} ${p50 === null ? "" : `p50 ${round(p50)} ms `}` +
        Object.entries(figures).map(([name, value]) => `${name} ${round(value)}`).join(" "),
    );
  }
  return runs;
}

function record(target: Target, step: StepName, result: StepResult): Run {
  return { target: target.name, step, ...result };
}

/** A member that has just been spawned refuses connections; so a new client each time, until one of them writes. */
async function untilFirstWrite(running: Running, began: number): Promise<number> {
  const client = await eventually("a member that listens", async () => {
    const client = await running.open(0);
    const write = client.put(utf8("/first"), utf8("write"));
    try {
      await write;
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  });
  client.close();
  return performance.now() - began;
}

export function percentile(samples: readonly number[], share: number): number | null {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}

export function round(value: number): number {
  return value >= 100 ? Math.round(value) : Math.round(value * 100) / 100;
}
