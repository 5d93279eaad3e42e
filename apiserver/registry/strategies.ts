import type { KubeObject } from "../../api/meta.ts";
import {
  deployments,
  endpointSlices,
  events,
  leases,
  pods,
  replicaSets,
  type ResourceInfo,
  serviceAccounts,
  services,
} from "../../api/resources.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";
import type { Strategy } from "./strategy.ts";

const createOnUpdate: ReadonlySet<ResourceInfo> = new Set([events, leases, services]);
const conditionalUpdate: ReadonlySet<ResourceInfo> = new Set([leases]);
const returnsDeleted: ReadonlySet<ResourceInfo> = new Set([pods, serviceAccounts, services]);
const withGeneration: ReadonlySet<ResourceInfo> = new Set([pods, deployments, replicaSets, endpointSlices]);

export function strategyFor(cache: ResourceCache): Strategy {
  const { info } = cache.resource;
  return {
    info,
    cache,
    createsOnUpdate: createOnUpdate.has(info),
    updatesUnconditionally: !conditionalUpdate.has(info),
    returnsDeleted: returnsDeleted.has(info),
    hasGeneration: withGeneration.has(info),
    setDefaults: () => {},
    prepareForCreate: () => {},
    prepareForUpdate: () => {},
    prepareForStatusUpdate: (_object: KubeObject, _old: KubeObject) => {},
    validateCreate: () => [],
    validateUpdate: () => [],
    validateStatusUpdate: () => [],
  };
}
