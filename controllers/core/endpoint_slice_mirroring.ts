import type {
  DiscoveryV1EndpointPort,
  Endpoint,
  EndpointAddress,
  Endpoints,
  EndpointSlice,
  EndpointSubset,
  Service,
} from "../../api/gen/types.ts";
import { endpoints as endpointsInfo, endpointSlices } from "../../api/resources.ts";
import { mirroredAddressesPerSubset } from "../limits.ts";
import { type Action, byCreation, decide, type Decision, sameJson } from "./action.ts";
import { controllerReference } from "./claim.ts";
import { managedByLabel, serviceNameLabel } from "./endpoint_slice.ts";

export const mirroredBy = "endpointslicemirroring-controller.k8s.io";
const skipLabel = "endpointslice.kubernetes.io/skip-mirror";
/** An Endpoints object that a leader is elected by is nobody's backend. */
const leaderAnnotation = "control-plane.alpha.kubernetes.io/leader";
/** Said of the Endpoints alone. */
const notCopied: ReadonlySet<string> = new Set([
  "endpoints.kubernetes.io/last-change-trigger-time",
  "kubectl.kubernetes.io/last-applied-configuration",
]);

export interface MirroringView {
  /** Undefined when it is gone. */
  readonly endpoints: Readonly<Endpoints> | undefined;
  /** The Service of the same name. */
  readonly service: Readonly<Service> | undefined;
  /** Slices of that name that this controller manages. */
  readonly slices: readonly Readonly<EndpointSlice>[];
}

interface Wanted {
  readonly addressType: "IPv4" | "IPv6";
  readonly ports: DiscoveryV1EndpointPort[];
  readonly endpoints: Endpoint[];
}

/**
 * Slices that say what somebody wrote into an Endpoints object by hand, for a Service without a selector: those who read
 * slices alone, the proxies, would not know it otherwise.
 * @see KEP-752; kubernetes pkg/controller/endpointslicemirroring
 */
export function reconcileMirroring({ endpoints, service, slices }: MirroringView): Decision {
  const present = slices.filter(({ metadata }) => metadata?.deletionTimestamp === undefined);
  if (endpoints === undefined || !isMirrored(endpoints, service)) {
    return decide(present.length === 0 ? [] : [{ kind: "delete", info: endpointSlices, objects: present }]);
  }
  const actions: Action[] = [];
  const left = [...present].sort(byCreation);
  for (const wanted of wantedSlices(endpoints)) {
    const at = left.findIndex((slice) =>
      slice.addressType === wanted.addressType && sameJson(slice.ports ?? [], wanted.ports)
    );
    const [slice] = at < 0 ? [] : left.splice(at, 1);
    const action = slice === undefined ? create(endpoints, wanted) : update(endpoints, slice, wanted);
    if (action !== null) actions.push(action);
  }
  if (left.length > 0) actions.push({ kind: "delete", info: endpointSlices, objects: left });
  return decide(actions);
}

function isMirrored({ metadata }: Readonly<Endpoints>, service: Readonly<Service> | undefined): boolean {
  if (service === undefined || Object.keys(service.spec?.selector ?? {}).length > 0) return false;
  if (metadata?.deletionTimestamp !== undefined || metadata?.labels?.[skipLabel] === "true") return false;
  return metadata?.annotations?.[leaderAnnotation] === undefined;
}

/** One slice for each list of ports and family of addresses. */
function wantedSlices({ subsets = [] }: Readonly<Endpoints>): Wanted[] {
  const found = new Map<string, { readonly wanted: Wanted; readonly seen: Set<string> }>();
  for (const subset of subsets) {
    const ports = portsOf(subset);
    for (const { address, ready } of addressesOf(subset)) {
      const addressType = address.ip.includes(":") ? "IPv6" : "IPv4";
      const key = `${addressType} ${JSON.stringify(ports)}`;
      const { wanted, seen } = found.get(key) ?? { wanted: { addressType, ports, endpoints: [] }, seen: new Set() };
      found.set(key, { wanted, seen });
      if (seen.has(address.ip)) continue;
      seen.add(address.ip);
      wanted.endpoints.push(endpointOf(address, ready));
    }
  }
  return [...found].sort(([a], [b]) => a < b ? -1 : 1).map(([, { wanted }]) => wanted);
}

function addressesOf({ addresses = [], notReadyAddresses = [] }: EndpointSubset) {
  return [
    ...addresses.map((address) => ({ address, ready: true })),
    ...notReadyAddresses.map((address) => ({ address, ready: false })),
  ].slice(0, mirroredAddressesPerSubset);
}

function portsOf({ ports = [] }: EndpointSubset): DiscoveryV1EndpointPort[] {
  return ports.map(({ name = "", port, protocol = "TCP", appProtocol }) => ({
    name,
    port,
    protocol,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  }));
}

function endpointOf({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    ...(targetRef === undefined ? {} : { targetRef }),
  };
}

function labelsOf({ metadata }: Readonly<Endpoints>): Record<string, string> {
  return { ...metadata?.labels, [serviceNameLabel]: metadata?.name ?? "", [managedByLabel]: mirroredBy };
}

function annotationsOf({ metadata }: Readonly<Endpoints>): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata?.annotations ?? {}).filter(([name]) => !notCopied.has(name)));
}

function create(endpoints: Readonly<Endpoints>, { addressType, ports, endpoints: list }: Wanted): Action {
  const { name = "", namespace } = endpoints.metadata ?? {};
  const annotations = annotationsOf(endpoints);
  const object: EndpointSlice = {
    metadata: {
      generateName: `${name}-`,
      ...(namespace === undefined ? {} : { namespace }),
      labels: labelsOf(endpoints),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
      ownerReferences: [controllerReference(endpointsInfo, endpoints)],
    },
    addressType,
    endpoints: list,
    ports,
  };
  return { kind: "create", info: endpointSlices, object };
}

/** Null when the slice says it already. */
function update(endpoints: Readonly<Endpoints>, slice: Readonly<EndpointSlice>, wanted: Wanted): Action | null {
  const labels = labelsOf(endpoints);
  const annotations = annotationsOf(endpoints);
  const { labels: oldLabels = {}, annotations: oldAnnotations = {} } = slice.metadata ?? {};
  const same = sameJson(oldLabels, labels) && sameJson(oldAnnotations, annotations) &&
    sameJson(slice.endpoints ?? [], wanted.endpoints);
  if (same) return null;
  const patch = {
    metadata: { labels: replaced(oldLabels, labels), annotations: replaced(oldAnnotations, annotations) },
    endpoints: wanted.endpoints,
  };
  return { kind: "patch", info: endpointSlices, object: slice, patch };
}

/** A merge patch from one map to another. */
function replaced(old: Readonly<Record<string, string>>, next: Readonly<Record<string, string>>) {
  const gone = Object.keys(old).filter((key) => !(key in next)).map((key) => [key, null]);
  return { ...Object.fromEntries(gone), ...next };
}
