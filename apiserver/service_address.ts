import type { EndpointSlice, Service } from "../api/gen/types.ts";
import { endpointSlices, services } from "../api/resources.ts";
import type { Registry } from "./registry/context.ts";
import { parseCached } from "./watchcache/cached.ts";

export interface Place {
  readonly hostname: string;
  readonly port: number;
}

/**
 * A ready endpoint of a Service's port. The server dials endpoints itself: it need not be on the network where ClusterIPs
 * mean something. Null: there is none.
 */
export function serviceAddress(
  registry: Registry,
  wanted: { readonly name: string; readonly namespace: string; readonly port?: number },
): Place | null {
  const cached = registry.strategy(services).cache.get(wanted.namespace, wanted.name);
  if (cached === undefined) return null;
  const service = parseCached<Service>(cached);
  const port = service.spec?.ports?.find((each) => each.port === (wanted.port ?? 443));
  if (port === undefined) return null;
  const places: Place[] = [];
  for (const slice of registry.strategy(endpointSlices).cache.list(wanted.namespace)) {
    if (slice.labels["kubernetes.io/service-name"] !== wanted.name) continue;
    const { endpoints, ports } = parseCached<EndpointSlice>(slice);
    const target = ports?.find((each) => (each.name ?? "") === (port.name ?? ""))?.port;
    if (target === undefined) continue;
    for (const endpoint of endpoints ?? []) {
      if (endpoint.conditions?.ready === false) continue;
      for (const hostname of endpoint.addresses) places.push({ hostname, port: target });
    }
  }
  return places.length === 0 ? null : places[registry.random.int(places.length)] ?? null;
}
