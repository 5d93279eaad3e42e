import { analyse } from "../chaos/analysis.ts";
import { apiSubject } from "../chaos/api_subject.ts";
import { runExperiment } from "../chaos/experiment.ts";
import { isStoreScenario, type Scenario } from "../chaos/faults.ts";
import { reportHtml } from "../chaos/report_html.ts";
import { reportText } from "../chaos/report_text.ts";
import { storeSubject } from "../chaos/store_subject.ts";
import { createCluster, removeCluster } from "../bring_up.ts";
import { CliError, exitCode } from "../errors.ts";
import { toolPlatform } from "../lifecycle.ts";
import { checkName, type ClusterSpec, readSpec, type StoreBug } from "../spec.ts";
import type { TimerProfile } from "../timers.ts";
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
}

const upWaitMs = 90_000;

/** Breaks a cluster on purpose and judges what its clients saw. @return the exit code */
export async function chaosRun(options: ChaosRunOptions): Promise<number> {
  checkOptions(options);
  const platform = toolPlatform();
  // The store's experiments move into the cluster's directory.
  const reportPath = options.report === undefined ? undefined : absolute(options.report);
  return await interruptible(async (signal) => {
    await using borrowed = await borrowCluster(options, platform.random.uuid().slice(0, 8));
    const { spec } = borrowed;
    const seed = options.seed ?? platform.random.int(2 ** 31);
    const subject = options.on === "store" ? storeSubject(spec, platform) : apiSubject(spec, platform);
    if (spec.bug !== undefined) note(`TEST-ONLY cluster: its store is wrong on purpose (${spec.bug})`);
    note(`${options.scenario} x${options.repeat} on ${spec.name} under ${options.rate} operations/s, seed ${seed}`);
    const recording = await runExperiment(subject, {
      ...options,
      seed,
      signal,
      onRun: (run, { target, newLeader, at }) => {
        const leader = newLeader === null ? "" : `, ${newLeader.name} leads after ${Math.round(newLeader.at - at)} ms`;
        ok(`${run + 1}/${options.repeat} hit ${target}${leader}`);
      },
    }, platform);
    const report = analyse(recording);
    if (reportPath !== undefined) {
      await Deno.writeTextFile(reportPath, reportHtml(report, recording));
      note(`report: ${reportPath}`);
    }
    print(options.output === "json" ? JSON.stringify(report, null, 2) : reportText(report));
    return report.green ? exitCode.ok : exitCode.violated;
  });
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

function checkOptions({ scenario, on, bug }: ChaosRunOptions): void {
  if (on === "store" && !isStoreScenario(scenario)) {
    throw new CliError(exitCode.usage, `${scenario} hits no member of the store: use --on api`);
  }
  if (bug !== undefined && on !== "store") {
    throw new CliError(exitCode.usage, "--bug is judged on the store itself: use --on store");
  }
}

export function absolute(path: string): string {
  return path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
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

function checkMadeFor(
  spec: ClusterSpec,
  { on, bug, scenario }: Pick<ChaosRunOptions, "on" | "bug"> & { readonly scenario: string },
): void {
  const refuse = (what: string) => {
    throw new CliError(exitCode.usage, `Cluster "${spec.name}" ${what}`, {
      hint: "name no existing cluster, and one is made for the run and removed again",
    });
  };
  if (bug !== spec.bug) {
    refuse(bug === undefined ? `is wrong on purpose: ${spec.bug}` : `was not made with --bug ${bug}`);
  }
  if (scenario === "power-loss" && spec.losesPageCache !== true) refuse("keeps its page cache: it cannot lose power");
  if (on === "api" && spec.storeOnly === true) refuse("has no apiservers: use --on store");
}
