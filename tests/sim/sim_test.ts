import { deepEqual, notEqual, ok } from "node:assert/strict";
import { runSeed, type SimReport } from "./run.ts";

const seedsPerTest = 50;
const tests = 6;

function sum(reports: readonly SimReport[], of: (report: SimReport) => number): number {
  return reports.reduce((total, report) => total + of(report), 0);
}

for (let part = 0; part < tests; part++) {
  const from = part * seedsPerTest + 1;
  const to = from + seedsPerTest - 1;
  Deno.test(`the store simulator passes seeds ${from} to ${to}: safe under faults, live once they end`, async () => {
    const reports: SimReport[] = [];
    for (let seed = from; seed <= to; seed++) reports.push(await runSeed(seed));
    const [operations, crashes, partitions, leaders] = [
      sum(reports, (r) => r.operations),
      sum(reports, (r) => r.crashes),
      sum(reports, (r) => r.partitions),
      sum(reports, (r) => r.leaders),
    ];
    console.log(
      `${seedsPerTest} seeds: ${operations} operations, ${crashes} crashes, ${partitions} partitions, ${leaders} terms led`,
    );
    ok(
      operations > 50 * seedsPerTest && crashes > seedsPerTest && leaders > 2 * seedsPerTest,
      "the seeds did something",
    );
  });
}

Deno.test("runSeed() does the same for the same seed, to the last task, and something else for another", async () => {
  const first = await runSeed(17);
  deepEqual(await runSeed(17), first);
  notEqual((await runSeed(18)).traceHash, first.traceHash);
});
