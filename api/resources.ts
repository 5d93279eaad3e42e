/**
 * The resources that are served: what discovery says, what keys and paths are made of. Small on purpose, so that
 * kubelet and proxy need not load schemas. Field types, required and formats live in `api/gen/`.
 */
export interface ResourceInfo {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, lower case: `deployments`. */
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  /** Sub-resources by name, e.g. `status`, `scale`, `binding`, `log`, `exec`. */
  readonly subresources: readonly string[];
  /** Key into the schema table, e.g. `io.k8s.api.apps.v1.Deployment`. */
  readonly type: string;
}

function define(
  group: string,
  version: string,
  kind: string,
  resource: string,
  more: Partial<Pick<ResourceInfo, "namespaced" | "shortNames" | "categories" | "subresources">> = {},
): ResourceInfo {
  const typeGroup = group === "" ? "core" : (group.split(".")[0] as string);
  return {
    group,
    version,
    resource,
    singular: kind.toLowerCase(),
    kind,
    namespaced: more.namespaced ?? true,
    shortNames: more.shortNames ?? [],
    categories: more.categories ?? [],
    subresources: more.subresources ?? [],
    type: `io.k8s.api.${typeGroup}.${version}.${kind}`,
  };
}

export const namespaces = define("", "v1", "Namespace", "namespaces", {
  namespaced: false,
  shortNames: ["ns"],
  subresources: ["finalize", "status"],
});
export const nodes = define("", "v1", "Node", "nodes", {
  namespaced: false,
  shortNames: ["no"],
  subresources: ["status"],
});
export const pods = define("", "v1", "Pod", "pods", {
  shortNames: ["po"],
  categories: ["all"],
  subresources: ["attach", "binding", "exec", "log", "status"],
});
export const configMaps = define("", "v1", "ConfigMap", "configmaps", { shortNames: ["cm"] });
export const secrets = define("", "v1", "Secret", "secrets");
export const services = define("", "v1", "Service", "services", {
  shortNames: ["svc"],
  categories: ["all"],
  subresources: ["status"],
});
export const serviceAccounts = define("", "v1", "ServiceAccount", "serviceaccounts", {
  shortNames: ["sa"],
  subresources: ["token"],
});
export const events = define("", "v1", "Event", "events", { shortNames: ["ev"] });
export const leases = define("coordination.k8s.io", "v1", "Lease", "leases");
export const deployments = define("apps", "v1", "Deployment", "deployments", {
  shortNames: ["deploy"],
  categories: ["all"],
  subresources: ["scale", "status"],
});
export const replicaSets = define("apps", "v1", "ReplicaSet", "replicasets", {
  shortNames: ["rs"],
  categories: ["all"],
  subresources: ["scale", "status"],
});
export const endpointSlices = define("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices");

/** Every served resource, in discovery order. */
export const resources: readonly ResourceInfo[] = [
  configMaps,
  events,
  namespaces,
  nodes,
  pods,
  secrets,
  serviceAccounts,
  services,
  deployments,
  replicaSets,
  leases,
  endpointSlices,
];

/** `v1` or `apps/v1`. */
export function apiVersionOf(info: Pick<ResourceInfo, "group" | "version">): string {
  return info.group === "" ? info.version : `${info.group}/${info.version}`;
}

/** `/api/v1` or `/apis/apps/v1`, then `/namespaces/NS` when given, then the plural, then the name and sub-resource. */
export function pathOf(info: ResourceInfo, namespace?: string, name?: string, subresource?: string): string {
  let path = info.group === "" ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`;
  if (info.namespaced && namespace !== undefined && namespace !== "") {
    path += `/namespaces/${encodeURIComponent(namespace)}`;
  }
  path += `/${info.resource}`;
  if (name !== undefined) path += `/${encodeURIComponent(name)}`;
  if (subresource !== undefined) path += `/${subresource}`;
  return path;
}
