/** Totals over seeds. */
export interface Totals {
  operations: number;
  crashes: number;
  partitions: number;
  /** Terms that had a leader. */
  leaders: number;
  changes: number;
}

export interface BlocksOptions {
  readonly from: number;
  readonly seeds: number;
  readonly blockSeeds: number;
  readonly processes: number;
  /** Asked before each block: true ends the run with the blocks under way. */
  readonly enough?: () => boolean;
  readonly onBlock?: (done: number, failures: number) => void;
}

export interface BlocksResult {
  /** Seeds that were run. */
  readonly done: number;
  /** The first that was not. */
  readonly next: number;
  readonly failures: readonly string[];
  readonly totals: Totals;
  readonly cpuSeconds: number;
}

export const noTotals: Totals = { operations: 0, crashes: 0, partitions: 0, leaders: 0, changes: 0 };

/** What a block's process says at its end, on a line of its own. */
export interface BlockReport extends Totals {
  /** Of the whole process, its start included. */
  readonly cpuSeconds: number;
}

export const reportMark = "block report ";

/** A young generation that holds a seed: the default collects it a hundred times a second. */
const engineFlags = "--v8-flags=--min-semi-space-size=16";

export function addTotals(to: Totals, more: Totals): void {
  for (const name of Object.keys(noTotals) as (keyof Totals)[]) to[name] += more[name];
}

/** Runs seeds of the store simulator in processes of their own, a block each, so many at a time. */
export async function runBlocks(options: BlocksOptions): Promise<BlocksResult> {
  const { from, seeds, blockSeeds, processes, enough = () => false, onBlock = () => {} } = options;
  const end = from + seeds;
  let next = from;
  let done = 0;
  let cpuSeconds = 0;
  const failures: string[] = [];
  const totals = { ...noTotals };
  const work = async (): Promise<void> => {
    while (next < end && !enough()) {
      const first = next;
      const count = Math.min(blockSeeds, end - first);
      next += count;
      const block = await runBlock(first, count);
      failures.push(...block.failures);
      done += count;
      if (block.report !== null) {
        addTotals(totals, block.report);
        cpuSeconds += block.report.cpuSeconds;
      }
      onBlock(done, failures.length);
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
  return { done, next, failures, totals, cpuSeconds };
}

async function runBlock(from: number, seeds: number): Promise<{ failures: string[]; report: BlockReport | null }> {
  const main = new URL("main.ts", import.meta.url).pathname;
  const args = ["run", engineFlags, "--allow-all", "--quiet", "--no-check", main, "--seeds", `${seeds}`];
  const output = await new Deno.Command(Deno.execPath(), {
    args: [...args, "--from", `${from}`, "--report"],
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder().decode(output.stderr);
  const failures = text.split(/^(?=seed [0-9]+: )/m).filter((part) => part.startsWith("seed ")).map((part) =>
    part.trim()
  );
  if (!output.success && failures.length === 0) failures.push(`seeds from ${from}: ${text.slice(-2000)}`);
  const last = new TextDecoder().decode(output.stdout).split("\n").find((line) => line.startsWith(reportMark));
  const report = last === undefined ? null : JSON.parse(last.slice(reportMark.length)) as BlockReport;
  if (report === null && failures.length === 0) failures.push(`seeds from ${from}: no report`);
  return { failures, report };
}
