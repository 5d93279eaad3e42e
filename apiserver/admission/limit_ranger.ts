import type { Container, LimitRange, LimitRangeItem, PersistentVolumeClaim, Pod } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { podLimits, podRequests } from "../../api/pods.ts";
import { compareQuantities, formatQuantity, parseQuantity, type Quantity } from "../../api/quantity.ts";
import { limitRanges, persistentVolumeClaims, pods, type ResourceInfo } from "../../api/resources.ts";
import { forbidden } from "../../api/status.ts";
import type { Registry } from "../registry/context.ts";
import { parseCached } from "../watchcache/cached.ts";

type Amounts = ReadonlyMap<string, Quantity>;

const annotation = "kubernetes.io/limit-ranger";

function rangesOf(registry: Registry, namespace: string): LimitRange[] {
  return registry.strategy(limitRanges).cache.list(namespace).map((cached) => parseCached(cached) as LimitRange);
}

/** Gives containers the requests and limits that the namespace's LimitRanges have for those without, and says so. */
export function setDefaultLimits(registry: Registry, namespace: string, object: KubeObject): void {
  const pod = object as Pod;
  for (const range of rangesOf(registry, namespace)) {
    const texts: string[] = [];
    for (const item of range.spec?.limits ?? []) {
      if (item.type !== "Container") continue;
      for (const container of pod.spec?.containers ?? []) texts.push(...addDefaults(container, item, "container"));
      for (const container of pod.spec?.initContainers ?? []) {
        texts.push(...addDefaults(container, item, "init container"));
      }
    }
    if (texts.length === 0) continue;
    const annotations = { ...pod.metadata?.annotations, [annotation]: `LimitRanger plugin set: ${texts.join("; ")}` };
    pod.metadata = { ...pod.metadata, annotations };
  }
}

function addDefaults(container: Container, item: LimitRangeItem, what: string): string[] {
  const resources = container.resources ??= {};
  const requests = lacking(resources.requests, item.defaultRequest);
  const limits = lacking(resources.limits, item.default);
  if (requests.length > 0) resources.requests = { ...item.defaultRequest, ...resources.requests };
  if (limits.length > 0) resources.limits = { ...item.default, ...resources.limits };
  const text = (names: string[], kind: string) =>
    names.length === 0 ? [] : [`${names.sort().join(", ")} ${kind} for ${what} ${container.name}`];
  return [...text(requests, "request"), ...text(limits, "limit")];
}

function lacking(have: Record<string, string> | undefined, defaults: Record<string, string> | undefined): string[] {
  return Object.keys(defaults ?? {}).filter((name) => have?.[name] === undefined);
}

/**
 * Refuses pods and claims that ask for less or more than the namespace's LimitRanges allow.
 * @see kubernetes plugin/pkg/admission/limitranger
 */
export function checkLimits(registry: Registry, info: ResourceInfo, namespace: string, object: KubeObject): void {
  if (info !== pods && info !== persistentVolumeClaims) return;
  const errors = rangesOf(registry, namespace).flatMap((range) => range.spec?.limits ?? [])
    .flatMap((item) =>
      info === pods ? podErrors(object as Pod, item) : claimErrors(object as PersistentVolumeClaim, item)
    );
  if (errors.length === 0) return;
  const unique = [...new Set(errors)];
  const why = unique.length === 1 ? unique[0] as string : `[${unique.join(", ")}]`;
  throw forbidden(info, object.metadata?.name ?? "", why);
}

function podErrors(pod: Pod, item: LimitRangeItem): string[] {
  switch (item.type) {
    case "Container":
      return [...pod.spec?.containers ?? [], ...pod.spec?.initContainers ?? []].flatMap(({ resources }) =>
        itemErrors(item, amounts(resources?.requests), amounts(resources?.limits))
      );
    case "Pod":
      return itemErrors(item, podRequests(pod), podLimits(pod));
    default:
      return [];
  }
}

function claimErrors(claim: PersistentVolumeClaim, item: LimitRangeItem): string[] {
  if (item.type !== "PersistentVolumeClaim") return [];
  const requests = amounts(claim.spec?.resources?.requests);
  return [
    ...eachOf(item.min, (name, enforced) => minimum(item, name, enforced, requests, new Map())),
    ...eachOf(item.max, (name, enforced) => maximumRequest(item, name, enforced, requests)),
  ];
}

function amounts(list: Readonly<Record<string, string>> | undefined): Amounts {
  return new Map(Object.entries(list ?? {}).map(([name, text]) => [name, parseQuantity(text)]));
}

function itemErrors(item: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  return [
    ...eachOf(item.min, (name, enforced) => minimum(item, name, enforced, requests, limits)),
    ...eachOf(item.max, (name, enforced) => maximum(item, name, enforced, requests, limits)),
    ...eachOf(item.maxLimitRequestRatio, (name, enforced) => ratio(item, name, enforced, requests, limits)),
  ];
}

function eachOf(
  list: Readonly<Record<string, string>> | undefined,
  check: (name: string, enforced: Quantity) => string | null,
): string[] {
  return Object.entries(list ?? {}).flatMap(([name, text]) => check(name, parseQuantity(text)) ?? []);
}

function minimum(item: LimitRangeItem, name: string, enforced: Quantity, requests: Amounts, limits: Amounts) {
  const head = `minimum ${name} usage per ${item.type} is ${formatQuantity(enforced)}`;
  const request = requests.get(name);
  const limit = limits.get(name);
  if (request === undefined) return `${head}.  No request is specified`;
  if (compareQuantities(request, enforced) < 0) return `${head}, but request is ${formatQuantity(request)}`;
  if (limit !== undefined && compareQuantities(limit, enforced) < 0) {
    return `${head}, but limit is ${formatQuantity(limit)}`;
  }
  return null;
}

function maximum(item: LimitRangeItem, name: string, enforced: Quantity, requests: Amounts, limits: Amounts) {
  const head = `maximum ${name} usage per ${item.type} is ${formatQuantity(enforced)}`;
  const request = requests.get(name);
  const limit = limits.get(name);
  if (limit === undefined) return `${head}.  No limit is specified`;
  if (compareQuantities(limit, enforced) > 0) return `${head}, but limit is ${formatQuantity(limit)}`;
  if (request !== undefined && compareQuantities(request, enforced) > 0) {
    return `${head}, but request is ${formatQuantity(request)}`;
  }
  return null;
}

function maximumRequest(item: LimitRangeItem, name: string, enforced: Quantity, requests: Amounts) {
  const head = `maximum ${name} usage per ${item.type} is ${formatQuantity(enforced)}`;
  const request = requests.get(name);
  if (request === undefined) return `${head}.  No request is specified`;
  return compareQuantities(request, enforced) > 0 ? `${head}, but request is ${formatQuantity(request)}` : null;
}

function ratio(item: LimitRangeItem, name: string, enforced: Quantity, requests: Amounts, limits: Amounts) {
  const head = `${name} max limit to request ratio per ${item.type} is ${formatQuantity(enforced)}`;
  const request = requests.get(name)?.nanos ?? 0n;
  const limit = limits.get(name)?.nanos ?? 0n;
  if (request === 0n) return `${head}, but no request is specified or request is 0`;
  if (limit === 0n) return `${head}, but no limit is specified or limit is 0`;
  // limit / request > enforced, in integers.
  if (limit * 1_000_000_000n <= enforced.nanos * request) return null;
  return `${head}, but provided ratio is ${(Number(limit) / Number(request)).toFixed(6)}`;
}
