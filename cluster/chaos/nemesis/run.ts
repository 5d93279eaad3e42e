import { build } from "hdr-histogram-js";
import { must } from "../../../base/assert.ts";
import { utf8 } from "../../../base/bytes.ts";
import { checkLinearizable, type RegisterOperation } from "../../../base/linearizability.ts";
import { drawHistory, reduceHistory } from "../../../base/linearizability_reduce.ts";
import { prng } from "../../../base/prng.ts";
import type { Platform } from "../../../platform/mod.ts";
import type { Store } from "../../../store/mod.ts";
import { disarmNoSpace } from "../../alarms.ts";
import { residentBytes } from "../../processes.ts";
import type { ClusterSpec } from "../../spec.ts";
import { Breaker } from "../faults.ts";
import { type Load, type LoadRecord, startLoad } from "../load.ts";
import { connectMembers, rangeOf, storeRegisters } from "../store_subject.ts";
import * as limits from "./limits.ts";
import { type Nemesis, type NemesisKind, noFaultsYet, startNemesis } from "./nemesis.ts";
import { type AcknowledgedWrite, compareHistories, type WatchCheck, watchChecks, WatchJudge } from "./watch_checks.ts";
import { type JudgedWatch, judgedWatch } from "./watches.ts";

export interface NemesisConfig {
  readonly forMs: number;
  /** Operations a second. */
  readonly rate: number;
  readonly seed: number;
  readonly onFault: (kind: NemesisKind, target: string) => void;
  readonly onProgress: (report: NemesisReport) => void;
  /** Ends it early; what was seen so far is judged. */
  readonly signal: AbortSignal;
}

/** The verdict, and its JSON: docs/chaos.md tells each field. */
export interface NemesisReport {
  readonly scenario: "nemesis";
  readonly seed: number;
  readonly timers: string;
  readonly cores: number;
  readonly elapsedMs: number;
  readonly load: { readonly operationsPerSecond: number; readonly operations: number; readonly shed: number };
  readonly faults: Readonly<Record<NemesisKind, number>>;
  readonly operations: {
    readonly reads: number;
    readonly acknowledgedWrites: number;
    readonly refused: number;
    readonly unknown: number;
    readonly untried: number;
  };
  /** From the moment an operation was due; what never was answered is not among them. */
  readonly latencyMs: { readonly p50: number; readonly p99: number; readonly p999: number; readonly max: number };
  /** Between two acknowledged writes, or after the last one. Beyond a minute the verdict is red. */
  readonly longestPauseMs: number;
  readonly linearizable: {
    readonly verdict: "linearizable" | "violated" | "undecided";
    /** Each window has keys of its own, and every key of every window was checked. */
    readonly windows: number;
    readonly undecidedWindows: number;
    readonly operations: number;
    readonly checkMs: number;
    readonly counterexample: string | null;
  };
  readonly lostAcknowledgedWrites: number;
  readonly watches: {
    readonly watchers: number;
    readonly events: number;
    readonly resumes: number;
    /** Told that history was compacted away, and excused for what was. */
    readonly relists: number;
    readonly comparedRevisions: number;
    readonly violations: Readonly<Record<WatchCheck, number>>;
    readonly words: readonly string[];
  };
  readonly memoryBytes: number;
  /** Why the run ended before its time; null: it did not. */
  readonly ended: string | null;
  readonly green: boolean;
}

