import type { Component } from "../../platform/mod.ts";
import { startBalancer } from "../balancer.ts";
import { apiServerHost, apiServerPort, apiServerUrls } from "../plan.ts";
import { type Entry, readIdentity, runEntry } from "./_entry.ts";

export function balancer({ spec, timers, platform }: Entry): Component {
  return startBalancer({
    listen: `tcp:127.0.0.1:${spec.port}`,
    backends: apiServerUrls(spec).map((url, i) => ({ url, address: `tcp:${apiServerHost(spec, i)}:${apiServerPort}` })),
    ca: readIdentity("admin").ca,
    timers: timers.balancer,
  }, platform);
}

if (import.meta.main) await runEntry(balancer);
