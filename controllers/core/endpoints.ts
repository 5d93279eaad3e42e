import type {
  CoreV1EndpointPort,
  EndpointAddress,
  Endpoints,
  EndpointSubset,
  Pod,
  Service,
} from "../../api/gen/types.ts";
import { isPodReady, isPodTerminal } from "../../api/pods.ts";
import { endpoints as endpointsInfo } from "../../api/resources.ts";
import { endpointAddresses } from "../limits.ts";
import { decide, type Decision, sameJson } from "./action.ts";
import { addressOf, headlessLabel, portsOf } from "./endpoint_slice.ts";

const managedByLabel = "endpoints.kubernetes.io/managed-by";
const managedByUs = "endpoint-controller";
const overCapacity = "endpoints.kubernetes.io/over-capacity";

export interface EndpointsView {
  /** Undefined when it is gone. */
  readonly service: Readonly<Service> | undefined;
  /** Pods of the namespace that the Service's selector picks. */
  readonly pods: readonly Readonly<Pod>[];
  /** The object of the Service's name. */
  readonly current: Readonly<Endpoints> | undefined;
}

/**
 * The Endpoints object of a Service, for those who still read the old kind: the pods behind it in one object, those that
 * are ready apart from those that are not. It goes with its Service. What the users of a Service without a selector
 * wrote is left alone.
 */
export function reconcileEndpoints(view: EndpointsView): Decision {
  const { service, current } = view;
  if (service === undefined || service.metadata?.deletionTimestamp !== undefined) {
    const ours = current?.metadata?.labels?.[managedByLabel] === managedByUs;
    return decide(ours ? [{ kind: "delete", info: endpointsInfo, objects: [current] }] : []);
  }
  if (Object.keys(service.spec?.selector ?? {}).length === 0 || service.spec?.type === "ExternalName") {
    return decide([]);
  }
  const { subsets, truncated } = bounded(subsetsOf(service, view.pods));
  const labels = labelsOf(service);
  if (current === undefined) {
    const { name = "", namespace } = service.metadata ?? {};
    const object: Endpoints = {
      metadata: {
        name,
        ...(namespace === undefined ? {} : { namespace }),
        labels,
        ...(truncated ? { annotations: { [overCapacity]: "truncated" } } : {}),
      },
      ...(subsets.length === 0 ? {} : { subsets }),
    };
    return decide([{ kind: "create", info: endpointsInfo, object }]);
  }
  const before = current.metadata?.labels ?? {};
  const sameMark = (current.metadata?.annotations?.[overCapacity] !== undefined) === truncated;
  if (sameJson(current.subsets ?? [], subsets) && sameJson(before, labels) && sameMark) return decide([]);
  const gone = Object.keys(before).filter((key) => !(key in labels)).map((key) => [key, null]);
  const patch = {
    metadata: {
      labels: { ...Object.fromEntries(gone), ...labels },
      ...(sameMark ? {} : { annotations: { [overCapacity]: truncated ? "truncated" : null } }),
    },
    subsets: subsets.length === 0 ? null : subsets,
  };
  return decide([{ kind: "patch", info: endpointsInfo, object: current, patch }]);
}

function labelsOf(service: Readonly<Service>): Record<string, string> {
  return {
    ...service.metadata?.labels,
    ...(service.spec?.clusterIP === "None" ? { [headlessLabel]: "" } : {}),
    [managedByLabel]: managedByUs,
  };
}

/** A subset for each list of ports: a named port may be another number in another pod. */
function subsetsOf(service: Readonly<Service>, pods: readonly Readonly<Pod>[]): EndpointSubset[] {
  const everyone = service.spec?.publishNotReadyAddresses === true;
  const subsets = new Map<
    string,
    { ports: CoreV1EndpointPort[]; ready: EndpointAddress[]; other: EndpointAddress[] }
  >();
  for (const pod of pods) {
    const ip = addressOf(pod);
    if (ip === undefined || isPodTerminal(pod)) continue;
    if (pod.metadata?.deletionTimestamp !== undefined && !everyone) continue;
    const ports = portsOf(service, pod).map(oldPort);
    // Only a headless Service may have endpoints without ports.
    if (ports.length === 0 && (service.spec?.ports ?? []).length > 0) continue;
    const key = JSON.stringify(ports);
    const subset = subsets.get(key) ?? { ports, ready: [], other: [] };
    subsets.set(key, subset);
    (everyone || isPodReady(pod) ? subset.ready : subset.other).push(endpointAddress(service, pod, ip));
  }
  return [...subsets].sort(([a], [b]) => a < b ? -1 : 1).map(([, { ports, ready, other }]) => ({
    ...(ready.length === 0 ? {} : { addresses: ready.sort(byAddress) }),
    ...(other.length === 0 ? {} : { notReadyAddresses: other.sort(byAddress) }),
    ...(ports.length === 0 ? {} : { ports }),
  }));
}

/** A Service's only port may have no name; then there is none here, where a slice has an empty one. */
function oldPort({ name, port, protocol, appProtocol }: ReturnType<typeof portsOf>[number]): CoreV1EndpointPort {
  return {
    ...(name === undefined || name === "" ? {} : { name }),
    port: port ?? 0,
    ...(protocol === undefined ? {} : { protocol }),
    ...(appProtocol === undefined ? {} : { appProtocol }),
  };
}

function endpointAddress(service: Readonly<Service>, pod: Readonly<Pod>, ip: string): EndpointAddress {
  const { name, namespace, uid } = pod.metadata ?? {};
  const hostname = pod.spec?.subdomain === service.metadata?.name ? pod.spec?.hostname : undefined;
  const nodeName = pod.spec?.nodeName;
  return {
    ip,
    ...(hostname === undefined ? {} : { hostname }),
    ...(nodeName === undefined ? {} : { nodeName }),
    targetRef: {
      kind: "Pod",
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
    },
  };
}

function byAddress(a: EndpointAddress, b: EndpointAddress): number {
  const key = ({ ip, targetRef }: EndpointAddress) => `${ip} ${targetRef?.uid ?? ""}`;
  return key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0;
}

/** At most {@linkcode endpointAddresses} addresses; the ready ones have precedence. */
function bounded(subsets: readonly EndpointSubset[]): { subsets: EndpointSubset[]; truncated: boolean } {
  let room = endpointAddresses;
  let truncated = false;
  function take(addresses: readonly EndpointAddress[]): EndpointAddress[] {
    const taken = addresses.slice(0, room);
    room -= taken.length;
    if (taken.length < addresses.length) truncated = true;
    return taken;
  }
  const ready = subsets.map((subset) => take(subset.addresses ?? []));
  const other = subsets.map((subset) => take(subset.notReadyAddresses ?? []));
  const kept = subsets.map(({ ports }, i) => ({
    ...(ready[i]?.length ? { addresses: ready[i] } : {}),
    ...(other[i]?.length ? { notReadyAddresses: other[i] } : {}),
    ...(ports === undefined ? {} : { ports }),
  }));
  return {
    subsets: kept.filter((each) => each.addresses !== undefined || each.notReadyAddresses !== undefined),
    truncated,
  };
}
