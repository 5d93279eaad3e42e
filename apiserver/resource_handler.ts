import type { FieldValidation } from "../api/codec/mod.ts";
import { notSupported } from "../api/field_errors.ts";
import type { KubeObject } from "../api/meta.ts";
import { apiVersionOf, listKindOf } from "../api/resources.ts";
import { badRequest, invalid, notAcceptable, notFound } from "../api/status.ts";
import type { Exchange } from "./exchange.ts";
import { acceptedTypes, negotiate, type Negotiated } from "./negotiate.ts";
import type { Registry, WriteContext } from "./registry/context.ts";
import { fieldManagerOf, isApply, patchOptions } from "./field_manager.ts";
import { apply } from "./registry/apply.ts";
import { create } from "./registry/create.ts";
import { deleteOptions, isDryRun } from "./registry/delete_options.ts";
import { remove, removeCollection } from "./registry/delete.ts";
import { cacheAt, list } from "./registry/list.ts";
import { checkRevision, listOptions } from "./registry/list_options.ts";
import { hasProtobuf } from "./protobuf/types.ts";
import { type OutputOptions, respondList, respondObject, respondValue, watchFormat } from "./registry/output.ts";
import { patch } from "./registry/patch.ts";
import { selectionOf } from "./registry/selection.ts";
import type { Strategy } from "./registry/strategy.ts";
import { update } from "./registry/update.ts";
import { startWatch } from "./registry/watch.ts";
import { keyOf } from "./registry/write.ts";
import type { ResourceRequest } from "./request_info.ts";
import { respondStatus } from "./respond.ts";
import { holdLongRunning } from "./long_running.ts";
import type { IncludeObject } from "./table/table.ts";
import { convertedBytes } from "./watchcache/cached.ts";
import { convertedAll } from "./watchcache/conversion.ts";
import { preferredGatherMs } from "./watchcache/pacer.ts";

/** Requests on objects and collections, and on the `status` and `finalize` sub-resources, which are views of the object. */
export async function handleResource(
  registry: Registry,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  const strategy = registry.strategy(request.info);
  if (strategy.warning !== undefined) exchange.warnings.push(strategy.warning);
  switch (request.verb) {
    case "get":
      return await handleGet(registry, exchange, request, strategy);
    case "list":
      return await handleList(registry, exchange, request, strategy);
    case "watch":
      return await handleWatch(registry, exchange, request, strategy);
    case "create":
      return await handleCreate(registry, exchange, request, strategy);
    case "update":
      return await handleUpdate(registry, exchange, request, strategy);
    case "patch":
      return await handlePatch(registry, exchange, request, strategy);
    case "delete":
      return await handleDelete(registry, exchange, request, strategy);
    case "deletecollection":
      return await handleDeleteCollection(registry, exchange, request, strategy);
  }
}

/** What the Accept header leads to. @throws ApiError 406 */
export function agree(exchange: Exchange, options: { watch?: boolean; shapes?: boolean } = {}): Negotiated {
  const pretty = exchange.url.searchParams.get("pretty");
  const agreed = negotiate(exchange.request.headers.get("accept"), {
    watch: options.watch ?? false,
    shapes: options.shapes ?? true,
    pretty: pretty !== null && pretty !== "0" && pretty !== "false",
    protobuf: exchange.info.kind !== "resource" || hasProtobuf(exchange.info.info),
  });
  if (agreed === null) throw notAcceptable(acceptedTypes);
  return agreed;
}

function output(
  registry: Registry,
  exchange: Exchange,
  negotiated: Negotiated,
  { printer }: Strategy,
): OutputOptions {
  const include = exchange.url.searchParams.get("includeObject") ?? "";
  if (include !== "" && include !== "None" && include !== "Metadata" && include !== "Object") {
    throw badRequest(`unrecognized includeObject value: ${JSON.stringify(include)}`);
  }
  return {
    negotiated,
    include: include === "" ? "Metadata" : include as IncludeObject,
    printer,
    clock: registry.clock,
  };
}

