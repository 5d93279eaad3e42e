import { deepEqual, equal, notEqual, ok, rejects } from "node:assert/strict";
import { configMaps } from "../../api/resources.ts";
import { startSimCluster } from "../../cluster/sim/mod.ts";
import { runStory } from "./cluster_story.ts";

Deno.test("a simulated cluster replaces a dead node's pods after its store leader and an apiserver died; the same seed does the same", async () => {
  const first = await runStory(7);
  const onOthers = first.placed.filter((placed) => !placed.endsWith(` on ${first.lostNode}`));
  equal(onOthers.length, 3);
  deepEqual(await runStory(7), first);
  notEqual((await runStory(8)).traceHash, first.traceHash);
});

Deno.test("the trace hash of a simulated cluster is the same in another process", async () => {
  const program = `import { runStory } from ${JSON.stringify(new URL("./cluster_story.ts", import.meta.url).href)};
    console.log((await runStory(9)).traceHash);`;
  const root = new URL("../../", import.meta.url).pathname;
  const other = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-check", `--config=${root}deno.json`, program],
    stdout: "piped",
    stderr: "inherit",
  }).output();
  equal(new TextDecoder().decode(other.stdout).trim(), (await runStory(9)).traceHash);
});

Deno.test("SimCluster.client answers calls made side by side, watches, and fails when time runs out", async () => {
  await using cluster = await startSimCluster({ seed: 3, controlPlanes: 1, workers: 1 });
  const { client, clock } = cluster;
  const names = ["a", "b", "c"];
  await Promise.all(
    names.map((name) =>
      client.create(configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "default" } })
    ),
  );
  const seen: string[] = [];
  for await (
    const change of client.watch(configMaps, {
      namespace: "default",
      sendInitialEvents: true,
      resourceVersionMatch: "NotOlderThan",
    })
  ) {
    if (change.type !== "ADDED") continue;
    seen.push(change.object.metadata?.name ?? "");
    if (seen.includes("c")) break;
  }
  ok(names.every((name) => seen.includes(name)), `saw ${seen}`);
  const before = clock.nowMs;
  await clock.advance("1m30s");
  equal(clock.nowMs, before + 90_000);
  await rejects(
    cluster.ready("deploy/none", { within: "2s" }),
    /deploy\/none is ready: not settled after 2000 ms \(seed 3\)/,
  );
  await rejects(cluster.ready("gateway/none"), RangeError);
  await rejects(startSimCluster({ seed: 1, controlPlanes: 2 }), RangeError);
});

Deno.test("SimChaos.kill() finds leaders, and a restarted machine serves again", async () => {
  await using cluster = await startSimCluster({ seed: 5 });
  const { chaos } = cluster;
  for (const kind of ["store", "scheduler", "controller-manager"] as const) {
    const name = await chaos.kill({ kind, leader: true });
    ok(name.startsWith(kind));
    equal(cluster.machines.find((machine) => machine.name === name)?.running, false);
    const next = () => cluster.machines.some((machine) => machine.kind === kind && machine.leads);
    await cluster.until(next, { within: "10s" });
    await chaos.restart(name);
    await cluster.until(() => cluster.machines.find((machine) => machine.name === name)?.ready === true);
  }
  await rejects(chaos.kill("worker-9"), RangeError);
  await cluster.apply(new URL("../../examples/hello.yaml", import.meta.url).pathname);
  await cluster.ready("deploy/hello", { within: "30s" });
});
