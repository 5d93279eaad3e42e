import assert from "node:assert/strict";
import {
  fetchedTool,
  helmTool,
  kubectlTool,
  type NpmTool,
  olderHelmTool,
  olderKubectlTool,
} from "../../cluster/cli/npm_tools.ts";
import { TestHome } from "./harness.ts";

/** helm 3 merges on the client, helm 4 applies on the server; each with the kubectl of its time. */
const generations: readonly { readonly title: string; readonly helm: NpmTool; readonly kubectl: NpmTool }[] = [
  { title: "helm 3 and kubectl 1.32", helm: olderHelmTool, kubectl: olderKubectlTool },
  { title: "helm 4 and kubectl 1.35", helm: helmTool, kubectl: kubectlTool },
];
const chart = new URL("../testdata/chart", import.meta.url).pathname;

Deno.test("helm installs, upgrades, rolls back and uninstalls a chart; kubectl sees each step", async (t) => {
  // Fetched before the test has a home of its own, so that every run finds them again.
  const programs = await Promise.all(
    generations.map(async ({ title, ...tools }) => ({
      title,
      helm: await fetchedTool(tools.helm),
      kubectl: await fetchedTool(tools.kubectl),
    })),
  );
  await using test = await TestHome.make();
  const up = await test.cluster(["up", "--control-planes", "1", "--workers", "1"], { timeoutMs: 120_000 });
  assert.equal(up.code, 0, up.stderr);
  for (const { title, helm, kubectl } of programs) {
    await t.step(title, async () => {
      const wait = ["--wait", "--timeout", "60s"];
      const replicas = async () =>
        await test.runs(kubectl, "get", "deploy", "r-web", "-o", "jsonpath={.status.readyReplicas} {.spec.replicas}");
      const message = async () => await test.runs(kubectl, "get", "cm", "r-web", "-o", "jsonpath={.data.message}");

      assert.match(await test.runs(helm, "install", "r", chart, ...wait), /STATUS: deployed/);
      assert.deepEqual([await replicas(), await message()], ["2 2", "hello"]);
      await test.runs(helm, "upgrade", "r", chart, "--set", "replicas=3,message=bye", ...wait);
      assert.deepEqual([await replicas(), await message()], ["3 3", "bye"]);
      await test.runs(helm, "rollback", "r", "1", ...wait);
      assert.match(await replicas(), / 2$/);
      assert.equal(await message(), "hello");
      const history = await test.runs(helm, "history", "r");
      assert.deepEqual(history.match(/superseded|deployed/g), ["superseded", "superseded", "deployed"], history);
      assert.match(await test.runs(kubectl, "get", "secrets", "-l", "owner=helm"), /helm\.sh\/release\.v1 +1/);
      await test.runs(helm, "uninstall", "r", "--wait");
      assert.equal(await test.runs(kubectl, "get", "deploy,svc,cm", "-l", "app.kubernetes.io/managed-by=Helm"), "");
      assert.equal((await test.runs(kubectl, "get", "secrets", "-l", "owner=helm", "-o", "name")).trim(), "");
    });
  }
});
