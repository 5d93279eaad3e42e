import { Command, CommanderError, InvalidArgumentError } from "commander";
import { CliError, exitCode } from "../cluster/errors.ts";
import { benchFailover, type FailoverOptions } from "./failover.ts";
import type { Latency, Summary } from "./histograms.ts";
import { writeReport } from "./report.ts";
import { benchScheduling } from "./scheduling.ts";
import { type ApiServerOptions, benchApiServer, stepNames as apiSteps, tableOf as apiTable } from "./apiserver/run.ts";
import { compareStores, defaultSteps } from "./store/compare.ts";
import { type StepName, stepNames } from "./store/steps.ts";
import { tableOf } from "./store/table.ts";

/** `deno task bench`: experiments on a live cluster of their own. METHOD.md says what each figure means. */

interface OutputFlags {
  readonly output: string;
  readonly out?: string;
}

function log(line: string): void {
  console.error(line);
}

function count(low: number, high: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < low || value > high) {
      throw new InvalidArgumentError(`must be a whole number from ${low} to ${high}`);
    }
    return value;
  };
}

function format(text: string): string {
  if (text !== "text" && text !== "json") throw new InvalidArgumentError("must be text or json");
  return text;
}

async function emit(
  flags: OutputFlags,
  result: { readonly benchmark: string },
  latencies: Readonly<Record<string, Latency>>,
  text: string,
): Promise<void> {
  if (flags.out !== undefined) {
    for (const file of await writeReport(flags.out, result.benchmark, result, latencies)) log(`wrote ${file}`);
  }
  console.log(flags.output === "json" ? JSON.stringify(result, null, 2) : text);
}

function line(name: string, { p50, p90, p99, max }: Summary, unit: string): string {
  return `${name.padEnd(16)} p50 ${p50}  p90 ${p90}  p99 ${p99}  max ${max} ${unit}`;
}

interface SchedulingFlags extends OutputFlags {
  readonly nodes: number;
  readonly pods: number;
  readonly initPods?: number;
  readonly withKubelets?: boolean;
  readonly rate?: number;
  readonly concurrency: number;
  readonly controlPlanes: number;
  readonly seed: number;
  readonly profile?: string;
}

async function scheduling(flags: SchedulingFlags): Promise<void> {
  const { result, latencies } = await benchScheduling({
    ...flags,
    initPods: flags.initPods ?? Math.min(1_000, Math.ceil(flags.pods / 2)),
    withKubelets: flags.withKubelets === true,
    rate: flags.rate ?? null,
    log,
  });
  const text = [
    `${result.podsPerSecond} pods/s: ${result.bound} pods on ${result.input.nodes} nodes in ${result.elapsedMs} ms`,
    line("create -> bound", result.createToBoundMs, "ms"),
    line("create", result.createMs, "ms"),
    line("queue", result.queueMs, "ms"),
    line("decision", result.decisionUs, "us"),
    line("bind", result.bindMs, "ms"),
    `CPU ${(result.cpu.secondsPerPod * 1_000).toFixed(2)} ms/pod: ${JSON.stringify(result.cpu.msPerPodByKind)}`,
    `spread ${JSON.stringify(result.spread)}`,
    `load average before: ${result.machine.loadAverage.join(" ")}, commit ${result.machine.commit}`,
  ].join("\n");
  await emit(flags, result, latencies, text);
}

async function failover(flags: OutputFlags & Omit<FailoverOptions, "log">): Promise<void> {
  const { result, latencies } = await benchFailover({ ...flags, log });
  const text = [
    `${result.kills} kills of the store's leader, ${result.acknowledgedWrites} writes acknowledged`,
    line("gap", result.gapMs, "ms"),
    line("write", result.writeMs, "ms"),
    `lost acknowledged writes: ${result.lostAcknowledgedWrites}; outcome unknown: ${result.unknownWrites}`,
    `load average before: ${result.machine.loadAverage.join(" ")}, commit ${result.machine.commit}`,
  ].join("\n");
  await emit(flags, result, latencies, text);
  if (result.lostAcknowledgedWrites > 0) Deno.exitCode = exitCode.violated;
}

interface StoreFlags extends OutputFlags {
  readonly against?: "etcd";
  readonly only: readonly StepName[];
  readonly seconds: number;
  readonly kills: number;
  readonly stops: number;
  readonly seed: number;
}

async function store(flags: StoreFlags): Promise<void> {
  const result = await compareStores({ ...flags, against: flags.against ?? null, steps: flags.only, log });
  await emit(flags, result, {}, tableOf(result));
}

async function apiserver({ only, ...flags }: OutputFlags & Omit<ApiServerOptions, "log" | "steps"> & ApiSteps) {
  const result = await benchApiServer({ ...flags, steps: only, log });
  await emit(flags, result, {}, apiTable(result));
}

