/**
 * Fails on any import that crosses a wall of the house: `deno run -A tools/layers.ts [repository]`.
 * Reads the module graph that Deno itself resolves, types and dynamic imports included.
 */
import { repositoryRoot, sourceFiles } from "./files.ts";
import { type Edge, violation } from "./rooms.ts";

export interface Violation extends Edge {
  readonly rule: string;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The specifier a dependency resolves to; packages keep their name. */
function targetOf(dependency: Record<string, unknown>): string | null {
  if (typeof dependency.npmPackage === "string") return `npm:${dependency.npmPackage}`;
  for (const side of [dependency.code, dependency.type]) {
    if (isRecord(side) && typeof side.specifier === "string") return side.specifier;
  }
  return null;
}

/** The edges of a `deno info --json` graph that begin in `root`, repo-relative. Throws when an import does not resolve. */
export function edgesOf(info: unknown, root: string): Edge[] {
  const base = `file://${root}/`;
  const edges: Edge[] = [];
  for (const module of list(isRecord(info) ? info.modules : null)) {
    if (!isRecord(module) || typeof module.specifier !== "string" || !module.specifier.startsWith(base)) continue;
    if (typeof module.error === "string") throw new Error(`${module.specifier}: ${module.error}`);
    const from = module.specifier.slice(base.length);
    for (const dependency of list(module.dependencies)) {
      if (!isRecord(dependency)) continue;
      const to = targetOf(dependency);
      if (to === null) throw new Error(`${from}: cannot resolve ${String(dependency.specifier)}`);
      edges.push({ from, to: to.startsWith(base) ? to.slice(base.length) : to });
    }
  }
  return edges;
}

export function violations(edges: readonly Edge[]): Violation[] {
  const found: Violation[] = [];
  for (const edge of edges) {
    const rule = violation(edge);
    if (rule !== null) found.push({ ...edge, rule });
  }
  return found;
}

/** The graph of all TypeScript files under `root`, through one module that imports them all. */
export async function readGraph(root: string): Promise<unknown> {
  const all = await Deno.makeTempFile({ prefix: "layers-", suffix: ".ts" });
  try {
    const imports = sourceFiles(root).map((path) => `import ${JSON.stringify(`file://${root}/${path}`)};`);
    await Deno.writeTextFile(all, imports.join("\n"));
    const config = `${root}/deno.json`;
    const hasConfig = await Deno.stat(config).then(() => true, () => false);
    const args = ["info", "--json", ...(hasConfig ? ["--config", config] : ["--no-config"]), "--no-lock", all];
    const output = await new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "piped" }).output();
    if (!output.success) throw new Error(`deno info failed: ${new TextDecoder().decode(output.stderr)}`);
    return JSON.parse(new TextDecoder().decode(output.stdout));
  } finally {
    await Deno.remove(all);
  }
}

if (import.meta.main) {
  const root = await Deno.realPath(Deno.args[0] ?? repositoryRoot());
  const edges = edgesOf(await readGraph(root), root);
  const found = violations(edges);
  for (const { from, to, rule } of found) console.error(`${from} imports ${to}: ${rule}`);
  console.log(`layers: ${edges.length} imports, ${found.length} forbidden`);
  if (found.length > 0) Deno.exit(1);
}
