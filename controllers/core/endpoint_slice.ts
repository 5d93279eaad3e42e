import type { DiscoveryV1EndpointPort, Endpoint, EndpointSlice, Pod, Service } from "../../api/gen/types.ts";
import { isPodReady, isPodTerminal } from "../../api/pods.ts";
import { endpointSlices, services } from "../../api/resources.ts";
import { endpointsPerSlice } from "../limits.ts";
import { type Action, byCreation, decide, type Decision, sameJson } from "./action.ts";
import { controllerReference } from "./claim.ts";

export const serviceNameLabel = "kubernetes.io/service-name";
export const managedByLabel = "endpointslice.kubernetes.io/managed-by";
export const managedByUs = "endpointslice-controller.k8s.io";
export const headlessLabel = "service.kubernetes.io/headless";

export interface EndpointSliceView {
  readonly service: Readonly<Service>;
  /** Pods of the namespace that the Service's selector picks. */
  readonly pods: readonly Readonly<Pod>[];
  /** Slices of the Service that this controller manages. */
  readonly slices: readonly Readonly<EndpointSlice>[];
  /** `topology.kubernetes.io/zone` of nodes that have it. */
  readonly zones: ReadonlyMap<string, string>;
}

/** Endpoints that resolve the Service's ports alike: a named port may be another number in another pod. */
interface Group {
  readonly ports: DiscoveryV1EndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

/**
 * Slices that hold every pod behind the Service. An endpoint stays in the slice it is in, so that a change of one pod
 * rewrites one slice; slices never hold more than the bound; a Service without endpoints keeps one empty slice.
 */
export function reconcileEndpointSlices(view: EndpointSliceView): Decision {
  const { service, pods, slices, zones } = view;
  const selector = service.spec?.selector ?? {};
  if (Object.keys(selector).length === 0 || service.spec?.type === "ExternalName") return decide([]);
  if (service.metadata?.deletionTimestamp !== undefined) return decide([]);
  const groups = new Map<string, Group>();
  for (const pod of [...pods].sort(byCreation)) {
    if (isPodTerminal(pod) || addressOf(pod) === undefined) continue;
    const ports = portsOf(service, pod);
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: new Map<string, Endpoint>() };
    group.endpoints.set(pod.metadata?.uid ?? "", endpointOf(service, pod, zones));
    groups.set(key, group);
  }
  const actions: Action[] = [];
  const unused: Readonly<EndpointSlice>[] = [];
  const byPorts = new Map<string, Readonly<EndpointSlice>[]>();
  for (const slice of [...slices].sort(byCreation)) {
    if (slice.metadata?.deletionTimestamp !== undefined) continue;
    const key = JSON.stringify((slice.ports ?? []).map(orderedPort));
    if (slice.addressType === addressTypeOf(service) && groups.has(key)) {
      byPorts.set(key, [...byPorts.get(key) ?? [], slice]);
    } else unused.push(slice);
  }
  let kept = 0;
  for (const [key, group] of [...groups].sort(([a], [b]) => a < b ? -1 : 1)) {
    kept += place(service, group, byPorts.get(key) ?? [], unused, actions);
  }
  if (kept === 0) {
    const placeholder = unused.shift();
    if (placeholder === undefined) actions.push(create(service, [], []));
    else update(service, placeholder, [], [], actions);
  }
  if (unused.length > 0) actions.push({ kind: "delete", info: endpointSlices, objects: unused });
  return decide(actions);
}

/** Puts a group's endpoints into slices; returns how many slices hold them. Empty slices go to `unused`. */
function place(
  service: Readonly<Service>,
  group: Group,
  slices: readonly Readonly<EndpointSlice>[],
  unused: Readonly<EndpointSlice>[],
  actions: Action[],
): number {
  const left = new Map(group.endpoints);
  const contents = slices.map((slice) => {
    const endpoints: Endpoint[] = [];
    for (const endpoint of slice.endpoints ?? []) {
      const uid = endpoint.targetRef?.uid ?? "";
      const wanted = left.get(uid);
      if (wanted === undefined) continue;
      endpoints.push(wanted);
      left.delete(uid);
    }
    return { slice, endpoints };
  });
  const rest = [...left.values()];
  // The fullest slices are filled first, so that few remain half empty.
  for (const { endpoints } of [...contents].sort((a, b) => b.endpoints.length - a.endpoints.length)) {
    endpoints.push(...rest.splice(0, Math.max(0, endpointsPerSlice - endpoints.length)));
  }
  let used = 0;
  for (const { slice, endpoints } of contents) {
    if (endpoints.length === 0) {
      unused.push(slice);
      continue;
    }
    used++;
    update(service, slice, group.ports, endpoints, actions);
  }
  while (rest.length > 0) {
    used++;
    actions.push(create(service, group.ports, rest.splice(0, endpointsPerSlice)));
  }
  return used;
}

