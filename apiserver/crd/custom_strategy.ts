import type { CustomResourceDefinition, CustomResourceDefinitionVersion } from "../../api/gen/types.ts";
import { versionInfo } from "../../api/custom_resources.ts";
import { clone, equalJson } from "../../api/json_value.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { FieldError } from "../../api/field_errors.ts";
import { apiVersionOf, type ResourceInfo } from "../../api/resources.ts";
import { ApiError, methodNotAllowed } from "../../api/status.ts";
import { metadataRules } from "../../api/rules/mod.ts";
import { dns1123Subdomain } from "../../api/names.ts";
import type { Json } from "../dig.ts";
import type { Strategy } from "../registry/strategy.ts";
import { type StoredResource, storedResource } from "../watchcache/cached.ts";
import { Conversion, type Converter } from "../watchcache/conversion.ts";
import { ResourceCache } from "../watchcache/resource_cache.ts";
import { applyTypeOfSchema } from "./apply_type.ts";
import { customCodec } from "./codec.ts";
import { customPrinter } from "./columns.ts";
import { dropNulls, setDefaults } from "./default.ts";
import { findFirst, parseJsonPath } from "./json_path.ts";
import { prune } from "./prune.ts";
import { compileSchema, type Schema } from "./schema.ts";
import type { Patterns } from "./patterns.ts";
import type { Convert } from "./webhook_conversion.ts";
import { validateValue } from "./validate.ts";

/** Rules beyond types and bounds: what `x-kubernetes-validations` compile to. `old` is undefined for new objects. */
export type RuleCheck = (object: KubeObject, old: KubeObject | undefined) => readonly FieldError[];

export interface VersionParts {
  readonly definition: CustomResourceDefinition;
  readonly version: CustomResourceDefinitionVersion;
  readonly patterns: Patterns | null;
  readonly checkRules: RuleCheck | null;
  /** Null: the versions differ in name alone. */
  readonly convert: Convert | null;
  /** The definition is being deleted: nothing new may come. */
  readonly isTerminating: () => boolean;
}

/** Any object of any shape: what a definition without a schema means. */
const anything = { type: "object", "x-kubernetes-preserve-unknown-fields": true } as const;

/** The schema of one version. */
export function versionSchema(version: CustomResourceDefinitionVersion, patterns: Patterns | null): Schema {
  return compileSchema(version.schema?.openAPIV3Schema ?? anything, patterns);
}

/** How one served version of a definition is stored, read, changed and shown. */
export function customStrategy(parts: VersionParts): Strategy {
  const { definition, version, patterns } = parts;
  const info = versionInfo(definition, version);
  const schema = versionSchema(version, patterns);
  const cache = new ResourceCache(storedCustom(parts, info, schema));
  const meta = metadataRules({ namespaced: info.namespaced, name: dns1123Subdomain });
  const hasStatus = info.subresources.includes("status");
  const context = { now: 0, allowLoopbackEndpoints: false };
  const check = (object: KubeObject, old?: KubeObject) => {
    const errors = validateValue(object, schema, "", old);
    // Rules are not asked about values whose types are wrong.
    return errors.length > 0 || parts.checkRules === null ? errors : parts.checkRules(object, old);
  };
  return {
    info,
    cache,
    codec: customCodec(info, schema),
    printer: customPrinter(version.additionalPrinterColumns),
    applyType: applyTypeOfSchema(schema),
    ...(definition.spec.versions.length === 1 ? {} : {
      convertTo: async (object: KubeObject, apiVersion: string) =>
        (await parts.convert?.([object], apiVersion))?.[0] ?? { ...object, apiVersion },
    }),
    createsOnUpdate: false,
    updatesUnconditionally: false,
    returnsDeleted: false,
    setDefaults: (object) => setDefaults(object, schema),
    prepareForCreate: (object) => {
      if (parts.isTerminating()) throw createRefused(info);
      if (hasStatus) delete fields(object)["status"];
      object.metadata = { ...object.metadata, generation: 1 };
    },
    prepareForUpdate: (object, old) => {
      if (hasStatus) keep(object, old, "status");
      const same = equalJson(wanted(object, hasStatus), wanted(old, hasStatus));
      const generation = old.metadata?.generation ?? 0;
      object.metadata = { ...object.metadata, generation: same ? generation : generation + 1 };
    },
    prepareForStatusUpdate: (object, old) => {
      const status = fields(object)["status"];
      // An apply has noted there who owns the status now.
      const { managedFields } = object.metadata ?? {};
      for (const name of Object.keys(object)) delete fields(object)[name];
      Object.assign(object, clone(old));
      object.metadata = { ...object.metadata, ...(managedFields === undefined ? {} : { managedFields }) };
      if (status === undefined) delete fields(object)["status"];
      else fields(object)["status"] = status;
    },
    validateCreate: (object) => [...meta.validate(object, context), ...check(object)],
    validateUpdate: (object, old) => [...meta.validateUpdate(object, old, context), ...check(object, old)],
    validateStatusUpdate: (object, old) => [...meta.validateStatusUpdate(object, old, context), ...check(object, old)],
    ...(info.subresources.includes("scale") ? { scale: version.subresources?.scale } : {}),
    ...warningOf(info, version),
  };
}

