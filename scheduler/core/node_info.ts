import type { Node, Pod } from "../../api/gen/types.ts";
import { parseInteger, parseMilli } from "../../api/quantity.ts";
import { type HostPort, hostPortsOf } from "./host_ports.ts";
import { compileAffinity, type CompiledAffinity } from "../../api/node_selector.ts";
import { isScalarResource, type PodRequest, requestOf } from "./requests.ts";

/** A pod and what scheduling asks about it, worked out once. */
export interface PodInfo {
  readonly uid: string;
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly pod: Readonly<Pod>;
  readonly priority: number;
  readonly request: PodRequest;
  readonly ports: readonly HostPort[];
  readonly affinity: CompiledAffinity;
  /** Pods with the same one get the same answers from NodeName, TaintToleration, NodeUnschedulable and NodeAffinity. */
  readonly signature: string;
}

export function podInfo(pod: Readonly<Pod>): PodInfo {
  const { uid = "", namespace = "", name = "" } = pod.metadata ?? {};
  const spec = pod.spec;
  return {
    uid,
    key: `${namespace}/${name}`,
    namespace,
    name,
    pod,
    priority: spec?.priority ?? 0,
    request: requestOf(pod),
    ports: hostPortsOf(pod),
    affinity: compileAffinity(pod),
    signature: JSON.stringify([
      spec?.nodeName ?? "",
      spec?.tolerations ?? [],
      spec?.nodeSelector ?? {},
      spec?.affinity?.nodeAffinity ?? {},
    ]),
  };
}

/** Millicores, bytes, counts. */
export interface Resources {
  cpu: number;
  memory: number;
  ephemeral: number;
  extended: Map<string, number>;
}

/** A node, its pods, and the sums over them. Written by the snapshot alone. */
export interface NodeInfo {
  readonly name: string;
  node: Readonly<Node>;
  /** Its place in {@linkcode Snapshot.nodes}; changes when another node goes. */
  index: number;
  allocatable: Resources & { pods: number };
  readonly used: Resources;
  readonly nonZero: { cpu: number; memory: number };
  readonly pods: Map<string, PodInfo>;
  /** The snapshot's static version at which labels, taints or `unschedulable` last changed here. */
  staticVersion: number;
}

export function allocatableOf(node: Readonly<Node>): Resources & { pods: number } {
  const result = { cpu: 0, memory: 0, ephemeral: 0, pods: 0, extended: new Map<string, number>() };
  for (const [name, text] of Object.entries(node.status?.allocatable ?? {})) {
    if (name === "cpu") result.cpu = parseMilli(text);
    else if (name === "memory") result.memory = parseInteger(text);
    else if (name === "ephemeral-storage") result.ephemeral = parseInteger(text);
    else if (name === "pods") result.pods = parseInteger(text);
    else if (isScalarResource(name)) result.extended.set(name, parseInteger(text));
  }
  return result;
}

export function nodeInfo(node: Readonly<Node>, index: number, staticVersion: number): NodeInfo {
  return {
    name: node.metadata?.name ?? "",
    node,
    index,
    allocatable: allocatableOf(node),
    used: { cpu: 0, memory: 0, ephemeral: 0, extended: new Map() },
    nonZero: { cpu: 0, memory: 0 },
    pods: new Map(),
    staticVersion,
  };
}

/** @param sign 1 to add, -1 to remove */
export function account(node: NodeInfo, pod: PodInfo, sign: 1 | -1): void {
  const { request } = pod;
  node.used.cpu += sign * request.cpu;
  node.used.memory += sign * request.memory;
  node.used.ephemeral += sign * request.ephemeral;
  for (const [name, amount] of request.extended) {
    node.used.extended.set(name, (node.used.extended.get(name) ?? 0) + sign * amount);
  }
  node.nonZero.cpu += sign * request.nonZeroCpu;
  node.nonZero.memory += sign * request.nonZeroMemory;
  if (sign === 1) node.pods.set(pod.uid, pod);
  else node.pods.delete(pod.uid);
}
