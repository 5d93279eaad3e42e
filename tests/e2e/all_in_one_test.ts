import assert from "node:assert/strict";
import { TestHome } from "./harness.ts";

/** Issue and README: at most 400 MB for a cluster of one process, the supervisor counted. */
const memoryBytesMax = 400 * 1024 * 1024;

function residentBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`));
  return Number(match?.[1] ?? NaN) * 1024;
}

Deno.test("up --all-in-one runs a Deployment in one process of modest size, which comes back with all objects when killed", async () => {
  await using test = await TestHome.make();
  const up = await test.cluster(["up", "--all-in-one", "--wait", "60s"], { timeoutMs: 90_000 });
  assert.equal(up.code, 0, up.stderr);
  assert.match(up.stderr, /Ready in [\d.]+ s, \d+ MB/);
  const applied = await test.kubectl(["apply", "-f", "examples/hello.yaml"]);
  assert.equal(applied.code, 0, applied.stderr);
  await test.ok("rollout", "status", "deploy/hello", "--timeout=60s");

  const { components } = await test.status();
  const [only] = components;
  assert.ok(components.length === 1 && only !== undefined && only.pid !== null);
  assert.equal(only.name, "all-in-one");
  assert.ok(residentBytes(only.pid) < memoryBytesMax, `${residentBytes(only.pid)} bytes`);

  const uid = await test.ok("get", "deploy/hello", "-o", "jsonpath={.metadata.uid}");
  Deno.kill(only.pid, "SIGKILL");
  await test.until("the API answers again", async () => {
    const again = await test.kubectl(["get", "deploy/hello", "-o", "jsonpath={.metadata.uid}"]);
    return again.code === 0 && again.stdout === uid;
  }, 30_000);
  await test.ok("rollout", "restart", "deploy/hello");
  await test.ok("rollout", "status", "deploy/hello", "--timeout=60s");
});
