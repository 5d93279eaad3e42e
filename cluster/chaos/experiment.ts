import { prng } from "../../base/prng.ts";
import { atLeast, latest } from "../../client/mod.ts";
import type { Platform } from "../../platform/mod.ts";
import type { FaultRecord, Recording } from "./analysis.ts";
import type { Scenario } from "./faults.ts";
import * as limits from "./limits.ts";
import { type LoadRecord, startLoad } from "./load.ts";
import type { Subject } from "./subject.ts";
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

/** Breaks `subject` `repeat` times under load and returns what was seen. Closes it, which heals it, also when it throws. */
export async function runExperiment(
  subject: Subject,
  config: ExperimentConfig,
  platform: Platform,
): Promise<Recording> {
  const { timers } = platform;
  let watchers: Watcher[] = [];
  let probes: Awaited<ReturnType<Subject["probes"]>> = null;
  try {
    config.signal.throwIfAborted();
    await subject.awaitRecovery();
    const watching = await subject.watchers();
    watchers = watching.map((each) => startWatcher(each, platform));
    probes = await subject.probes(config.scenario);
    const operations: LoadRecord[] = [];
    const load = startLoad(
      {
        rate: config.rate,
        seed: config.seed,
        nextKey: (draw) => `register-${draw(limits.keys)}`,
        onRecord: (record) => {
          if (operations.length < limits.operationsMax) operations.push(record);
        },
        doubted: () => subject.doubted?.() ?? null,
      },
      subject.clients,
      platform,
    );
    const faults: FaultRecord[] = [];
    const draws = prng(config.seed);
    try {
      await timers.sleep(limits.settleMs, config.signal);
      for (let run = 0; run < config.repeat; run++) {
        const fault = await subject.inject(config.scenario, (bound) => draws.int(bound), config.signal);
        faults.push(fault);
        config.onRun(run, fault);
        await subject.awaitRecovery();
        // Faults do not fall into step with anything periodic.
        await timers.sleep(limits.settleMs + draws.int(250), config.signal);
      }
    } finally {
      await load.stop();
    }
    await probes?.stop();
    const acknowledged = operations.map((each) => each.resourceVersion ?? "").reduce(latest, watching[0]?.from ?? "");
    const deadline = performance.now() + limits.drainMs;
    while (!watchers.every((each) => atLeast(each.seen, acknowledged)) && performance.now() < deadline) {
      await timers.sleep(20, config.signal);
    }
    const replayed = await subject.replay(watching[0]?.from ?? "", acknowledged);
    return {
      subject: subject.title,
      scenario: config.scenario,
      seed: config.seed,
      rate: config.rate,
      timers: subject.timers,
      faults,
      operations,
      shed: load.shed,
      watches: watchers.map((each) => each.record),
      probes: probes?.records ?? [],
      replayed,
    };
  } finally {
    await Promise.all(watchers.map((each) => each.stop()));
    await probes?.stop();
    await subject.close();
  }
}
