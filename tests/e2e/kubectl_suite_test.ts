import assert from "node:assert/strict";
import { fetchedTool, kubectlTool, olderKubectlTool } from "../../cluster/cli/npm_tools.ts";
import { TestHome } from "./harness.ts";
import { normalise, parseSession, rewritten } from "./kubectl_suite.ts";
import { runSuite } from "./kubectl_suite_run.ts";

Deno.test("the suite's sessions are read, rewritten and normalised as they are written", () => {
  const text = "## Title\n$ a\nb\n----\nout\n\n$1.32 c\n----\n[exit 1]\n\n## More\n$ d\n----\n\n";
  const steps = parseSession(text);
  assert.deepEqual(steps.map(({ version, command, expected }) => [version, command, expected]), [
    ["", "a\nb", "out"],
    ["1.32", "c", "[exit 1]"],
    ["", "d", ""],
  ]);
  assert.match(rewritten(text, new Map([[2, "new"]])), /^## Title\n\$ a\nb\n----\nnew\n\n\$1.32 c\n----\n\[exit 1\]\n/);
  const seen = "NAME   AGE\nweb-get-v135   3m2s\n  ip: 127.1.2.3   default\nweb-6d4cf56db6-x7k2p";
  assert.equal(normalise(seen, "get-v135"), "NAME  AGE\nweb-$NS  <age>\n  ip: <ip>  default\nweb-<hash>-<id>");
});

/** Of the older kubectl `deno task test` runs a slice; `deno task suite` runs all of both. */
const olderSlice = ["apply", "rollout", "streams"];

Deno.test("kubectl 1.35 and 1.32 are answered as by Kubernetes 1.36, command by command", async (t) => {
  const [newer, older] = await Promise.all([fetchedTool(kubectlTool), fetchedTool(olderKubectlTool)]);
  await using test = await TestHome.make();
  const up = await test.cluster(["up", "--control-planes", "1", "--workers", "2"], { timeoutMs: 120_000 });
  assert.equal(up.code, 0, up.stderr);
  const { kubeconfig } = test;
  for (const [kubectl, version, only] of [[newer, "1.35", []], [older, "1.32", olderSlice]] as const) {
    await t.step(`kubectl ${version}`, async () => {
      const { ran, problems } = await runSuite({ kubectl, version, kubeconfig, only });
      assert.deepEqual(problems, [], `${problems.length} of ${ran} answered otherwise:\n${problems.join("\n\n")}`);
      assert.ok(ran >= 90, `${ran} commands`);
    });
  }
});