/** Random faults over a live store under a mixed load, judged as it goes, in memory that does not grow. */
export async function runNemesis(spec: ClusterSpec, config: NemesisConfig, platform: Platform): Promise<NemesisReport> {
  const { clock, timers } = platform;
  const breaker = new Breaker(spec, platform);
  const connections = connectMembers(spec, platform);
  const prefix = `/chaos/${platform.random.uuid().slice(0, 8)}/`;
  const state = new Tally(spec, config);
  const store = must(connections.free[0], "a store has members");
  let nemesis: Nemesis | null = null;
  let load: Load | null = null;
  let watches: JudgedWatch[] = [];
  const stopLoops = new AbortController();
  const loops: Promise<void>[] = [];
  let ended: string | null = null;
  const startedAt = clock.monotonic();

  const report = () => state.report({ elapsedMs: clock.monotonic() - startedAt, load, nemesis, watches, ended });

  /** Runs `body` every so often until the end; what it rejects with is a fault's doing. */
  function every(periodMs: number, body: () => Promise<void> | void): void {
    loops.push((async () => {
      while (!stopLoops.signal.aborted) {
        await timers.sleep(periodMs, stopLoops.signal).catch(() => {});
        if (!stopLoops.signal.aborted) await Promise.resolve(body()).catch(() => {});
      }
    })());
  }

  try {
    await breaker.awaitRecovery();
    const { revision } = await store.status();
    state.compared = revision;
    const whole = spec.storeOnly === true ? null : prefix;
    const judge = (name: string, of: string | null) =>
      new WatchJudge(
        { name, matches: (key) => of === null || key.startsWith(of), fromStart: true },
        (violation) => state.violated(violation.check, `${violation.watch}: ${violation.words}`),
      );
    const options = { from: revision + 1, clock, timers };
    watches = connections.free.flatMap((each, i) => [
      judgedWatch(each, whole, judge(`all-${i}`, whole), options),
      judgedWatch(each, `${prefix}register-${i}/`, judge(`filtered-${i}`, `${prefix}register-${i}/`), options),
    ]);
    const windows = new Windows(prefix, state, connections.free);
    load = startLoad(
      {
        rate: config.rate,
        seed: config.seed,
        nextKey: (draw) => `register-${draw(limits.keysPerWindow)}/${windows.current}`,
        onRecord: (record) => {
          state.record(record, prefix);
          windows.record(record);
        },
      },
      connections.free.map((free, i) => storeRegisters(free, connections.pinned, prefix, i)),
      platform,
    );
    const running = load;
    every(limits.windowMs, () => windows.rotate());
    every(500, async () => {
      state.waited(clock.monotonic());
      await windows.settle(running);
      for (const watch of watches) watch.requestProgress();
      state.compare(watches, spec.storeOnly === true);
    });
    let pairs = 0;
    every(limits.pairPeriodMs, async () => {
      const value = `p${++pairs}`;
      const keys = [`${prefix}pair-a`, `${prefix}pair-b`];
      const success = keys.map((key) => ({ kind: "put" as const, key: utf8(key), value: utf8(value) }));
      const written = await must(connections.free[pairs % connections.free.length], "one of them")
        .txn({ compare: [], success, failure: [] });
      for (const key of keys) state.acknowledged.push({ revision: written.revision, key, value });
    });
    every(limits.compactPeriodMs, async () => {
      const target = Math.min(state.compared, (await store.status()).revision - limits.compactKeep);
      if (target > revision) await store.compact(target);
    });
    // What an operator does once there is room again. A disk that is full still would only raise it anew.
    every(limits.disarmPeriodMs, async () => {
      if (!breaker.faulty) await disarmNoSpace(store);
    });
    every(limits.progressPeriodMs, () => config.onProgress(report()));
    nemesis = startNemesis(breaker, prng(config.seed), config.onFault, platform);
    const gaveUp = nemesis.failed.then((error) => `the cluster did not come back: ${error.message}`);
    const time = timers.sleep(config.forMs, config.signal).then(() => null, () => "interrupted");
    ended = await Promise.race([time, gaveUp, state.overflowed]);
    await nemesis.stop();
    await load.stop();
    if (ended === null || ended === "interrupted") {
      await breaker.awaitRecovery().catch((error) => void (ended = String(error)));
    }
    stopLoops.abort();
    await Promise.all(loops);
    windows.rotate();
    await windows.settle(load);
    await drain(state, watches, store, platform, spec.storeOnly === true);
    return report();
  } finally {
    stopLoops.abort();
    await nemesis?.stop();
    await load?.stop();
    await Promise.all(loops);
    for (const watch of watches) watch.stop();
    await breaker.healAll();
    const [key, rangeEnd] = rangeOf(prefix);
    await store.txn({ compare: [], success: [{ kind: "delete", key, rangeEnd }], failure: [] }).catch(() => {});
    connections.close();
  }
}

/** All is healed: every watch must now get everything that was written. */
async function drain(
  state: Tally,
  watches: readonly JudgedWatch[],
  store: Store,
  platform: Platform,
  contiguous: boolean,
): Promise<void> {
  const { revision } = await store.range({ key: utf8("/") }).catch(() => ({ revision: state.compared }));
  const deadline = platform.clock.monotonic() + limits.drainMs;
  while (watches.some((each) => each.judge.complete < revision) && platform.clock.monotonic() < deadline) {
    for (const watch of watches) watch.requestProgress();
    await platform.timers.sleep(100);
  }
  for (const { judge } of watches) {
    if (judge.complete < revision) {
      state.violated("Reliable", `${judge.name}: at ${judge.complete}, the store at ${revision}`);
    }
  }
  state.compare(watches, contiguous);
}

