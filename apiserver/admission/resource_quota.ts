import type { Pod, ResourceQuota } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import {
  addQuantities,
  compareQuantities,
  formatQuantity,
  parseQuantity,
  type Quantity,
  subtractQuantities,
} from "../../api/quantity.ts";
import { type Amounts, countsIn, inScope, unsaidText, usageOf } from "../../api/quota.ts";
import { persistentVolumeClaims, pods, type ResourceInfo, resourceQuotas, services } from "../../api/resources.ts";
import { ApiError, forbidden, notFound } from "../../api/status.ts";
import type { Registry, WriteContext } from "../registry/context.ts";
import { modify, type Next } from "../registry/write.ts";
import { parseCached } from "../watchcache/cached.ts";

/**
 * Charges a new object, or what an update adds, to the quotas of its namespace before it is written: each quota's
 * `status.used` grows by compare-and-swap, so that no two servers spend the same remainder. What is charged and then not
 * written is found by the quota controller, which recounts.
 * @param old null for a new object
 * @throws ApiError 403 when a quota is exceeded, or is not counted yet
 * @see kubernetes staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota
 */
export async function chargeQuotas(
  registry: Registry,
  context: WriteContext,
  info: ResourceInfo,
  namespace: string,
  object: KubeObject,
  old: KubeObject | null,
): Promise<void> {
  if (!info.namespaced) return;
  if (old !== null && info !== pods && info !== services && info !== persistentVolumeClaims) return;
  const quotas = registry.strategy(resourceQuotas).cache.list(namespace);
  if (quotas.length === 0) return;
  const now = registry.clock.now();
  const used = usageOf(info, object, now);
  const delta = old === null ? used : growth(used, usageOf(info, old, now));
  if ([...delta.values()].every((amount) => amount.nanos === 0n)) return;
  for (const cached of quotas) {
    const quota = parseCached(cached) as ResourceQuota;
    if (limitedNames(quota, info, object).length > 0) await charge(registry, context, quota, info, object, delta);
  }
}

/** What an update adds; what it gives back is for the controller to find. */
function growth(now: Amounts, before: Amounts): Amounts {
  return new Map([...now].flatMap(([name, amount]) => {
    const had = before.get(name);
    const more = had === undefined ? amount : subtractQuantities(amount, had);
    return more.nanos > 0n ? [[name, more] as const] : [];
  }));
}

async function charge(
  registry: Registry,
  context: WriteContext,
  quota: ResourceQuota,
  info: ResourceInfo,
  object: KubeObject,
  delta: Amounts,
): Promise<void> {
  const { name = "", namespace = "" } = quota.metadata ?? {};
  try {
    await modify(registry, context, {
      strategy: registry.strategy(resourceQuotas),
      namespace,
      name,
      next: ({ object: current }): Next => {
        if (current === null) throw notFound(resourceQuotas, name);
        const next = charged(current as ResourceQuota, info, object, delta);
        return next === null ? { kind: "keep" } : { kind: "put", object: next };
      },
    });
  } catch (error) {
    // A quota that is deleted meanwhile limits nothing.
    if (!(error instanceof ApiError) || error.reason !== "NotFound") throw error;
  }
}

/** What of such objects the quota limits. One that nobody has counted yet limits by its spec, and is refused below. */
function limitedNames(quota: ResourceQuota, info: ResourceInfo, object: KubeObject): string[] {
  const names = Object.keys({ ...quota.spec?.hard, ...quota.status?.hard }).filter((name) => countsIn(info, name));
  return names.length > 0 && inScope(quota, info, object) ? names.sort() : [];
}

/** The quota with the object counted in; null when it does not concern it. @throws ApiError 403 */
function charged(quota: ResourceQuota, info: ResourceInfo, object: KubeObject, delta: Amounts): KubeObject | null {
  const limited = limitedNames(quota, info, object);
  if (limited.length === 0) return null;
  const { hard = {}, used = {} } = quota.status ?? {};
  const refuse = (why: string) => forbidden(info, object.metadata?.name ?? "", why);
  const quotaName = quota.metadata?.name ?? "";
  if (info === pods) {
    const unsaid = unsaidText(object as Pod, limited);
    if (unsaid !== "") throw refuse(`failed quota: ${quotaName}: ${unsaid}`);
  }
  if (limited.some((name) => used[name] === undefined || hard[name] === undefined)) {
    throw refuse(`status unknown for quota: ${quotaName}, resources: ${limited.join(",")}`);
  }
  const next: Record<string, string> = { ...used };
  const exceeded: string[] = [];
  for (const name of limited) {
    const more = delta.get(name);
    if (more === undefined || more.nanos === 0n) continue;
    const total = addQuantities(parseQuantity(used[name] ?? "0"), more);
    if (compareQuantities(total, parseQuantity(hard[name] ?? "0")) > 0) exceeded.push(name);
    next[name] = formatQuantity(total);
  }
  if (exceeded.length > 0) throw refuse(exceededText(quotaName, exceeded, delta, used, hard));
  return { ...quota, status: { ...quota.status, used: next } } as KubeObject;
}

function exceededText(
  quota: string,
  names: readonly string[],
  delta: Amounts,
  used: Readonly<Record<string, string>>,
  hard: Readonly<Record<string, string>>,
): string {
  const list = (text: (name: string) => string) => names.map((name) => `${name}=${text(name)}`).join(",");
  const asked = (name: string) => formatQuantity(delta.get(name) as Quantity);
  return `exceeded quota: ${quota}, requested: ${list(asked)}, used: ${list((name) => used[name] ?? "")}, limited: ` +
    list((name) => hard[name] ?? "");
}
