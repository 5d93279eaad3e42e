import { kubernetesVersion } from "../api/version.ts";
import { methodNotAllowed, notAcceptable } from "../api/status.ts";
import {
  aggregated,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
  versionDocument,
} from "./discovery/documents.ts";
import { contentHash } from "./discovery/etag.ts";
import type { Catalog } from "./catalog.ts";
import type { Document, OpenApiDocuments } from "./discovery/openapi.ts";
import type { Clock } from "../platform/mod.ts";
import type { Json } from "./dig.ts";
import type { Exchange } from "./exchange.ts";
import { type MediaClause, parseAccept } from "./negotiate.ts";
import { type Bytes, pageNotFound, respondBytes, respondJson, textBytes } from "./respond.ts";
import { handleHealth, type HealthChecks } from "./health.ts";

export interface PlainDeps {
  readonly advertise: { readonly address: string; readonly port: number };
  readonly catalog: Catalog;
  readonly openApi: OpenApiDocuments;
  readonly health: HealthChecks;
  readonly clock: Clock;
  /** The text of /metrics. */
  readonly metrics: () => string;
}

/** Everything that is not an object: discovery, schemas, version, health, metrics. */
export function handlePlain(deps: PlainDeps, exchange: Exchange): Response {
  const { request, url } = exchange;
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw methodNotAllowed({ group: "", resource: "" }, request.method.toLowerCase());
  }
  const path = url.pathname.length > 1 ? url.pathname.replace(/\/$/, "") : url.pathname;
  const parts = path.split("/").slice(1);
  switch (parts[0]) {
    case "api":
      return handleApi(deps, exchange, parts);
    case "apis":
      return handleApis(deps, exchange, parts);
    case "openapi":
      return handleOpenApi(deps, exchange, parts);
    case "healthz":
    case "livez":
    case "readyz":
      return handleHealth(deps.health, parts, url.searchParams);
  }
  switch (path) {
    case "/":
      return respondJson(200, { paths: rootPaths });
    case "/version":
      return respondJson(200, versionDocument(kubernetesVersion));
    case "/metrics":
      return respondBytes(200, "text/plain; version=0.0.4; charset=utf-8", textBytes(deps.metrics()));
  }
  return pageNotFound();
}

const rootPaths = [
  "/.well-known/openid-configuration",
  "/api",
  "/api/v1",
  "/apis",
  "/healthz",
  "/livez",
  "/metrics",
  "/openapi/v2",
  "/openapi/v3",
]
  .concat(["/openid/v1/jwks", "/readyz", "/version"]);

function handleApi(deps: PlainDeps, exchange: Exchange, parts: readonly string[]): Response {
  if (parts.length === 1) {
    return discovery(
      deps,
      exchange,
      true,
      apiVersions(deps.catalog, `${deps.advertise.address}:${deps.advertise.port}`),
    );
  }
  const resources = parts.length === 2 ? apiResourceList(deps.catalog, "", parts[1] as string) : null;
  return resources === null ? pageNotFound() : tagged(exchange, resources, "application/json");
}

function handleApis(deps: PlainDeps, exchange: Exchange, parts: readonly string[]): Response {
  const served = deps.catalog;
  switch (parts.length) {
    case 1:
      return discovery(deps, exchange, false, apiGroupList(served));
    case 2: {
      const group = apiGroup(served, parts[1] as string);
      return group === null ? pageNotFound() : tagged(exchange, group, "application/json");
    }
    case 3: {
      const resources = apiResourceList(served, parts[1] as string, parts[2] as string);
      return resources === null ? pageNotFound() : tagged(exchange, resources, "application/json");
    }
    default:
      return pageNotFound();
  }
}

/** /api and /apis: the aggregated form where the client asks for it, else the plain list of versions or groups. */
function discovery(deps: PlainDeps, exchange: Exchange, core: boolean, plain: Json): Response {
  for (const clause of clauses(exchange)) {
    const version = aggregatedVersion(clause);
    if (version !== null) {
      const contentType = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
      const response = tagged(exchange, aggregated(deps.catalog, core, version), contentType);
      response.headers.set("vary", "Accept");
      return response;
    }
    if (isJson(clause)) {
      const response = tagged(exchange, plain, "application/json");
      response.headers.set("vary", "Accept");
      return response;
    }
  }
  throw notAcceptable(["application/json"]);
}

