import { type FieldError, invalid as invalidField } from "../../api/field_errors.ts";
import type { KubeObject } from "../../api/meta.ts";
import { badRequest, invalid } from "../../api/status.ts";
import type { User } from "../authn/user.ts";
import { type Attributes, equalities } from "../authz/attributes.ts";
import { decideLoaded } from "../chain/authorize.ts";
import { dig, isRecord, items, type Json, record, text, texts } from "../dig.ts";
import type { Registry } from "../registry/context.ts";

const group = "authorization.k8s.io";

/** SelfSubjectAccessReview: may I? */
export async function reviewOwnAccess(registry: Registry, user: User, review: KubeObject): Promise<Json> {
  const problems = [...attributeProblems(review), ...metadataProblems(review, [], "must be empty")];
  if (problems.length > 0) throw invalid({ group, kind: "SelfSubjectAccessReview" }, "", problems);
  return await decided(registry, user, review);
}

/** SubjectAccessReview: may they? */
export async function reviewAccess(registry: Registry, review: KubeObject): Promise<Json> {
  const problems = [
    ...attributeProblems(review),
    ...subjectProblems(review),
    ...metadataProblems(review, [], "must be empty"),
  ];
  if (problems.length > 0) throw invalid({ group, kind: "SubjectAccessReview" }, "", problems);
  return await decided(registry, subjectOf(review), review);
}

/** LocalSubjectAccessReview: may they, in this namespace? */
export async function reviewLocalAccess(registry: Registry, namespace: string, review: KubeObject): Promise<Json> {
  const given = review.metadata?.namespace ?? "";
  if (given !== "" && given !== namespace) {
    throw badRequest(`namespace, must match: ${namespace} vs ${given}`);
  }
  review.metadata = { ...review.metadata, namespace };
  const problems = [
    ...attributeProblems(review),
    ...subjectProblems(review),
    ...metadataProblems(review, ["namespace"], "must be empty except for namespace"),
  ];
  const attributes = dig(review, "spec", "resourceAttributes");
  if (isRecord(attributes) && text(attributes["namespace"]) !== namespace) {
    const where = "spec.resourceAttributes.namespace";
    problems.push(invalidField(where, text(attributes["namespace"]), "must match metadata.namespace"));
  }
  const path = dig(review, "spec", "nonResourceAttributes");
  if (isRecord(path)) {
    problems.push(invalidField("spec.nonResourceAttributes", path, "disallowed on this kind of request"));
  }
  if (problems.length > 0) throw invalid({ group, kind: "LocalSubjectAccessReview" }, "", problems);
  return await decided(registry, subjectOf(review), review);
}

async function decided(registry: Registry, user: User, review: KubeObject): Promise<Json> {
  const { allowed, reason } = await decideLoaded(registry.authorizer, user, attributesOf(record(dig(review, "spec"))));
  return { allowed, ...(reason === "" ? {} : { reason }) };
}

function subjectOf(review: KubeObject): User {
  const spec = record(dig(review, "spec"));
  const extra = Object.entries(record(spec["extra"])).map(([key, values]) => [key, texts(values)]);
  return {
    name: text(spec["user"]),
    uid: text(spec["uid"]),
    groups: texts(spec["groups"]),
    extra: Object.fromEntries(extra),
  };
}

function attributesOf(spec: Json): Attributes {
  const path = spec["nonResourceAttributes"];
  if (isRecord(path)) return { kind: "path", verb: text(path["verb"]), path: text(path["path"]) };
  const wanted = record(spec["resourceAttributes"]);
  const fields = fieldsOf(record(wanted["fieldSelector"]));
  return {
    kind: "resource",
    verb: text(wanted["verb"]),
    group: text(wanted["group"]),
    resource: text(wanted["resource"]),
    subresource: text(wanted["subresource"]),
    namespace: text(wanted["namespace"]),
    name: text(wanted["name"]),
    fields,
  };
}

/** What of a field selector (KEP-4601) is an equality. What is not understood narrows nothing, and so grants nothing. */
function fieldsOf(selector: Json): Readonly<Record<string, string>> {
  const raw = text(selector["rawSelector"]);
  if (raw !== "") return equalities(raw);
  const found: Record<string, string> = Object.create(null);
  for (const requirement of items(selector["requirements"]).map(record)) {
    const [value, ...more] = texts(requirement["values"]);
    if (requirement["operator"] === "In" && value !== undefined && more.length === 0) {
      found[text(requirement["key"])] = value;
    }
  }
  return found;
}

function attributeProblems(review: KubeObject): FieldError[] {
  const spec = record(dig(review, "spec"));
  const resource = spec["resourceAttributes"];
  const path = spec["nonResourceAttributes"];
  if (isRecord(resource) && isRecord(path)) {
    const why = "cannot be specified in combination with resourceAttributes";
    return [invalidField("spec.nonResourceAttributes", path, why)];
  }
  if (isRecord(resource) || isRecord(path)) return [];
  const why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
  return [invalidField("spec.resourceAttributes", null, why)];
}

function subjectProblems(review: KubeObject): FieldError[] {
  const spec = record(dig(review, "spec"));
  if (text(spec["user"]) !== "" || texts(spec["groups"]).length > 0) return [];
  return [invalidField("spec.user", "", "at least one of user or group must be specified")];
}

function metadataProblems(review: KubeObject, allowed: readonly string[], why: string): FieldError[] {
  const metadata = review.metadata ?? {};
  const isEmpty = Object.entries(metadata).every(([key, value]) =>
    key === "managedFields" || value === null || value === "" || allowed.includes(key)
  );
  return isEmpty ? [] : [invalidField("metadata", metadata, why)];
}
