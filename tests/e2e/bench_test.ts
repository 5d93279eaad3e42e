import assert from "node:assert/strict";
import type { FailoverResult } from "../../bench/failover.ts";
import type { Summary } from "../../bench/histograms.ts";
import type { SchedulingResult } from "../../bench/scheduling.ts";
import { processesUnder, run } from "./harness.ts";

/** The benchmarks, tiny: that they run, that their numbers fit together, that nothing stays. Not how fast. */

function bench(...args: string[]) {
  const flags = ["run", "--allow-all", "--quiet", "--no-check", "--unstable-net", "bench/main.ts"];
  return run(Deno.execPath(), [...flags, ...args]);
}

function assertOrdered({ count, p50, p90, p99, max }: Summary, expected: number): void {
  assert.equal(count, expected);
  assert.ok(0 < p50 && p50 <= p90 && p90 <= p99 && p99 <= max, JSON.stringify({ p50, p90, p99, max }));
}

async function benchHomes(): Promise<Set<string>> {
  const found = new Set<string>();
  for await (const { name } of Deno.readDir(Deno.env.get("TMPDIR") ?? "/tmp")) {
    if (name.startsWith("sauropod-bench-")) found.add(name);
  }
  return found;
}

Deno.test("bench scheduling binds every pod once, reports each latency of each pod, and leaves nothing", async () => {
  const before = await benchHomes();
  const out = await Deno.makeTempDir({ prefix: "sauropod-e2e-bench-" });
  try {
    const ran = await bench(
      ...["scheduling", "--nodes", "20", "--pods", "50", "--init-pods", "10", "--control-planes", "1"],
      ...["-o", "json", "--out", out],
    );
    assert.equal(ran.code, 0, ran.stderr);
    const result = JSON.parse(ran.stdout) as SchedulingResult; // our own program's output
    assert.equal(result.bound, 50);
    assertOrdered(result.createToBoundMs, 50);
    assertOrdered(result.createMs, 50);
    assertOrdered(result.decisionUs, 50);
    assertOrdered(result.bindMs, 50);
    assert.equal(result.queueMs.count, 50);
    assert.ok(Math.abs(result.podsPerSecond - 50 / (result.elapsedMs / 1_000)) < 0.2);
    assert.ok(result.createToBoundMs.max <= result.elapsedMs * 1.01 + 1);
    assert.equal(result.spread.mean, 60 / 20);
    assert.ok(result.cpu.secondsPerPod > 0);
    assert.equal(result.machine.deno, Deno.version.deno);
    assert.deepEqual(JSON.parse(await Deno.readTextFile(`${out}/scheduling.json`)), result);
    assert.match(await Deno.readTextFile(`${out}/scheduling.html`), /<polyline/);
    assert.match(await Deno.readTextFile(`${out}/scheduling.createToBound.hgrm`), /Percentile/);
  } finally {
    await Deno.remove(out, { recursive: true });
  }
  for (const home of await benchHomes()) {
    if (!before.has(home)) assert.deepEqual(await processesUnder(`/tmp/${home}`), [], "left behind");
  }
});

Deno.test("bench failover loses no acknowledged write when the store's leader is killed", async () => {
  const ran = await bench("failover", "--kills", "1", "-o", "json");
  assert.equal(ran.code, 0, ran.stderr);
  const result = JSON.parse(ran.stdout) as FailoverResult; // our own program's output
  assert.equal(result.kills, 1);
  assertOrdered(result.gapMs, 1);
  assertOrdered(result.writeMs, result.acknowledgedWrites);
  assert.equal(result.lostAcknowledgedWrites, 0);
});

Deno.test("bench refuses what cannot be measured before it starts anything", async () => {
  const full = await bench("scheduling", "--nodes", "1", "--pods", "100");
  assert.equal(full.code, 2);
  assert.match(full.stderr, /do not fit on 1 nodes: each holds 40/);
  assert.equal((await bench("scheduling", "--nodes", "0")).code, 2);
  assert.equal((await bench("failover", "-o", "yaml")).code, 2);
});
