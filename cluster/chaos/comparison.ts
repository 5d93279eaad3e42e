import type { Percentiles, Report } from "./analysis.ts";
import { gapName, ms } from "./report_text.ts";

/** The JSON of one experiment on several subjects. */
export interface Comparison {
  readonly reports: readonly Report[];
  readonly green: boolean;
}

/** Green when the first report, which is ours, is. */
export function compare(reports: readonly Report[]): Comparison {
  return { reports, green: reports[0]?.green ?? false };
}

export interface ComparisonRow {
  readonly what: string;
  /** A cell for each report. */
  readonly cells: readonly string[];
}

/** The table: a column for each subject. */
export function comparisonRows({ reports }: Comparison): ComparisonRow[] {
  const row = (what: string, cell: (report: Report) => string): ComparisonRow => ({ what, cells: reports.map(cell) });
  const spread = (what: string, of: (report: Report) => Percentiles) =>
    row(`${what}, p50 / p99 / max ms`, (report) => {
      const { p50, p99, max } = of(report);
      return `${ms(p50)} / ${ms(p99)} / ${ms(max)}`;
    });
  const first = reports[0];
  return [
    row("timers", (report) => report.timers),
    spread(first === undefined ? "fault -> next acknowledged write" : gapName(first), (report) => report.gapMs),
    spread("longest pause between two acks", (report) => report.unavailableMs),
    spread("fault -> new leader seen", (report) => report.newLeaderMs),
    spread("fault -> all watches resumed", (report) => report.watchesResumedMs),
    ...(["before", "during", "after"] as const).flatMap((phase) => [
      spread(`write, ${phase}`, (report) => report.latencyMs[phase].writes),
      spread(`read, ${phase}`, (report) => report.latencyMs[phase].reads),
    ]),
    row("acknowledged writes / unknown", (report) => `${report.acknowledgedWrites} / ${report.unknownOutcomes}`),
    row("lost acknowledged writes", (report) => `${report.lostAcknowledgedWrites}`),
    row(
      "watch gaps + duplicates + disorder",
      ({ watches }) => `${watches.gaps + watches.duplicates + watches.disorders}`,
    ),
    row("history", (report) => report.linearizable.verdict),
  ];
}

export function comparisonText(comparison: Comparison): string {
  const rows = [{ what: "", cells: comparison.reports.map((report) => report.subject) }, ...comparisonRows(comparison)];
  const widths = [0, ...comparison.reports.map((_, i) => i + 1)].map((column) =>
    Math.max(...rows.map(({ what, cells }) => (column === 0 ? what : cells[column - 1] ?? "").length))
  );
  const lines = rows.map(({ what, cells }) =>
    [what, ...cells].map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("   ").trimEnd()
  );
  return ["", ...lines].join("\n");
}
