import type { Component } from "../../platform/mod.ts";
import { createRestClient, createTransport } from "../../client/mod.ts";
import { startProxy } from "../../proxy/mod.ts";
import { apiServerUrls, nodeAddress } from "../plan.ts";
import { type Entry, readIdentity, runEntry } from "./_entry.ts";

export function proxy({ spec, plan, index, platform }: Entry): Component {
  const transport = createTransport(
    { endpoints: apiServerUrls(spec), tls: readIdentity("proxy"), http2: true },
    platform,
  );
  const client = createRestClient(transport, { encoding: "msgpack", userAgent: "sauropod-proxy" });
  return startProxy({ nodeName: plan.node ?? "", nodeAddress: nodeAddress(spec, index - 1), timers: {} }, {
    client,
    ...platform,
  });
}

if (import.meta.main) await runEntry(proxy);
