import assert from "node:assert/strict";
import { admin, start, type TestServer } from "../../apiserver/testing.ts";
import { fetchedTool, kubectlTool } from "../../cluster/cli/npm_tools.ts";
import { type Ran, run } from "../e2e/harness.ts";

/** Real kubectl against an apiserver in this process, over plain HTTP: the server takes it for an administrator. */

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

async function withKubectl(test: (kubectl: (...args: string[]) => Promise<Ran>, server: TestServer) => Promise<void>) {
  const program = await kubectlPath();
  if (program === null) return;
  await using server = await start();
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
    );
  } finally {
    await http.shutdown();
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("kubectl auth can-i, can-i --list, whoami and --as say what RBAC grants", () =>
  withKubectl(async (kubectl) => {
    const out = async (...args: string[]) => (await kubectl(...args)).stdout.trim();
    assert.match(
      await out("auth", "whoami"),
      /Username +kubernetes-admin\nGroups +\[system:masters system:authenticated\]/,
    );
    assert.equal(await out("auth", "can-i", "delete", "nodes"), "yes");
    const no = await kubectl("auth", "can-i", "list", "pods", "--as=jane");
    assert.deepEqual([no.code, no.stdout.trim()], [1, "no"]);
    await out("create", "role", "reader", "--verb=get,list", "--resource=pods");
    await out("create", "rolebinding", "jane", "--role=reader", "--user=jane");
    assert.equal(await out("auth", "can-i", "list", "pods", "--as=jane"), "yes");
    assert.equal(await out("auth", "can-i", "list", "pods", "--as=jane", "-n", "kube-system"), "no");
    assert.equal(await out("auth", "can-i", "get", "pods", "--subresource=log", "--as=jane"), "no");
    assert.equal(await out("auth", "can-i", "get", "/apis", "--as=jane"), "yes");
    assert.match(await out("auth", "can-i", "--list", "--as=jane"), /\npods +\[\] +\[\] +\[get list\]/);
    assert.match(
      await out("auth", "whoami", "--as=bob", "--as-group=dev", "-o", "json"),
      /"dev",\s+"system:authenticated"/,
    );
    const denied = await kubectl("get", "secrets", "--as=jane");
    assert.equal(
      denied.stderr.trim(),
      'Error from server (Forbidden): secrets is forbidden: User "jane" cannot list resource "secrets" in API group "" ' +
        'in the namespace "default"',
    );
  }));
