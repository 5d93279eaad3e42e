import { isReview, pathOf, type ResourceInfo } from "../../api/resources.ts";
import { findSchema } from "../../api/schema.ts";
import type { Json } from "../dig.ts";
import type { Dialect } from "./openapi_schema.ts";
import { subresourceOf } from "./resources.ts";

/** What an operation acts on, for x-kubernetes-group-version-kind. */
interface Target {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly type: string;
}

const patchTypes = [
  "application/json-patch+json",
  "application/merge-patch+json",
  "application/strategic-merge-patch+json",
  "application/apply-patch+yaml",
] as const;

const dryRun = ["dryRun", "string"] as const;
const fieldManager = ["fieldManager", "string"] as const;
const fieldValidation = ["fieldValidation", "string"] as const;
const writes = [dryRun, fieldManager, fieldValidation] as const;
const lists = [
  ["allowWatchBookmarks", "boolean"],
  ["continue", "string"],
  ["fieldSelector", "string"],
  ["labelSelector", "string"],
  ["limit", "integer"],
  ["resourceVersion", "string"],
  ["resourceVersionMatch", "string"],
  ["sendInitialEvents", "boolean"],
  ["timeoutSeconds", "integer"],
  ["watch", "boolean"],
] as const;
const deletes = [dryRun, ["gracePeriodSeconds", "integer"], ["propagationPolicy", "string"]] as const;

type Parameters = readonly (readonly [name: string, type: string])[];

const deleteOptions = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const status = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

/** The type names that operations refer to besides the objects themselves. */
export const operationTypes: readonly string[] = [
  deleteOptions,
  status,
  "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
];

/** Every path of a resource with its operations. */
export function openApiPaths(info: ResourceInfo, dialect: Dialect): Record<string, Json> {
  const target: Target = info;
  const list: Target = { ...info, type: `${info.type}List` };
  const namespace = info.namespaced ? "{namespace}" : undefined;
  const collection = pathOf(info, namespace).replace("%7Bnamespace%7D", "{namespace}");
  const placeholders = info.namespaced ? ["namespace"] : [];
  const make = (action: string, on: Target, options: Partial<OperationOptions> = {}) =>
    operation(action, on, { dialect, ...options });
  const post = make("post", target, { parameters: writes, body: target.type });
  if (isReview(info)) return { [collection]: pathItem(dialect, placeholders, { post }) };
  const paths: Record<string, Json> = {
    [collection]: pathItem(dialect, placeholders, {
      get: make("list", target, { parameters: lists, answer: list.type }),
      post,
      ...(info.resource === "namespaces" ? {} : {
        delete: make("deletecollection", target, {
          parameters: [...lists, ...deletes],
          body: deleteOptions,
          answer: status,
        }),
      }),
    }),
    [`${collection}/{name}`]: pathItem(dialect, [...placeholders, "name"], {
      get: make("get", target),
      put: make("put", target, { parameters: writes, body: target.type }),
      patch: make("patch", target, { parameters: [...writes, ["force", "boolean"]], patch: true }),
      delete: make("delete", target, { parameters: deletes, body: deleteOptions, answer: status }),
    }),
  };
  if (info.namespaced) {
    const all = { get: make("list", target, { parameters: lists, answer: list.type }) };
    paths[pathOf(info)] = pathItem(dialect, [], all);
  }
  for (const name of info.subresources) {
    const sub = subresourceOf(info, name);
    const operations: Json = {};
    if (sub.verbs.includes("get")) operations["get"] = make("get", sub);
    if (sub.verbs.includes("create")) operations["post"] = make("post", sub, { parameters: writes, body: sub.type });
    if (sub.verbs.includes("update")) operations["put"] = make("put", sub, { parameters: writes, body: sub.type });
    if (sub.verbs.includes("patch")) operations["patch"] = make("patch", sub, { parameters: writes, patch: true });
    paths[`${collection}/{name}/${name}`] = pathItem(dialect, [...placeholders, "name"], operations);
  }
  return paths;
}

interface OperationOptions {
  readonly dialect: Dialect;
  readonly parameters: Parameters;
  /** Type of the request body. */
  readonly body: string;
  readonly patch: boolean;
  /** Type of the answer, when not the target's. */
  readonly answer: string;
}

/** Strategic merges need a type that is compiled in: clients read here whether to send them. */
function patchTypesOf(type: string): readonly string[] {
  if (findSchema(type) !== undefined) return patchTypes;
  return patchTypes.filter((each) => each !== "application/strategic-merge-patch+json");
}

function operation(action: string, on: Target, options: Pick<OperationOptions, "dialect"> & Partial<OperationOptions>) {
  const { dialect } = options;
  const answer = options.answer ?? on.type;
  const parameters: Json[] = (options.parameters ?? []).map(([name, type]) => query(name, type, dialect));
  const body = options.patch === true ? "io.k8s.apimachinery.pkg.apis.meta.v1.Patch" : options.body;
  const json: Json = {
    parameters,
    "x-kubernetes-action": action,
    "x-kubernetes-group-version-kind": { group: on.group, version: on.version, kind: on.kind },
  };
  const mediaTypes = options.patch === true ? patchTypesOf(on.type) : ["application/json", "application/yaml"];
  if (dialect === "v3") {
    if (body !== undefined) {
      json["requestBody"] = { content: contents(options.patch ? patchTypesOf(on.type) : ["*/*"], body) };
    }
    json["responses"] = { "200": { description: "OK", content: contents(["application/json"], answer) } };
  } else {
    if (body !== undefined) {
      const schema = { $ref: `#/definitions/${body}` };
      parameters.push({ in: "body", name: "body", required: action !== "delete", schema });
    }
    json["consumes"] = mediaTypes;
    json["produces"] = ["application/json", "application/yaml"];
    json["responses"] = { "200": { description: "OK", schema: { $ref: `#/definitions/${answer}` } } };
  }
  return json;
}

function contents(mediaTypes: readonly string[], type: string): Json {
  const schema = { $ref: `#/components/schemas/${type}` };
  return Object.fromEntries(mediaTypes.map((mediaType) => [mediaType, { schema }]));
}

function query(name: string, type: string, dialect: Dialect): Json {
  const common = { name, in: "query", uniqueItems: true };
  return dialect === "v3" ? { name, in: "query", schema: { type, uniqueItems: true } } : { ...common, type };
}

function pathItem(dialect: Dialect, placeholders: readonly string[], operations: Json): Json {
  const parameters = placeholders.map((name) =>
    dialect === "v3"
      ? { name, in: "path", required: true, schema: { type: "string", uniqueItems: true } }
      : { name, in: "path", required: true, type: "string", uniqueItems: true }
  );
  return { ...operations, ...(parameters.length > 0 ? { parameters } : {}) };
}