interface ApiSteps {
  readonly only: ApiServerOptions["steps"];
}

function someOf<N extends string>(names: readonly N[]): (text: string) => readonly N[] {
  return (text) =>
    text.split(",").map((name) => {
      const known = names.find((each) => each === name);
      if (known === undefined) throw new InvalidArgumentError(`must be some of ${names.join(",")}`);
      return known;
    });
}

const steps: (text: string) => readonly StepName[] = someOf(stepNames);

function peer(text: string): "etcd" {
  if (text !== "etcd") throw new InvalidArgumentError("must be etcd");
  return text;
}

function program(): Command {
  const bench = new Command("bench").description("experiments on a live cluster of their own; see bench/METHOD.md");
  const output = (command: Command) =>
    command.option("-o, --output <format>", "text or json", format, "text")
      .option("--out <directory>", "write JSON, .hgrm histograms and an HTML page there");
  const bounded = (high: number) => count(1, high);
  output(
    bench.command("scheduling").description("create -> bound of scheduler_perf's SchedulingBasic")
      .option("--nodes <n>", "scheduler_perf's default nodes", bounded(5_000), 100)
      .option("--pods <m>", "pods that are measured", bounded(100_000), 500)
      .option(
        "--init-pods <n>",
        "pods scheduled before the clock starts (default: half of them, 1,000 at most)",
        count(0, 100_000),
      )
      .option("--with-kubelets", "a simulated kubelet behind every node")
      .option("--rate <pps>", "open loop: so many pods a second, however slow the answers", bounded(100_000))
      .option("--concurrency <n>", "closed loop: creations under way at once", bounded(1_024), 64)
      .option("--control-planes <n>", "stores, apiservers, schedulers, controller managers", bounded(7), 3)
      .option("--profile <directory>", "take a CPU profile of each process; read one with bench/profile.ts")
      .option("--seed <s>", "of the pods' names", count(0, Number.MAX_SAFE_INTEGER), 1),
  ).action(scheduling);
  output(
    bench.command("failover").description("SIGKILL of the store's leader under writes through the API")
      .option("--kills <n>", "how often", bounded(1_000), 10)
      .option("--writers <n>", "writing loops at once", bounded(64), 4)
      .option("--control-planes <n>", "stores, apiservers, schedulers, controller managers", bounded(7), 3),
  ).action(failover);
  output(
    bench.command("store").description("latency, rate, failover and memory of three store members, beside etcd's")
      .option("--against <peer>", "etcd: three members of this machine's etcd in the same run, A B B A", peer)
      .option("--only <steps>", `some of ${stepNames.join(",")}`, steps, defaultSteps)
      .option("--seconds <n>", "of each steady step of a run", bounded(3_600), 3)
      .option("--kills <n>", "SIGKILLs of the leader in each of two runs", bounded(1_000), 5)
      .option("--stops <n>", "SIGSTOPs of the leader in each of two runs", bounded(1_000), 2)
      .option("--seed <s>", "of keys and values", count(0, Number.MAX_SAFE_INTEGER), 1),
  ).action(store);
  output(
    bench.command("apiserver").description("creates, lists, watch fan-out, memory and failover of the apiserver")
      .option("--only <steps>", `some of ${apiSteps.join(",")}`, someOf(apiSteps), apiSteps)
      .option("--pods <n>", "pods created, and listed", bounded(100_000), 10_000)
      .option("--watchers <n>", "watches of the fan-out", bounded(10_000), 1_000)
      .option("--events <n>", "events of the fan-out", bounded(100_000), 500)
      .option("--kills <n>", "SIGKILLs of an apiserver", bounded(1_000), 6)
      .option("--control-planes <n>", "stores, apiservers, schedulers, controller managers", bounded(7), 3)
      .option("--profile <directory>", "take a CPU profile of each process; read one with bench/profile.ts"),
  ).action(apiserver);
  return bench;
}

try {
  const bench = program();
  for (const command of [bench, ...bench.commands]) command.exitOverride().showHelpAfterError(false);
  await bench.parseAsync(Deno.args, { from: "user" });
} catch (error) {
  if (error instanceof CommanderError) Deno.exit(error.exitCode === 0 ? exitCode.ok : exitCode.usage);
  if (!(error instanceof CliError)) {
    console.error(error instanceof Error ? `bench: ${error.message}` : error);
    Deno.exit(exitCode.failed);
  }
  console.error(`bench: ${error.message}${error.hint === undefined ? "" : `\n${error.hint}`}`);
  Deno.exit(error.code);
}
// Idle connections of the clients must not keep the program.
Deno.exit();
