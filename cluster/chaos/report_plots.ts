import type { RegisterOperation } from "../../base/linearizability.ts";
import { describeOperation } from "../../base/linearizability_reduce.ts";
import type { Recording, RunTimeline } from "./analysis.ts";
import * as limits from "./limits.ts";
import type { LoadRecord } from "./load.ts";
import { ms, steps } from "./report_text.ts";

/** Plots as SVG text; colours are the page's classes, so that they follow its light or dark. */

const width = 900;
const left = 56;
const right = 14;
const bottom = 30;

export function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function svg(height: number, label: string, parts: readonly string[]): string {
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(label)}">${parts.join("")}</svg>`;
}

function text(x: number, y: number, words: string, anchor: "start" | "middle" | "end" = "middle"): string {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}">${escape(words)}</text>`;
}

function line(x1: number, y1: number, x2: number, y2: number, kind: string): string {
  const at = [x1, y1, x2, y2].map((value) => value.toFixed(1));
  return `<line x1="${at[0]}" y1="${at[1]}" x2="${at[2]}" y2="${at[3]}" class="${kind}"/>`;
}

/** The latency axis is logarithmic, 0.5 ms to 10 s. */
const latencyFloorMs = 0.5;
const latencyCeilingMs = 10_000;

function latencyAxis(height: number): { y: (latencyMs: number) => number; grid: string[] } {
  const y = (latencyMs: number) => {
    const clamped = Math.min(Math.max(latencyMs, latencyFloorMs), latencyCeilingMs);
    const share = Math.log(clamped / latencyFloorMs) / Math.log(latencyCeilingMs / latencyFloorMs);
    return 10 + (height - bottom - 10) * (1 - share);
  };
  const grid = [1, 10, 100, 1_000, 10_000].flatMap((value) => [
    line(left, y(value), width - right, y(value), "grid"),
    text(left - 6, y(value) + 4, value >= 1_000 ? `${value / 1_000} s` : `${value} ms`, "end"),
  ]);
  return { y, grid };
}

const plotFromMs = -500;

/** A dot for each operation by when it was due, around one fault; the fault, the new leader and the first ack marked. */
export function latencyPlot(recording: Recording, faultAt: number, run: RunTimeline): string {
  const height = 300;
  const untilMs = Math.max(1_500, Math.min(5_000, (run.watchesResumedMs ?? 0) + 1_000));
  const x = (atMs: number) => left + (atMs - plotFromMs) / (untilMs - plotFromMs) * (width - left - right);
  const { y, grid } = latencyAxis(height);
  const dots = recording.operations.flatMap((record) => {
    const at = record.dueAt - faultAt;
    if (at < plotFromMs || at > untilMs) return [];
    const cy = y(record.operation.returnedAt - record.dueAt).toFixed(1);
    return [`<circle cx="${x(at).toFixed(1)}" cy="${cy}" r="2.2" class="${kindOf(record)}"/>`];
  });
  const times: string[] = [];
  for (let at = plotFromMs; at <= untilMs; at += 500) times.push(text(x(at), height - 10, `${at}`));
  const marks = ([["fault", 0], ["leader", run.newLeaderMs], ["first ack", run.firstAckMs]] as const)
    .flatMap(([words, at], i) =>
      at === null || at > untilMs ? [] : [
        line(x(at), 10, x(at), height - bottom, i === 0 ? "mark fault" : "mark"),
        text(x(at) + 4, 22 + i * 14, `${words}${i === 0 ? "" : ` ${ms(at)} ms`}`, "start"),
      ]
    );
  return svg(height, "latency of each operation around the fault", [...grid, ...times, ...dots, ...marks]);
}

function kindOf({ operation, error }: LoadRecord): string {
  if (error !== null) return "unanswered";
  if (operation.outcome.kind === "refused") return "refused";
  return operation.action.kind === "get" ? "read" : "write";
}

/** Acknowledged writes by percentile, the axis of HDR plots: each step to the right is ten times rarer. */
export function percentilePlot(recording: Recording): string {
  const height = 280;
  const { y, grid } = latencyAxis(height);
  const mostNines = 4;
  const x = (share: number) => left + Math.min(mostNines, -Math.log10(1 - share)) / mostNines * (width - left - right);
  const first = recording.faults[0]?.at ?? Infinity;
  const phases: Record<"before" | "during" | "after", number[]> = { before: [], during: [], after: [] };
  for (const { operation, dueAt } of recording.operations) {
    if (operation.outcome.kind !== "done") continue;
    const during = recording.faults.some(({ at }) => dueAt >= at && dueAt < at + limits.duringMs);
    phases[dueAt < first ? "before" : during ? "during" : "after"].push(operation.returnedAt - dueAt);
  }
  const ticks = [0, 0.5, 0.9, 0.99, 0.999].map((share) => text(x(share), height - 10, `${share * 100} %`));
  const curves = Object.entries(phases).flatMap(([phase, values], i) => {
    const sorted = values.sort((a, b) => a - b);
    if (sorted.length === 0) return [];
    const points = sorted.map((value, at) => `${x(at / sorted.length).toFixed(1)},${y(value).toFixed(1)}`);
    return [
      `<polyline points="${points.join(" ")}" class="curve ${phase}"/>`,
      `<text x="${left + 10}" y="${24 + i * 15}" class="${phase}">writes ${phase} (${sorted.length})</text>`,
    ];
  });
  return svg(height, "latency of acknowledged writes by percentile", [...grid, ...ticks, ...curves]);
}

