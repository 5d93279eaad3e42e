import { analyse, type Recording } from "../chaos/analysis.ts";
import { apiSubject } from "../chaos/api_subject.ts";
import { compare, comparisonText } from "../chaos/comparison.ts";
import { etcdSubject, etcdVersion } from "../chaos/etcd_subject.ts";
import { runExperiment } from "../chaos/experiment.ts";
import { isStoreScenario, type Scenario } from "../chaos/faults.ts";
import { reportHtml } from "../chaos/report_html.ts";
import { reportText } from "../chaos/report_text.ts";
import { storeSubject } from "../chaos/store_subject.ts";
import type { Subject } from "../chaos/subject.ts";
import type { Platform } from "../../platform/mod.ts";
import { createCluster, removeCluster } from "../bring_up.ts";
import { CliError, exitCode } from "../errors.ts";
import { toolPlatform } from "../lifecycle.ts";
import { checkName, type ClusterSpec, readSpec, type StoreBug } from "../spec.ts";
import { type TimerProfile, timersOf } from "../timers.ts";
import { note, ok, print, progress } from "./output.ts";

export interface ChaosRunOptions {
  readonly scenario: Scenario;
  readonly name: string;
  readonly repeat: number;
  readonly rate: number;
  readonly seed: number | undefined;
  /** Of the temporary cluster, when there is none to break. */
  readonly timers: TimerProfile;
  /** Through the API, as users do, or the store's own protocol, as apiservers do. */
  readonly on: "api" | "store";
  /** Test-only: what is wrong with the store. */
  readonly bug: StoreBug | undefined;
  readonly output: "text" | "json";
  /** Where the HTML report goes. */
  readonly report: string | undefined;
  /** Where the JSON report goes besides. */
  readonly json: string | undefined;
  /** Whose store is put through the same. */
  readonly against: "etcd" | undefined;
}

const upWaitMs = 90_000;

/** Breaks a cluster on purpose and judges what its clients saw. @return the exit code */
export async function chaosRun(options: ChaosRunOptions): Promise<number> {
  checkOptions(options);
  const platform = toolPlatform();
  // The store's experiments move into the cluster's directory.
  const paths = { html: absolute(options.report), json: absolute(options.json) };
  return await interruptible(async (signal) => {
    const seed = options.seed ?? platform.random.int(2 ** 31);
    const ours = await onOurs(options, seed, signal);
    const theirs = options.against === undefined ? [] : await onEtcd(options, seed, signal);
    const report = analyse(ours);
    const comparison = compare([report, ...theirs.map((recording) => analyse(recording))]);
    const result = theirs.length === 0 ? report : comparison;
    const json = JSON.stringify(result, null, 2);
    if (paths.json !== undefined) await Deno.writeTextFile(paths.json, json + "\n");
    if (paths.html !== undefined) {
      await Deno.writeTextFile(paths.html, reportHtml(report, ours, theirs.length === 0 ? null : comparison));
      note(`report: ${paths.html}`);
    }
    print(options.output === "json" ? json : reportText(report));
    if (options.output === "text" && theirs.length > 0) print(comparisonText(comparison));
    return report.green ? exitCode.ok : exitCode.violated;
  });
}

async function onOurs(options: ChaosRunOptions, seed: number, signal: AbortSignal): Promise<Recording> {
  const platform = toolPlatform();
  await using borrowed = await borrowCluster(options, platform.random.uuid().slice(0, 8));
  const { spec } = borrowed;
  if (spec.bug !== undefined) note(`TEST-ONLY cluster: its store is wrong on purpose (${spec.bug})`);
  const subject = options.on === "store" ? storeSubject(spec, platform) : apiSubject(spec, platform);
  return await experimentOn(subject, options, seed, signal, platform);
}

/** The same with Debian's etcd, at its own timers and at ours; nothing, and a word why, where there is none. */
async function onEtcd(options: ChaosRunOptions, seed: number, signal: AbortSignal): Promise<Recording[]> {
  const platform = toolPlatform();
  const version = await etcdVersion();
  if (version === null) {
    note("no etcd beside it: there is no program of that name (Debian: apt-get install etcd-server)");
    return [];
  }
  const { tickMs, heartbeatTicks, electionTicks } = timersOf(options.timers).store;
  const ours = { heartbeatMs: tickMs * heartbeatTicks, electionMs: tickMs * electionTicks };
  const recordings: Recording[] = [];
  for (
    const [words, timers] of [["default", { heartbeatMs: 100, electionMs: 1_000 }], ["tuned", ours]] as const
  ) {
    const subject = await etcdSubject(`etcd ${version}, ${words} timers`, timers, platform);
    recordings.push(await experimentOn(subject, options, seed, signal, platform));
  }
  return recordings;
}

