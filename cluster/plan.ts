import type { ClusterSpec } from "./spec.ts";

export type ComponentKind =
  | "store"
  | "apiserver"
  | "balancer"
  | "controller-manager"
  | "scheduler"
  | "kubelet"
  | "proxy"
  | "hollow-nodes"
  | "etcd"
  | "all-in-one";

/** One process of a cluster. */
export interface ComponentPlan {
  /** Unique in the cluster, e.g. `store-0`, `kubelet-worker-1`. */
  readonly name: string;
  readonly kind: ComponentKind;
  /** The Kubernetes Node it serves; null for the control plane. */
  readonly node: string | null;
  /** Where it listens: `unix:` paths are relative to the data directory. "" when it only dials. */
  readonly address: string;
  /** Started once the others are ready, and nobody waits for it: `up` takes no longer for its sake. */
  readonly late?: true;
}

export const apiServerPort = 6443;
export const kubeletPort = 10250;
export const etcdPort = 2379;
/** Where upstream's components, and kubeadm's etcd, are scraped. */
const schedulerPort = 10259;
const controllerManagerPort = 10257;
const proxyMetricsPort = 10249;
const storeMetricsPort = 2381;
/** Upstream has no such processes. */
const gatewayMetricsPort = 2382;
const balancerMetricsPort = 10260;

const firstWorkerHost = 1;
const firstApiServerHost = 10;
const firstEtcdHost = 30;
/** The host part of an address ends at 254. */
export const maxStoreNumber = 254 - firstEtcdHost;
/** 127.S.16.0 ... 127.S.239.0: a /24 of pod addresses for each worker. */
const firstPodBlock = 16;
const serviceBlock = 240;
export const maxWorkers = serviceBlock - firstPodBlock;

/** Every process of the cluster, in the order in which they are started and listed. */
export function planOf(spec: ClusterSpec): ComponentPlan[] {
  if (spec.allInOne !== true) return componentsOf(spec);
  return [{ name: "all-in-one", kind: "all-in-one", node: null, address: balancerUrl(spec) }];
}

/** Every component, whether it has a process of its own or not, in the order in which they are started. */
export function componentsOf(spec: ClusterSpec): ComponentPlan[] {
  const replicas = Array.from({ length: spec.controlPlanes }, (_, i) => i);
  const workers = Array.from({ length: spec.workers }, (_, i) => `worker-${i + 1}`);
  const members = storeMembers(spec);
  const control = (kind: ComponentKind, address: (i: number) => string, numbers = replicas): ComponentPlan[] =>
    numbers.map((i) => ({ name: `${kind}-${i}`, kind, node: null, address: address(i) }));
  const plans: ComponentPlan[] = [
    ...(spec.store === undefined ? control("store", storeClientAddress, members) : []),
  ];
  if (spec.storeOnly === true) return plans;
  plans.push(
    ...control("apiserver", (i) => `https://${apiServerHost(spec, i)}:${apiServerPort}`),
    { name: "balancer", kind: "balancer", node: null, address: balancerUrl(spec) },
    ...control("controller-manager", () => ""),
    ...control("scheduler", () => ""),
  );
  workers.forEach((node, i) => {
    plans.push({
      name: `kubelet-${node}`,
      kind: "kubelet",
      node,
      address: `https://${nodeAddress(spec, i)}:${kubeletPort}`,
    });
    plans.push({ name: `proxy-${node}`, kind: "proxy", node, address: "" });
  });
  if (spec.hollowNodes > 0) {
    const address = `https://${hollowNodesHost(spec)}:${kubeletPort}`;
    plans.push({ name: "hollow-nodes", kind: "hollow-nodes", node: null, address });
  }
  if (spec.store === undefined) {
    for (const plan of control("etcd", (i) => etcdUrl(spec, i), members)) plans.push({ ...plan, late: true });
  }
  return plans;
}

/**
 * Where a component's metrics are; null for a process that holds several. The control plane's are at the addresses of
 * the apiservers and the gateways of their number, as if each number were a machine.
 */
export function metricsUrl(spec: ClusterSpec, { name, kind, address }: ComponentPlan): string | null {
  const index = indexOf(name);
  switch (kind) {
    case "apiserver":
    case "kubelet":
    case "hollow-nodes":
      return `${address}/metrics`;
    case "scheduler":
      return `https://${apiServerHost(spec, index)}:${schedulerPort}/metrics`;
    case "controller-manager":
      return `https://${apiServerHost(spec, index)}:${controllerManagerPort}/metrics`;
    case "proxy":
      return `http://${nodeAddress(spec, index - 1)}:${proxyMetricsPort}/metrics`;
    case "store":
      return `http://${etcdHost(spec, index)}:${storeMetricsPort}/metrics`;
    case "etcd":
      return `http://${etcdHost(spec, index)}:${gatewayMetricsPort}/metrics`;
    case "balancer":
      return `http://127.${spec.slice}.0.1:${balancerMetricsPort}/metrics`;
    case "all-in-one":
      return null;
  }
}

