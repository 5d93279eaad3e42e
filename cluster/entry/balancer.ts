import type { Component } from "../../platform/mod.ts";
import { startBalancer } from "../balancer.ts";
import { apiServerHost, apiServerPort, apiServerUrls } from "../plan.ts";
import { type Entry, readIdentity, runEntry } from "./_entry.ts";
import { withMetrics } from "./_serving.ts";

export async function balancer(entry: Entry): Promise<Component> {
  const { spec, timers, platform } = entry;
  const balancer = startBalancer({
    listen: `tcp:127.0.0.1:${spec.port}`,
    backends: apiServerUrls(spec).map((url, i) => ({ url, address: `tcp:${apiServerHost(spec, i)}:${apiServerPort}` })),
    ca: readIdentity("admin").ca,
    timers: timers.balancer,
  }, platform);
  return await withMetrics(entry, balancer);
}

if (import.meta.main) await runEntry(balancer);