/** What happened in one run, a row each, along its time. */
export function timelinePlot(run: RunTimeline): string {
  const rows = steps(run);
  const rowHeight = 22;
  const height = rows.length * rowHeight + bottom + 6;
  const labels = 400;
  const last = Math.max(100, ...rows.map((each) => each.atMs));
  const first = Math.min(0, ...rows.map((each) => each.atMs));
  const x = (atMs: number) => labels + (atMs - first) / (last - first) * (width - labels - 70);
  const parts = rows.flatMap(({ what, atMs }, i) => {
    const y = 14 + i * rowHeight;
    return [
      line(labels, y, width - 70, y, "grid"),
      text(labels - 10, y + 4, what, "end"),
      `<circle cx="${x(atMs).toFixed(1)}" cy="${y}" r="4.5" class="write"/>`,
      text(x(atMs) + 8, y + 4, `${ms(atMs)} ms`, "start"),
    ];
  });
  return svg(height, "timeline", [
    line(x(0), 2, x(0), height - bottom, "mark fault"),
    ...parts,
    text(x(0), height - 10, "fault"),
  ]);
}

/** The share of runs that were back after so many milliseconds. */
export function distributionPlot(values: readonly number[]): string {
  if (values.length === 0) return "<p>none</p>";
  const height = 220;
  const sorted = values.toSorted((a, b) => a - b);
  const largest = Math.max(sorted.at(-1) ?? 1, 1) * 1.05;
  const x = (value: number) => left + value / largest * (width - left - right);
  const y = (share: number) => 10 + (height - bottom - 10) * (1 - share);
  let path = `M${x(0).toFixed(1)} ${y(0).toFixed(1)}`;
  sorted.forEach((value, i) => path += ` H${x(value).toFixed(1)} V${y((i + 1) / sorted.length).toFixed(1)}`);
  const shares = [0, 0.5, 1].flatMap((share) => [
    line(left, y(share), width - right, y(share), "grid"),
    text(left - 6, y(share) + 4, `${share * 100} %`, "end"),
  ]);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    text(x(largest * part), height - 10, `${Math.round(largest * part)} ms`)
  );
  return svg(height, "distribution", [...shares, ...ticks, `<path d="${path}" class="curve during"/>`]);
}

/** The failing part of a history: a lane for each operation, from its call to its return; time as it was. */
export function historyPlot(history: readonly RegisterOperation[]): string {
  const sorted = [...history].sort((a, b) => a.calledAt - b.calledAt);
  const rowHeight = 28;
  const height = sorted.length * rowHeight + bottom;
  const begin = sorted[0]?.calledAt ?? 0;
  // What was never answered has no end: it runs out of the picture.
  const ends = sorted.flatMap((each) => each.outcome.kind === "unknown" ? [] : [each.returnedAt]);
  const end = Math.max(...ends, ...sorted.map((each) => each.calledAt), begin + 1);
  const lanes = 90;
  const x = (at: number) => lanes + (at - begin) / (end - begin) * (width - lanes - 240);
  const parts = sorted.flatMap((operation, i) => {
    const y = 8 + i * rowHeight;
    const unknown = operation.outcome.kind === "unknown";
    const from = x(operation.calledAt);
    const length = Math.max(4, (unknown ? width - right : x(operation.returnedAt)) - from);
    const kind = unknown ? "open" : operation.action.kind === "get" ? "read" : "write";
    const words = describeOperation(operation);
    return [
      text(lanes - 10, y + 14, `client ${operation.client}`, "end"),
      `<rect x="${from.toFixed(1)}" y="${y}" width="${length.toFixed(1)}" height="18" rx="3" class="${kind}"/>`,
      text(unknown ? from + 8 : from + length + 6, y + 14, words, "start"),
    ];
  });
  return svg(height, "the failing part of the history", [
    ...parts,
    text(lanes, height - 8, "0 ms", "start"),
    text(x(end), height - 8, `${ms(end - begin)} ms`),
  ]);
}
