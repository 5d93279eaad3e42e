import { build, type Histogram } from "hdr-histogram-js";
import {
  checkLinearizable,
  defaultStepsMax,
  type RegisterOperation,
  type Verdict,
} from "../../base/linearizability.ts";
import { drawHistory, reduceHistory } from "../../base/linearizability_reduce.ts";
import type { Scenario } from "./faults.ts";
import * as limits from "./limits.ts";
import type { LoadRecord } from "./load.ts";
import type { MemberNote } from "./notes.ts";
import type { ProbeRecord } from "./probes.ts";
import { judgeWatches, type WatchedEvent, type WatchRecord, type WatchVerdict } from "./watchers.ts";

/** Milliseconds, three significant digits; null when there was no sample. */
export interface Percentiles {
  readonly count: number;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

/** One injected fault, as recorded. Monotonic milliseconds. */
export interface FaultRecord {
  readonly target: string;
  readonly at: number;
  readonly newLeader: { readonly at: number; readonly name: string } | null;
  /** What the store's members wrote of themselves since. */
  readonly notes: readonly MemberNote[];
}

/** One fault's timeline, milliseconds after it; null: did not happen (or not within the experiment). */
export interface RunTimeline {
  readonly target: string;
  readonly newLeader: string | null;
  /** The last write acknowledged before the pause was acknowledged then; negative: before the fault. */
  readonly lastAckMs: number | null;
  /** From the members' own notes, until the first one leads. */
  readonly notes: readonly MemberNote[];
  /** The first operation that failed or was late was due then. */
  readonly firstTroubleMs: number | null;
  readonly newLeaderMs: number | null;
  /** The first write sent after the fault was acknowledged. */
  readonly firstAckMs: number | null;
  /** Every watcher had seen a write acknowledged after the fault. */
  readonly watchesResumedMs: number | null;
  /** The longest pause between two acknowledged writes that touches the fault's window. */
  readonly unavailableMs: number | null;
  /** The first pod made after the fault was bound, or the first ReplicaSet had its pod. */
  readonly firstProbeMs: number | null;
}

export interface Recording {
  /** What was broken. */
  readonly subject: string;
  readonly scenario: Scenario;
  readonly seed: number;
  readonly rate: number;
  readonly timers: string;
  readonly faults: readonly FaultRecord[];
  readonly operations: readonly LoadRecord[];
  readonly shed: number;
  readonly watches: readonly WatchRecord[];
  readonly probes: readonly ProbeRecord[];
  /** The history as it is told at the end; null: only the watchers know. */
  readonly replayed: readonly Omit<WatchedEvent, "at">[] | null;
}

/** The JSON report: docs/chaos.md tells each field. */
export interface Report {
  readonly subject: string;
  readonly scenario: Scenario;
  readonly seed: number;
  readonly kills: number;
  readonly load: { readonly operationsPerSecond: number; readonly operations: number; readonly shed: number };
  readonly timers: string;
  readonly cores: number;
  /** The headline: fault to the first acknowledged write (or bind, or reconcile). */
  readonly gapMs: Percentiles;
  readonly unavailableMs: Percentiles;
  readonly newLeaderMs: Percentiles;
  readonly watchesResumedMs: Percentiles;
  /** From the moment an operation was due. */
  readonly latencyMs: Readonly<
    Record<"before" | "during" | "after", { writes: Percentiles; reads: Percentiles; probes: Percentiles }>
  >;
  readonly errors: Readonly<Record<string, number>>;
  readonly unknownOutcomes: number;
  readonly acknowledgedWrites: number;
  readonly lostAcknowledgedWrites: number;
  readonly watches: WatchVerdict & { readonly watchers: number };
  readonly linearizable: {
    readonly verdict: Verdict["verdict"];
    readonly operations: number;
    readonly checkMs: number;
    /** The shortest failing part, drawn; null when green. */
    readonly counterexample: string | null;
    /** The same part as it was recorded. */
    readonly failing: readonly RegisterOperation[] | null;
  };
  /** Undecided: nothing bad was seen, and whether some order explains the history is not known. */
  readonly conclusion: "green" | "red" | "undecided";
  readonly green: boolean;
  readonly runs: readonly RunTimeline[];
}

/** Latencies in microseconds up to ten minutes. Timed from when each was due, so nothing is left to correct. */
function histogram(): Histogram {
  return build({ lowestDiscernibleValue: 1, highestTrackableValue: 600_000_000, numberOfSignificantValueDigits: 3 });
}

export function percentiles(valuesMs: readonly (number | null)[]): Percentiles {
  const all = histogram();
  for (const value of valuesMs) if (value !== null) all.recordValue(Math.max(1, Math.round(value * 1_000)));
  const count = all.totalCount;
  const at = (percentile: number) => count === 0 ? null : all.getValueAtPercentile(percentile) / 1_000;
  return { count, p50: at(50), p90: at(90), p99: at(99), max: at(100) };
}

function isAckedWrite(record: LoadRecord): boolean {
  return record.operation.outcome.kind === "done";
}

/** What the checker is given: what was never carried out is no part of it, and a read without an answer constrains nothing. */
export function checkedHistory(operations: readonly LoadRecord[]): RegisterOperation[] {
  return operations.filter((each) => !each.untried).map((each) => each.operation)
    .filter((each) => !(each.action.kind === "get" && each.outcome.kind === "unknown"));
}

/** @param stepsMax of the checker, before it says that it does not know */
export function analyse(recording: Recording, stepsMax = defaultStepsMax): Report {
  const { operations, faults, watches, probes } = recording;
  const history = checkedHistory(operations);
  const checkedAt = performance.now();
  const verdict = checkLinearizable(history, { stepsMax });
  const checkMs = performance.now() - checkedAt;
  const failing = verdict.verdict === "violated" ? reduceHistory(verdict.history) : null;
  const runs = faults.map((fault, i) => timeline(fault, faults[i + 1]?.at ?? Infinity, recording));
  const isProbed = recording.scenario === "scheduler-kill" || recording.scenario === "controller-kill";
  const gaps = runs.map((run) => isProbed ? run.firstProbeMs : run.firstAckMs);
  const acknowledged = operations.flatMap((each) =>
    isAckedWrite(each) && each.resourceVersion !== null ? [each.resourceVersion] : []
  );
  const lostAcknowledgedWrites = countLost(recording);
  const watched = judgeWatches(watches, acknowledged);
  const errors: Record<string, number> = {};
  for (const { error } of operations) if (error !== null) errors[error] = (errors[error] ?? 0) + 1;
  const othersContent = lostAcknowledgedWrites === 0 && watched.gaps === 0 && watched.duplicates === 0 &&
    watched.disorders === 0 && gaps.every((gap) => gap !== null);
  const conclusion = !othersContent || verdict.verdict === "violated"
    ? "red"
    : verdict.verdict === "undecided"
    ? "undecided"
    : "green";
  return {
    subject: recording.subject,
    scenario: recording.scenario,
    seed: recording.seed,
    kills: faults.length,
    load: { operationsPerSecond: recording.rate, operations: operations.length, shed: recording.shed },
    timers: recording.timers,
    cores: navigator.hardwareConcurrency,
    gapMs: percentiles(gaps),
    unavailableMs: percentiles(runs.map((run) => run.unavailableMs)),
    newLeaderMs: percentiles(runs.map((run) => run.newLeaderMs)),
    watchesResumedMs: percentiles(runs.map((run) => run.watchesResumedMs)),
    latencyMs: latencies(faults, operations, probes),
    errors,
    unknownOutcomes: history.filter((each) => each.outcome.kind === "unknown").length,
    acknowledgedWrites: operations.filter(isAckedWrite).length,
    lostAcknowledgedWrites,
    watches: { ...watched, watchers: watches.length },
    linearizable: {
      verdict: verdict.verdict,
      operations: history.length,
      checkMs: Math.round(checkMs),
      counterexample: failing === null ? null : `${failing[0]?.key ?? ""}\n${drawHistory(failing)}`,
      failing,
    },
    conclusion,
    green: conclusion === "green",
    runs,
  };
}

/** Acknowledged writes that the replayed history (else: no watcher) has, with their own value at their own version. */
function countLost({ operations, watches, replayed }: Recording): number {
  const name = (version: string, key: string, value: string) => `${version} ${key} ${value}`;
  const kept = new Set(
    (replayed ?? watches.flatMap((watch) => watch.events)).map((event) =>
      name(event.resourceVersion, event.key, event.type === "DELETED" ? "" : event.value)
    ),
  );
  return operations.filter(({ operation: { action, key, outcome }, resourceVersion }) => {
    if (outcome.kind !== "done" || resourceVersion === null || action.kind === "get") return false;
    return !kept.has(name(resourceVersion, key, action.kind === "delete" ? "" : action.value));
  }).length;
}

function least(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((a, b) => Math.min(a, b));
}

function timeline(fault: FaultRecord, until: number, recording: Recording): RunTimeline {
  const { operations, watches, probes } = recording;
  const after = (time: number | null) => time === null ? null : time - fault.at;
  const inRun = operations.filter((each) => each.dueAt >= fault.at && each.dueAt < until);
  const acked = inRun.filter((each) => isAckedWrite(each) && each.operation.calledAt >= fault.at);
  const undisturbed = operations.filter((each) => each.dueAt >= fault.at - limits.settleMs && each.dueAt < fault.at);
  const usualP99 = percentiles(undisturbed.map((each) => each.operation.returnedAt - each.dueAt)).p99 ?? 0;
  const lateMs = Math.max(limits.lateMs, 3 * usualP99);
  const trouble = inRun.filter((each) => each.error !== null || each.operation.returnedAt - each.dueAt > lateMs);
  const firstAck = least(acked.map((each) => each.operation.returnedAt));
  const freshVersions = new Set(acked.flatMap((each) => each.resourceVersion ?? []));
  const resumed = watches.map((watch) =>
    watch.events.find((event) => event.at >= fault.at && freshVersions.has(event.resourceVersion))?.at ?? null
  );
  const probed = probes.filter((each) => each.dueAt >= fault.at && each.dueAt < until);
  const leaderAt = fault.newLeader?.at ?? null;
  const pause = longestPause(operations, fault.at, Math.min(until, fault.at + limits.duringMs));
  const led = fault.notes.findIndex((note) => note.what.startsWith("leads"));
  return {
    target: fault.target,
    newLeader: fault.newLeader?.name ?? null,
    lastAckMs: after(pause?.from ?? null),
    notes: led === -1 ? [] : fault.notes.slice(0, led + 1),
    firstTroubleMs: after(least(trouble.map((each) => each.dueAt))),
    newLeaderMs: after(leaderAt),
    firstAckMs: after(firstAck),
    watchesResumedMs: resumed.some((at) => at === null) ? null : after(Math.max(...resumed.map((at) => at ?? 0))),
    unavailableMs: pause === null ? null : pause.to - pause.from,
    firstProbeMs: after(least(probed.flatMap((each) => each.doneAt ?? []))),
  };
}

/** The longest time between two acknowledgements of writes, of which the first came before `until` and the second after `from`. */
function longestPause(
  operations: readonly LoadRecord[],
  from: number,
  until: number,
): { readonly from: number; readonly to: number } | null {
  const acks = operations.filter(isAckedWrite).map((each) => each.operation.returnedAt).sort((a, b) => a - b);
  let longest: { from: number; to: number } | null = null;
  for (let i = 1; i < acks.length; i++) {
    const before = acks[i - 1] ?? 0;
    const next = acks[i] ?? 0;
    if (next < from || before > until) continue;
    if (longest === null || next - before > longest.to - longest.from) longest = { from: before, to: next };
  }
  return longest;
}

function latencies(
  faults: readonly FaultRecord[],
  operations: readonly LoadRecord[],
  probes: readonly ProbeRecord[],
): Report["latencyMs"] {
  const first = faults[0]?.at ?? Infinity;
  const phaseOf = (dueAt: number) => {
    if (dueAt < first) return "before";
    return faults.some(({ at }) => dueAt >= at && dueAt < at + limits.duringMs) ? "during" : "after";
  };
  const of = (phase: "before" | "during" | "after") => {
    const inPhase = operations.filter((each) => phaseOf(each.dueAt) === phase);
    const reads = inPhase.filter((each) => each.operation.action.kind === "get" && each.error === null);
    // A refused write is answered as fast as one that took effect, but it is not what a user waits for.
    const writes = inPhase.filter(isAckedWrite);
    const latency = (each: LoadRecord) => each.operation.returnedAt - each.dueAt;
    const done = probes.filter((each) => phaseOf(each.dueAt) === phase);
    return {
      writes: percentiles(writes.map(latency)),
      reads: percentiles(reads.map(latency)),
      probes: percentiles(done.map((each) => each.doneAt === null ? null : each.doneAt - each.dueAt)),
    };
  };
  return { before: of("before"), during: of("during"), after: of("after") };
}
