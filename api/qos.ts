import type { Container, Pod, ResourceRequirements } from "./gen/types.ts";
import { parseQuantity, type Quantity, quantityFromInteger } from "./quantity.ts";
import { addQuantities, compareQuantities } from "./quantity.ts";

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

const computeResources = ["cpu", "memory"] as const;

/**
 * The quality-of-service class, from cpu and memory alone: BestEffort asks for nothing, Guaranteed has equal requests
 * and limits for both in every container, the rest is Burstable. Pod-level resources, where given, decide instead.
 * Quantities must be valid. @see kubernetes.io/docs/concepts/workloads/pods/pod-qos
 */
export function podQosClass(pod: Pod): QosClass {
  const spec = pod.spec;
  if (spec === undefined) return "BestEffort";
  const podLevel = spec.resources;
  if (podLevel !== undefined && (hasAny(podLevel.requests) || hasAny(podLevel.limits))) return classOf([podLevel]);
  const containers: Container[] = [...spec.containers ?? [], ...spec.initContainers ?? []];
  return classOf(containers.map((container) => container.resources ?? {}));
}

function hasAny(list: Record<string, string> | undefined): boolean {
  return list !== undefined && Object.keys(list).length > 0;
}

function classOf(all: readonly ResourceRequirements[]): QosClass {
  const requests = new Map<string, Quantity>();
  const limits = new Map<string, Quantity>();
  let everyLimited = true;
  for (const resources of all) {
    let limited = 0;
    for (const name of computeResources) {
      addTo(requests, name, resources.requests);
      if (addTo(limits, name, resources.limits)) limited++;
    }
    if (limited < computeResources.length) everyLimited = false;
  }
  if (requests.size === 0 && limits.size === 0) return "BestEffort";
  if (!everyLimited || requests.size !== limits.size) return "Burstable";
  for (const [name, request] of requests) {
    const limit = limits.get(name);
    if (limit === undefined || compareQuantities(request, limit) !== 0) return "Burstable";
  }
  return "Guaranteed";
}

/** Adds a positive amount and says whether there was one. */
function addTo(sum: Map<string, Quantity>, name: string, list: Record<string, string> | undefined): boolean {
  const text = list?.[name];
  if (text === undefined) return false;
  const amount = parseQuantity(text);
  if (amount.nanos <= 0n) return false;
  sum.set(name, addQuantities(sum.get(name) ?? quantityFromInteger(0), amount));
  return true;
}
