import { decodeRequest } from "../request_body.ts";
import { decodeValue } from "../../api/codec/mod.ts";
import { invalid as invalidField } from "../../api/field_errors.ts";
import type { CustomResourceSubresourceScale as ScalePaths } from "../../api/gen/types.ts";
import { setOwn } from "../../api/json_value.ts";
import { formatSelector, selectorFromObject } from "../../api/labels.ts";
import type { KubeObject } from "../../api/meta.ts";
import { apiVersionOf } from "../../api/resources.ts";
import { badRequest, invalid, notFound } from "../../api/status.ts";
import { parseJsonPath, plainNames } from "../crd/json_path.ts";
import { dig, isRecord, type Json, record, text, whole } from "../dig.ts";
import type { Exchange } from "../exchange.ts";
import { isApply, patchOptions } from "../field_manager.ts";
import { limits } from "../limits.ts";
import { merged, parseConfig } from "../registry/apply.ts";
import type { Registry, WriteContext } from "../registry/context.ts";
import { respondValue } from "../registry/output.ts";
import { readPatch } from "../registry/patch.ts";
import { change, type UpdateTarget } from "../registry/update.ts";
import { keyOf, readCurrent } from "../registry/write.ts";
import type { ResourceRequest } from "../request_info.ts";
import { agree, fieldValidation, writeContext } from "../resource_handler.ts";
import { parseBytes } from "../table/table.ts";

const scaleType = "io.k8s.api.autoscaling.v1.Scale";

/** GET, PUT and PATCH of `/scale`: spec.replicas seen through autoscaling/v1 Scale. */
export async function handleScale(
  registry: Registry,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  const negotiated = agree(exchange, { shapes: false });
  const strategy = registry.strategy(request.info);
  if (request.verb === "get") {
    const key = keyOf(strategy, request.namespace, request.name);
    const { object } = await readCurrent(registry, key, strategy.cache.resource);
    if (object === null) throw notFound(strategy.info, request.name);
    return respondValue(200, scaleOf(object, strategy.scale), negotiated);
  }
  const context = writeContext(exchange);
  const target: UpdateTarget = {
    strategy,
    namespace: request.namespace,
    name: request.name,
    subresource: "",
    ownedThrough: "scale",
  };
  const contentType = exchange.request.headers.get("content-type") ?? "";
  if (request.verb === "patch" && isApply(contentType)) {
    const desired = applied(registry, exchange, context, target);
    const written = await change(registry, context, { ...target, applied: true }, desired, limits.patchAttempts);
    return respondValue(200, scaleOf(parseBytes(written), strategy.scale), negotiated);
  }
  const wanted = readWanted(exchange, request, strategy.scale);
  const written = await change(
    registry,
    context,
    target,
    (current) => scaled(current, wanted(current), request, strategy.scale),
    request.verb === "patch" ? limits.patchAttempts : undefined,
  );
  return respondValue(200, scaleOf(parseBytes(written), strategy.scale), negotiated);
}

