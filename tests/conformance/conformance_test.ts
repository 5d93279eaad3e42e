import assert from "node:assert/strict";
import { quiet, start, testRandom, type TestServer, VirtualTime } from "../../apiserver/testing.ts";
import { createRestClient } from "../../client/mod.ts";
import { startControllerManager } from "../../controllers/mod.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { postHttps } from "../../platform/deno/mod.ts";
import type { Component } from "../../platform/mod.ts";
import { inProcess } from "../integration/in_process.ts";
import { apiOver } from "./api.ts";
import { behaviours } from "./behaviours.ts";
import { checks } from "./checks.ts";
import { kubectlChecks } from "./checks/kubectl.ts";
import { timedWebhookChecks } from "./checks/webhooks.ts";
import type { Surroundings } from "./helpers.ts";
import { report, runCatalogue } from "./run.ts";

/** Nodes, which nobody is here; kubectl, which dials; what the clock of the wall times. */
const live: ReadonlySet<string> = new Set([
  "two nodes",
  ...Object.keys(kubectlChecks),
  ...Object.keys(timedWebhookChecks),
]);

Deno.test("the catalogue names every behaviour once, and every check belongs to one", () => {
  const names = behaviours.map(([name]) => name);
  assert.equal(new Set(names).size, names.length);
  const used = new Set(behaviours.map(([, check]) => check));
  for (const check of used) assert.ok(check === "" || Object.hasOwn(checks, check), check);
  for (const check of Object.keys(checks)) assert.ok(used.has(check), `${check} stands for a behaviour`);
});

Deno.test("the catalogue passes against an apiserver and a controller manager in this process", async () => {
  const time = new VirtualTime();
  // Watches flush and controllers wait on this clock.
  let running = true;
  const pump = (async () => {
    for (; running; await new Promise((resolve) => setTimeout(resolve, 0))) await time.advance(20);
  })();
  try {
    await using server = await start({ time, postHttps });
    const manager = startControllers(server, time);
    await manager.ready;
    try {
      const outcomes = await runCatalogue(apiOver(inProcess(server)), around(server), {
        without: live,
      });
      const lines: string[] = [];
      report(outcomes, (line) => lines.push(line));
      assert.deepEqual(outcomes.filter((it) => it.state === "failed"), [], lines.join("\n"));
      assert.ok(outcomes.filter((it) => it.state === "passed").length > 130, lines.at(-1));
    } finally {
      await manager.stop();
    }
  } finally {
    running = false;
    await pump;
  }
});

function startControllers(server: TestServer, time: VirtualTime): Component {
  const client = createRestClient(inProcess(server), { encoding: "json", userAgent: "controllers" });
  return startControllerManager({
    identity: "controllers",
    timers: {
      leaseDurationMs: 2_000,
      renewDeadlineMs: 1_500,
      retryPeriodMs: 250,
      nodeMonitorPeriodMs: 250,
      nodeMonitorGraceMs: 4_000,
      podEvictionMs: 2_000,
    },
    nodeLifecycle: false,
    clusterCaPem: "CA",
  }, { client, platform: { clock: time, timers: time, random: testRandom(7), log: quiet, metrics: createMetrics() } });
}

function around({ store }: TestServer): Surroundings {
  const refuse = () => Promise.reject(new Error("kubectl has nobody to dial"));
  return {
    kubectl: { run: refuse, start: refuse },
    compact: async () => await store.compact((await store.status()).revision),
  };
}
