import type { EndpointSlice, Service } from "../../api/gen/types.ts";

/** Where a connection may go. */
export interface Endpoint {
  readonly ip: string;
  readonly port: number;
  /** "" when it is not known. */
  readonly node: string;
}

/** One port of one service: what is listened on, and where that leads. Immutable. */
export interface Route {
  /** `namespace/name:port`, for logs. */
  readonly name: string;
  readonly protocol: "TCP" | "UDP" | "SCTP";
  readonly clusterIP: string;
  readonly port: number;
  /** 0 when it has none. */
  readonly nodePort: number;
  /** Sorted by ip, then port. Ready ones; when none is ready, those that serve while they terminate. */
  readonly endpoints: readonly Endpoint[];
  /** Of the node the table was made for only, when the traffic policy is Local. */
  readonly internalLocal: readonly Endpoint[] | null;
  readonly externalLocal: readonly Endpoint[] | null;
  /** 0: no affinity. */
  readonly affinityMs: number;
}

/** Routes by `clusterIP:port/protocol`, in that order. Never changed: a new one takes its place. */
export type RouteTable = ReadonlyMap<string, Route>;

const serviceLabel = "kubernetes.io/service-name";
const proxyNameLabel = "service.kubernetes.io/service-proxy-name";
const headlessLabel = "service.kubernetes.io/headless";
const defaultAffinitySeconds = 10_800;

interface Candidate extends Endpoint {
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
}

export function routeKey(clusterIP: string, port: number, protocol: string): string {
  return `${clusterIP}:${port}/${protocol}`;
}

/** @param node whose local endpoints the traffic policies speak of */
export function buildTable(
  services: readonly Readonly<Service>[],
  slices: readonly Readonly<EndpointSlice>[],
  node: string,
): RouteTable {
  const byService = new Map<string, Readonly<EndpointSlice>[]>();
  for (const slice of slices) {
    const name = slice.metadata?.labels?.[serviceLabel];
    if (name === undefined || slice.addressType !== "IPv4") continue;
    const key = `${slice.metadata?.namespace}/${name}`;
    const list = byService.get(key);
    if (list === undefined) byService.set(key, [slice]);
    else list.push(slice);
  }
  const routes: [string, Route][] = [];
  for (const service of services) {
    if (!isProxied(service)) continue;
    const key = `${service.metadata?.namespace}/${service.metadata?.name}`;
    for (const route of routesOf(service, byService.get(key) ?? [], node)) {
      routes.push([routeKey(route.clusterIP, route.port, route.protocol), route]);
    }
  }
  // Maps keep the order of insertion: sorted, so that it does not depend on who came first.
  routes.sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0);
  return new Map(routes);
}

function isProxied(service: Readonly<Service>): boolean {
  const { spec, metadata } = service;
  const ip = spec?.clusterIP ?? "";
  const labels = metadata?.labels ?? {};
  return spec?.type !== "ExternalName" && ip !== "" && ip !== "None" && labels[proxyNameLabel] === undefined &&
    labels[headlessLabel] === undefined;
}

function routesOf(service: Readonly<Service>, slices: readonly Readonly<EndpointSlice>[], node: string): Route[] {
  const spec = service.spec ?? {};
  const affinity = spec.sessionAffinity === "ClientIP"
    ? spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds
    : 0;
  return (spec.ports ?? []).map((port) => {
    const protocol = port.protocol === "UDP" || port.protocol === "SCTP" ? port.protocol : "TCP";
    const candidates = candidatesOf(slices, port.name ?? "", protocol, spec.publishNotReadyAddresses ?? false);
    const local = candidates.filter((each) => each.node === node);
    return {
      name: `${service.metadata?.namespace}/${service.metadata?.name}:${port.name ?? port.port}`,
      protocol,
      clusterIP: spec.clusterIP ?? "",
      port: port.port,
      nodePort: port.nodePort ?? 0,
      endpoints: usable(candidates),
      internalLocal: spec.internalTrafficPolicy === "Local" ? usable(local) : null,
      externalLocal: spec.externalTrafficPolicy === "Local" ? usable(local) : null,
      affinityMs: affinity * 1000,
    };
  });
}

function candidatesOf(
  slices: readonly Readonly<EndpointSlice>[],
  portName: string,
  protocol: string,
  publishNotReady: boolean,
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    const port = slice.ports?.find((each) => (each.name ?? "") === portName && (each.protocol ?? "TCP") === protocol)
      ?.port;
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const { ready, serving, terminating } = endpoint.conditions ?? {};
      // All addresses of an endpoint are one backend: the first stands for it.
      const ip = endpoint.addresses[0];
      if (ip === undefined) continue;
      const candidate = {
        ip,
        port,
        node: endpoint.nodeName ?? "",
        ready: publishNotReady || (ready ?? true),
        serving: serving ?? ready ?? true,
        terminating: terminating ?? false,
      };
      // An endpoint that moves between slices is in two of them for a moment: the readier statement counts.
      const old = found.get(`${ip}:${port}`);
      if (old === undefined || (!old.ready && candidate.ready)) found.set(`${ip}:${port}`, candidate);
    }
  }
  return [...found.values()].sort((a, b) => a.ip < b.ip ? -1 : a.ip > b.ip ? 1 : a.port - b.port);
}

/** KEP-1669: without a ready endpoint, those that still serve while they terminate. */
function usable(candidates: readonly Candidate[]): Endpoint[] {
  const ready = candidates.filter((each) => each.ready);
  const chosen = ready.length > 0 ? ready : candidates.filter((each) => each.serving && each.terminating);
  return chosen.map(({ ip, port, node }) => ({ ip, port, node }));
}
