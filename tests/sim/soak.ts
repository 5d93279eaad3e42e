/**
 * `deno task soak [--seeds N] [--from S] [--minutes M]`: the store simulator over all cores, a block of seeds a process.
 * Ends at N seeds (default 10,000) or after M minutes, whichever comes first, and says where to go on.
 */
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

/** @return the failures' messages */
async function runBlock(from: number, seeds: number): Promise<string[]> {
  const main = new URL("main.ts", import.meta.url).pathname;
  const args = ["run", "--allow-all", "--quiet", "--no-check", main, "--seeds", `${seeds}`, "--from", `${from}`];
  const output = await new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).output();
  const text = new TextDecoder().decode(output.stderr);
  const failures = text.split("\n").filter((line) => /^seed [0-9]+: /.test(line));
  if (!output.success && failures.length === 0) failures.push(`seeds from ${from}: ${text.slice(-2000)}`);
  return failures;
}

async function soak({ seeds, from, minutes, processes }: Soak): Promise<number> {
  const began = performance.now();
  const end = from + seeds;
  let next = from;
  let done = 0;
  const failures: string[] = [];
  const minutesGone = () => (performance.now() - began) / 60_000;
  const work = async (): Promise<void> => {
    while (next < end && minutesGone() < minutes) {
      const first = next;
      const count = Math.min(blockSeeds, end - first);
      next += count;
      failures.push(...await runBlock(first, count));
      done += count;
      console.log(`${done} of ${seeds} seeds, ${failures.length} failed, ${minutesGone().toFixed(1)} minutes`);
    }
  };
  await Promise.all(Array.from({ length: processes }, work));
  for (const failure of failures.slice(0, failuresShown)) console.error(failure);
  const rate = done / Math.max(0.01, minutesGone());
  console.log(`soak: seeds ${from} to ${next - 1} on ${processes} processes, ${rate.toFixed(0)} seeds a minute`);
  if (next < end) console.log(`to go on: deno task soak --from ${next} --seeds ${end - next}`);
  console.log(`${done - failures.length} passed, ${failures.length} failed`);
  return failures.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exitCode = await soak(parse(Deno.args));
