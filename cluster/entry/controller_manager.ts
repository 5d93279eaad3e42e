import type { Component } from "../../platform/mod.ts";
import { certificates } from "../../platform/deno/mod.ts";
import { createRestClient, createTransport } from "../../client/mod.ts";
import { startControllerManager } from "../../controllers/mod.ts";
import { apiServerUrls } from "../plan.ts";
import { type Entry, readIdentity, readPkiFile, runEntry } from "./_entry.ts";
import { withMetrics } from "./_serving.ts";

export async function controllerManager(entry: Entry): Promise<Component> {
  const { spec, plan, timers, platform, reportRole } = entry;
  const tls = readIdentity("controller-manager");
  const dial = (requestTimeoutMs?: number) => {
    const limit = requestTimeoutMs === undefined ? {} : { requestTimeoutMs };
    const transport = createTransport({ endpoints: apiServerUrls(spec), tls, ...limit }, platform);
    return createRestClient(transport, { encoding: "json", userAgent: "sauropod-controller-manager" });
  };
  // A renewal that one apiserver leaves unanswered must reach the next before the deadline.
  const electionClient = dial(timers.leaderElection.renewDeadlineMs / 3);
  const client = dial();
  const manager = startControllerManager({
    identity: plan.name,
    timers: {
      ...timers.leaderElection,
      nodeMonitorPeriodMs: timers.node.monitorPeriodMs,
      nodeMonitorGraceMs: timers.node.monitorGraceMs,
      podEvictionMs: timers.node.podEvictionMs,
    },
    nodeLifecycle: spec.nodeLifecycle ?? true,
    clusterCaPem: tls.ca,
    signing: { certificates, authority: { cert: tls.ca, key: readPkiFile("ca.key") } },
    onRole: reportRole,
  }, { client, electionClient, platform });
  return await withMetrics(entry, manager, { tls, client });
}

if (import.meta.main) await runEntry(controllerManager);
