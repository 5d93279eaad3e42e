import { CliError, exitCode } from "./errors.ts";
import type { ComponentKind } from "./plan.ts";

const kinds: readonly ComponentKind[] = [
  "store",
  "apiserver",
  "balancer",
  "controller-manager",
  "scheduler",
  "kubelet",
  "proxy",
  "hollow-nodes",
  "etcd",
];

/**
 * Brings every component's npm packages into Deno's cache, once, before twenty processes would each try. Cheap when
 * they are there already.
 */
export async function fetchDependencies(): Promise<void> {
  const root = new URL("../", import.meta.url);
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "cache",
      "--quiet",
      `--config=${new URL("deno.json", root).pathname}`,
      new URL("cluster/entry/supervisor.ts", root).pathname,
      // No one imports it: its comments are what kubectl explain shows.
      "npm:@kubernetes/client-node@2.0.1",
      ...kinds.map((kind) => new URL(`cluster/entry/${kind.replaceAll("-", "_")}.ts`, root).pathname),
    ],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (code !== 0) {
    throw new CliError(exitCode.failed, `Cannot fetch the dependencies:\n${new TextDecoder().decode(stderr).trim()}`, {
      hint: "the npm registry must be reachable the first time",
    });
  }
}
