import type { ResourceQuota } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { canonicalQuantity, formatQuantity, type Quantity, quantityFromInteger } from "../../api/quantity.ts";
import { addAmounts, countsIn, inScope, usageOf } from "../../api/quota.ts";
import { type ResourceInfo, resourceQuotas } from "../../api/resources.ts";
import { decide, type Decision, sameJson } from "./action.ts";

/** The objects of one kind in the quota's namespace. */
export interface Counted {
  readonly info: ResourceInfo;
  readonly objects: readonly Readonly<KubeObject>[];
}

/**
 * Recounts a quota: its status has what spec.hard says and what is really used. Admission only ever adds; here what has
 * gone is given back.
 * @param now ms since the epoch: pods past their end cost nothing
 * @see kubernetes pkg/controller/resourcequota
 */
export function reconcileQuota(quota: Readonly<ResourceQuota>, counted: readonly Counted[], now: number): Decision {
  if (quota.metadata?.deletionTimestamp !== undefined) return decide([]);
  const names = Object.keys(quota.spec?.hard ?? {});
  const total = new Map<string, Quantity>();
  for (const { info, objects } of counted) {
    if (!names.some((name) => countsIn(info, name))) continue;
    for (const object of objects) if (inScope(quota, info, object)) addAmounts(total, usageOf(info, object, now));
  }
  const hard: Record<string, string> = {};
  const used: Record<string, string> = {};
  for (const [name, limit] of Object.entries(quota.spec?.hard ?? {})) {
    hard[name] = canonicalQuantity(limit);
    used[name] = formatQuantity(total.get(name) ?? quantityFromInteger(0));
  }
  const status = { hard, used };
  if (sameJson(status, quota.status ?? {})) return decide([]);
  return decide([{ kind: "updateStatus", info: resourceQuotas, object: { ...quota, status } as KubeObject }]);
}