/** dryRun and who asks. @throws ApiError 422 */
export function writeContext(exchange: Exchange): WriteContext {
  return {
    user: exchange.user,
    dryRun: isDryRun(exchange.url.searchParams.getAll("dryRun")),
    warnings: exchange.warnings,
    manager: fieldManagerOf(exchange),
    ...annotating(exchange),
  };
}

/** Where admission leaves notes for the audit log; where two leave one under the same key, both are kept. */
function annotating({ audit }: Exchange): Pick<WriteContext, "annotate"> {
  if (audit === undefined) return {};
  const { annotations } = audit;
  return {
    annotate: (key, value) => {
      const known = annotations[key];
      if (known === undefined) annotations[key] = value;
      else if (!known.split(", ").includes(value)) annotations[key] = `${known}, ${value}`;
    },
  };
}

/** @throws ApiError 422 */
export function fieldValidation(exchange: Exchange): FieldValidation {
  const value = exchange.url.searchParams.get("fieldValidation") ?? "";
  if (value === "") return "Warn";
  if (value === "Ignore" || value === "Warn" || value === "Strict") return value;
  const problem = notSupported("fieldValidation", value, ["Ignore", "Strict", "Warn"]);
  throw invalid({ group: "meta.k8s.io", kind: "CreateOptions" }, "", [problem]);
}

/** The request's body as an object of the type that the path names. */
function decodeBody(exchange: Exchange, { codec }: Strategy): KubeObject {
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const decoded = codec.decode(exchange.body, contentType, fieldValidation(exchange));
  exchange.warnings.push(...decoded.warnings);
  return decoded.object;
}

async function handleGet(registry: Registry, exchange: Exchange, request: ResourceRequest, strategy: Strategy) {
  const negotiated = agree(exchange);
  const { info, cache } = strategy;
  const version = request.query.get("resourceVersion") ?? "";
  if (version !== "") {
    // Any revision of at least that one will do: the cache's.
    checkRevision(version);
    await cacheAt(registry.feed, Number(version));
    const cached = cache.get(request.namespace, request.name);
    if (cached === undefined) throw notFound(info, request.name);
    const [served = cached] = await convertedAll(cache.resource, [cached]);
    return respondObject(200, request.info, served.bytes, output(registry, exchange, negotiated, strategy));
  }
  const kv = await registry.store.get(keyOf(strategy, request.namespace, request.name));
  if (kv === null) throw notFound(info, request.name);
  const bytes = await convertedBytes(cache.resource, kv.value, kv.modRevision);
  return respondObject(200, request.info, bytes, output(registry, exchange, negotiated, strategy));
}

async function handleList(registry: Registry, exchange: Exchange, request: ResourceRequest, strategy: Strategy) {
  const negotiated = agree(exchange);
  const selection = selectionOf(strategy.cache.resource, request.query);
  const options = listOptions(request.query, false);
  const page = await list(registry, strategy.cache, namespaceOf(request), selection, options);
  return respondList(request.info, page, output(registry, exchange, negotiated, strategy));
}

/** Namespaces are cluster-scoped although their own path names one. */
function namespaceOf(request: ResourceRequest): string {
  return request.info.namespaced ? request.namespace : "";
}

async function handleWatch(registry: Registry, exchange: Exchange, request: ResourceRequest, strategy: Strategy) {
  const negotiated = agree(exchange, { watch: true });
  const query = watchQuery(request);
  const options = listOptions(query, true);
  const timeoutSeconds = options.timeoutSeconds > 0 ? options.timeoutSeconds : defaultTimeoutSeconds(registry);
  const hold = holdLongRunning(registry);
  try {
    const watcher = await startWatch(registry, {
      cache: strategy.cache,
      namespace: namespaceOf(request),
      selection: selectionOf(strategy.cache.resource, query),
      options: { ...options, timeoutSeconds },
      format: watchFormat(request.info, output(registry, exchange, negotiated, strategy)),
      gatherMs: preferredGatherMs(exchange.request.headers.get("prefer")),
      onEnd: hold.release,
    });
    return new Response(watcher.body, { headers: { "content-type": negotiated.contentType } });
  } catch (error) {
    hold.release();
    throw error;
  }
}

