import type { Node } from "../../api/gen/types.ts";
import { allocatableOf, type NodeInfo, type PodInfo, type Resources } from "../core/node_info.ts";
import { type FilterPlugin, maxNodeScore, type ScorePlugin } from "../core/plugin.ts";

export const tooManyPods = "Too many pods";
export function insufficient(resource: string): string {
  return `Insufficient ${resource}`;
}

type Allocatable = Resources & { readonly pods: number };
const nothing: Resources = { cpu: 0, memory: 0, ephemeral: 0, extended: new Map() };

/** Every resource that is short, in upstream's order; empty when the pod fits. */
function shortages(pod: PodInfo, allocatable: Allocatable, used: Resources, podCount: number): string[] {
  const { request } = pod;
  const short: string[] = [];
  if (podCount + 1 > allocatable.pods) short.push(tooManyPods);
  if (!request.any) return short;
  if (request.cpu > 0 && request.cpu > allocatable.cpu - used.cpu) short.push(insufficient("cpu"));
  if (request.memory > 0 && request.memory > allocatable.memory - used.memory) short.push(insufficient("memory"));
  if (request.ephemeral > 0 && request.ephemeral > allocatable.ephemeral - used.ephemeral) {
    short.push(insufficient("ephemeral-storage"));
  }
  for (const [name, amount] of request.extended) {
    if (amount > 0 && amount > (allocatable.extended.get(name) ?? 0) - (used.extended.get(name) ?? 0)) {
      short.push(insufficient(name));
    }
  }
  return short;
}

/** Whether the node lacks an extended resource that the pod asks for. */
export function lacksExtended(node: NodeInfo, name: string, amount: number): boolean {
  return amount > 0 && amount > (node.allocatable.extended.get(name) ?? 0) - (node.used.extended.get(name) ?? 0);
}

/** Whether an empty node of this size would do. */
function fitsEmpty(pod: PodInfo, node: Readonly<Node>): boolean {
  return shortages(pod, allocatableOf(node), nothing, 0).length === 0;
}

/** Whether the update gave more of something that the pod asks for. */
function grew(pod: PodInfo, old: Readonly<Node>, node: Readonly<Node>): boolean {
  const before = allocatableOf(old);
  const after = allocatableOf(node);
  const { request } = pod;
  if (after.pods > before.pods) return true;
  return (request.cpu > 0 && after.cpu > before.cpu) ||
    (request.memory > 0 && after.memory > before.memory) ||
    (request.ephemeral > 0 && after.ephemeral > before.ephemeral) ||
    request.extended.some(([name, amount]) =>
      amount > 0 && (after.extended.get(name) ?? 0) > (before.extended.get(name) ?? 0)
    );
}

/** Whether a pod on a node now takes less of something that `pod` asks for. */
function shrank(pod: PodInfo, old: PodInfo, changed: PodInfo): boolean {
  const { request } = pod;
  const less = (name: "cpu" | "memory" | "ephemeral") => request[name] > 0 && old.request[name] > changed.request[name];
  return less("cpu") || less("memory") || less("ephemeral");
}

/** The node's allocatable must hold the requests of its pods and of this one, and one pod more. */
export const nodeResourcesFit: FilterPlugin = {
  name: "NodeResourcesFit",
  filter: (pod, node) => shortages(pod, node.allocatable, node.used, node.pods.size),
  /** Not when even the empty node is too small. */
  preemptible(pod, { allocatable }) {
    const { request } = pod;
    return request.cpu <= allocatable.cpu && request.memory <= allocatable.memory &&
      request.ephemeral <= allocatable.ephemeral &&
      request.extended.every(([name, amount]) => amount <= (allocatable.extended.get(name) ?? 0));
  },
  hint(pod, event) {
    switch (event.kind) {
      case "NodeAdd":
        return fitsEmpty(pod, event.node);
      case "NodeUpdate":
        return fitsEmpty(pod, event.node) && grew(pod, event.old, event.node);
      case "AssignedPodDelete":
        return true;
      case "AssignedPodUpdate":
        return shrank(pod, event.old, event.pod);
      case "PodUpdate":
        return shrank(event.pod, event.old, event.pod);
    }
  },
};

/** (capacity - requested) * 100 / capacity in integers, exactly. */
export function leastRequested(requested: number, capacity: number): number {
  if (requested > capacity) return 0;
  const scaled = (capacity - requested) * maxNodeScore;
  if (capacity * maxNodeScore <= Number.MAX_SAFE_INTEGER) return Math.floor(scaled / capacity);
  return Number((BigInt(capacity) - BigInt(requested)) * BigInt(maxNodeScore) / BigInt(capacity));
}

/**
 * LeastAllocated: the mean of the free shares of cpu and memory after the pod, counting 100m and 200 MiB for containers
 * that ask for nothing. A resource that the node does not have is left out.
 */
export const nodeResourcesFitScore: ScorePlugin = {
  name: "NodeResourcesFit",
  weight: 1,
  score(pod, { allocatable, nonZero }) {
    let sum = 0;
    let weights = 0;
    if (allocatable.cpu !== 0) {
      sum += leastRequested(nonZero.cpu + pod.request.nonZeroCpu, allocatable.cpu);
      weights++;
    }
    if (allocatable.memory !== 0) {
      sum += leastRequested(nonZero.memory + pod.request.nonZeroMemory, allocatable.memory);
      weights++;
    }
    return weights === 0 ? 0 : Math.floor(sum / weights);
  },
  normalize: "none",
  applies: () => true,
};
