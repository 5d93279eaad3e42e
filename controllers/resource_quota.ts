import type { KubeObject } from "../api/meta.ts";
import { countsIn, usageOf } from "../api/quota.ts";
import { persistentVolumeClaims, pods, preferred, type ResourceInfo, services } from "../api/resources.ts";
import { keyOf, type RestClient } from "../client/mod.ts";
import { sameJson } from "./core/action.ts";
import { reconcileQuota } from "./core/resource_quota.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller } from "./runner.ts";

/**
 * Keeps the status of ResourceQuotas: counts anew when a quota's limits change and when something goes that it counts.
 * What is new was charged by admission already, perhaps before the informers see it; so after a charge it waits a while
 * before it counts, which also finds what was charged and then not written.
 */
export function resourceQuotaController(informers: Informers, client: RestClient): Controller {
  const { resourceQuotas, all } = informers;
  const watched = new Map(all.map(({ info, informer }) => [info, informer]));

  async function objectsOf(info: ResourceInfo, namespace: string): Promise<readonly Readonly<KubeObject>[]> {
    const informer = watched.get(info);
    if (informer !== undefined) return informer.byIndex(index.namespace, namespace);
    return (await client.list<KubeObject>(info, { namespace })).items;
  }

  return {
    name: "resourcequota",
    queueName: "resourcequota_primary",
    keys: () => resourceQuotas.list().map(keyOf),
    subscribe(enqueue) {
      resourceQuotas.subscribe({
        added: (quota) => enqueue(keyOf(quota)),
        updated: (old, quota) => enqueue(keyOf(quota), sameJson(old.spec, quota.spec) ? limits.quotaRecountMs : 0),
      });
      for (const { info, informer } of all) {
        if (!info.namespaced) continue;
        const recount = (object: Readonly<KubeObject>) => {
          for (const quota of resourceQuotas.byIndex(index.namespace, object.metadata?.namespace ?? "")) {
            if (limitsKind(quota.spec?.hard, info)) enqueue(keyOf(quota), limits.gatherMs);
          }
        };
        informer.subscribe({
          deleted: recount,
          updated: (old, object) => variable.has(info) && usesOther(info, old, object) && recount(object),
        });
      }
    },
    async sync(key, turn) {
      const quota = resourceQuotas.get(key);
      if (quota === undefined) return;
      const namespace = quota.metadata?.namespace ?? "";
      const kinds = preferred.filter((info) => info.namespaced && limitsKind(quota.spec?.hard, info));
      const counted = await Promise.all(
        kinds.map(async (info) => ({ info, objects: await objectsOf(info, namespace) })),
      );
      await turn.carryOut(reconcileQuota(quota, counted, turn.now));
    },
  };
}

/** Kinds whose objects may come to use more or less. */
const variable: ReadonlySet<ResourceInfo> = new Set([persistentVolumeClaims, pods, services]);

function usesOther(info: ResourceInfo, old: Readonly<KubeObject>, object: Readonly<KubeObject>): boolean {
  // Whether a pod is past its end is not judged here: at the beginning of time none is.
  const before = usageOf(info, old, 0);
  const after = usageOf(info, object, 0);
  return before.size !== after.size || [...after].some(([name, amount]) => before.get(name)?.nanos !== amount.nanos);
}

function limitsKind(hard: Readonly<Record<string, string>> | undefined, info: ResourceInfo): boolean {
  return Object.keys(hard ?? {}).some((name) => countsIn(info, name));
}