interface Window {
  readonly number: number;
  readonly operations: RegisterOperation[];
}

/** The load's time is cut into windows with keys of their own, so that each can be checked to its end and forgotten. */
class Windows {
  readonly #prefix: string;
  readonly #state: Tally;
  readonly #stores: readonly Store[];
  #open: Window[] = [{ number: 0, operations: [] }];

  constructor(prefix: string, state: Tally, stores: readonly Store[]) {
    this.#prefix = prefix;
    this.#state = state;
    this.#stores = stores;
  }

  get current(): number {
    return this.#open.at(-1)?.number ?? 0;
  }

  record({ operation, untried }: LoadRecord): void {
    if (untried || (operation.action.kind === "get" && operation.outcome.kind === "unknown")) return;
    const number = Number(operation.key.slice(operation.key.lastIndexOf("/") + 1));
    this.#open.find((each) => each.number === number)?.operations.push(operation);
  }

  rotate(): void {
    this.#open.push({ number: this.current + 1, operations: [] });
    if (this.#open.length > limits.openWindowsMax) this.#state.overflow("windows wait for answers that do not come");
  }

  /** Checks and forgets every window but the current one whose operations have all been answered. */
  async settle(load: Load): Promise<void> {
    for (const window of this.#open.filter((each) => each.number !== this.current)) {
      const suffix = `/${window.number}`;
      if (load.underWay((key) => key.endsWith(suffix)) > 0) continue;
      this.#open = this.#open.filter((each) => each !== window);
      load.forget((key) => key.endsWith(suffix));
      this.#state.checkWindow(window.operations);
      await this.#remove(window.number);
    }
  }

  /** Its keys go, in one transaction: watches are told of that too. */
  async #remove(number: number): Promise<void> {
    const keys = Array.from({ length: limits.keysPerWindow }, (_, i) => `${this.#prefix}register-${i}/${number}`);
    const success = keys.map((key) => ({ kind: "delete" as const, key: utf8(key) }));
    const store = must(this.#stores[number % this.#stores.length], "one of them");
    // When nobody answers they stay: the next run's prefix is another.
    await store.txn({ compare: [], success, failure: [] }).catch(() => {});
  }
}

/** Everything that is counted. */
class Tally {
  readonly #spec: ClusterSpec;
  readonly #config: NemesisConfig;
  readonly #latency = build({ highestTrackableValue: 600_000_000, numberOfSignificantValueDigits: 3 });
  readonly #violations = Object.fromEntries(watchChecks.map((check) => [check, 0])) as Record<WatchCheck, number>;
  readonly #words: string[] = [];
  readonly overflowed: Promise<string>;
  readonly overflow: (why: string) => void;
  acknowledged: AcknowledgedWrite[] = [];
  compared = 0;
  #firstCompared: number | null = null;
  #lost = 0;
  #reads = 0;
  #writes = 0;
  #refused = 0;
  #unknown = 0;
  #untried = 0;
  #lastAckAt: number | null = null;
  #longestPauseMs = 0;
  #windows = 0;
  #undecided = 0;
  #checked = 0;
  #checkMs = 0;
  #counterexample: string | null = null;

  constructor(spec: ClusterSpec, config: NemesisConfig) {
    this.#spec = spec;
    this.#config = config;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.overflowed = promise;
    this.overflow = resolve;
  }

  /** Counts the pause that is going on: a store that takes no more writes acknowledges none that would end it. */
  waited(now: number): void {
    this.#lastAckAt ??= now;
    this.#longestPauseMs = Math.max(this.#longestPauseMs, now - this.#lastAckAt);
  }

