import { podRequests } from "../../api/pods.ts";
import type { Container, Pod } from "../../api/gen/types.ts";
import { integerValue, milliValue, parseInteger, parseMilli } from "../../api/quantity.ts";

/** What a pod asks for: millicores, bytes, counts. Safe integers. */
export interface PodRequest {
  readonly cpu: number;
  readonly memory: number;
  readonly ephemeral: number;
  /** Extended resources, huge pages: also those asked for with 0. Sorted by name. */
  readonly extended: readonly (readonly [name: string, amount: number])[];
  /** Whether any resource is named at all; if not, only the number of pods is checked. */
  readonly any: boolean;
  /** With 100m and 200 MiB for each container that names none: what scores count with. */
  readonly nonZeroCpu: number;
  readonly nonZeroMemory: number;
}

/** @see k8s.io/kubernetes pkg/scheduler/util/pod_resources.go */
const defaultMilliCpu = 100;
const defaultMemory = 200 * 1024 * 1024;

/** Everyday quantities, whose sum can be taken after rounding because nothing is rounded. */
const plainCpu = /^[0-9]{1,9}m?$/;
const plainBytes = /^[0-9]{1,6}(?:[0-9]{0,6}|Ki|Mi|Gi|k|M|G)$/;

interface Sum {
  cpu: number;
  memory: number;
  ephemeral: number;
  nonZeroCpu: number;
  nonZeroMemory: number;
}

/** A resource that upstream counts as scalar: extended, prefixed native, huge pages, attachable volumes. */
export function isScalarResource(name: string): boolean {
  return name.includes("/") || name.startsWith("hugepages-") || name.startsWith("attachable-volumes-");
}

/**
 * The requests of `pod` as kube-scheduler counts them. Quantities must be valid, as the API server's validation makes
 * them. Each resource is summed exactly and rounded up once.
 */
export function requestOf(pod: Readonly<Pod>): PodRequest {
  return plainRequest(pod) ?? exactRequest(pod);
}

/** Most pods: only cpu, memory and ephemeral storage in plain texts, no init containers. Null for all others. */
function plainRequest(pod: Readonly<Pod>): PodRequest | null {
  const spec = pod.spec;
  if (spec === undefined || spec.overhead !== undefined || spec.resources !== undefined) return null;
  if (spec.initContainers !== undefined && spec.initContainers.length > 0) return null;
  const sum: Sum = { cpu: 0, memory: 0, ephemeral: 0, nonZeroCpu: 0, nonZeroMemory: 0 };
  for (const container of spec.containers) {
    if (!addPlain(sum, container.resources?.requests)) return null;
  }
  return { ...sum, extended: [], any: sum.cpu !== 0 || sum.memory !== 0 || sum.ephemeral !== 0 };
}

function addPlain(sum: Sum, requests: Readonly<Record<string, string>> | undefined): boolean {
  let cpu = defaultMilliCpu;
  let memory = defaultMemory;
  for (const name in requests) {
    const text = requests[name] as string;
    if (name === "cpu") {
      if (!plainCpu.test(text)) return false;
      cpu = parseMilli(text);
      sum.cpu += cpu;
    } else if (!plainBytes.test(text)) {
      return false;
    } else if (name === "memory") {
      memory = parseInteger(text);
      sum.memory += memory;
    } else if (name === "ephemeral-storage") {
      sum.ephemeral += parseInteger(text);
    } else {
      return false;
    }
  }
  sum.nonZeroCpu += cpu;
  sum.nonZeroMemory += memory;
  return true;
}

function exactRequest(pod: Readonly<Pod>): PodRequest {
  const requests = podRequests(pod);
  const filled = podRequests(withDefaults(pod));
  const amount = (name: string) => {
    const quantity = requests.get(name);
    return quantity === undefined ? 0 : integerValue(quantity);
  };
  const cpu = requests.get("cpu");
  const nonZeroCpu = filled.get("cpu");
  const nonZeroMemory = filled.get("memory");
  const extended: [string, number][] = [];
  for (const name of [...requests.keys()].sort()) if (isScalarResource(name)) extended.push([name, amount(name)]);
  const plain = {
    cpu: cpu === undefined ? 0 : milliValue(cpu),
    memory: amount("memory"),
    ephemeral: amount("ephemeral-storage"),
  };
  return {
    ...plain,
    extended,
    any: plain.cpu !== 0 || plain.memory !== 0 || plain.ephemeral !== 0 || extended.length > 0,
    nonZeroCpu: nonZeroCpu === undefined ? 0 : milliValue(nonZeroCpu),
    nonZeroMemory: nonZeroMemory === undefined ? 0 : integerValue(nonZeroMemory),
  };
}

function withDefaults(pod: Readonly<Pod>): Pod {
  const spec = pod.spec;
  if (spec === undefined) return pod;
  const fill = (container: Container): Container => ({
    ...container,
    resources: {
      ...container.resources,
      requests: { cpu: `${defaultMilliCpu}m`, memory: `${defaultMemory}`, ...container.resources?.requests },
    },
  });
  return {
    ...pod,
    spec: {
      ...spec,
      containers: spec.containers.map(fill),
      ...(spec.initContainers === undefined ? {} : { initContainers: spec.initContainers.map(fill) }),
    },
  };
}
