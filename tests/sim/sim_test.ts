import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { runBlocks } from "./blocks.ts";
import { runSeed } from "./run.ts";

const seeds = 1000;

Deno.test(`the store simulator passes seeds 1 to ${seeds}: safe under faults, live once they end`, async () => {
  const processes = Math.max(1, navigator.hardwareConcurrency);
  const blockSeeds = Math.ceil(seeds / processes);
  const { done, failures, totals, cpuSeconds } = await runBlocks({ from: 1, seeds, blockSeeds, processes });
  const did = Object.entries(totals).map(([name, count]) => `${count} ${name}`).join(", ");
  console.log(`${done} seeds on ${processes} processes, ${cpuSeconds.toFixed(0)} CPU-seconds: ${did}`);
  equal(failures.length, 0, failures.join("\n"));
  equal(done, seeds);
  const { operations, crashes, partitions, leaders, changes } = totals;
  ok(operations > 50 * seeds && crashes > seeds && leaders > 2 * seeds, "the seeds did something");
  ok(partitions > seeds / 2 && changes > seeds / 2, "also to links and members");
});

Deno.test("runSeed() does the same for the same seed, to the last task, and something else for another", async () => {
  const first = await runSeed(17);
  deepEqual(await runSeed(17), first);
  notEqual((await runSeed(18)).traceHash, first.traceHash);
});

Deno.test("runSeed() does the same in another process", async () => {
  const main = new URL("main.ts", import.meta.url).pathname;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "--quiet", "--no-check", main, "--seed", "19"],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  const there = new TextDecoder().decode(stdout).split("\n").find((line) => line.startsWith("{")) ?? "";
  deepEqual(JSON.parse(there), { ...await runSeed(19) });
});
