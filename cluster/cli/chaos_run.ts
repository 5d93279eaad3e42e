import { analyse } from "../chaos/analysis.ts";
import { runExperiment } from "../chaos/experiment.ts";
import type { Scenario } from "../chaos/faults.ts";
import { reportHtml } from "../chaos/report_html.ts";
import { reportText } from "../chaos/report_text.ts";
import { createCluster, removeCluster } from "../bring_up.ts";
import { CliError, exitCode } from "../errors.ts";
import { toolPlatform } from "../lifecycle.ts";
import { checkName, type ClusterSpec, readSpec } from "../spec.ts";
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
  readonly output: "text" | "json";
  /** Where the HTML report goes. */
  readonly report: string | undefined;
}

const upWaitMs = 90_000;

/** Breaks a cluster on purpose and judges what its clients saw. @return the exit code */
export async function chaosRun(options: ChaosRunOptions): Promise<number> {
  const platform = toolPlatform();
  const stop = new AbortController();
  const onSignal = () => {
    if (!stop.signal.aborted) progress("Interrupted: healing what was broken");
    stop.abort(new CliError(exitCode.interrupted, "Interrupted"));
  };
  Deno.addSignalListener("SIGINT", onSignal);
  Deno.addSignalListener("SIGTERM", onSignal);
  const existing = await readSpec(checkName(options.name));
  const temporary = existing === null ? `chaos-${platform.random.uuid().slice(0, 8)}` : null;
  try {
    const spec = existing ?? await temporaryCluster(temporary ?? "", options.timers);
    const seed = options.seed ?? platform.random.int(2 ** 31);
    note(`${options.scenario} x${options.repeat} on ${spec.name} under ${options.rate} operations/s, seed ${seed}`);
    const recording = await runExperiment(spec, {
      ...options,
      seed,
      signal: stop.signal,
      onRun: (run, { target, newLeader, at }) => {
        const leader = newLeader === null ? "" : `, ${newLeader.name} leads after ${Math.round(newLeader.at - at)} ms`;
        ok(`${run + 1}/${options.repeat} hit ${target}${leader}`);
      },
    }, platform);
    const report = analyse(recording);
    if (options.report !== undefined) {
      await Deno.writeTextFile(options.report, reportHtml(report, recording));
      note(`report: ${options.report}`);
    }
    print(options.output === "json" ? JSON.stringify(report, null, 2) : reportText(report));
    return report.green ? exitCode.ok : exitCode.violated;
  } catch (error) {
    if (stop.signal.aborted) return exitCode.interrupted;
    throw error;
  } finally {
    if (temporary !== null) await removeCluster(temporary, platform);
    Deno.removeSignalListener("SIGINT", onSignal);
    Deno.removeSignalListener("SIGTERM", onSignal);
  }
}

async function temporaryCluster(name: string, timers: TimerProfile): Promise<ClusterSpec> {
  note(`no cluster of that name: making ${name} for this run`);
  return await createCluster(
    { name, controlPlanes: 3, workers: 0, runtime: "hollow", hollowNodes: 1, timers, port: undefined },
    { waitMs: upWaitMs, onProgress: () => {}, retain: false, mergeKubeconfig: false },
    toolPlatform(),
  );
}