async function experimentOn(
  subject: Subject,
  options: ChaosRunOptions,
  seed: number,
  signal: AbortSignal,
  platform: Platform,
): Promise<Recording> {
  note(`${options.scenario} x${options.repeat} on ${subject.title} under ${options.rate} operations/s, seed ${seed}`);
  return await runExperiment(subject, {
    ...options,
    seed,
    signal,
    onRun: (run, { target, newLeader, at }) => {
      const leader = newLeader === null ? "" : `, ${newLeader.name} leads after ${Math.round(newLeader.at - at)} ms`;
      ok(`${run + 1}/${options.repeat} hit ${target}${leader}`);
    },
  }, platform);
}

/** Runs `body` with a signal that Ctrl-C and SIGTERM abort; waits for it, so that it can heal what it broke. */
export async function interruptible(body: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const stop = new AbortController();
  const onSignal = () => {
    if (!stop.signal.aborted) progress("Interrupted: healing what was broken");
    stop.abort(new CliError(exitCode.interrupted, "Interrupted"));
  };
  Deno.addSignalListener("SIGINT", onSignal);
  Deno.addSignalListener("SIGTERM", onSignal);
  try {
    return await body(stop.signal);
  } catch (error) {
    if (stop.signal.aborted) return exitCode.interrupted;
    throw error;
  } finally {
    Deno.removeSignalListener("SIGINT", onSignal);
    Deno.removeSignalListener("SIGTERM", onSignal);
  }
}

function checkOptions({ scenario, on, bug, against }: ChaosRunOptions): void {
  if (against !== undefined && (on !== "store" || (scenario !== "leader-kill" && scenario !== "pause-leader"))) {
    throw new CliError(exitCode.usage, "--against etcd compares leader-kill and pause-leader, on the store itself");
  }
  if (on === "store" && !isStoreScenario(scenario)) {
    throw new CliError(exitCode.usage, `${scenario} hits no member of the store: use --on api`);
  }
  if (bug !== undefined && on !== "store") {
    throw new CliError(exitCode.usage, "--bug is judged on the store itself: use --on store");
  }
}

export function absolute<T extends string | undefined>(path: T): T | string {
  return path === undefined || path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
}

/**
 * The cluster of that name, or a temporary one that goes with the returned handle.
 * @throws CliError when there is one of that name that was not made for what is asked
 */
export async function borrowCluster(
  options: Pick<ChaosRunOptions, "name" | "on" | "bug" | "timers"> & { readonly scenario: string },
  suffix: string,
): Promise<AsyncDisposable & { readonly spec: ClusterSpec }> {
  const existing = await readSpec(checkName(options.name));
  if (existing !== null) {
    checkMadeFor(existing, options);
    return { spec: existing, [Symbol.asyncDispose]: async () => {} };
  }
  const name = `chaos-${suffix}`;
  note(`no cluster of that name: making ${name} for this run`);
  const platform = toolPlatform();
  const spec = await createCluster(
    {
      name,
      controlPlanes: 3,
      workers: 0,
      runtime: "hollow",
      hollowNodes: options.on === "store" ? 0 : 1,
      timers: options.timers,
      port: undefined,
      bug: options.bug,
      losesPageCache: options.scenario === "power-loss",
      storeOnly: options.on === "store",
    },
    { waitMs: upWaitMs, onProgress: () => {}, retain: false, mergeKubeconfig: false },
    platform,
  );
  return { spec, [Symbol.asyncDispose]: () => removeCluster(name, platform) };
}

/** @throws CliError (exit code 2) when the experiment cannot be made on that cluster */
export function checkMadeFor(
  spec: ClusterSpec,
  { on, bug, scenario }: Pick<ChaosRunOptions, "on" | "bug"> & { readonly scenario: string },
): void {
  const refuse = (what: string) => {
    throw new CliError(exitCode.usage, `Cluster "${spec.name}" ${what}`, {
      hint: "name no existing cluster, and one is made for the run and removed again",
    });
  };
  if (spec.allInOne === true) refuse("runs in one process: nothing of it can be broken by itself");
  if (bug !== spec.bug) {
    refuse(bug === undefined ? `is wrong on purpose: ${spec.bug}` : `was not made with --bug ${bug}`);
  }
  if (scenario === "power-loss" && spec.losesPageCache !== true) refuse("keeps its page cache: it cannot lose power");
  if (on === "api" && spec.storeOnly === true) refuse("has no apiservers: use --on store");
  const hitsStore = on === "store" || isStoreScenario(scenario);
  if (spec.store !== undefined && hitsStore) {
    refuse("keeps its objects in a real etcd: it has no store members to break");
  }
}
