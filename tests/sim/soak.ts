/**
 * `deno task soak [--seeds N] [--from S] [--minutes M]`: the store simulator over all cores, a block of seeds a process.
 * Ends at N seeds (default 10,000) or after M minutes, whichever comes first, and says where to go on.
 */
import { runBlocks } from "./blocks.ts";

const blockSeeds = 250;
const failuresShown = 20;

interface Soak {
  readonly seeds: number;
  readonly from: number;
  readonly minutes: number;
  readonly processes: number;
}

function parse(args: readonly string[]): Soak {
  const named = new Map<string, number>();
  for (let i = 0; i < args.length; i += 2) {
    const [name = "", value] = [args[i], Number(args[i + 1])];
    const known = ["--seeds", "--from", "--minutes", "--processes"].includes(name);
    if (!known || !Number.isSafeInteger(value) || value < 1) throw new RangeError(`Cannot use ${name} ${args[i + 1]}`);
    named.set(name, value);
  }
  return {
    seeds: named.get("--seeds") ?? 10_000,
    from: named.get("--from") ?? 1,
    minutes: named.get("--minutes") ?? 120,
    processes: named.get("--processes") ?? Math.max(1, navigator.hardwareConcurrency),
  };
}

async function soak({ seeds, from, minutes, processes }: Soak): Promise<number> {
  const began = performance.now();
  const minutesGone = () => (performance.now() - began) / 60_000;
  const { done, next, failures, totals, cpuSeconds } = await runBlocks({
    from,
    seeds,
    blockSeeds,
    processes,
    enough: () => minutesGone() >= minutes,
    onBlock: (count, failed) =>
      console.log(`${count} of ${seeds} seeds, ${failed} failed, ${minutesGone().toFixed(1)} minutes`),
  });
  for (const failure of failures.slice(0, failuresShown)) console.error(failure);
  const rate = done / Math.max(0.01, minutesGone());
  const cpuRate = done / Math.max(0.01, cpuSeconds / 60);
  console.log(Object.entries(totals).map(([name, count]) => `${count} ${name}`).join(", "));
  console.log(
    `soak: seeds ${from} to ${next - 1} on ${processes} processes, ${rate.toFixed(0)} seeds a minute, ` +
      `${cpuRate.toFixed(0)} a CPU-minute`,
  );
  if (next < from + seeds) console.log(`to go on: deno task soak --from ${next} --seeds ${from + seeds - next}`);
  console.log(`${done - failures.length} passed, ${failures.length} failed`);
  return failures.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exitCode = await soak(parse(Deno.args));
