import {
  applyConfig,
  compareValues,
  conflictReport,
  decodeManagers,
  difference,
  type FieldConflict,
  fieldSetOf,
  isEmpty,
  ownable,
  trackUpdate,
  union,
} from "../../api/apply/mod.ts";
import type { FieldValidation } from "../../api/codec/mod.ts";
import { JsonSyntaxError, parseJson } from "../../api/codec/json.ts";
import { parseYaml, YamlSyntaxError } from "../../api/codec/yaml.ts";
import { isObject, type JsonObject } from "../../api/json_value.ts";
import type { KubeObject } from "../../api/meta.ts";
import { apiVersionOf } from "../../api/resources.ts";
import { ApiError, applyConflict, badRequest, plainFailure } from "../../api/status.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import { attributesOn } from "../authz/attributes.ts";
import { decideLoaded, denied } from "../chain/authorize.ts";
import { dig, items, text } from "../dig.ts";
import { limits } from "../limits.ts";
import type { Registry, WriteContext, Written } from "./context.ts";
import { checkNamespace, create } from "./create.ts";
import { applyTypeFor, setManagers, writerOf } from "./managed_fields.ts";
import { change, type UpdateTarget } from "./update.ts";

export const applyPatchType = "application/apply-patch+yaml";

export interface ApplyRequest {
  readonly body: Uint8Array;
  readonly force: boolean;
  readonly fieldValidation: FieldValidation;
  /** Gets what is to be warned of. */
  readonly warnings: string[];
}

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/**
 * PATCH with an applied configuration (KEP-555): creates what does not exist, else merges and keeps account of who owns
 * what. @throws ApiError 400, 404 for a sub-resource of nothing, 409 with a cause for every field that another owns
 */
export async function apply(
  registry: Registry,
  context: WriteContext,
  target: UpdateTarget,
  request: ApplyRequest,
): Promise<Written> {
  const config = readConfig(target, request);
  const onExisting = () =>
    change(
      registry,
      context,
      { ...target, applied: true },
      (live) => merged(registry, context, target, live, config, request.force),
      limits.patchAttempts,
    );
  try {
    return await onExisting();
  } catch (error) {
    if (target.subresource !== "" || !(error instanceof ApiError) || error.status.reason !== "NotFound") throw error;
  }
  await checkMayCreate(registry, context, target);
  try {
    const object = merged(registry, context, target, {}, config, request.force);
    const { managedFields } = object.metadata ?? {};
    return await create(registry, context, target.strategy, target.namespace, object, managedFields);
  } catch (error) {
    // Someone was faster: then there is something to merge with.
    if (!(error instanceof ApiError) || error.status.reason !== "AlreadyExists") throw error;
    return await onExisting();
  }
}

/** Who may patch may not therefore create. @throws ApiError 403 */
async function checkMayCreate(registry: Registry, context: WriteContext, target: UpdateTarget): Promise<void> {
  const attributes = attributesOn("create", target.strategy.info, target.namespace, target.name);
  const decision = await decideLoaded(registry.authorizer, context.user, attributes);
  if (!decision.allowed) throw denied(context.user, attributes, decision.reason);
}

