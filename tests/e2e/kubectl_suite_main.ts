import { fetchedTool, kubectlTool, olderKubectlTool } from "../../cluster/cli/npm_tools.ts";
import { TestHome } from "./harness.ts";
import { runSuite } from "./kubectl_suite_run.ts";

/**
 * `deno task suite`: every session, by kubectl 1.35 and 1.32, on a cluster of its own. `--only get,create` runs some;
 * GOLDEN=rewrite writes what 1.35 has shown into the files, to be read as code is read.
 */
async function main(args: readonly string[]): Promise<number> {
  const at = args.indexOf("--only");
  const only = at === -1 ? [] : (args[at + 1] ?? "").split(",");
  const rewrite = Deno.env.get("GOLDEN") === "rewrite";
  const tools = [{ version: "1.35", tool: kubectlTool }, { version: "1.32", tool: olderKubectlTool }];
  const programs = await Promise.all(tools.map(async ({ version, tool }) => ({
    version,
    kubectl: await fetchedTool(tool),
  })));
  await using home = await TestHome.make();
  const up = await home.cluster(["up", "--control-planes", "1", "--workers", "2"], { timeoutMs: 120_000 });
  if (up.code !== 0) throw new Error(up.stderr);
  const { kubeconfig } = home;
  let passed = 0;
  let failed = 0;
  for (const { version, kubectl } of rewrite ? programs.slice(0, 1) : programs) {
    const { ran, problems } = await runSuite({ kubectl, version, kubeconfig, only, rewrite });
    for (const problem of problems) console.log(`${problem}\n`);
    passed += ran - problems.length;
    failed += problems.length;
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

Deno.exit(await main(Deno.args));