function update(
  service: Readonly<Service>,
  slice: Readonly<EndpointSlice>,
  ports: DiscoveryV1EndpointPort[],
  endpoints: Endpoint[],
  actions: Action[],
): void {
  const labels = labelsOf(service);
  const sameLabels = sameJson(slice.metadata?.labels, labels);
  if (sameLabels && sameJson(slice.ports ?? [], ports) && sameJson(slice.endpoints ?? [], endpoints)) return;
  const gone = Object.keys(slice.metadata?.labels ?? {}).filter((key) => !(key in labels)).map((key) => [key, null]);
  const patch = {
    ...(sameLabels ? {} : { metadata: { labels: { ...Object.fromEntries(gone), ...labels } } }),
    ports,
    endpoints,
  };
  actions.push({ kind: "patch", info: endpointSlices, object: slice, patch });
}

function create(service: Readonly<Service>, ports: DiscoveryV1EndpointPort[], endpoints: Endpoint[]): Action {
  const object: EndpointSlice = {
    metadata: {
      generateName: `${service.metadata?.name ?? ""}-`,
      ...(service.metadata?.namespace === undefined ? {} : { namespace: service.metadata.namespace }),
      labels: labelsOf(service),
      ownerReferences: [controllerReference(services, service)],
    },
    addressType: addressTypeOf(service),
    endpoints,
    ports,
  };
  return { kind: "create", info: endpointSlices, object };
}

function labelsOf(service: Readonly<Service>): Record<string, string> {
  const headless = service.spec?.clusterIP === "None";
  return {
    ...service.metadata?.labels,
    ...(headless ? { [headlessLabel]: "" } : {}),
    [serviceNameLabel]: service.metadata?.name ?? "",
    [managedByLabel]: managedByUs,
  };
}

function addressTypeOf(service: Readonly<Service>): string {
  return service.spec?.ipFamilies?.[0] ?? "IPv4";
}

export function addressOf(pod: Readonly<Pod>): string | undefined {
  const address = pod.status?.podIP ?? pod.status?.podIPs?.[0]?.ip;
  return address === "" ? undefined : address;
}

function endpointOf(service: Readonly<Service>, pod: Readonly<Pod>, zones: ReadonlyMap<string, string>): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata?.deletionTimestamp !== undefined;
  const nodeName = pod.spec?.nodeName;
  const zone = nodeName === undefined ? undefined : zones.get(nodeName);
  const hostname = pod.spec?.subdomain === service.metadata?.name ? pod.spec?.hostname : undefined;
  const { name, namespace, uid } = pod.metadata ?? {};
  return {
    addresses: [addressOf(pod) ?? ""],
    conditions: {
      ready: service.spec?.publishNotReadyAddresses === true || (serving && !terminating),
      serving,
      terminating,
    },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: {
      kind: "Pod",
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
    },
    ...(zone === undefined ? {} : { zone }),
  };
}

/** The Service's ports as this pod has them; a named port that it lacks is left out. */
export function portsOf(service: Readonly<Service>, pod: Readonly<Pod>): DiscoveryV1EndpointPort[] {
  const ports: DiscoveryV1EndpointPort[] = [];
  for (const each of service.spec?.ports ?? []) {
    const protocol = each.protocol ?? "TCP";
    const target = each.targetPort ?? each.port;
    // 0 and "" stand for "the same as the port".
    const port = typeof target === "number"
      ? target || each.port
      : target === ""
      ? each.port
      : find(pod, target, protocol);
    if (port === undefined) continue;
    ports.push(orderedPort({
      name: each.name ?? "",
      port,
      protocol,
      ...(each.appProtocol === undefined ? {} : { appProtocol: each.appProtocol }),
    }));
  }
  return ports;
}

/** Fields in one order, so that two equal lists of ports have equal texts. */
function orderedPort(port: DiscoveryV1EndpointPort): DiscoveryV1EndpointPort {
  return {
    name: port.name ?? "",
    ...(port.port === undefined ? {} : { port: port.port }),
    protocol: port.protocol ?? "TCP",
    ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }),
  };
}

function find(pod: Readonly<Pod>, name: string, protocol: string): number | undefined {
  const sidecars = (pod.spec?.initContainers ?? []).filter((container) => container.restartPolicy === "Always");
  for (const container of [...pod.spec?.containers ?? [], ...sidecars]) {
    const port = container.ports?.find((each) => each.name === name && (each.protocol ?? "TCP") === protocol);
    if (port !== undefined) return port.containerPort;
  }
  return undefined;
}
