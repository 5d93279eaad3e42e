import { nemesisText, progressLine } from "../chaos/nemesis/report_text.ts";
import { runNemesis } from "../chaos/nemesis/run.ts";
import { exitCode } from "../errors.ts";
import { toolPlatform } from "../lifecycle.ts";
import type { StoreBug } from "../spec.ts";
import type { TimerProfile } from "../timers.ts";
import { absolute, borrowCluster, interruptible } from "./chaos_run.ts";
import { note, print } from "./output.ts";

export interface ChaosNemesisOptions {
  readonly name: string;
  readonly forMs: number;
  readonly rate: number;
  readonly seed: number | undefined;
  readonly timers: TimerProfile;
  readonly bug: StoreBug | undefined;
  readonly output: "text" | "json";
  /** Where the JSON report goes besides. */
  readonly json: string | undefined;
}

/** Random faults over a live store for a while, judged as it goes. @return the exit code */
export async function chaosNemesis(options: ChaosNemesisOptions): Promise<number> {
  const platform = toolPlatform();
  const jsonPath = absolute(options.json);
  return await interruptible(async (signal) => {
    const suffix = platform.random.uuid().slice(0, 8);
    await using borrowed = await borrowCluster({ ...options, on: "store", scenario: "nemesis" }, suffix);
    const seed = options.seed ?? platform.random.int(2 ** 31);
    note(
      `nemesis for ${
        Math.round(options.forMs / 1_000)
      } s on ${borrowed.spec.name}, ${options.rate} operations/s, seed ${seed}`,
    );
    const report = await runNemesis(borrowed.spec, {
      ...options,
      seed,
      signal,
      onFault: () => {},
      onProgress: (soFar) => note(progressLine(soFar)),
    }, platform);
    if (jsonPath !== undefined) await Deno.writeTextFile(jsonPath, JSON.stringify(report, null, 2) + "\n");
    print(options.output === "json" ? JSON.stringify(report, null, 2) : nemesisText(report));
    if (signal.aborted) return exitCode.interrupted;
    return report.green ? exitCode.ok : exitCode.violated;
  });
}
