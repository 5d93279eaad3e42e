import { pauseMsMax } from "./limits.ts";
import type { NemesisReport } from "./run.ts";

/** One line while it runs. */
export function progressLine(report: NemesisReport): string {
  const { operations, watches, linearizable } = report;
  const faults = Object.values(report.faults).reduce((a, b) => a + b, 0);
  const violations = Object.values(watches.violations).reduce((a, b) => a + b, 0);
  return `${
    clockOf(report.elapsedMs)
  }  ${faults} faults, ${operations.acknowledgedWrites} writes and ${operations.reads} ` +
    `reads answered, ${operations.unknown} unknown; ${linearizable.windows} windows ${linearizable.verdict}, lost ` +
    `${report.lostAcknowledgedWrites}, watch violations ${violations} in ${watches.comparedRevisions} revisions, ` +
    `${Math.round(report.memoryBytes / 1_048_576)} MB`;
}

function clockOf(elapsedMs: number): string {
  const seconds = Math.floor(elapsedMs / 1_000);
  return `${String(Math.floor(seconds / 60)).padStart(2, "0")}:${String(seconds % 60).padStart(2, "0")}`;
}

/** Undecided: nothing bad was seen, and the checker gave some window up. */
function conclusionOf(
  { green, longestPauseMs, linearizable, lostAcknowledgedWrites, watches, ended }: NemesisReport,
): string {
  if (green) return "GREEN";
  if (longestPauseMs > pauseMsMax) return `RED (no write was acknowledged for ${Math.round(longestPauseMs / 1_000)} s)`;
  const isBad = lostAcknowledgedWrites > 0 || ended !== null || Object.values(watches.violations).some((it) => it > 0);
  return linearizable.verdict === "undecided" && !isBad ? "UNDECIDED: nothing is proven either way" : "RED";
}

/** The verdict on one page. */
export function nemesisText(report: NemesisReport): string {
  const { operations, watches, linearizable, latencyMs } = report;
  const mark = (good: boolean) => good ? "✔" : "✖";
  const faults = Object.entries(report.faults).map(([kind, count]) => `${kind} ${count}`).join(", ");
  const checks = Object.entries(watches.violations).map(([check, count]) =>
    `${check} ${count === 0 ? "✔" : `✖ ${count}`}`
  );
  const lines = [
    `NEMESIS  ${
      clockOf(report.elapsedMs)
    } on three store processes at ${report.load.operationsPerSecond} operations/s, timers ` +
    `${report.timers}, ${report.cores} cores, seed ${report.seed}`,
    `FAULTS   ${faults}`,
    `LOAD     ${report.load.operations} sent: ${operations.acknowledgedWrites} writes acknowledged, ${operations.refused} ` +
    `refused, ${operations.reads} reads, ${operations.unknown} of unknown outcome, ${operations.untried} never carried out, ` +
    `${report.load.shed} shed`,
    `LATENCY  p50 ${latencyMs.p50.toFixed(1)}, p99 ${latencyMs.p99.toFixed(0)}, p99.9 ${
      latencyMs.p999.toFixed(0)
    }, max ` +
    `${
      latencyMs.max.toFixed(0)
    } ms from when due; longest pause between two acknowledged writes ${report.longestPauseMs} ms`,
    `HISTORY  ${linearizable.verdict} ${
      mark(linearizable.verdict === "linearizable")
    } (${linearizable.operations} operations ` +
    `in ${linearizable.windows} windows, ${linearizable.undecidedWindows} undecided, ${linearizable.checkMs} ms)`,
    `WRITES   ${report.lostAcknowledgedWrites} acknowledged writes lost ${mark(report.lostAcknowledgedWrites === 0)}`,
    `WATCHES  ${watches.watchers} watches, ${watches.events} events, ${watches.resumes} resumed, ${watches.relists} listed ` +
    `anew, ${watches.comparedRevisions} revisions compared`,
    `         ${checks.join("  ")}`,
    `VERDICT  ${conclusionOf(report)}${report.ended === null ? "" : ` (ended early: ${report.ended})`}`,
  ];
  if (watches.words.length > 0) lines.push("", ...watches.words.map((words) => `  ${words}`));
  if (linearizable.counterexample !== null) {
    lines.push("", "The shortest part that no order explains, whatever came before it:", linearizable.counterexample);
  }
  return lines.join("\n");
}
