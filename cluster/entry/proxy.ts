import type { Component } from "../../platform/mod.ts";
import { createRestClient, createTransport } from "../../client/mod.ts";
import { startProxy } from "../../proxy/mod.ts";
import { apiServerUrls, nodeAddress } from "../plan.ts";
import { type Entry, readIdentity, runEntry } from "./_entry.ts";
import { withMetrics } from "./_serving.ts";

export async function proxy(entry: Entry): Promise<Component> {
  const { spec, plan, index, platform } = entry;
  const transport = createTransport(
    { endpoints: apiServerUrls(spec), tls: readIdentity("proxy"), http2: true },
    platform,
  );
  const client = createRestClient(transport, { encoding: "msgpack", userAgent: "sauropod-proxy" });
  const config = { nodeName: plan.node ?? "", nodeAddress: nodeAddress(spec, index - 1), timers: {} };
  return await withMetrics(entry, startProxy(config, { client, ...platform }));
}

if (import.meta.main) await runEntry(proxy);
