import type { KubeObject } from "../../api/meta.ts";
import { endpointSlices, nodes, pods, services } from "../../api/resources.ts";
import { ApiError, badRequest, failure, notFound } from "../../api/status.ts";
import type { HttpClient } from "../../platform/mod.ts";
import type { ServerDeps } from "../config.ts";
import { dig, items, record, text } from "../dig.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf, readCurrent } from "../registry/write.ts";
import { parseCached } from "../watchcache/cached.ts";
import type { ResourceRequest } from "../request_info.ts";
import { kubeletAddress, kubeletClient } from "./kubelet.ts";

/** Where a proxied request goes. */
export interface Backend {
  /** `http://127.0.1.4:8080` */
  readonly base: string;
  readonly client: HttpClient;
}

/** `[scheme:]name[:port]`, as one path segment. */
interface Target {
  readonly scheme: "http" | "https";
  readonly name: string;
  /** A number or a name; "" where none is given. */
  readonly port: string;
}

/** @throws ApiError 400 */
function parseTarget(segment: string): Target {
  const parts = segment.split(":");
  const [a = "", b = "", c = ""] = parts;
  if (parts.length === 1) return { scheme: "http", name: a, port: "" };
  if (parts.length === 2) return { scheme: "http", name: a, port: b };
  if (parts.length === 3 && (a === "http" || a === "https" || a === "")) {
    return { scheme: a === "https" ? "https" : "http", name: b, port: c };
  }
  throw badRequest(`invalid service request ${JSON.stringify(segment)}`);
}

/** @throws ApiError 400, 404, 503 */
export async function findBackend(registry: Registry, deps: ServerDeps, request: ResourceRequest): Promise<Backend> {
  const target = parseTarget(request.name);
  if (request.info === nodes) return await nodeBackend(registry, deps, target);
  if (deps.backends === undefined) throw unavailable("this apiserver has no connection to pods");
  const at = request.info === pods
    ? await podAddress(registry, request.namespace, target)
    : await serviceAddress(registry, request.namespace, target);
  return { base: `${target.scheme}://${at}`, client: deps.backends };
}

function unavailable(message: string): ApiError {
  return new ApiError(failure("ServiceUnavailable", message));
}

async function nodeBackend(registry: Registry, deps: ServerDeps, { name, port }: Target): Promise<Backend> {
  const at = await kubeletAddress(registry, name);
  const base = port === "" ? `https://${at}` : `https://${at.replace(/:\d+$/, `:${numberOf(port)}`)}`;
  return { base, client: kubeletClient(deps) };
}

function numberOf(port: string): number {
  const number = Number(port);
  if (!/^\d{1,5}$/.test(port) || number < 1 || number > 65_535) {
    throw badRequest(`invalid port ${JSON.stringify(port)}`);
  }
  return number;
}

async function podAddress(registry: Registry, namespace: string, { name, port }: Target): Promise<string> {
  const { object: pod } = await readCurrent(registry, keyOf(registry.strategy(pods), namespace, name));
  if (pod === null) throw notFound(pods, name);
  const ip = text(dig(pod, "status", "podIP"));
  if (ip === "") throw badRequest(`address not allowed`);
  const number = port === "" ? firstPort(pod) : numberOf(port);
  const host = ip.includes(":") ? `[${ip}]` : ip;
  return number === null ? host : `${host}:${number}`;
}

/** The first port that a container declares. */
function firstPort(pod: KubeObject): number | null {
  for (const container of items(dig(pod, "spec", "containers"))) {
    for (const port of items(record(container)["ports"])) {
      const number = record(port)["containerPort"];
      if (typeof number === "number") return number;
    }
  }
  return null;
}

/** A ready endpoint of the service's port, any of them. */
async function serviceAddress(registry: Registry, namespace: string, { name, port }: Target): Promise<string> {
  const { object: service } = await readCurrent(registry, keyOf(registry.strategy(services), namespace, name));
  if (service === null) throw notFound(services, name);
  const declared = items(dig(service, "spec", "ports")).map(record);
  const found = port === ""
    ? declared.length === 1 ? declared[0] : undefined
    : declared.find((each) => each["name"] === port || String(each["port"]) === port);
  if (found === undefined) throw unavailable(`no service port ${JSON.stringify(port)} found for service "${name}"`);
  const portName = text(found["name"]);
  const addresses: string[] = [];
  for (const slice of registry.strategy(endpointSlices).cache.list(namespace)) {
    if (slice.labels["kubernetes.io/service-name"] !== name) continue;
    addresses.push(...readyAddresses(parseCached(slice), portName));
  }
  const chosen = addresses[registry.random.int(Math.max(1, addresses.length))];
  if (chosen === undefined) throw unavailable(`no endpoints available for service "${name}"`);
  return chosen;
}

/** @param slice an EndpointSlice as it is served */
function readyAddresses(slice: unknown, portName: string): string[] {
  const port = items(dig(slice, "ports")).map(record).find((each) => text(each["name"]) === portName)?.["port"];
  if (typeof port !== "number") return [];
  return items(dig(slice, "endpoints")).flatMap((endpoint) => {
    if (dig(endpoint, "conditions", "ready") === false) return [];
    return items(dig(endpoint, "addresses")).map((it) => text(it).includes(":") ? `[${it}]:${port}` : `${it}:${port}`);
  });
}
