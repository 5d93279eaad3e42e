import { createRestClient, createTransport } from "../client/mod.ts";
import type { RestClient, Transport } from "../client/types.ts";
import type { Platform } from "../platform/mod.ts";
import { dataDirectory, layout } from "./home.ts";
import { balancerUrl } from "./plan.ts";
import type { ClusterSpec } from "./spec.ts";

/** The administrator's client, through the balancer: what kubectl would see. */
export function adminClient(spec: ClusterSpec, platform: Platform): RestClient {
  return createRestClient(adminTransport(spec, platform), { encoding: "json", userAgent: "sauropod-cluster" });
}

export function adminTransport(spec: ClusterSpec, platform: Platform): Transport {
  const read = (file: string) => Deno.readTextFileSync(`${dataDirectory(spec.name)}/${layout.pki}/${file}`);
  const tls = { ca: read("ca.crt"), cert: read("admin.crt"), key: read("admin.key") };
  return createTransport({ endpoints: [balancerUrl(spec)], tls }, platform);
}