function fields(object: KubeObject): Json {
  // Custom resources are plain records; nothing is known of their fields.
  return object as Json;
}

function keep(object: KubeObject, old: KubeObject, name: string): void {
  const before = fields(old)[name];
  if (before === undefined) delete fields(object)[name];
  else fields(object)[name] = clone(before);
}

/** What a change of raises the generation. */
function wanted(object: KubeObject, hasStatus: boolean): Json {
  const { metadata: _metadata, status, ...rest } = fields(object);
  return hasStatus ? rest : { ...rest, status };
}

function createRefused(info: ResourceInfo): ApiError {
  const { status } = methodNotAllowed(info, "create");
  const message = "create not allowed while custom resource definition is terminating";
  return new ApiError({ ...status, message });
}

function warningOf(info: ResourceInfo, version: CustomResourceDefinitionVersion): { warning?: string } {
  if (version.deprecated !== true) return {};
  return { warning: version.deprecationWarning ?? `${apiVersionOf(info)} ${info.kind} is deprecated` };
}

/** Keys are kube-apiserver's: `/registry/GROUP/PLURAL/[NAMESPACE/]NAME`. */
function storedCustom(parts: VersionParts, info: ResourceInfo, schema: Schema): StoredResource {
  const { definition, version, patterns } = parts;
  const storage = definition.spec.versions.find((each) => each.storage) ?? version;
  const storageInfo = versionInfo(definition, storage);
  const storageSchema = storage === version ? schema : versionSchema(storage, patterns);
  const selectable = (version.selectableFields ?? []).map(({ jsonPath }) => ({
    name: jsonPath.replace(/^\./, ""),
    path: parseJsonPath(jsonPath),
  }));
  const select = (object: KubeObject) =>
    Object.fromEntries(selectable.map(({ name, path }) => [name, fieldText(findFirst(path, object))]));
  const { convert } = parts;
  const conversion = convert === null
    ? undefined
    : new Conversion(converterOf(parts, info, storageInfo, schema, convert));
  return storedResource(info, `/registry/${info.group}/${info.resource}/`, select, {
    info: storageInfo,
    ...(conversion === undefined ? {} : { conversion }),
    read(stored) {
      const object = fields(stored);
      if (conversion !== undefined) return conversion.isForeign(stored) ? stored : finish(stored, schema);
      dropNulls(object, storageSchema);
      setDefaults(object, storageSchema);
      prune(object, storageSchema);
      // The None strategy: the same fields under another version, which may have other defaults.
      if (storage !== version) {
        setDefaults(object, schema);
        prune(object, schema);
      }
      object["apiVersion"] = apiVersionOf(info);
      return stored;
    },
  });
}

/** What every object meets on its way out: nulls, defaults and pruning by the schema of its version. */
function finish(object: KubeObject, schema: Schema): KubeObject {
  dropNulls(object, schema);
  setDefaults(object, schema);
  prune(fields(object), schema);
  return object;
}

/** Through the definition's webhook, which sees objects with the defaults of their own version. */
function converterOf(
  { definition, patterns }: VersionParts,
  info: ResourceInfo,
  storageInfo: ResourceInfo,
  schema: Schema,
  convert: Convert,
): Converter {
  const served = apiVersionOf(info);
  const schemas = new Map<string, Schema | null>();
  const schemaOf = (apiVersion: string): Schema | null => {
    let known = schemas.get(apiVersion);
    if (known === undefined) {
      const version = definition.spec.versions.find(({ name }) => `${info.group}/${name}` === apiVersion);
      schemas.set(apiVersion, known = version === undefined ? null : versionSchema(version, patterns));
    }
    return known;
  };
  return {
    isForeign: (stored) => stored.apiVersion !== served,
    async toServed(stored) {
      for (const object of stored) {
        const own = schemaOf(object.apiVersion ?? "");
        if (own !== null) finish(object, own);
      }
      return (await convert(stored, served)).map((object) => finish(object, schema));
    },
    async toStored(object) {
      const storage = apiVersionOf(storageInfo);
      if (storage === served) return object;
      const [converted = object] = await convert([object], storage);
      return converted;
    },
  };
}

function fieldText(value: unknown): string {
  if (typeof value === "string") return value;
  return typeof value === "number" || typeof value === "boolean" ? String(value) : "";
}
