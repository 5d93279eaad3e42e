/**
 * Compiles asm/assembly to asm/score.wasm. `--check` compares a fresh build with the committed file instead of writing:
 * the compiler is pinned, and its output does not depend on the machine.
 */
import asc from "assemblyscript/asc";

const root = new URL(".", import.meta.url);
const target = new URL("score.wasm", root);

export async function compile(): Promise<Uint8Array> {
  const out = new Map<string, Uint8Array>();
  const { error, stderr } = await asc.main([
    "score.ts",
    "--outFile",
    "score.wasm",
    "--runtime",
    "stub",
    "--noAssert",
    "--optimizeLevel",
    "3",
    "--shrinkLevel",
    "0",
    "--converge",
    "--enable",
    "simd,bulk-memory",
    "--initialMemory",
    "1",
  ], {
    // The compiler appends `.ts` to the names in imports, which Deno wants to carry it already.
    readFile: (name) => readSource(new URL(`assembly/${name.replace(/\.ts\.ts$/, ".ts")}`, root)),
    writeFile: (name, contents) => {
      if (contents instanceof Uint8Array) out.set(name, contents);
    },
    listFiles: () => [],
  });
  if (error !== null) throw new Error(`asc failed:\n${stderr.toString()}`, { cause: error });
  const wasm = out.get("score.wasm");
  if (wasm === undefined) throw new Error("asc wrote no score.wasm");
  return wasm;
}

function readSource(url: URL): string | null {
  try {
    return Deno.readTextFileSync(url);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

async function main(args: readonly string[]): Promise<number> {
  const fresh = await compile();
  if (!args.includes("--check")) {
    Deno.writeFileSync(target, fresh);
    console.log(`asm/score.wasm: ${fresh.length} bytes`);
    return 0;
  }
  const committed = Deno.readFileSync(target);
  const same = committed.length === fresh.length && committed.every((byte, i) => byte === fresh[i]);
  console.log(
    same ? "asm/score.wasm is what asm/assembly compiles to" : "asm/score.wasm is stale: run `deno task wasm`",
  );
  return same ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
