import type { Component } from "../../platform/mod.ts";
import { createBatchingTransport, createRestClient, createTransport } from "../../client/mod.ts";
import { startHollowNodes } from "../../kubelet/mod.ts";
import { apiServerUrls, hollowNodesHost, hollowPodCidr, kubeletPort } from "../plan.ts";
import { type Entry, readIdentity, runEntry } from "./_entry.ts";

export function hollowNodes({ spec, timers, platform }: Entry): Component {
  const tls = readIdentity("hollow-nodes");
  const transport = createTransport({ endpoints: apiServerUrls(spec), tls, http2: true }, platform);
  // Thousands of nodes: heartbeats and pod statuses leave together.
  const client = createRestClient(createBatchingTransport(transport), {
    encoding: "msgpack",
    userAgent: "sauropod-hollow-nodes",
  });
  return startHollowNodes({
    count: spec.hollowNodes,
    prefix: "hollow",
    address: hollowNodesHost(spec),
    port: kubeletPort,
    tls,
    podCidrOf: hollowPodCidr,
    timers: timers.node,
  }, { client, ...platform });
}

if (import.meta.main) await runEntry(hollowNodes);