function readConfig(target: UpdateTarget, request: ApplyRequest): KubeObject {
  const { info } = target.strategy;
  const value = parseConfig(request);
  const decoded = target.strategy.codec.decodeValue(value, "Warn");
  const config = decoded.object;
  const name = config.metadata?.name ?? "";
  if (decoded.warnings.length > 0) {
    const place = `${target.namespace === "" ? "" : `${target.namespace}/`}${target.name}`;
    const what = `${place}; ${apiVersionOf(info)}, Kind=${info.kind}`;
    throw plainFailure(`failed to create typed patch object (${what}): ${undeclared(decoded.warnings, value)}`);
  }
  if (config.metadata?.managedFields !== undefined) throw badRequest("metadata.managedFields must be nil");
  checkNamespace(target.strategy, config, target.namespace);
  if (name !== target.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${target.name})`);
  }
  return config;
}

/** An apply's body. @throws ApiError 400 */
export function parseConfig(request: ApplyRequest): JsonObject {
  let parsed: { readonly value: unknown; readonly duplicates: readonly string[] };
  try {
    parsed = parseText(fromUtf8(request.body));
  } catch (error) {
    if (error instanceof YamlSyntaxError) throw badRequest(`error decoding YAML: ${error.message}`);
    throw error;
  }
  if (parsed.duplicates.length > 0 && request.fieldValidation !== "Ignore") {
    const why = `yaml: unmarshal errors:\n${parsed.duplicates.map((it) => `  ${it}`).join("\n")}`;
    if (request.fieldValidation === "Strict") throw badRequest(`error strict decoding YAML: ${why}`);
    request.warnings.push(why);
  }
  if (!isObject(parsed.value)) {
    throw badRequest("error decoding YAML: json: cannot unmarshal into Go value of type map[string]interface {}");
  }
  return parsed.value;
}

/** kubectl and client-go send JSON under the name of YAML, and JSON is read ten times faster. */
function parseText(body: string): ReturnType<typeof parseYaml> {
  if (body.startsWith("{")) {
    try {
      const { value, duplicates } = parseJson(body);
      // Only the YAML reader reports repeated keys as upstream does here.
      if (duplicates.length === 0) return { value, duplicates };
    } catch (error) {
      if (!(error instanceof JsonSyntaxError)) throw error;
    }
  }
  return parseYaml(body);
}

/** `unknown field "spec.x"` in the words of the typed converter, whose paths name items by their keys. */
function undeclared(problems: readonly string[], value: unknown): string {
  const lines = problems.map((problem) => {
    const path = /"(.*)"/.exec(problem)?.[1] ?? "";
    return `.${namedPath(path, value)}: field not declared in schema`;
  });
  return lines.length === 1 ? lines[0] as string : `errors:\n${lines.map((line) => `  ${line}`).join("\n")}`;
}

function namedPath(path: string, value: unknown): string {
  let at = value;
  return path.split(".").map((part) => {
    const [, name = part, index] = /^(.*?)\[(\d+)\]$/.exec(part) ?? [];
    at = dig(at, name);
    if (index === undefined) return part;
    at = items(at)[Number(index)];
    const key = text(dig(at, "name"));
    return key === "" ? part : `${name}[name=${JSON.stringify(key)}]`;
  }).join(".");
}

/** The object that the configuration leads to, with its managedFields. @param live {} to create one */
export function merged(
  registry: Registry,
  context: WriteContext,
  target: UpdateTarget,
  live: KubeObject,
  config: KubeObject,
  force: boolean,
): KubeObject {
  const { strategy, subresource } = target;
  const type = applyTypeFor(strategy);
  const writer = writerOf(registry, context, strategy, subresource);
  const exists = live.metadata?.uid !== undefined;
  let managers = decodeManagers(live.metadata?.managedFields) ?? [];
  if (exists && managers.length === 0) {
    // What was never tracked belongs to one that stands for all before.
    managers = [...trackUpdate([], { ...writer, manager: "before-first-apply", subresource: "" }, {}, live, type)];
  }
  const hasStatus = strategy.info.subresources.includes("status");
  const ignored = (field: string) =>
    subresource === "status" ? field !== "status" && field !== "metadata" : field === "status" && hasStatus;
  const run = (forced: boolean) =>
    applyConfig(managers, { ...live } as JsonObject, { ...config } as JsonObject, type, {
      writer,
      force: forced,
      ignored,
    });
  let applied = run(force);
  if (applied.kind === "conflict" && writer.manager === "kubectl" && ownsByAnnotation(live, type, applied.conflicts)) {
    applied = run(true);
  }
  if (applied.kind === "conflict") {
    const { message, causes } = conflictReport(applied.conflicts);
    throw applyConflict(message, causes);
  }
  const object = structuredClone(applied.object) as KubeObject;
  const meta = object.metadata = { ...object.metadata };
  if (!exists) Object.assign(object, { apiVersion: config.apiVersion, kind: config.kind });
  for (const name of ["name", "namespace", "resourceVersion", "uid"] as const) {
    const given = config.metadata?.[name];
    if (given !== undefined && given !== "") meta[name] = given;
  }
  if (writer.manager === "kubectl" && live.metadata?.annotations?.[lastApplied] !== undefined) {
    meta.annotations = { ...meta.annotations, [lastApplied]: annotationOf(config) };
  }
  setManagers(object, applied.managers);
  return object;
}

/**
 * Whether every conflict is about a field that client-side apply set to the value that it still has: then `kubectl apply
 * --server-side` takes over from `kubectl apply` without being forced.
 */
function ownsByAnnotation(
  live: KubeObject,
  type: ReturnType<typeof applyTypeFor>,
  conflicts: readonly FieldConflict[],
) {
  const annotation = live.metadata?.annotations?.[lastApplied];
  if (annotation === undefined) return false;
  let config: unknown;
  try {
    config = JSON.parse(annotation);
  } catch {
    return false;
  }
  const before = ownable(config);
  const { added, modified, removed } = compareValues(before, ownable(live), type);
  const owned = difference(fieldSetOf(before, type), union(union(added, modified), removed));
  return conflicts.every(({ fields }) => isEmpty(difference(fields, owned)));
}

/** As kubectl writes it: sorted keys, a newline at the end, without itself. */
function annotationOf(config: KubeObject): string {
  const { annotations, ...meta } = config.metadata ?? {};
  const { [lastApplied]: _itself, ...others } = annotations ?? {};
  return `${JSON.stringify(sorted({ ...config, metadata: { ...meta, annotations: others } }))}\n`;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.keys(value).sort().map((key) => [key, sorted(value[key])]));
}
