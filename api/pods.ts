/** Questions about pods that several rooms ask. Pure; quantities in what they are handed must be valid. */
import type {
  Container,
  ObjectMeta,
  OwnerReference,
  Pod,
  PodCondition,
  PodTemplateSpec,
  Taint,
  Toleration,
} from "./gen/types.ts";
import { parseTime } from "./time.ts";
import { addQuantities, compareQuantities, parseQuantity, type Quantity } from "./quantity.ts";

type ResourceMap = Map<string, Quantity>;

/**
 * What a pod asks a node for, by resource: the larger of its init phase and its containers, plus overhead. Sidecars
 * (init containers that restart always) count beside the containers, and beside every init container after them.
 * Pod-level cpu, memory and huge pages replace the sum. @see KEP-753 and the scheduler's PodRequests
 */
export function podRequests(pod: Pod): Map<string, Quantity> {
  const spec = pod.spec;
  const total: ResourceMap = new Map();
  if (spec === undefined) return total;
  // Before validation a required list may still be missing.
  for (const container of spec.containers ?? []) addList(total, container.resources?.requests);
  const sidecars: ResourceMap = new Map();
  const initPeak: ResourceMap = new Map();
  for (const container of spec.initContainers ?? []) {
    const requests = container.resources?.requests;
    if (isSidecar(container)) {
      addList(total, requests);
      addList(sidecars, requests);
      raise(initPeak, sidecars);
    } else {
      const during = new Map(sidecars);
      addList(during, requests);
      raise(initPeak, during);
    }
  }
  raise(total, initPeak);
  for (const [name, text] of Object.entries(spec.resources?.requests ?? {})) {
    if (isPodLevelResource(name)) total.set(name, parseQuantity(text));
  }
  addList(total, spec.overhead);
  return total;
}

/**
 * The most that a pod may use, by resource, counted as {@linkcode podRequests} counts. A resource without a limit in
 * some container has a sum that bounds nothing; quota and LimitRange count it all the same.
 */
export function podLimits(pod: Pod): Map<string, Quantity> {
  const limited = (containers: readonly Container[] | undefined) =>
    (containers ?? []).map((it) => ({ ...it, resources: { requests: it.resources?.limits ?? {} } }));
  const { spec } = pod;
  if (spec === undefined) return new Map();
  const { resources, overhead, ...rest } = spec;
  const total = podRequests({
    ...pod,
    spec: {
      ...rest,
      containers: limited(spec.containers),
      initContainers: limited(spec.initContainers),
      ...(resources?.limits === undefined ? {} : { resources: { requests: resources.limits } }),
    },
  });
  // Overhead belongs to limits that there are.
  for (const [name, text] of Object.entries(overhead ?? {})) {
    const before = total.get(name);
    if (before !== undefined) total.set(name, addQuantities(before, parseQuantity(text)));
  }
  return total;
}

function addList(sum: ResourceMap, list: Record<string, string> | undefined): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    const amount = parseQuantity(text);
    const before = sum.get(name);
    sum.set(name, before === undefined ? amount : addQuantities(before, amount));
  }
}

function raise(sum: ResourceMap, to: ResourceMap): void {
  for (const [name, amount] of to) {
    const before = sum.get(name);
    if (before === undefined || compareQuantities(before, amount) < 0) sum.set(name, amount);
  }
}

function isPodLevelResource(name: string): boolean {
  return name === "cpu" || name === "memory" || name.startsWith("hugepages-");
}

/** An init container that keeps running beside the containers. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === "Always";
}

export function podCondition(pod: Pod, type: string): PodCondition | undefined {
  return pod.status?.conditions?.find((condition) => condition.type === type);
}

export function isPodReady(pod: Pod): boolean {
  return podCondition(pod, "Ready")?.status === "True";
}

/** Ready for at least `minReadySeconds`. @param nowMs Unix time in milliseconds */
export function isPodAvailable(pod: Pod, minReadySeconds: number, nowMs: number): boolean {
  const ready = podCondition(pod, "Ready");
  if (ready?.status !== "True") return false;
  if (minReadySeconds === 0) return true;
  const since = ready.lastTransitionTime === undefined ? undefined : parseTime(ready.lastTransitionTime);
  return since !== undefined && since + minReadySeconds * 1000 <= nowMs;
}

/** Succeeded or Failed: none of its containers will run again. */
export function isPodTerminal(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** Neither finished nor being deleted. */
export function isPodActive(pod: Pod): boolean {
  return !isPodTerminal(pod) && pod.metadata?.deletionTimestamp === undefined;
}

/** The one owner that controls the object. */
export function controllerOf(metadata: ObjectMeta | undefined): OwnerReference | undefined {
  return metadata?.ownerReferences?.find((reference) => reference.controller === true);
}

/** Whether the object is controlled by the owner with this uid. */
export function isControlledBy(metadata: ObjectMeta | undefined, ownerUid: string | undefined): boolean {
  return ownerUid !== undefined && controllerOf(metadata)?.uid === ownerUid;
}

export function tolerates(toleration: Toleration, taint: Taint): boolean {
  const effect = toleration.effect ?? "";
  if (effect !== "" && effect !== taint.effect) return false;
  const key = toleration.key ?? "";
  if (key !== "" && key !== taint.key) return false;
  switch (toleration.operator ?? "") {
    case "":
    case "Equal":
      return (toleration.value ?? "") === (taint.value ?? "");
    case "Exists":
      return true;
    default:
      return false;
  }
}

/** The first taint, among those with one of these effects, that nothing tolerates. */
export function findUntoleratedTaint(
  taints: readonly Taint[] | undefined,
  tolerations: readonly Toleration[] | undefined,
  effects: readonly string[],
): Taint | undefined {
  return taints?.find((taint) =>
    effects.includes(taint.effect) && !(tolerations ?? []).some((toleration) => tolerates(toleration, taint))
  );
}

/** No vowels and no look-alikes, as in generated names. */
const safeAlphabet = "bcdfghjklmnpqrstvwxz2456789";

/**
 * The `pod-template-hash` label. Not upstream's number, which hashes Go's own printing of the structure.
 * @param collisionCount the Deployment's status.collisionCount
 */
export function podTemplateHash(template: PodTemplateSpec, collisionCount = 0): string {
  return nameHash(template, collisionCount);
}

/**
 * FNV-1a over a value's JSON with sorted keys, in characters safe for names: the same value gives the same hash whatever
 * the order of its keys.
 * @param collisionCount how many names were found taken by other values before
 */
export function nameHash(value: unknown, collisionCount = 0): string {
  let hash = fnv1a(0x811c9dc5, sortedJson(value));
  if (collisionCount > 0) hash = fnv1a(hash, `#${collisionCount}`);
  return [...String(hash)].map((digit) => safeAlphabet[digit.charCodeAt(0) % safeAlphabet.length]).join("");
}

function fnv1a(seed: number, text: string): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    hash = Math.imul(hash ^ (unit & 0xff), 0x01000193);
    if (unit > 0xff) hash = Math.imul(hash ^ (unit >>> 8), 0x01000193);
  }
  return hash >>> 0;
}

function sortedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(sortedJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const parts: string[] = [];
  for (const [key, inner] of Object.entries(value).sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0)) {
    if (inner !== undefined) parts.push(`${JSON.stringify(key)}:${sortedJson(inner)}`);
  }
  return `{${parts.join(",")}}`;
}