/** Which component listens at an address (`unix:...`, `tcp:host:port`); null: none. */
export function whoListens(spec: ClusterSpec): (address: string) => string | null {
  const names = new Map<string, string>();
  for (const { name, kind, address } of planOf(spec)) {
    const { hostname, port } = address.startsWith("https:") ? new URL(address) : { hostname: "", port: "" };
    names.set(hostname === "" ? address : `tcp:${hostname}:${port}`, name);
    if (kind === "store") names.set(storePeerAddress(Number(name.slice("store-".length))), name);
  }
  names.delete("");
  // A member may have been added after the process that asks was started.
  return (address) => names.get(address) ?? /^unix:run\/(store-\d+)(?:\.peer)?\.sock$/.exec(address)?.[1] ?? null;
}

/** `store-1` -> 1: which of its kind a component is. */
export function indexOf(name: string): number {
  return Number(/\d+$/.exec(name)?.[0] ?? 0);
}

/** The numbers of the store's members, in ascending order. */
export function storeMembers(spec: ClusterSpec): number[] {
  return spec.storeMembers?.numbers.toSorted((a, b) => a - b) ?? firstStoreMembers(spec);
}

/** Of those that the cluster began with. */
export function firstStoreMembers(spec: ClusterSpec): number[] {
  return Array.from({ length: spec.controlPlanes }, (_, i) => i);
}

/** A member's id, and its component's name. */
export function storeName(number: number): string {
  return `store-${number}`;
}

/** The members' client addresses; @param nearest whose comes first */
export function storeClientAddresses(spec: ClusterSpec, nearest = 0): string[] {
  const numbers = storeMembers(spec);
  const at = Math.max(0, numbers.findIndex((number) => number >= nearest));
  return [...numbers.slice(at), ...numbers.slice(0, at)].map(storeClientAddress);
}

export function balancerUrl(spec: ClusterSpec): string {
  return `https://127.0.0.1:${spec.port}`;
}

export function apiServerHost(spec: ClusterSpec, index: number): string {
  return `127.${spec.slice}.0.${firstApiServerHost + index}`;
}

export function apiServerUrls(spec: ClusterSpec): string[] {
  return Array.from({ length: spec.controlPlanes }, (_, i) => `https://${apiServerHost(spec, i)}:${apiServerPort}`);
}

export function etcdHost(spec: ClusterSpec, index: number): string {
  return `127.${spec.slice}.0.${firstEtcdHost + index}`;
}

/** The gateway's certificate and key under `pki/`: the first members share one, the others have each their own. */
export function etcdServerIdentity(spec: ClusterSpec, index: number): string {
  return index < spec.controlPlanes ? "etcd-server" : `etcd-server-${index}`;
}

/** Where member `index` speaks etcd's API. */
export function etcdUrl(spec: ClusterSpec, index: number): string {
  return `https://${etcdHost(spec, index)}:${etcdPort}`;
}

export function storePeerAddress(index: number): string {
  return `unix:run/store-${index}.peer.sock`;
}

export function storeClientAddress(index: number): string {
  return `unix:run/store-${index}.sock`;
}

/** @param index of the worker, from 0 */
export function nodeAddress(spec: ClusterSpec, index: number): string {
  return `127.${spec.slice}.1.${firstWorkerHost + index}`;
}

export function podCidr(spec: ClusterSpec, index: number): string {
  return `127.${spec.slice}.${firstPodBlock + index}.0/24`;
}

/** The one server that all hollow nodes share. */
export function hollowNodesHost(spec: ClusterSpec): string {
  return `127.${spec.slice}.2.1`;
}

/** Simulated pods have addresses of 100.64.0.0/10 (RFC 6598), a /24 a node: nothing dials them. */
export function hollowPodCidr(index: number): string {
  return `100.${64 + (index >> 8)}.${index & 255}.0/24`;
}

/** Everything from 127.S.240.0: 4,096 addresses. */
export function serviceCidr(spec: ClusterSpec): string {
  return `127.${spec.slice}.${serviceBlock}.0/20`;
}

/** The ClusterIP of default/kubernetes: the first of the range, as upstream. */
export function kubernetesServiceAddress(spec: ClusterSpec): string {
  return `127.${spec.slice}.${serviceBlock}.1`;
}
