import type { Percentiles, Report, RunTimeline } from "./analysis.ts";

/** The run whose gap is the median: what the timeline shows. */
export function medianRun(report: Report): RunTimeline | undefined {
  const sorted = report.runs.toSorted((a, b) => (gapOf(a) ?? Infinity) - (gapOf(b) ?? Infinity));
  return sorted[(sorted.length - 1) >> 1];
}

/** The run's headline: its first bind or reconcile where the scenario has one, else its first acknowledged write. */
export function gapOf(run: RunTimeline): number | null {
  return run.firstProbeMs ?? run.firstAckMs;
}

export function ms(value: number | null): string {
  return value === null ? "-" : value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

/** What the headline counts, in words. */
export function gapName(report: Report): string {
  if (report.scenario === "scheduler-kill") return "fault -> next bind";
  if (report.scenario === "controller-kill") return "fault -> next reconcile";
  return "fault -> next acknowledged write";
}

/** The steps of a run in the order in which they happened. */
export function steps(run: RunTimeline): { what: string; atMs: number }[] {
  const all: [string, number | null][] = [
    ["last write acknowledged before the pause", run.lastAckMs],
    ...run.notes.map(({ member, what, atMs }): [string, number | null] => [`${member} ${what}`, atMs]),
    ["first failed or late operation was due", run.firstTroubleMs],
    [`new leader seen${run.newLeader === null ? "" : ` (${run.newLeader})`}`, run.newLeaderMs],
    ["first write acknowledged", run.firstAckMs],
    ["all watches resumed", run.watchesResumedMs],
    ["first bind or reconcile", run.firstProbeMs],
  ];
  return all.flatMap(([what, atMs]) => atMs === null ? [] : [{ what, atMs }]).sort((a, b) => a.atMs - b.atMs);
}

export function reportText(report: Report): string {
  const lines: string[] = [];
  const run = medianRun(report);
  if (run !== undefined) {
    lines.push(`TIMELINE of the median run (ms after the fault hit ${run.target})`);
    for (const { what, atMs } of steps(run)) lines.push(`  ${ms(atMs).padStart(8)}   ${what}`);
    lines.push("");
  }
  const row = (name: string, { p50, p90, p99, max, count }: Percentiles) =>
    [name.padEnd(34), ...[p50, p90, p99, max].map((value) => ms(value).padStart(8)), `   ${count}`].join("");
  lines.push(
    `${"MILLISECONDS".padEnd(34)}${["p50", "p90", "p99", "max"].map((it) => it.padStart(8)).join("")}   SAMPLES`,
  );
  lines.push(row(gapName(report), report.gapMs));
  lines.push(row("longest pause between two acks", report.unavailableMs));
  if (report.newLeaderMs.count > 0) lines.push(row("fault -> new leader seen", report.newLeaderMs));
  lines.push(row("fault -> all watches resumed", report.watchesResumedMs));
  for (const phase of ["before", "during", "after"] as const) {
    const { writes, reads, probes } = report.latencyMs[phase];
    lines.push(row(`write, ${phase}`, writes), row(`read, ${phase}`, reads));
    if (probes.count > 0) {
      lines.push(row(`${report.scenario === "scheduler-kill" ? "bind" : "reconcile"}, ${phase}`, probes));
    }
  }
  lines.push("  latency counts from when an operation was due: nothing is hidden by coordinated omission", "");
  const errors = Object.entries(report.errors).map(([error, count]) => `${error} x${count}`).join(", ");
  lines.push(
    `LOAD     ${report.load.operations} operations at ${report.load.operationsPerSecond}/s, ${report.acknowledgedWrites} ` +
      `acknowledged writes, ${report.unknownOutcomes} of unknown outcome, ${report.load.shed} shed; errors: ${
        errors || "none"
      }`,
  );
  const { watches, linearizable } = report;
  lines.push(
    `WATCHES  ${watches.watchers} watchers, ${watches.events} events, ${watches.resumes} resumed, ${watches.relists} listed anew`,
  );
  const mark = (good: boolean) => good ? "✔" : "✖";
  const historyMark = linearizable.verdict === "undecided" ? "?" : mark(linearizable.verdict === "linearizable");
  lines.push(
    `VERDICT  ${linearizable.verdict} ${historyMark} (${linearizable.operations} ` +
      `operations, ${linearizable.checkMs} ms)   lost acknowledged writes ${report.lostAcknowledgedWrites} ` +
      `${mark(report.lostAcknowledgedWrites === 0)}   watch gaps ${watches.gaps}, duplicates ${watches.duplicates}, ` +
      `disorder ${watches.disorders} ${mark(watches.gaps + watches.duplicates + watches.disorders === 0)}   ` +
      `${report.conclusion.toUpperCase()}   timers ${report.timers}, ${report.cores} cores, seed ${report.seed}`,
  );
  if (linearizable.verdict === "undecided") {
    lines.push("", "The checker gave up before it had tried every order: nothing is proven either way.");
  }
  if (linearizable.counterexample !== null) {
    lines.push("", "The shortest part that no order explains, whatever came before it:", linearizable.counterexample);
  }
  return lines.join("\n");
}
