/**
 * What objects count as in a ResourceQuota. The admission that refuses and the controller that recounts must agree, so
 * both read it here. Pure; quantities in what they are handed must be valid.
 * @see kubernetes pkg/quota/v1/evaluator/core
 */
import type {
  PersistentVolumeClaim,
  Pod,
  PodAffinityTerm,
  ResourceQuota,
  ScopedResourceSelectorRequirement,
  Service,
} from "./gen/types.ts";
import type { KubeObject } from "./meta.ts";
import { podLimits, podRequests } from "./pods.ts";
import { podQosClass } from "./qos.ts";
import { addQuantities, bigValue, parseQuantity, type Quantity, quantityFromInteger } from "./quantity.ts";
import { persistentVolumeClaims, pods, type ResourceInfo, services } from "./resources.ts";
import { parseTime } from "./time.ts";

export type Amounts = ReadonlyMap<string, Quantity>;

/** What one object uses, by the names that quotas have for it. @param now ms since the epoch */
export function usageOf(info: ResourceInfo, object: Readonly<KubeObject>, now: number): Amounts {
  const used = new Map<string, Quantity>([[countName(info), one]]);
  switch (info) {
    case pods:
      if (isCharged(object as Pod, now)) addPod(used, object as Pod);
      break;
    case services:
      addService(used, object as Service);
      break;
    case persistentVolumeClaims:
      addClaim(used, object as PersistentVolumeClaim);
      break;
    default:
      if (shortCounts.has(info.resource) && info.group === "") used.set(info.resource, one);
  }
  return used;
}

const one = quantityFromInteger(1);

/** `count/pods`, `count/deployments.apps` */
function countName({ group, resource }: ResourceInfo): string {
  return `count/${group === "" ? resource : `${resource}.${group}`}`;
}

/** Kinds of the core group that are also counted by their bare names. */
const shortCounts: ReadonlySet<string> = new Set([
  "configmaps",
  "replicationcontrollers",
  "resourcequotas",
  "secrets",
]);

/** Pods that have ended, or should have by now, cost nothing but their count. */
function isCharged(pod: Pod, now: number): boolean {
  const phase = pod.status?.phase;
  if (phase === "Failed" || phase === "Succeeded") return false;
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata ?? {};
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return true;
  const end = parseTime(deletionTimestamp);
  return end === undefined || now <= end + deletionGracePeriodSeconds * 1000;
}

function addPod(used: Map<string, Quantity>, pod: Pod): void {
  used.set("pods", one);
  for (const [name, amount] of podRequests(pod)) {
    if (isCompute(name)) used.set(name, amount);
    else if (name.startsWith("hugepages-")) used.set(name, amount);
    used.set(`requests.${name}`, amount);
  }
  for (const [name, amount] of podLimits(pod)) if (isCompute(name)) used.set(`limits.${name}`, amount);
}

function isCompute(name: string): boolean {
  return name === "cpu" || name === "memory" || name === "ephemeral-storage";
}

function addService(used: Map<string, Quantity>, { spec }: Service): void {
  const ports = spec?.ports ?? [];
  const type = spec?.type;
  const wanted = type === "LoadBalancer" && spec?.allocateLoadBalancerNodePorts === false
    ? ports.filter((port) => (port.nodePort ?? 0) !== 0).length
    : type === "LoadBalancer" || type === "NodePort"
    ? ports.length
    : 0;
  used.set("services", one);
  used.set("services.nodeports", quantityFromInteger(wanted));
  used.set("services.loadbalancers", quantityFromInteger(type === "LoadBalancer" ? 1 : 0));
}

const storageClassSuffix = ".storageclass.storage.k8s.io/";

function addClaim(used: Map<string, Quantity>, { spec }: PersistentVolumeClaim): void {
  const text = spec?.resources?.requests?.["storage"];
  const className = spec?.storageClassName ?? "";
  // Whole bytes, as quotas are.
  const storage = text === undefined ? undefined : quantityFromInteger(bigValue(parseQuantity(text)), "BinarySI");
  for (const prefix of className === "" ? [""] : ["", `${className}${storageClassSuffix}`]) {
    used.set(`${prefix}persistentvolumeclaims`, one);
    if (storage !== undefined) used.set(`${prefix}requests.storage`, storage);
  }
}

