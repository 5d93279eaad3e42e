/** `deno task sim --cluster --seeds N [--from S]` runs N seeds of the whole cluster; `--seed S` runs one with its log. */
import { ClusterFailure, runClusterSeed } from "./cluster_run.ts";

interface Arguments {
  readonly seeds: number;
  readonly from: number;
  readonly single: number | null;
}

function parse(args: readonly string[]): Arguments {
  const named = new Map<string, number>();
  for (let i = 0; i < args.length; i++) {
    const [name = "", inline] = (args[i] ?? "").split("=");
    if (name === "--cluster") continue;
    if (!["--seeds", "--from", "--seed"].includes(name)) throw new RangeError(`Unknown argument: ${args[i]}`);
    const text = inline ?? args[++i] ?? "";
    const value = Number(text);
    if (text === "" || !Number.isSafeInteger(value) || value < 0) throw new RangeError(`Cannot use ${name} "${text}"`);
    named.set(name, value);
  }
  return { seeds: named.get("--seeds") ?? 20, from: named.get("--from") ?? 1, single: named.get("--seed") ?? null };
}

async function runOne(seed: number): Promise<number> {
  const print = (line: string) => console.log(line.trimEnd());
  try {
    console.log(JSON.stringify(await runClusterSeed(seed, { onLog: print })));
    return 0;
  } catch (error) {
    if (!(error instanceof ClusterFailure)) throw error;
    console.error(error.message);
    return 1;
  }
}

async function runMany({ seeds, from }: Arguments): Promise<number> {
  let failed = 0;
  for (let seed = from; seed < from + seeds; seed++) {
    try {
      console.log(JSON.stringify(await runClusterSeed(seed)));
    } catch (error) {
      if (!(error instanceof ClusterFailure)) throw error;
      failed++;
      console.error(error.message);
    }
  }
  console.log(`${seeds - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** The exit code. */
export async function runClusterSimulator(args: readonly string[]): Promise<number> {
  try {
    const parsed = parse(args);
    return parsed.single === null ? await runMany(parsed) : await runOne(parsed.single);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    console.error(error.message);
    return 2;
  }
}
