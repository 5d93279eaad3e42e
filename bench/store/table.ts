import { type CompareResult, percentile, round, type Run } from "./compare.ts";
import type { StepName } from "./steps.ts";

interface Row {
  readonly what: string;
  readonly step: StepName;
  readonly unit: string;
  /** Of all samples of one run, or of all runs together. */
  readonly of: (runs: readonly Run[]) => number | null;
  readonly goal: string;
  /** More is better. */
  readonly rate?: boolean;
}

const samples = (share: number) => (runs: readonly Run[]) => percentile(runs.flatMap((run) => run.samplesMs), share);

/** The mean over runs. */
const figure = (name: string) => (runs: readonly Run[]): number | null =>
  runs.length === 0 ? null : runs.reduce((sum, run) => sum + (run.figures[name] ?? 0), 0) / runs.length;

const rows: readonly Row[] = [
  { what: "put 2 KB, one client, p50", step: "put", unit: "ms", of: samples(0.5), goal: "<= 0.5" },
  { what: "put 2 KB, one client, p99", step: "put", unit: "ms", of: samples(0.99), goal: "<= 1.5" },
  { what: "CPU of the members a put", step: "put", unit: "us", of: figure("cpuUsPerCall"), goal: "" },
  { what: "put 2 KB, 64 clients", step: "put64", unit: "/s", of: figure("perSecond"), goal: ">= 3x", rate: true },
  { what: "put 2 KB, 64 clients, p99", step: "put64", unit: "ms", of: samples(0.99), goal: "" },
  { what: "CPU of the members a put, 64 clients", step: "put64", unit: "us", of: figure("cpuUsPerCall"), goal: "" },
  { what: "linearizable get p50", step: "get", unit: "ms", of: samples(0.5), goal: "<= 0.25" },
  { what: "linearizable get p99", step: "get", unit: "ms", of: samples(0.99), goal: "" },
  { what: "put -> watch event p50", step: "watch", unit: "ms", of: samples(0.5), goal: "<= 0.6" },
  { what: "leader SIGKILL -> next write, p50", step: "kill", unit: "ms", of: samples(0.5), goal: "<= 20" },
  { what: "leader SIGKILL -> next write, max", step: "kill", unit: "ms", of: samples(1), goal: "<= 100" },
  { what: "leader SIGSTOP -> next write, p50", step: "stop", unit: "ms", of: samples(0.5), goal: "" },
  { what: "leader SIGSTOP -> next write, max", step: "stop", unit: "ms", of: samples(1), goal: "<= 300" },
  { what: "start -> first write, p50", step: "start", unit: "ms", of: samples(0.5), goal: "<= 300" },
  { what: "memory of the largest member", step: "memory", unit: "MB", of: figure("residentMbMax"), goal: "<= 200" },
];

/** A line a row: each target's figure with, in parentheses, the lowest and highest of its runs; how often we win. */
export function tableOf(result: CompareResult): string {
  const names = result.targets.map(({ name }) => name);
  const lines = [["", ...names, names.length > 1 ? `${names[1]} / ours` : "", "goal"]];
  for (const row of rows) {
    const runsOf = (name: string) => result.runs.filter((run) => run.target === name && run.step === row.step);
    const values = names.map((name) => row.of(runsOf(name)));
    const [ours, theirs] = values;
    if (ours === null || ours === undefined) continue;
    const cells = names.map((name, i) => cell(values[i] ?? null, row, runsOf(name)));
    const times = typeof theirs !== "number" ? "" : `${round(row.rate === true ? ours / theirs : theirs / ours)}x`;
    lines.push([row.what, ...cells, times, row.goal]);
  }
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const text = lines.map((line) =>
    line.map((each, i) => i === 0 ? each.padEnd(widths[i] ?? 0) : each.padStart(widths[i] ?? 0)).join("  ").trimEnd()
  );
  const { machine, options } = result;
  return [
    ...text,
    "",
    ...result.targets.map(({ name, about }) => `${name}: ${about}`),
    ...(result.skipped === null ? [] : [result.skipped]),
    `(lowest .. highest run); ${options.kills} kills and ${options.stops} stops a run; ${machine.cores} cores, ` +
    `load average before ${machine.loadAverage.join(" ")}, commit ${machine.commit}`,
  ].join("\n");
}

function cell(value: number | null, row: Row, runs: readonly Run[]): string {
  if (value === null) return "-";
  const each = runs.map((run) => row.of([run])).filter((one) => one !== null);
  const spread = each.length < 2 ? "" : ` (${round(Math.min(...each))} .. ${round(Math.max(...each))})`;
  return `${round(value)} ${row.unit}${spread}`;
}
