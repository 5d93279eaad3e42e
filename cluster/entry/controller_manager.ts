import { createRestClient, createTransport } from "../../client/mod.ts";
import { startControllerManager } from "../../controllers/mod.ts";
import { apiServerUrls } from "../plan.ts";
import { readIdentity, runEntry } from "./_entry.ts";

await runEntry(({ spec, plan, timers, platform, reportRole }) => {
  const tls = readIdentity("controller-manager");
  const dial = () =>
    createRestClient(createTransport({ endpoints: apiServerUrls(spec), tls }, platform), {
      encoding: "json",
      userAgent: "sauropod-controller-manager",
    });
  return startControllerManager({
    identity: plan.name,
    timers: {
      ...timers.leaderElection,
      nodeMonitorPeriodMs: timers.node.monitorPeriodMs,
      nodeMonitorGraceMs: timers.node.monitorGraceMs,
      podEvictionMs: timers.node.podEvictionMs,
    },
    nodeLifecycle: spec.nodeLifecycle ?? true,
    clusterCaPem: tls.ca,
    onRole: reportRole,
  }, { client: dial(), electionClient: dial(), platform });
});
