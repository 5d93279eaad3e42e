import type { APIServiceCondition, EndpointSlice, Service } from "../../api/gen/types.ts";
import { endpointSlices, services } from "../../api/resources.ts";
import { limits } from "../limits.ts";
import type { Registry } from "../registry/context.ts";
import { parseCached } from "../watchcache/cached.ts";
import { callRemote, identityLines } from "./call.ts";
import type { RemoteSpec } from "./remote.ts";

export type Verdict = Required<Pick<APIServiceCondition, "status" | "reason" | "message">>;

/**
 * Whether a remote APIService can be used, in upstream's words: its Service and endpoints are there and its discovery
 * answers. @see kube-aggregator pkg/controllers/status/remote
 */
export async function checkAvailability(
  registry: Registry,
  spec: RemoteSpec,
  stopping: AbortSignal,
): Promise<Verdict> {
  const missing = checkService(registry, spec);
  if (missing !== null) return { status: "False", ...missing };
  const message = await checkDiscovery(registry, spec, stopping);
  return message === null
    ? { status: "True", reason: "Passed", message: "all checks passed" }
    : { status: "False", reason: "FailedDiscoveryCheck", message };
}

function checkService(registry: Registry, spec: RemoteSpec): Pick<Verdict, "reason" | "message"> | null {
  const { name = "", namespace = "", port: wanted = 443 } = spec.service;
  const where = `service/${name} in ${JSON.stringify(namespace)}`;
  const cached = registry.strategy(services).cache.get(namespace, name);
  if (cached === undefined) return { reason: "ServiceNotFound", message: `${where} is not present` };
  const service = parseCached<Service>(cached);
  if ((service.spec?.type ?? "ClusterIP") !== "ClusterIP") return null;
  const port = service.spec?.ports?.find((it) => it.port === wanted);
  if (port === undefined) {
    return { reason: "ServicePortError", message: `${where} is not listening on port ${wanted}` };
  }
  const slices = registry.strategy(endpointSlices).cache.list(namespace)
    .filter(({ labels }) => labels["kubernetes.io/service-name"] === name)
    .map((it) => parseCached<EndpointSlice>(it));
  if (slices.length === 0) {
    return { reason: "EndpointsNotFound", message: `cannot find endpointslices for ${where}` };
  }
  const portName = port.name ?? "";
  const active = slices.some(({ endpoints, ports }) =>
    (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false) &&
    (ports ?? []).some((it) => (it.name ?? "") === portName && it.port !== undefined)
  );
  if (active) return null;
  const message = `endpointslices for ${where} have no addresses with port name ${JSON.stringify(portName)}`;
  return { reason: "MissingEndpoints", message };
}

const checker = { name: "system:kube-aggregator", uid: "", groups: ["system:masters"] };

/** Null: it answers. Several attempts, since each may find another endpoint. */
async function checkDiscovery(
  registry: Registry,
  spec: RemoteSpec,
  stopping: AbortSignal,
): Promise<string | null> {
  const { group = "", version = "", service } = spec;
  const path = `/apis/${group}/${version}`;
  const url = `https://${service.name ?? ""}.${service.namespace ?? ""}.svc:${service.port ?? 443}${path}`;
  let failure = "";
  for (let attempt = 0; attempt < limits.availabilityAttempts && !stopping.aborted; attempt++) {
    const headers = [["accept", "application/json"] as const, ...identityLines(checker)];
    const abort = new AbortController();
    const timer = registry.timers.schedule(limits.remoteCallMs, () => abort.abort());
    try {
      const call = {
        method: "GET",
        path,
        headers,
        body: null,
        signal: AbortSignal.any([abort.signal, stopping]),
        unverified: true,
      };
      const response = await callRemote(registry, spec, call);
      await response.body?.cancel();
      if (response.status >= 200 && response.status < 300) return null;
      failure = `bad status from ${url}: ${response.status}`;
    } catch (error) {
      failure = `Get ${JSON.stringify(url)}: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      timer.cancel();
    }
  }
  return `failing or missing response from ${url}: ${failure}`;
}
