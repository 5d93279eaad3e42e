import { utf8 } from "../../base/bytes.ts";
import { invalid as invalidField } from "../../api/field_errors.ts";
import type { KubeObject } from "../../api/meta.ts";
import { ApiError, internal, invalid } from "../../api/status.ts";
import type { Random } from "../../platform/mod.ts";
import { dig, items, type Json, record, text, texts, whole } from "../dig.ts";
import type { SideWrite } from "../store_access.ts";
import { addressAt, type Cidr, contains, dynamicStart } from "./cidr.ts";

export const nodePortRange = { first: 30000, last: 32767 } as const;

export interface AllocationDeps {
  readonly cidr: Cidr;
  readonly random: Random;
  /** Whether some Service is known to hold it; a guess that the transaction checks. */
  readonly addressTaken: (address: string) => boolean;
  readonly portTaken: (port: number) => boolean;
  readonly uuid: () => string;
  /** RFC 3339. */
  readonly now: string;
}

/** What one attempt takes and gives back, together with the object's own write. */
export interface Allocation {
  readonly side: readonly SideWrite[];
  /** For `side[i]`: the failure to answer when it was taken and the client had asked for just that one; null: try another. */
  readonly refusals: readonly (ApiError | null)[];
}

function addressKey(address: string): Uint8Array {
  return utf8(`/registry/ipaddresses/${address}`);
}

function portKey(port: number): Uint8Array {
  return utf8(`/registry/ranges/servicenodeports/${port}`);
}

function wantsAddress(spec: Json): boolean {
  return spec["type"] !== "ExternalName" && spec["clusterIP"] !== "None";
}

