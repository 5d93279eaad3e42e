import type { Component } from "../../platform/mod.ts";
import { createRestClient, createTransport } from "../../client/mod.ts";
import { startKubelet } from "../../kubelet/mod.ts";
import { apiServerUrls, kubeletPort, nodeAddress, podCidr } from "../plan.ts";
import { type Entry, readIdentity, runEntry } from "./_entry.ts";

export function kubelet({ spec, plan, index, timers, platform, dataDirectory }: Entry): Component {
  const worker = index - 1; // worker-1 is the first
  const nodeName = plan.node ?? "";
  const tls = readIdentity(nodeName);
  const transport = createTransport({ endpoints: apiServerUrls(spec), tls, http2: true }, platform);
  const client = createRestClient(transport, { encoding: "msgpack", userAgent: "sauropod-kubelet" });
  return startKubelet({
    nodeName,
    nodeAddress: nodeAddress(spec, worker),
    runtime: spec.runtime,
    dataDirectory: `${dataDirectory}/data/${plan.name}`,
    podCidr: podCidr(spec, worker),
    tls,
    port: kubeletPort,
    denoPath: Deno.execPath(),
    owner: dataDirectory, // what `cluster stop` sweeps by
    timers: timers.node,
  }, { client, ...platform });
}

if (import.meta.main) await runEntry(kubelet);