function clauses(exchange: Exchange): MediaClause[] {
  const accept = exchange.request.headers.get("accept");
  return parseAccept(accept === null || accept.trim() === "" ? "application/json" : accept);
}

function isJson(clause: MediaClause): boolean {
  return (clause.type === "application/json" || clause.type === "*/*" || clause.type === "application/*") &&
    !clause.parameters.has("as");
}

function aggregatedVersion({ type, parameters }: MediaClause): "v2" | "v2beta1" | null {
  if (type !== "application/json" || parameters.get("g") !== "apidiscovery.k8s.io") return null;
  if (parameters.get("as") !== "APIGroupDiscoveryList") return null;
  const version = parameters.get("v");
  return version === "v2" || version === "v2beta1" ? version : null;
}

/** With an ETag, and 304 where the client has that version. */
function tagged(exchange: Exchange, value: Json, contentType: string): Response {
  return taggedBytes(exchange, textBytes(`${JSON.stringify(value)}\n`), contentType);
}

function taggedBytes(exchange: Exchange, bytes: Bytes, contentType: string, hash = contentHash(bytes)): Response {
  const etag = `"${hash}"`;
  const known = exchange.request.headers.get("if-none-match");
  const response = known !== null && known.split(",").some((it) => it.trim() === etag)
    ? new Response(null, { status: 304 })
    : respondBytes(200, contentType, bytes);
  response.headers.set("etag", etag);
  response.headers.set("cache-control", "public");
  return response;
}

/** What a client may ask for: JSON, or gnostic's protobuf under its older name with `@` and its newer one. */
function openApiForm(exchange: Exchange, dialect: "v2" | "v3"): "json" | "protobuf" {
  const types = [`application/com.github.proto-openapi.spec.${dialect}.v1.0+protobuf`]
    .concat(`application/com.github.proto-openapi.spec.${dialect}@v1.0+protobuf`);
  for (const clause of clauses(exchange)) {
    if (isJson(clause)) return "json";
    if (types.includes(clause.type)) return "protobuf";
  }
  throw notAcceptable(["application/json", ...types]);
}

function respondDocument(exchange: Exchange, document: Document, dialect: "v2" | "v3"): Response {
  const form = openApiForm(exchange, dialect);
  const response = form === "json"
    ? taggedBytes(exchange, document.bytes(), "application/json", document.hash)
    : taggedBytes(
      exchange,
      document.protobuf(),
      `application/com.github.proto-openapi.spec.${dialect}.v1.0+protobuf`,
      document.hash,
    );
  response.headers.set("vary", "Accept");
  return response;
}

function handleOpenApi(deps: PlainDeps, exchange: Exchange, parts: readonly string[]): Response {
  if (parts[1] === "v2" && parts.length === 2) return respondDocument(exchange, deps.openApi.v2(), "v2");
  if (parts[1] !== "v3") return pageNotFound();
  if (parts.length === 2) {
    if (!clauses(exchange).some(isJson)) throw notAcceptable(["application/json"]);
    return tagged(exchange, deps.openApi.index(), "application/json");
  }
  const name = parts.slice(2).join("/");
  const document = deps.openApi.groupVersion(name);
  if (document === undefined) return pageNotFound();
  const asked = exchange.url.searchParams.get("hash");
  if (asked !== null && asked !== document.hash) {
    const location = `/openapi/v3/${name}?hash=${document.hash}`;
    return new Response(null, { status: 301, headers: { location } });
  }
  const response = respondDocument(exchange, document, "v3");
  if (asked !== null) {
    // The hash is part of the URL: what it names never changes.
    response.headers.set("cache-control", "public, immutable");
    response.headers.set("expires", new Date(deps.clock.now() + yearMs).toUTCString());
  }
  return response;
}

const yearMs = 365 * 24 * 3600 * 1000;