function wantsPorts(spec: Json): boolean {
  return spec["type"] === "NodePort" ||
    (spec["type"] === "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] !== false);
}

/** The cluster addresses that a Service holds. */
export function addressesOf(service: KubeObject | null): string[] {
  const spec = record(dig(service, "spec"));
  if (spec["type"] === "ExternalName") return [];
  const all = texts(spec["clusterIPs"]);
  const list = all.length > 0 ? all : [text(spec["clusterIP"])];
  return list.filter((it) => it !== "" && it !== "None");
}

/** The node ports that a Service holds, each once. */
export function nodePortsOf(service: KubeObject | null): number[] {
  const spec = record(dig(service, "spec"));
  const ports = items(spec["ports"]).map((port) => whole(record(port)["nodePort"]));
  ports.push(whole(spec["healthCheckNodePort"]));
  return [...new Set(ports.filter((port) => port > 0))];
}

/**
 * Fills in spec.clusterIP(s) and node ports, and names the keys that this takes or frees. A key for each address and
 * port, written in the Service's own transaction, is what keeps three apiservers from giving one out twice.
 * @param service changed in place @param old the stored Service, null on create
 */
export function allocate(service: KubeObject, old: KubeObject | null, deps: AllocationDeps): Allocation {
  const spec = record(dig(service, "spec"));
  const name = text(service.metadata?.name);
  const side: SideWrite[] = [];
  const refusals: (ApiError | null)[] = [];
  const held = new Set(addressesOf(old));
  const asked = addressesOf(service);
  if (wantsAddress(spec) && asked.length === 0) {
    const address = freeAddress(deps);
    spec["clusterIP"] = address;
    spec["clusterIPs"] = [address];
    take(addressKey(address), addressObject(address, service, deps), null);
  } else {
    for (const address of asked) {
      if (held.has(address)) continue;
      if (!contains(deps.cidr, address)) throw notInRange(name, address, deps.cidr);
      take(addressKey(address), addressObject(address, service, deps), addressRefused(name, address));
    }
    if (asked.length > 0) spec["clusterIPs"] = asked;
  }
  allocatePorts(spec, name, new Set(nodePortsOf(old)), deps, (port, refusal) => {
    take(portKey(port), utf8(JSON.stringify({ namespace: service.metadata?.namespace, name })), refusal);
  });
  const freed = released(old, service);
  side.push(...freed);
  for (const _ of freed) refusals.push(null);
  return { side, refusals };

  function take(key: Uint8Array, value: Uint8Array, refusal: ApiError | null): void {
    side.push({ key, value, mustBeAbsent: true });
    refusals.push(refusal);
  }
}

/** Deletes for what `old` holds and `service` no longer does. @param service null: the Service goes */
export function released(old: KubeObject | null, service: KubeObject | null): SideWrite[] {
  const addresses = new Set(addressesOf(service));
  const ports = new Set(nodePortsOf(service));
  return [
    ...addressesOf(old).filter((it) => !addresses.has(it)).map(addressKey),
    ...nodePortsOf(old).filter((it) => !ports.has(it)).map(portKey),
  ].map((key) => ({ key, value: null, mustBeAbsent: false }));
}

/** An update that does not mention what was allocated keeps it, while the type still needs it. */
export function keepAllocated(service: KubeObject, before: KubeObject): void {
  const spec = record(dig(service, "spec"));
  const old = record(dig(before, "spec"));
  if (wantsAddress(spec) && wantsAddress(old)) {
    if (text(spec["clusterIP"]) === "" && texts(spec["clusterIPs"]).length === 0) {
      spec["clusterIP"] = old["clusterIP"];
      spec["clusterIPs"] = old["clusterIPs"];
    }
  }
  if (!wantsPorts(spec) || !wantsPorts(old)) return;
  const known = new Map(items(old["ports"]).map(record).map((port) => [portIdentity(port), whole(port["nodePort"])]));
  const used = new Set(items(spec["ports"]).map((port) => whole(record(port)["nodePort"])));
  for (const port of items(spec["ports"]).map(record)) {
    const number = known.get(portIdentity(port)) ?? 0;
    if (whole(port["nodePort"]) === 0 && number > 0 && !used.has(number)) port["nodePort"] = number;
  }
}

function portIdentity(port: Json): string {
  return `${text(port["protocol"]) || "TCP"}/${whole(port["port"])}`;
}

function allocatePorts(
  spec: Json,
  name: string,
  held: ReadonlySet<number>,
  deps: AllocationDeps,
  take: (port: number, refusal: ApiError | null) => void,
): void {
  const ports = items(spec["ports"]).map(record);
  if (!wantsPorts(spec)) {
    if (spec["type"] === "ClusterIP" || spec["type"] === undefined) {
      for (const port of ports) delete port["nodePort"];
    }
    return;
  }
  const mine = new Set<number>(held);
  for (const [index, port] of ports.entries()) {
    const asked = whole(port["nodePort"]);
    if (asked === 0 || mine.has(asked)) continue;
    const field = `spec.ports[${index}].nodePort`;
    if (asked < nodePortRange.first || asked > nodePortRange.last) {
      const range = `${nodePortRange.first}-${nodePortRange.last}`;
      throw refuse(name, field, asked, `provided port is not in the valid range. The range of valid ports is ${range}`);
    }
    mine.add(asked);
    take(asked, refuse(name, field, asked, "provided port is already allocated"));
  }
  for (const port of ports) {
    if (whole(port["nodePort"]) > 0) continue;
    const free = freePort(deps, mine);
    mine.add(free);
    port["nodePort"] = free;
    take(free, null);
  }
}

function freeAddress(deps: AllocationDeps): string {
  const { cidr, random } = deps;
  const start = dynamicStart(cidr);
  const upper = search(start, cidr.size - 1, random, (n) => !deps.addressTaken(addressAt(cidr, n)));
  const found = upper ?? search(1, start, random, (n) => !deps.addressTaken(addressAt(cidr, n)));
  if (found === undefined) throw internal("failed to allocate a serviceIP: range is full");
  return addressAt(cidr, found);
}

function freePort(deps: AllocationDeps, mine: ReadonlySet<number>): number {
  const { first, last } = nodePortRange;
  const found = search(first, last + 1, deps.random, (port) => !mine.has(port) && !deps.portTaken(port));
  if (found === undefined) throw internal("failed to allocate a nodePort: range is full");
  return found;
}

/** From a random place in [start, end) onwards and around, the first number that is free. */
function search(start: number, end: number, random: Random, isFree: (n: number) => boolean): number | undefined {
  const span = end - start;
  if (span <= 0) return undefined;
  const offset = random.int(span);
  for (let i = 0; i < span; i++) {
    const n = start + (offset + i) % span;
    if (isFree(n)) return n;
  }
  return undefined;
}

/** The networking.k8s.io/v1 IPAddress that upstream keeps for each address (KEP-1880). */
function addressObject(address: string, service: KubeObject, deps: AllocationDeps): Uint8Array {
  const { name, namespace } = service.metadata ?? {};
  return utf8(JSON.stringify({
    kind: "IPAddress",
    apiVersion: "networking.k8s.io/v1",
    metadata: {
      name: address,
      uid: deps.uuid(),
      creationTimestamp: deps.now,
      labels: {
        "ipaddress.kubernetes.io/ip-family": "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
      },
    },
    spec: { parentRef: { group: "", resource: "services", namespace, name } },
  }));
}

function refuse(name: string, field: string, value: unknown, detail: string): ApiError {
  return invalid({ group: "", kind: "Service" }, name, [invalidField(field, value, detail)]);
}

function notInRange(name: string, address: string, cidr: Cidr): ApiError {
  const detail = `failed to allocate IP ${address}: the provided IP (${address}) is not in the valid range. ` +
    `The range of valid IPs is ${cidr.text}`;
  return refuse(name, "spec.clusterIPs", [address], detail);
}

function addressRefused(name: string, address: string): ApiError {
  return refuse(
    name,
    "spec.clusterIPs",
    [address],
    `failed to allocate IP ${address}: provided IP is already allocated`,
  );
}