/** A watch on one name is a watch on the collection with a field selector. */
function watchQuery(request: ResourceRequest): URLSearchParams {
  if (request.name === "") return request.query;
  const query = new URLSearchParams(request.query);
  const given = query.get("fieldSelector") ?? "";
  query.set("fieldSelector", `metadata.name=${request.name}${given === "" ? "" : `,${given}`}`);
  return query;
}

/** Spread out, so that the clients of a restarted server do not come back all at once. */
function defaultTimeoutSeconds(registry: Registry): number {
  const base = (registry.config.timers.watchTimeoutMs ?? 1_800_000) / 1000;
  return base * (1 + registry.random.next());
}

async function handleCreate(registry: Registry, exchange: Exchange, request: ResourceRequest, strategy: Strategy) {
  const negotiated = agree(exchange);
  const context = writeContext(exchange);
  const object = decodeBody(exchange, strategy);
  const written = await create(registry, context, strategy, namespaceOf(request), object);
  return respondObject(written.code, request.info, written.bytes, output(registry, exchange, negotiated, strategy));
}

async function handleUpdate(registry: Registry, exchange: Exchange, request: ResourceRequest, strategy: Strategy) {
  const negotiated = agree(exchange);
  const context = writeContext(exchange);
  const object = decodeBody(exchange, strategy);
  const target = { strategy, namespace: namespaceOf(request), name: request.name, subresource: request.subresource };
  const written = await update(registry, context, target, object);
  return respondObject(written.code, request.info, written.bytes, output(registry, exchange, negotiated, strategy));
}

async function handlePatch(registry: Registry, exchange: Exchange, request: ResourceRequest, strategy: Strategy) {
  const negotiated = agree(exchange);
  const context = writeContext(exchange);
  const target = { strategy, namespace: namespaceOf(request), name: request.name, subresource: request.subresource };
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const { force } = patchOptions(exchange, contentType);
  const common = { body: exchange.body, fieldValidation: fieldValidation(exchange), warnings: exchange.warnings };
  const written = isApply(contentType)
    ? await apply(registry, context, target, { ...common, force })
    : await patch(registry, context, target, { ...common, contentType });
  return respondObject(written.code, request.info, written.bytes, output(registry, exchange, negotiated, strategy));
}

async function handleDelete(registry: Registry, exchange: Exchange, request: ResourceRequest, strategy: Strategy) {
  const negotiated = agree(exchange);
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const options = deleteOptions(exchange.body, contentType, request.query);
  const { user, warnings } = exchange;
  const context = { user, dryRun: options.dryRun, warnings, ...annotating(exchange) };
  const deleted = await remove(registry, context, strategy, namespaceOf(request), request.name, options);
  if (deleted.kind === "status") return respondStatus(deleted.status, negotiated.encoding);
  return respondObject(200, request.info, deleted.written.bytes, output(registry, exchange, negotiated, strategy));
}

async function handleDeleteCollection(
  registry: Registry,
  exchange: Exchange,
  request: ResourceRequest,
  strategy: Strategy,
) {
  const negotiated = agree(exchange, { shapes: false });
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const options = deleteOptions(exchange.body, contentType, request.query);
  const { user, warnings } = exchange;
  const context = { user, dryRun: options.dryRun, warnings, ...annotating(exchange) };
  const { revision, objects } = await removeCollection(registry, context, strategy, {
    namespace: namespaceOf(request),
    selection: selectionOf(strategy.cache.resource, request.query),
    listOptions: listOptions(request.query, false),
  }, options);
  return respondValue(200, {
    kind: listKindOf(request.info),
    apiVersion: apiVersionOf(request.info),
    metadata: { resourceVersion: String(revision) },
    items: objects,
  }, negotiated);
}
