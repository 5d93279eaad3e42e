import type { Percentiles, Recording, Report } from "./analysis.ts";
import { type Comparison, comparisonRows } from "./comparison.ts";
import { gapName, gapOf, medianRun, ms, steps } from "./report_text.ts";

/** One file that shows a report without network or script. */
export function reportHtml(report: Report, recording: Recording, comparison: Comparison | null): string {
  const run = medianRun(report);
  const fault = recording.faults[report.runs.findIndex((each) => each === run)];
  const { linearizable, watches } = report;
  const verdicts: [string, boolean][] = [
    [
      `${linearizable.verdict}: ${linearizable.operations} operations, checked in ${linearizable.checkMs} ms`,
      linearizable.verdict === "linearizable",
    ],
    [
      `${report.lostAcknowledgedWrites} of ${report.acknowledgedWrites} acknowledged writes lost`,
      report.lostAcknowledgedWrites === 0,
    ],
    [
      `${watches.watchers} watchers, ${watches.events} events: ${watches.gaps} gaps, ${watches.duplicates} duplicates, ${watches.disorders} out of order`,
      watches.gaps + watches.duplicates + watches.disorders === 0,
    ],
  ];
  return `<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>${escape(report.scenario)}: ${report.green ? "green" : "red"}</title>
<style>
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #dde3ea}td:first-child,th:first-child{text-align:left}
.good{color:#14713d}.bad{color:#b3261e}svg{width:100%;height:auto;background:#f7f9fb;border-radius:6px}
svg text{font:11px system-ui,sans-serif;fill:#46505c}pre{background:#f7f9fb;padding:1rem;overflow:auto}small{color:#5b6672}
</style>
<h1>${escape(report.scenario)}, ${report.kills} times: <span class="${report.green ? "good" : "bad"}">${
    report.green ? "✔ green" : "✖ red"
  }</span></h1>
<p>${escape(gapName(report))}: p50 <b>${ms(report.gapMs.p50)} ms</b>, p99 <b>${ms(report.gapMs.p99)} ms</b>, max <b>${
    ms(report.gapMs.max)
  } ms</b>.
${report.load.operations} operations at ${report.load.operationsPerSecond}/s, timers ${
    escape(report.timers)
  }, ${report.cores} cores, seed ${report.seed}.</p>
<ul>${
    verdicts.map(([words, good]) => `<li class="${good ? "good" : "bad"}">${good ? "✔" : "✖"} ${escape(words)}</li>`)
      .join("")
  }</ul>
${
    linearizable.counterexample === null
      ? ""
      : `<h2>The shortest part that no order explains</h2><pre>${escape(linearizable.counterexample)}</pre>`
  }
${
    run === undefined || fault === undefined
      ? ""
      : `<h2>The median run, ms after the fault hit ${escape(run.target)}</h2>
${latencyPlot(recording, fault.at)}
<table>${
        steps(run).map(({ what, atMs }) => `<tr><td>${escape(what)}</td><td>${ms(atMs)} ms</td></tr>`).join("")
      }</table>`
  }
<h2>${escape(gapName(report))}: share of the ${report.kills} runs that were back after so many ms</h2>
${distributionPlot(report.runs.flatMap((each) => gapOf(each) ?? []))}
${comparison === null ? "" : comparisonTable(comparison)}
<h2>Latency in ms</h2>
${latencyTable(report)}
<p><small>Each operation is timed from the moment it was due, so that a stalled server or generator cannot hide its own
delay (coordinated omission). Unknown outcomes: ${report.unknownOutcomes}. Shed: ${report.load.shed}. Errors:
${escape(Object.entries(report.errors).map(([error, count]) => `${error} ×${count}`).join(", ") || "none")}.</small></p>
</html>
`;
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function latencyTable(report: Report): string {
  const row = (name: string, { count, p50, p90, p99, max }: Percentiles) =>
    `<tr><td>${escape(name)}</td>${
      [p50, p90, p99, max].map((it) => `<td>${ms(it)}</td>`).join("")
    }<td>${count}</td></tr>`;
  const rows = (["before", "during", "after"] as const).flatMap((phase) => {
    const { writes, reads, probes } = report.latencyMs[phase];
    return [
      row(`write, ${phase}`, writes),
      row(`read, ${phase}`, reads),
      ...(probes.count > 0 ? [row(`probe, ${phase}`, probes)] : []),
    ];
  });
  const more = [
    row(gapName(report), report.gapMs),
    row("longest pause between two acks", report.unavailableMs),
    row("fault → new leader seen", report.newLeaderMs),
    row("fault → all watches resumed", report.watchesResumedMs),
  ];
  return `<table><tr><th></th><th>p50</th><th>p90</th><th>p99</th><th>max</th><th>samples</th></tr>${more.join("")}${
    rows.join("")
  }</table>`;
}

function comparisonTable(comparison: Comparison): string {
  const cells = (tag: string, texts: readonly string[]) => texts.map((it) => `<${tag}>${escape(it)}</${tag}>`).join("");
  const head = `<tr>${cells("th", ["", ...comparison.reports.map((each) => each.subject)])}</tr>`;
  const rows = comparisonRows(comparison).map(({ what, cells: texts }) => `<tr>${cells("td", [what, ...texts])}</tr>`);
  return `<h2>The same experiment on each</h2><table>${head}${rows.join("")}</table>`;
}

const width = 900;
const height = 260;
const left = 50;
const bottom = 30;
const plotFromMs = -500;
const plotUntilMs = 2_500;
/** The latency axis is logarithmic, 0.5 ms to 10 s. */
const latencyFloorMs = 0.5;
const latencyCeilingMs = 10_000;

/** A dot for each operation by when it was due: green acknowledged or read, grey refused, red without an answer. */
function latencyPlot(recording: Recording, faultAt: number): string {
  const x = (atMs: number) => left + (atMs - plotFromMs) / (plotUntilMs - plotFromMs) * (width - left - 10);
  const y = (latencyMs: number) => {
    const clamped = Math.min(Math.max(latencyMs, latencyFloorMs), latencyCeilingMs);
    return 10 +
      (height - bottom - 10) * (1 - Math.log(clamped / latencyFloorMs) / Math.log(latencyCeilingMs / latencyFloorMs));
  };
  const dots = recording.operations.flatMap(({ operation, dueAt, error }) => {
    const at = dueAt - faultAt;
    if (at < plotFromMs || at > plotUntilMs) return [];
    const isRead = operation.action.kind === "get";
    const colour = error !== null
      ? "#b3261e"
      : operation.outcome.kind === "refused"
      ? "#9aa5b1"
      : isRead
      ? "#3b82c4"
      : "#14713d";
    return [
      `<circle cx="${x(at).toFixed(1)}" cy="${
        y(operation.returnedAt - dueAt).toFixed(1)
      }" r="2" fill="${colour}" fill-opacity=".7"/>`,
    ];
  });
  const lines = [1, 10, 100, 1_000, 10_000].map((value) =>
    `<line x1="${left}" x2="${width - 10}" y1="${y(value)}" y2="${y(value)}" stroke="#dde3ea"/><text x="${
      left - 6
    }" y="${y(value) + 4}" text-anchor="end">${value}</text>`
  );
  const times = [-500, 0, 500, 1_000, 1_500, 2_000, 2_500].map((value) =>
    `<text x="${x(value)}" y="${height - 10}" text-anchor="middle">${value}</text>`
  );
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="latency of each operation around the fault">${
    lines.join("")
  }${times.join("")}<line x1="${x(0)}" x2="${x(0)}" y1="10" y2="${
    height - bottom
  }" stroke="#b3261e" stroke-dasharray="4 3"/>${dots.join("")}<text x="${
    left + 4
  }" y="20">latency in ms: writes green, reads blue, refused grey, unanswered red</text></svg>`;
}

function distributionPlot(values: readonly number[]): string {
  if (values.length === 0) return "<p>none</p>";
  const sorted = values.toSorted((a, b) => a - b);
  const largest = Math.max(sorted.at(-1) ?? 1, 1) * 1.05;
  const x = (value: number) => left + value / largest * (width - left - 10);
  const y = (share: number) => 10 + (height - bottom - 10) * (1 - share);
  let path = `M${x(0)} ${y(0)}`;
  sorted.forEach((value, i) => {
    path += ` H${x(value).toFixed(1)} V${y((i + 1) / sorted.length).toFixed(1)}`;
  });
  const shares = [0, 0.5, 1].map((share) =>
    `<line x1="${left}" x2="${width - 10}" y1="${y(share)}" y2="${y(share)}" stroke="#dde3ea"/><text x="${
      left - 6
    }" y="${y(share) + 4}" text-anchor="end">${share * 100} %</text>`
  );
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    `<text x="${x(largest * part)}" y="${height - 10}" text-anchor="middle">${Math.round(largest * part)}</text>`
  );
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="distribution">${shares.join("")}${
    ticks.join("")
  }<path d="${path}" fill="none" stroke="#14713d" stroke-width="2"/></svg>`;
}