/** An applied Scale as an apply of the one field that it stands for, owned through the sub-resource. */
function applied(
  registry: Registry,
  exchange: Exchange,
  context: WriteContext,
  target: UpdateTarget,
): (current: KubeObject) => KubeObject {
  const { strategy, name } = target;
  const validation = fieldValidation(exchange);
  const { force } = patchOptions(exchange, exchange.request.headers.get("content-type") ?? "");
  const { warnings, body } = exchange;
  const parsed = parseConfig({ body, force, fieldValidation: validation, warnings });
  const { object: scale } = decodeValue<KubeObject>(parsed, scaleType, { fieldValidation: validation });
  if (scale.metadata?.name !== name) {
    throw badRequest(
      `the name of the object (${scale.metadata?.name ?? ""}) does not match the name on the URL (${name})`,
    );
  }
  const { uid, resourceVersion } = scale.metadata;
  const metadata = {
    name,
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
  const config: Json = { apiVersion: apiVersionOf(strategy.info), kind: strategy.info.kind, metadata };
  const replicas = dig(scale, "spec", "replicas");
  if (replicas !== undefined) setAt(config, namesOf(strategy.scale?.specReplicasPath ?? ".spec.replicas"), replicas);
  const owned = { ...target, subresource: "scale" };
  return (current) => merged(registry, context, owned, current, config as KubeObject, force);
}

/** The Scale that the request wants, from the object as it is. */
function readWanted(
  exchange: Exchange,
  request: ResourceRequest,
  paths: ScalePaths | undefined,
): (current: KubeObject) => KubeObject {
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const options = { fieldValidation: fieldValidation(exchange) };
  if (request.verb === "patch") {
    const apply = readPatch(exchange.body, contentType, scaleType);
    return (current) => decodeValue<KubeObject>(apply(scaleOf(current, paths)), scaleType, options).object;
  }
  const { object, warnings } = decodeRequest<KubeObject>(exchange.body, contentType, scaleType, options);
  exchange.warnings.push(...warnings);
  return () => object;
}

function scaled(
  current: KubeObject,
  scale: KubeObject,
  request: ResourceRequest,
  paths: ScalePaths | undefined,
): KubeObject {
  const { name } = request;
  if ((scale.metadata?.name ?? name) !== name) {
    throw badRequest(`the name of the object (${scale.metadata?.name}) does not match the name on the URL (${name})`);
  }
  const replicas = whole(dig(scale, "spec", "replicas"));
  if (replicas < 0) {
    const problem = invalidField("spec.replicas", replicas, "must be greater than or equal to 0");
    throw invalid({ group: "autoscaling", kind: "Scale" }, name, [problem]);
  }
  const { uid, resourceVersion } = scale.metadata ?? {};
  const metadata = { ...current.metadata };
  if (uid !== undefined) metadata.uid = uid;
  if (resourceVersion === undefined) delete metadata.resourceVersion;
  else metadata.resourceVersion = resourceVersion;
  const next = structuredClone(current);
  setAt(next as Json, namesOf(paths?.specReplicasPath ?? ".spec.replicas"), replicas);
  return Object.assign(next, { metadata });
}

/** A simple JSONPath as names: definitions with other paths are refused. */
function namesOf(path: string): string[] {
  return plainNames(parseJsonPath(path)) ?? [];
}

function setAt(object: Json, names: readonly string[], value: unknown): void {
  let at = object;
  for (const name of names.slice(0, -1)) {
    if (!Object.hasOwn(at, name) || !isRecord(at[name])) setOwn(at, name, {});
    at = record(at[name]);
  }
  setOwn(at, names.at(-1) ?? "", value);
}

function scaleOf(object: KubeObject | Json, paths: ScalePaths | undefined): Json {
  if (paths !== undefined) return customScale(object, paths);
  const meta = record(dig(object, "metadata"));
  const selector = dig(object, "spec", "selector");
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: {
      name: meta["name"],
      namespace: meta["namespace"],
      uid: meta["uid"],
      resourceVersion: meta["resourceVersion"],
      creationTimestamp: meta["creationTimestamp"],
    },
    spec: { replicas: whole(dig(object, "spec", "replicas")) },
    status: {
      replicas: whole(dig(object, "status", "replicas")),
      selector: isRecord(selector) ? selectorText(object, selector) : text(selector),
    },
  };
}

function customScale(object: KubeObject | Json, paths: ScalePaths): Json {
  const at = (path: string) => dig(object, ...namesOf(path));
  const { name, namespace, uid, resourceVersion, creationTimestamp } = record(dig(object, "metadata"));
  const selector = paths.labelSelectorPath === undefined ? "" : text(at(paths.labelSelectorPath));
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: whole(at(paths.specReplicasPath)) },
    status: { replicas: whole(at(paths.statusReplicasPath)), ...(selector === "" ? {} : { selector }) },
  };
}

/** `a=b,c in (d,e)`: what a watcher of the scaled pods would ask for. */
function selectorText(object: KubeObject | Json, selector: Json): string {
  // A ReplicationController's selector is a plain map of labels.
  const plain = dig(object, "kind") === "ReplicationController";
  const parsed = selectorFromObject(plain ? { matchLabels: selector as Record<string, string> } : selector);
  return parsed === undefined ? "" : formatSelector(parsed);
}
