import type { ResourceInfo } from "../../api/resources.ts";
import type { Json } from "../dig.ts";
import { type GroupVersion, groupVersionName, groupVersions, subresourceOf, verbsOf } from "./resources.ts";

/** What is served, in discovery order. */
export type Served = readonly ResourceInfo[];

/** GET /api. @param address `host:port` that clients of this network reach */
export function apiVersions(served: Served, address: string): Json {
  return {
    kind: "APIVersions",
    versions: groupVersions(served).filter((it) => it.group === "").map((it) => it.version),
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
  };
}

/** GET /apis */
export function apiGroupList(served: Served): Json {
  const names = new Set(groupVersions(served).map((it) => it.group).filter((group) => group !== ""));
  const groups = [...names].map((name) => groupOf(served, name));
  return { kind: "APIGroupList", apiVersion: "v1", groups };
}

/** GET /apis/GROUP; null when there is no such group. */
export function apiGroup(served: Served, group: string): Json | null {
  const known = groupVersions(served).some((it) => it.group === group && group !== "");
  return known ? { kind: "APIGroup", apiVersion: "v1", ...groupOf(served, group) } : null;
}

/** The versions of a group that is served, the preferred one first. */
function groupOf(served: Served, group: string): Json {
  const versions = versionsOf(served, group).map((it) => ({ groupVersion: groupVersionName(it), version: it.version }));
  return { name: group, versions, preferredVersion: versions[0] };
}

function versionsOf(served: Served, group: string): GroupVersion[] {
  return groupVersions(served).filter((it) => it.group === group);
}

/** GET /api/v1 and /apis/GROUP/VERSION; null when not served. */
export function apiResourceList(served: Served, group: string, version: string): Json | null {
  const found = groupVersions(served).find((it) => it.group === group && it.version === version);
  if (found === undefined) return null;
  return {
    kind: "APIResourceList",
    apiVersion: "v1",
    groupVersion: groupVersionName(found),
    resources: found.resources.flatMap((info) => [
      {
        name: info.resource,
        singularName: info.singular,
        namespaced: info.namespaced,
        kind: info.kind,
        verbs: verbsOf(info),
        ...shortAndCategories(info),
      },
      ...info.subresources.map((name) => subresourceEntry(info, name)),
    ]),
  };
}

function subresourceEntry(info: ResourceInfo, name: string): Json {
  const sub = subresourceOf(info, name);
  const foreign = sub.group !== info.group || sub.version !== info.version;
  return {
    name: `${info.resource}/${name}`,
    singularName: "",
    namespaced: info.namespaced,
    ...(foreign ? { group: sub.group, version: sub.version } : {}),
    kind: sub.kind,
    verbs: sub.verbs,
  };
}

function shortAndCategories(info: ResourceInfo): Json {
  return {
    ...(info.shortNames.length > 0 ? { shortNames: info.shortNames } : {}),
    ...(info.categories.length > 0 ? { categories: info.categories } : {}),
  };
}

/**
 * Aggregated discovery (KEP-3352): everything below /api (`core`) or /apis in one document.
 * @param version of apidiscovery.k8s.io
 */
export function aggregated(served: Served, core: boolean, version: "v2" | "v2beta1"): Json {
  return {
    kind: "APIGroupDiscoveryList",
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: [...new Set(groupVersions(served).map((it) => it.group))].filter((group) => (group === "") === core).map((
      group,
    ) => ({
      metadata: { ...(group === "" ? {} : { name: group }), creationTimestamp: null },
      versions: versionsOf(served, group).map((it) => ({
        version: it.version,
        resources: it.resources.map(discoveryEntry),
        freshness: "Current",
      })),
    })),
  };
}

function discoveryEntry(info: ResourceInfo): Json {
  const subresources = info.subresources.map((name) => {
    const { group, version, kind, verbs } = subresourceOf(info, name);
    return { subresource: name, responseKind: { group, version, kind }, verbs };
  });
  return {
    resource: info.resource,
    responseKind: { group: info.group, version: info.version, kind: info.kind },
    scope: info.namespaced ? "Namespaced" : "Cluster",
    singularResource: info.singular,
    verbs: verbsOf(info),
    ...shortAndCategories(info),
    ...(subresources.length > 0 ? { subresources } : {}),
  };
}

/** GET /version. */
export function versionDocument(gitVersion: string): Json {
  const [, major = "1", minor = "0"] = /^v(\d+)\.(\d+)/.exec(gitVersion) ?? [];
  return {
    major,
    minor,
    gitVersion,
    gitCommit: "",
    gitTreeState: "clean",
    buildDate: "1970-01-01T00:00:00Z",
    goVersion: "",
    compiler: "",
    platform: "linux/amd64",
  };
}
