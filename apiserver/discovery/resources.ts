import { isReview, type ResourceInfo } from "../../api/resources.ts";

/** The verbs that discovery lists for a resource. */
export function verbsOf(info: ResourceInfo): readonly string[] {
  if (isReview(info)) return ["create"];
  return info.resource === "namespaces"
    ? ["create", "delete", "get", "list", "patch", "update", "watch"]
    : ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
}

export interface SubresourceInfo {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** Full type name, for schemas. */
  readonly type: string;
  readonly verbs: readonly string[];
}

export const evictionType = "io.k8s.api.policy.v1.Eviction";

/** What a sub-resource takes and answers: its own kind where that is not the parent's. */
export function subresourceOf(info: ResourceInfo, name: string): SubresourceInfo {
  const own = { name, group: info.group, version: info.version, kind: info.kind, type: info.type };
  switch (name) {
    case "scale": {
      const type = "io.k8s.api.autoscaling.v1.Scale";
      return { name, group: "autoscaling", version: "v1", kind: "Scale", type, verbs: ["get", "patch", "update"] };
    }
    case "binding":
      return { ...own, kind: "Binding", type: "io.k8s.api.core.v1.Binding", verbs: ["create"] };
    case "eviction":
      return { name, group: "policy", version: "v1", kind: "Eviction", type: evictionType, verbs: ["create"] };
    case "token": {
      const type = "io.k8s.api.authentication.v1.TokenRequest";
      return { name, group: "authentication.k8s.io", version: "v1", kind: "TokenRequest", type, verbs: ["create"] };
    }
    case "exec":
      return { ...own, kind: "PodExecOptions", verbs: ["create", "get"] };
    case "attach":
      return { ...own, kind: "PodAttachOptions", verbs: ["create", "get"] };
    case "portforward":
      return { ...own, kind: "PodPortForwardOptions", verbs: ["create", "get"] };
    case "proxy":
      return { ...own, kind: `${own.kind}ProxyOptions`, verbs: ["create", "delete", "get", "patch", "update"] };
    case "log":
      return { ...own, verbs: ["get"] };
    case "finalize":
      return { ...own, verbs: ["update"] };
    default:
      return { ...own, verbs: ["get", "patch", "update"] };
  }
}

export interface GroupVersion {
  readonly group: string;
  readonly version: string;
  readonly resources: readonly ResourceInfo[];
}

/** In the order in which discovery names them: the core group first. */
export function groupVersions(resources: readonly ResourceInfo[]): GroupVersion[] {
  const found = new Map<string, { group: string; version: string; resources: ResourceInfo[] }>();
  for (const info of resources) {
    const name = `${info.group}/${info.version}`;
    const known = found.get(name);
    if (known === undefined) found.set(name, { group: info.group, version: info.version, resources: [info] });
    else known.resources.push(info);
  }
  for (const groupVersion of found.values()) groupVersion.resources.sort((a, b) => a.resource < b.resource ? -1 : 1);
  return [...found.values()];
}

export function groupVersionName(it: { group: string; version: string }): string {
  return it.group === "" ? it.version : `${it.group}/${it.version}`;
}
