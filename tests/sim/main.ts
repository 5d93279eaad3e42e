/**
 * `deno task sim --seeds N [--from S]` runs N seeds; `--seed S` runs one with its log; `--mutant NAME` breaks members;
 * `--mutants` prints what catches each of them. */
import process from "node:process";
import { addTotals, type BlockReport, noTotals, reportMark } from "./blocks.ts";
import { type MutantName, mutantNames } from "./mutants.ts";
import { runSeed, SimFailure } from "./run.ts";
import { describeSwarm, drawSwarm } from "./swarm.ts";

interface Arguments {
  readonly seeds: number;
  readonly from: number;
  readonly single: number | null;
  readonly mutant: MutantName | null;
  /** End with the totals as JSON. */
  readonly report: boolean;
}

function parse(args: readonly string[]): Arguments {
  const named = new Map<string, string>();
  for (let i = 0; i < args.length; i++) {
    const [name = "", inline] = (args[i] ?? "").split("=");
    if (name === "--report") continue;
    if (!["--seeds", "--from", "--seed", "--mutant"].includes(name)) {
      throw new RangeError(`Unknown argument: ${args[i]}`);
    }
    named.set(name, inline ?? args[++i] ?? "");
  }
  const number = (name: string, otherwise: number): number => {
    const value = Number(named.get(name) ?? otherwise);
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`Cannot use ${name} ${named.get(name)}`);
    return value;
  };
  const mutant = named.get("--mutant");
  const known = mutantNames.find((name) => name === mutant) ?? null;
  if (mutant !== undefined && known === null) {
    throw new RangeError(`Unknown mutant: ${mutant} (${mutantNames.join(", ")})`);
  }
  return {
    seeds: number("--seeds", 100),
    from: number("--from", 1),
    single: named.has("--seed") ? number("--seed", 0) : null,
    mutant: known,
    report: args.includes("--report"),
  };
}

async function runOne(seed: number, mutant: MutantName | null): Promise<number> {
  console.log(`seed ${seed}\n  ${describeSwarm(drawSwarm(seed))}`);
  const lines: string[] = [];
  try {
    const report = await runSeed(seed, { mutant, onLog: (line) => void lines.push(line) });
    console.log(JSON.stringify(report));
    return 0;
  } catch (error) {
    if (!(error instanceof SimFailure)) throw error;
    for (const line of lines.slice(-200)) console.log(line.trimEnd());
    console.error(error.message);
    return 1;
  }
}

async function runMany({ seeds, from, mutant, report: asked }: Arguments): Promise<number> {
  console.log(`seeds ${from} to ${from + seeds - 1}${mutant === null ? "" : `, mutant ${mutant}`}`);
  let failed = 0;
  const totals = { ...noTotals };
  for (let seed = from; seed < from + seeds; seed++) {
    try {
      addTotals(totals, await runSeed(seed, { mutant }));
    } catch (error) {
      if (!(error instanceof SimFailure)) throw error;
      failed++;
      console.error(error.message);
    }
    if ((seed - from + 1) % 100 === 0) console.log(`${seed - from + 1} seeds`);
  }
  const { user, system } = process.cpuUsage();
  const report: BlockReport = { ...totals, cpuSeconds: (user + system) / 1e6 };
  if (asked) console.log(reportMark + JSON.stringify(report));
  else console.log(Object.entries(totals).map(([name, count]) => `${count} ${name}`).join(", "));
  console.log(`${seeds - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

if (import.meta.main && Deno.args.includes("--mutants")) {
  const { printMutants } = await import("./mutant_table.ts");
  Deno.exitCode = await printMutants();
} else if (import.meta.main && Deno.args.includes("--cluster")) {
  const { runClusterSimulator } = await import("./cluster_main.ts");
  Deno.exitCode = await runClusterSimulator(Deno.args);
} else if (import.meta.main) {
  try {
    const args = parse(Deno.args);
    Deno.exitCode = args.single === null ? await runMany(args) : await runOne(args.single, args.mutant);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    console.error(error.message);
    Deno.exitCode = 2;
  }
}
