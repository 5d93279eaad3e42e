import type { Percentiles, Recording, Report } from "./analysis.ts";
import { type Comparison, comparisonRows } from "./comparison.ts";
import { distributionPlot, escape, historyPlot, latencyPlot, percentilePlot, timelinePlot } from "./report_plots.ts";
import { gapName, gapOf, medianRun, ms } from "./report_text.ts";

const style = `
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6672;--paper:#fff;--panel:#f5f7f9;--rule:#dde3ea;--good:#14713d;--bad:#b3261e;--read:#2f6fb0;--write:#14713d;--refused:#8d98a5;--during:#b45309}
@media(prefers-color-scheme:dark){:root{--ink:#e4e9ef;--soft:#9aa7b4;--paper:#12161b;--panel:#1a2027;--rule:#2d3640;--good:#4cc38a;--bad:#ff8078;--read:#6cb0f5;--write:#4cc38a;--refused:#76828f;--during:#f0a04b}}
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2.2rem}
div.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.2rem .8rem;text-align:right;border-bottom:1px solid var(--rule);white-space:nowrap}td:first-child,th:first-child{text-align:left}
.good{color:var(--good)}.bad{color:var(--bad)}small,figcaption{color:var(--soft)}figure{margin:0}
pre{background:var(--panel);padding:1rem;overflow:auto;border-radius:6px}
svg{width:100%;height:auto;background:var(--panel);border-radius:6px}svg text{font:11px system-ui,sans-serif;fill:var(--soft)}
.grid{stroke:var(--rule)}.mark{stroke:var(--soft);stroke-dasharray:4 3}.mark.fault{stroke:var(--bad)}
circle{fill-opacity:.75}circle.read,rect.read{fill:var(--read)}circle.write,rect.write{fill:var(--write)}circle.refused{fill:var(--refused)}circle.unanswered{fill:var(--bad)}
rect.open{fill:var(--panel);stroke:var(--refused);stroke-dasharray:4 3}
.curve{fill:none;stroke-width:2}.curve.before{stroke:var(--read)}.curve.during{stroke:var(--during)}.curve.after{stroke:var(--write)}
svg text.before{fill:var(--read)}svg text.during{fill:var(--during)}svg text.after{fill:var(--write)}
`;

/** One file that shows a report without network or script, by day and by night. */
export function reportHtml(report: Report, recording: Recording, comparison: Comparison | null): string {
  const { linearizable, load } = report;
  const headline = `${escape(report.scenario)} on ${escape(report.subject)}, ${report.kills} times`;
  const colour = report.green ? "good" : "bad";
  const failing = linearizable.failing;
  const errors = Object.entries(report.errors).map(([error, count]) => `${error} ×${count}`).join(", ") || "none";
  return `<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escape(report.scenario)}: ${report.conclusion}</title><style>${style}</style>
<h1>${headline}: <span class="${colour}">${conclusionMark[report.conclusion]} ${report.conclusion}</span></h1>
<p>${escape(gapName(report))}: p50 <b>${ms(report.gapMs.p50)} ms</b>, p99 <b>${ms(report.gapMs.p99)} ms</b>, max <b>${
    ms(report.gapMs.max)
  } ms</b>. ${load.operations} operations at ${load.operationsPerSecond}/s, timers ${
    escape(report.timers)
  }, ${report.cores} cores, seed ${report.seed}.</p>
${verdictList(report)}
${
    failing === null
      ? ""
      : `<h2>The shortest part that no order explains, whatever came before it</h2><figure>${historyPlot(failing)}
<figcaption>Key ${
        escape(failing[0]?.key ?? "")
      }. A bar is an operation from its call to its answer; dashed: never answered,
so it may have happened at any later time, or never.</figcaption></figure><pre>${
        escape(linearizable.counterexample ?? "")
      }</pre>`
  }
${medianRunSection(report, recording)}
<h2>${escape(gapName(report))}: share of the ${report.kills} runs that were back after so many ms</h2>
${distributionPlot(report.runs.flatMap((each) => gapOf(each) ?? []))}
${comparison === null ? "" : comparisonTable(comparison)}
<h2>Latency of acknowledged writes, by percentile</h2>
${percentilePlot(recording)}
<h2>In numbers, ms</h2>
${latencyTable(report)}
<p><small>Each operation is timed from the moment it was due, so that a stalled server or generator cannot hide its own
delay (coordinated omission). Unknown outcomes: ${report.unknownOutcomes}. Shed: ${load.shed}. Errors: ${
    escape(errors)
  }.</small></p>
</html>
`;
}

const conclusionMark = { green: "✔", red: "✖", undecided: "?" } as const;

function verdictList(report: Report): string {
  const { linearizable, watches } = report;
  const verdicts: [string, boolean][] = [
    [
      `${linearizable.verdict}: ${linearizable.operations} operations, checked in ${linearizable.checkMs} ms` +
      (linearizable.verdict === "undecided" ? "; the checker gave up, nothing is proven either way" : ""),
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
  const items = verdicts.map(([words, good]) =>
    `<li class="${good ? "good" : "bad"}">${good ? "✔" : "✖"} ${escape(words)}</li>`
  );
  return `<ul>${items.join("")}</ul>`;
}

function medianRunSection(report: Report, recording: Recording): string {
  const run = medianRun(report);
  const fault = recording.faults[report.runs.findIndex((each) => each === run)];
  if (run === undefined || fault === undefined) return "";
  return `<h2>The median run: ${escape(run.target)} was hit</h2>
<figure>${
    latencyPlot(recording, fault.at, run)
  }<figcaption>Latency of each operation by when it was due, ms after the fault:
writes green, reads blue, refused grey, without an answer red.</figcaption></figure>
<h2>Its timeline</h2><figure>${
    timelinePlot(run)
  }<figcaption>What the members did is from their own logs.</figcaption></figure>`;
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
  const head = "<tr><th></th><th>p50</th><th>p90</th><th>p99</th><th>max</th><th>samples</th></tr>";
  return `<div class="wide"><table>${head}${more.join("")}${rows.join("")}</table></div>`;
}

function comparisonTable(comparison: Comparison): string {
  const cells = (tag: string, texts: readonly string[]) => texts.map((it) => `<${tag}>${escape(it)}</${tag}>`).join("");
  const head = `<tr>${cells("th", ["", ...comparison.reports.map((each) => each.subject)])}</tr>`;
  const rows = comparisonRows(comparison).map(({ what, cells: texts }) => `<tr>${cells("td", [what, ...texts])}</tr>`);
  return `<h2>The same experiment on each</h2><div class="wide"><table>${head}${rows.join("")}</table></div>`;
}
