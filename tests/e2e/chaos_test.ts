import assert from "node:assert/strict";
import type { Report } from "../../cluster/chaos/analysis.ts";
import { TestHome } from "./harness.ts";

Deno.test("chaos run leader-kill --repeat 2 makes a cluster, kills its leader twice, is green and leaves nothing", async () => {
  await using test = await TestHome.make();
  const file = `${test.home}/report.html`;
  const ran = await test.cluster(
    ["chaos", "run", "leader-kill", "--repeat", "2", "--load", "60rps", "-o", "json", "--report", file],
    { timeoutMs: 90_000 },
  );
  assert.ok(ran.stdout.startsWith("{"), `exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
  const report = JSON.parse(ran.stdout) as Report; // our own program's output
  assert.equal(ran.code, 0, JSON.stringify({ ...report, runs: report.runs }, null, 1));
  assert.equal(report.kills, 2);
  assert.equal(report.linearizable.verdict, "linearizable");
  assert.equal(report.lostAcknowledgedWrites, 0);
  assert.ok(report.acknowledgedWrites > 20 && report.watches.events >= 3 * report.acknowledgedWrites);
  assert.ok(report.runs.every((run) => run.firstAckMs !== null && run.newLeader !== null));
  assert.match(await Deno.readTextFile(file), /<svg/);
  assert.equal((await test.cluster(["list", "-o", "json"])).stdout.trim(), "[]", "the temporary cluster is gone");
});

Deno.test("chaos run power-loss --bug skip-fsync is red: acknowledged writes are gone, and the shortest failing part is drawn", async () => {
  await using test = await TestHome.make();
  const ran = await test.cluster(
    ["chaos", "run", "power-loss", "--bug", "skip-fsync", "--repeat", "1", "--load", "150rps", "-o", "json"],
    { timeoutMs: 90_000 },
  );
  assert.ok(ran.stdout.startsWith("{"), `exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
  const report = JSON.parse(ran.stdout) as Report; // our own program's output
  assert.equal(ran.code, 4);
  assert.equal(report.linearizable.verdict, "violated");
  assert.ok(report.lostAcknowledgedWrites > 0);
  assert.match(report.linearizable.counterexample ?? "", /client \d+ .*├ /);
});

Deno.test("chaos run partition-leader heals its partition when it is interrupted, and leaves another's fault alone", async () => {
  await using test = await TestHome.make();
  const up = await test.cluster(["up", "--workers", "0", "--hollow-nodes", "1", "--runtime", "hollow"]);
  assert.equal(up.code, 0, up.stderr);
  const ran = await test.cluster(["chaos", "partition", "etcd-7", "store"]);
  assert.equal(ran.code, 2);
  assert.match(ran.stderr, /No component or kind "etcd-7"/);
  assert.equal((await test.cluster(["chaos", "delay", "scheduler-0", "apiserver-0", "--by", "1ms"])).code, 0);
  const faults = () => Deno.readTextFile(`${test.home}/clusters/default/run/faults.json`);
  const experiment = test.start([
    "chaos",
    "run",
    "partition-leader",
    "--on",
    "store",
    "--repeat",
    "20",
    "--load",
    "50rps",
  ]);
  await test.until("the leader is cut off", async () => /"cut":true/.test(await faults()));
  experiment.kill("SIGINT");
  assert.equal((await experiment.status).code, 130);
  assert.doesNotMatch(await faults(), /"cut":true/);
  assert.match(await faults(), /"delayMs":1,/);
  assert.equal((await test.cluster(["chaos", "heal"])).code, 0);
  assert.equal(await faults(), "");
});
