import { isReview, type ResourceInfo } from "../api/resources.ts";
import type { Catalog } from "./catalog.ts";

export type ResourceVerb =
  | "get"
  | "list"
  | "watch"
  | "create"
  | "update"
  | "patch"
  | "delete"
  | "deletecollection";

/** What a request is about, read off its method, path and query; no decision is taken here. */
export interface ResourceRequest {
  readonly kind: "resource";
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly verb: ResourceVerb;
  readonly info: ResourceInfo;
  /** "" for all namespaces and for what has none. */
  readonly namespace: string;
  /** "" for collections. */
  readonly name: string;
  /** "" when none. */
  readonly subresource: string;
  /** What follows `/proxy` in the path, as it was sent: "" or `/...`. "" for every other sub-resource. */
  readonly tail: string;
}

/** Something of a group version that another server serves: only the path is known. */
export interface RemoteRequest {
  readonly kind: "remote";
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly verb: string;
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

export interface PlainRequest {
  readonly kind: "plain";
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
}

/** A resource path that is not served, or a method that a served path does not take. */
export interface UnservedRequest {
  readonly kind: "unserved";
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly problem: "notFound" | "methodNotAllowed" | "badPath";
}

export type RequestInfo = ResourceRequest | RemoteRequest | PlainRequest | UnservedRequest;

/** @param catalog what is served now */
export function requestInfo(method: string, url: URL, catalog: Pick<Catalog, "find" | "remote">): RequestInfo {
  const common = { method, path: url.pathname, query: url.searchParams };
  // What follows belongs to the backend, which may read it as it likes.
  const proxied = /^(\/api\/v1\/(?:namespaces\/[^/]+\/(?:pods|services)|nodes)\/[^/]+\/proxy)(\/.*)?$/.exec(
    url.pathname,
  );
  const tail = proxied?.[2] ?? "";
  const raw = (proxied?.[1] ?? url.pathname).split("/").slice(1);
  const isResource = (raw[0] === "api" && raw.length > 2 && raw[2] !== "") ||
    (raw[0] === "apis" && raw.length > 3 && raw[3] !== "");
  if (!isResource) return { kind: "plain", ...common };
  const parts = decode(raw);
  if (parts === null) return { kind: "unserved", problem: "badPath", ...common };
  const [group, version, rest] = parts[0] === "api"
    ? ["", parts[1] ?? "", parts.slice(2)]
    : [parts[1] ?? "", parts[2] ?? "", parts.slice(3)];
  if (rest.at(-1) === "") rest.pop();
  const target = resourceOf(catalog, group, version, rest);
  if (target === null) {
    if (parts[0] === "apis" && catalog.remote(group, version) !== undefined) {
      return { kind: "remote", ...common, group, version, ...remoteTarget(method, url.searchParams, rest) };
    }
    return { kind: "unserved", problem: "notFound", ...common };
  }
  const verb = verbOf(method, url.searchParams, target);
  if (verb === null) return { kind: "unserved", problem: "methodNotAllowed", ...common };
  return { kind: "resource", ...common, ...target, verb, tail };
}

type Target = Pick<ResourceRequest, "info" | "namespace" | "name" | "subresource">;

/** Decoded path segments; null when one could be read in two ways (traversal, NUL, an encoded slash). */
function decode(raw: readonly string[]): string[] | null {
  const parts: string[] = [];
  for (const segment of raw) {
    let text: string;
    try {
      text = decodeURIComponent(segment);
    } catch {
      return null;
    }
    if (text === "." || text === ".." || text.includes("/") || text.includes("\0") || text.includes("\\")) return null;
    parts.push(text);
  }
  return parts;
}

function resourceOf(
  catalog: Pick<Catalog, "find">,
  group: string,
  version: string,
  rest: readonly string[],
): Target | null {
  let namespace = "";
  let parts = rest;
  const first = rest[0];
  if (first === "namespaces" && rest.length > 2 && !isNamespaceSubresource(rest)) {
    namespace = rest[1] as string;
    parts = rest.slice(2);
    if (namespace === "") return null;
  }
  const info = catalog.find(group, version, parts[0] ?? "");
  if (info === undefined || parts.length > 3 || parts.slice(1).includes("")) return null;
  if (!info.namespaced && namespace !== "") return null;
  const name = parts[1] ?? "";
  const subresource = parts[2] ?? "";
  // A namespaced object is only reached through its namespace.
  if (info.namespaced && name !== "" && namespace === "") return null;
  if (subresource !== "" && !info.subresources.includes(subresource)) return null;
  return { info, namespace: info.resource === "namespaces" ? name : namespace, name, subresource };
}

/** What a path asks of a server whose resources are not known here. @see apiserver pkg/endpoints/request/requestinfo.go */
function remoteTarget(
  method: string,
  query: URLSearchParams,
  rest: readonly string[],
): Pick<RemoteRequest, "verb" | "resource" | "subresource" | "namespace" | "name"> {
  const inNamespace = rest[0] === "namespaces" && rest.length > 2;
  const [resource = "", name = "", subresource = ""] = inNamespace ? rest.slice(2) : rest;
  const verb = remoteVerbs[method] ?? method.toLowerCase();
  const target = { resource, subresource, namespace: inNamespace ? rest[1] ?? "" : "", name };
  if (verb === "get" && isTrue(query.get("watch"))) return { verb: "watch", ...target };
  if (name !== "") return { verb, ...target };
  return { verb: verb === "get" ? "list" : verb === "delete" ? "deletecollection" : verb, ...target };
}

const remoteVerbs: Readonly<Record<string, string>> = {
  GET: "get",
  HEAD: "get",
  POST: "create",
  PUT: "update",
  PATCH: "patch",
  DELETE: "delete",
};

function isNamespaceSubresource(rest: readonly string[]): boolean {
  return rest.length === 3 && (rest[2] === "status" || rest[2] === "finalize");
}

/** Methods that each sub-resource takes, besides those of the plain object. */
const subresourceMethods: Readonly<Record<string, readonly string[]>> = {
  status: ["GET", "PUT", "PATCH"],
  approval: ["GET", "PUT", "PATCH"],
  scale: ["GET", "PUT", "PATCH"],
  finalize: ["PUT"],
  resize: ["GET", "PUT", "PATCH"],
  ephemeralcontainers: ["GET", "PUT", "PATCH"],
  binding: ["POST"],
  eviction: ["POST"],
  token: ["POST"],
  log: ["GET"],
  exec: ["GET", "POST"],
  attach: ["GET", "POST"],
  portforward: ["GET", "POST"],
  proxy: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
};

function verbOf(method: string, query: URLSearchParams, target: Target): ResourceVerb | null {
  if (target.subresource !== "" && !subresourceMethods[target.subresource]?.includes(method)) return null;
  const collection = target.name === "";
  if (isReview(target.info) && (method !== "POST" || !collection)) return null;
  switch (method) {
    case "OPTIONS": // of a proxy, which is all that takes it
      return target.subresource === "proxy" ? "get" : null;
    case "GET":
    case "HEAD":
      if (isTrue(query.get("watch")) && target.subresource === "") return "watch";
      return collection ? "list" : "get";
    case "POST":
      if (target.subresource !== "") return "create";
      return collection && (!target.info.namespaced || target.namespace !== "") ? "create" : null;
    case "PUT":
      return collection ? null : "update";
    case "PATCH":
      return collection ? null : "patch";
    case "DELETE":
      if (!collection) return "delete";
      return target.info.namespaced && target.namespace === "" ? null : "deletecollection";
    default:
      return null;
  }
}

/** Go's strconv.ParseBool, with "present but empty" as true, as upstream reads boolean query parameters. */
export function isTrue(text: string | null): boolean {
  return text !== null && ["", "1", "t", "T", "true", "TRUE", "True"].includes(text);
}
