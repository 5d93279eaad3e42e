import type { ResourceInfo } from "../../api/resources.ts";
import type { RemoteVersion } from "../aggregation/remote.ts";
import type { Json } from "../dig.ts";
import { localPriority, type Priority } from "./priorities.ts";
import { type GroupVersion, groupVersionName, groupVersions, subresourceOf, verbsOf } from "./resources.ts";
import { compareVersions } from "./versions.ts";

/** What is served here, in discovery order, and what other servers serve. */
export interface Served {
  readonly resources: readonly ResourceInfo[];
  readonly remotes: readonly RemoteVersion[];
  /** Whether definitions brought a group version. */
  isDynamic(group: string, version: string): boolean;
}

/** GET /api. @param address `host:port` that clients of this network reach */
export function apiVersions({ resources }: Served, address: string): Json {
  return {
    kind: "APIVersions",
    versions: groupVersions(resources).filter((it) => it.group === "").map((it) => it.version),
    serverAddressByClientCIDRs: [{ clientCIDR: "0.0.0.0/0", serverAddress: address }],
  };
}

/** GET /apis */
export function apiGroupList(served: Served): Json {
  const groups = groupsOf(served).filter(({ name }) => name !== "").map(groupOf);
  return { kind: "APIGroupList", apiVersion: "v1", groups };
}

/** GET /apis/GROUP; null when there is no such group. */
export function apiGroup(served: Served, group: string): Json | null {
  const found = groupsOf(served).find(({ name }) => name === group && name !== "");
  return found === undefined ? null : { kind: "APIGroup", apiVersion: "v1", ...groupOf(found) };
}

/** One version of a group: this server's own, or another's. */
interface Version {
  readonly version: string;
  readonly priority: Priority;
  readonly local: GroupVersion | null;
  readonly remote: RemoteVersion | null;
}

interface Group {
  readonly name: string;
  /** The preferred one first. */
  readonly versions: readonly Version[];
}

/** Groups by the highest priority that a version of theirs has, then by name. */
function groupsOf(served: Served): Group[] {
  const groups = new Map<string, Version[]>();
  const add = (group: string, version: Version) => {
    const known = groups.get(group);
    if (known === undefined) groups.set(group, [version]);
    else known.push(version);
  };
  for (const it of groupVersions(served.resources)) {
    const priority = localPriority(it.group, it.version, served.isDynamic(it.group, it.version));
    add(it.group, { version: it.version, priority, local: it, remote: null });
  }
  for (const it of served.remotes) {
    const priority = { group: it.groupPriority, version: it.versionPriority };
    add(it.group, { version: it.version, priority, local: null, remote: it });
  }
  const rank = ({ versions }: Group) => Math.max(...versions.map(({ priority }) => priority.group));
  return [...groups]
    .map(([name, versions]) => ({ name, versions: versions.sort(byPreference) }))
    .sort((a, b) => rank(b) - rank(a) || (a.name < b.name ? -1 : 1));
}

function byPreference(a: Version, b: Version): number {
  return b.priority.version - a.priority.version || compareVersions(a.version, b.version);
}

function groupOf({ name, versions }: Group): Json {
  const all = versions.map(({ version }) => ({ groupVersion: groupVersionName({ group: name, version }), version }));
  return { name, versions: all, preferredVersion: all[0] };
}

/** GET /api/v1 and /apis/GROUP/VERSION; null when not served. */
export function apiResourceList({ resources }: Served, group: string, version: string): Json | null {
  const found = groupVersions(resources).find((it) => it.group === group && it.version === version);
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
    items: groupsOf(served).filter(({ name }) => (name === "") === core).map(({ name, versions }) => ({
      metadata: { ...(name === "" ? {} : { name }), creationTimestamp: null },
      versions: versions.map(({ version, local, remote }) => ({
        version,
        resources: local?.resources.map(discoveryEntry) ?? remote?.resources ?? [],
        freshness: remote === null || remote.fresh ? "Current" : "Stale",
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
