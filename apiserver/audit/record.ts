import { formatMicroTime } from "../../api/time.ts";
import { parseYaml } from "../../api/codec/mod.ts";
import { decodeMsgpack } from "../../api/codec/msgpack.ts";
import { apiVersionOf, type ResourceInfo } from "../../api/resources.ts";
import type { Status } from "../../api/status.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import { type User, userInfo } from "../authn/user.ts";
import { dig, isRecord, type Json, text } from "../dig.ts";
import type { Exchange } from "../exchange.ts";
import { decodeProtobuf } from "../protobuf/decode.ts";
import type { Stage, Verdict } from "./policy.ts";

/** What is known of one request, filled in by the filters that it passes. */
export interface AuditRecord {
  readonly verdict: Verdict;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
  readonly exchange: Exchange;
  /** Who really asked. */
  readonly user: User | null;
  /** As whom, where that is somebody else. */
  impersonated?: User;
  /** The request's body, once read. */
  body?: Uint8Array;
  readonly annotations: Record<string, string>;
}

export interface Outcome {
  readonly status: Json;
  readonly responseObject?: unknown;
}

/** An audit.k8s.io/v1 Event. @param now milliseconds since 1970 */
export function eventOf(audited: AuditRecord, stage: Stage, now: number, outcome: Outcome | null): Json {
  const { verdict, exchange, user, impersonated, annotations } = audited;
  const { request, url, info } = exchange;
  const agent = request.headers.get("user-agent") ?? "";
  const requestObject = stage === "RequestReceived" ? undefined : requestObjectOf(audited);
  const withBodies = info.kind === "resource";
  const asked = withBodies && verdict.level !== "Metadata" ? requestObject : undefined;
  const answered = withBodies && verdict.level === "RequestResponse" ? outcome?.responseObject : undefined;
  return {
    kind: "Event",
    apiVersion: "audit.k8s.io/v1",
    level: verdict.level,
    auditID: exchange.auditId,
    stage,
    requestURI: url.pathname + url.search,
    verb: info.kind === "resource" ? info.verb : info.method.toLowerCase(),
    user: user === null ? {} : userInfo(user),
    ...(impersonated === undefined ? {} : { impersonatedUser: userInfo(impersonated) }),
    sourceIPs: sourcesOf(exchange),
    ...(agent === "" ? {} : { userAgent: agent }),
    ...(info.kind === "resource" ? { objectRef: referenceOf(info, requestObject) } : {}),
    ...(outcome === null ? {} : { responseStatus: outcome.status }),
    ...(asked === undefined ? {} : { requestObject: trimmed(asked, verdict) }),
    ...(answered === undefined ? {} : { responseObject: trimmed(answered, verdict) }),
    requestReceivedTimestamp: formatMicroTime(audited.receivedAt),
    stageTimestamp: formatMicroTime(now),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations: { ...annotations } }),
  };
}

/** All but the last are the client's own word. */
function sourcesOf({ request, context }: Exchange): string[] {
  const forwarded = (request.headers.get("x-forwarded-for") ?? "").split(",").map((it) => it.trim()).filter(Boolean);
  const real = request.headers.get("x-real-ip") ?? "";
  const all = [...forwarded, ...(real === "" || forwarded.includes(real) ? [] : [real])];
  return all.at(-1) === context.remoteAddress ? all : [...all, context.remoteAddress];
}

function referenceOf(info: Extract<Exchange["info"], { kind: "resource" }>, object: unknown): Json {
  const meta = dig(object, "metadata");
  const apiVersion = apiVersionOf(info.info);
  const name = info.name !== "" ? info.name : info.verb === "create" ? text(dig(meta, "name")) : "";
  const fields: Json = {
    resource: info.info.resource,
    namespace: info.namespace,
    name,
    uid: text(dig(meta, "uid")),
    apiGroup: info.info.group,
    apiVersion: apiVersion.slice(apiVersion.indexOf("/") + 1),
    resourceVersion: text(dig(meta, "resourceVersion")),
    subresource: info.subresource,
  };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
}

/** What a write sent, as an object; undefined for what is none, or cannot be read. */
function requestObjectOf({ body, exchange }: AuditRecord): unknown {
  if (body === undefined || body.length === 0 || exchange.info.kind !== "resource") return undefined;
  return objectOf(body, exchange.request.headers.get("content-type") ?? "", exchange.info.info);
}

/** @param info of the object; protobuf that says it is something else (a list, a table) is not looked into */
export function objectOf(bytes: Uint8Array, contentType: string, { type, kind }: ResourceInfo): unknown {
  const media = contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
  try {
    if (media.endsWith("yaml")) return parseYaml(fromUtf8(bytes)).value;
    if (media.endsWith("msgpack")) return decodeMsgpack(bytes);
    if (!media.endsWith("protobuf")) return JSON.parse(fromUtf8(bytes));
    const decoded = decodeProtobuf(bytes, type);
    return (decoded["kind"] ?? kind) === kind ? decoded : undefined;
  } catch {
    return undefined;
  }
}

function trimmed(object: unknown, { omitManagedFields }: Verdict): unknown {
  if (!omitManagedFields || !isRecord(object)) return object;
  const list = object["items"];
  const all = Array.isArray(list) ? { items: list.map(withoutManagedFields) } : {};
  return { ...withoutManagedFields(object) as Json, ...all };
}

function withoutManagedFields(object: unknown): unknown {
  if (!isRecord(object) || !isRecord(object["metadata"])) return object;
  const { managedFields: _managed, ...metadata } = object["metadata"];
  return { ...object, metadata };
}

/** A failure's Status as the log has it: without details. */
export function failureStatus({ message, reason, code }: Status): Json {
  return { metadata: {}, status: "Failure", message, ...(reason === undefined ? {} : { reason }), code };
}
