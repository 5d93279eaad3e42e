/** Type-checks the cores where no ambient effect resolves: `deno run -A tools/check_cores.ts`. Fence 1. */
import { repositoryRoot, sourceFiles } from "./files.ts";
import { isPure } from "./rooms.ts";

export async function checkCores(root: string, files: readonly string[]): Promise<{ ok: boolean; output: string }> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["check", "--quiet", "--config", `${repositoryRoot()}/tools/cores.deno.json`, ...files],
    cwd: root,
    env: { NO_COLOR: "1" },
    stdout: "piped",
    stderr: "piped",
  }).output();
  const decoder = new TextDecoder();
  return { ok: success, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

if (import.meta.main) {
  const root = await Deno.realPath(Deno.args[0] ?? repositoryRoot());
  const files = sourceFiles(root).filter(isPure);
  const { ok, output } = await checkCores(root, files);
  if (!ok) {
    console.error(output);
    console.error(
      "A core is synchronous and has no effects: time, chance and I/O are arguments (tools/pure_globals.d.ts)",
    );
    Deno.exit(1);
  }
  console.log(`cores: ${files.length} files have no ambient effect`);
}