/** Whether objects of this kind can count in anything that the quota names. */
export function countsIn(info: ResourceInfo, name: string): boolean {
  if (name === countName(info)) return true;
  if (name.startsWith("count/")) return false;
  switch (info) {
    case pods:
      return name === "pods" || /^(requests\.|limits\.)?(cpu|memory|ephemeral-storage)$/.test(name) ||
        /^(requests\.)?hugepages-/.test(name) || (name.startsWith("requests.") && name.includes("/"));
    case services:
      return name === "services" || name === "services.nodeports" || name === "services.loadbalancers";
    case persistentVolumeClaims:
      return /(^|\.storageclass\.storage\.k8s\.io\/)(persistentvolumeclaims|requests\.storage)$/.test(name);
    default:
      return info.group === "" && name === info.resource && shortCounts.has(name);
  }
}

/** Whether the object is one of those that the quota's scopes pick. */
export function inScope(quota: Readonly<ResourceQuota>, info: ResourceInfo, object: Readonly<KubeObject>): boolean {
  return scopesOf(quota).every((scope) => info === pods && podMatches(scope, object as Pod));
}

function scopesOf({ spec }: Readonly<ResourceQuota>): ScopedResourceSelectorRequirement[] {
  const named = (spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: "Exists" }));
  return [...named, ...spec?.scopeSelector?.matchExpressions ?? []];
}

function podMatches({ scopeName, operator, values = [] }: ScopedResourceSelectorRequirement, pod: Pod): boolean {
  switch (scopeName) {
    case "Terminating":
      return isTerminating(pod);
    case "NotTerminating":
      return !isTerminating(pod);
    case "BestEffort":
      return podQosClass(pod) === "BestEffort";
    case "NotBestEffort":
      return podQosClass(pod) !== "BestEffort";
    case "CrossNamespacePodAffinity":
      return crossesNamespaces(pod);
    case "PriorityClass":
      return selects(operator, values, pod.spec?.priorityClassName ?? "");
    default:
      return false;
  }
}

function selects(operator: string, values: readonly string[], name: string): boolean {
  switch (operator) {
    case "Exists":
      return name !== "";
    case "DoesNotExist":
      return name === "";
    case "In":
      return name !== "" && values.includes(name);
    case "NotIn":
      return !values.includes(name);
    default:
      return false;
  }
}

function isTerminating(pod: Pod): boolean {
  const seconds = pod.spec?.activeDeadlineSeconds;
  return seconds !== undefined && seconds >= 0;
}

function crossesNamespaces({ spec }: Pod): boolean {
  const terms: PodAffinityTerm[] = [spec?.affinity?.podAffinity, spec?.affinity?.podAntiAffinity].flatMap((it) => [
    ...it?.requiredDuringSchedulingIgnoredDuringExecution ?? [],
    ...(it?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map((weighted) => weighted.podAffinityTerm),
  ]);
  return terms.some((term) => (term.namespaces ?? []).length > 0 || term.namespaceSelector !== undefined);
}

/** Quotas on cpu and memory ask every container to say what it wants of them. */
const mustBeSaid: ReadonlySet<string> = new Set([
  "cpu",
  "limits.cpu",
  "limits.memory",
  "memory",
  "requests.cpu",
  "requests.memory",
]);

/** What the pod's containers should say and do not, in upstream's words; "" for nothing. @param names what is limited */
export function unsaidText(pod: Readonly<Pod>, names: readonly string[]): string {
  const containers = [...pod.spec?.containers ?? [], ...pod.spec?.initContainers ?? []];
  const parts = names.filter((name) => mustBeSaid.has(name)).sort().flatMap((name) => {
    const [kind, resource] = name.startsWith("limits.")
      ? ["limits", name.slice("limits.".length)] as const
      : ["requests", name.replace(/^requests\./, "")] as const;
    const silent = containers.filter(({ resources }) => resources?.[kind]?.[resource] === undefined)
      .map((container) => container.name).sort();
    return silent.length === 0 ? [] : [`${name} for: ${silent.join(",")}`];
  });
  return parts.length === 0 ? "" : `must specify ${parts.join("; ")}`;
}

/** Adds `more` to `sum`, in place. */
export function addAmounts(sum: Map<string, Quantity>, more: Amounts): void {
  for (const [name, amount] of more) {
    const before = sum.get(name);
    sum.set(name, before === undefined ? amount : addQuantities(before, amount));
  }
}