  violated(check: WatchCheck, words: string): void {
    this.#violations[check]++;
    if (this.#words.length < limits.wordsMax) this.#words.push(`${check}: ${words}`);
  }

  record({ operation, dueAt, resourceVersion, untried }: LoadRecord, prefix: string): void {
    const { action, outcome, returnedAt } = operation;
    if (untried) this.#untried++;
    else if (outcome.kind === "unknown") this.#unknown++;
    else if (outcome.kind === "read") this.#reads++;
    else if (outcome.kind === "refused") this.#refused++;
    else this.#writes++;
    if (outcome.kind !== "unknown") this.#latency.recordValue(Math.max(1, Math.round((returnedAt - dueAt) * 1_000)));
    if (outcome.kind !== "done" || action.kind === "get") return;
    if (this.#lastAckAt !== null) this.#longestPauseMs = Math.max(this.#longestPauseMs, returnedAt - this.#lastAckAt);
    this.#lastAckAt = returnedAt;
    const value = action.kind === "delete" ? null : action.value;
    this.acknowledged.push({ revision: Number(resourceVersion), key: `${prefix}${operation.key}`, value });
  }

  checkWindow(operations: readonly RegisterOperation[]): void {
    const began = performance.now();
    const verdict = checkLinearizable(operations, { stepsMax: limits.stepsPerWindow });
    this.#checkMs += performance.now() - began;
    this.#windows++;
    this.#checked += operations.length;
    if (verdict.verdict === "undecided") this.#undecided++;
    if (verdict.verdict === "violated") {
      this.#counterexample ??= `${verdict.key}\n${drawHistory(reduceHistory(verdict.history))}`;
    }
  }

  compare(watches: readonly JudgedWatch[], contiguous: boolean): void {
    this.#firstCompared ??= this.compared;
    const judges = watches.map((each) => each.judge);
    const { upTo, lost } = compareHistories(
      judges,
      this.acknowledged,
      this.compared,
      { contiguous },
      ({ check, watch, words }) => this.violated(check, `${watch}: ${words}`),
    );
    this.#lost += lost.length;
    for (const { revision, key } of lost.slice(0, limits.wordsMax)) {
      if (this.#words.length < limits.wordsMax) this.#words.push(`lost: ${key} at ${revision}`);
    }
    this.compared = upTo;
    this.acknowledged = this.acknowledged.filter((each) => each.revision > upTo);
    const waiting = Math.max(this.acknowledged.length, ...judges.map((each) => each.pending));
    if (waiting > limits.pendingMax) this.overflow("a watch has fallen behind without end");
  }

  report(
    { elapsedMs, load, nemesis, watches, ended }: {
      elapsedMs: number;
      load: Load | null;
      nemesis: Nemesis | null;
      watches: readonly JudgedWatch[];
      ended: string | null;
    },
  ): NemesisReport {
    const at = (percentile: number) =>
      this.#latency.totalCount === 0 ? 0 : this.#latency.getValueAtPercentile(percentile) / 1_000;
    const violations = Object.values(this.#violations).reduce((a, b) => a + b, 0);
    const verdict = this.#counterexample !== null ? "violated" : this.#undecided > 0 ? "undecided" : "linearizable";
    const sum = (of: (watch: JudgedWatch) => number) => watches.reduce((total, each) => total + of(each), 0);
    return {
      scenario: "nemesis",
      seed: this.#config.seed,
      timers: this.#spec.timers,
      cores: navigator.hardwareConcurrency,
      elapsedMs: Math.round(elapsedMs),
      load: { operationsPerSecond: this.#config.rate, operations: load?.sent ?? 0, shed: load?.shed ?? 0 },
      faults: { ...(nemesis?.counts ?? noFaultsYet()) },
      operations: {
        reads: this.#reads,
        acknowledgedWrites: this.#writes,
        refused: this.#refused,
        unknown: this.#unknown,
        untried: this.#untried,
      },
      latencyMs: { p50: at(50), p99: at(99), p999: at(99.9), max: at(100) },
      longestPauseMs: Math.round(this.#longestPauseMs),
      linearizable: {
        verdict,
        windows: this.#windows,
        undecidedWindows: this.#undecided,
        operations: this.#checked,
        checkMs: Math.round(this.#checkMs),
        counterexample: this.#counterexample,
      },
      lostAcknowledgedWrites: this.#lost,
      watches: {
        watchers: watches.length,
        events: sum((each) => each.judge.events),
        resumes: sum((each) => each.resumes),
        relists: sum((each) => each.relists),
        comparedRevisions: this.compared - (this.#firstCompared ?? this.compared),
        violations: { ...this.#violations },
        words: [...this.#words],
      },
      memoryBytes: residentBytes(Deno.pid),
      ended,
      green: verdict === "linearizable" && this.#lost === 0 && violations === 0 && ended === null &&
        this.#longestPauseMs <= limits.pauseMsMax,
    };
  }
}
