/** ObjectMeta: names, labels, annotations, owners, finalizers, and what an update may not change. */
import { type FieldError, forbidden, invalid, required, tooLong } from "../field_errors.ts";
import { byteLength, compareStrings } from "../go_text.ts";
import type { ObjectMeta, OwnerReference } from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import { validateLabels } from "../labels.ts";
import { dns1035Label, dns1123Label, dns1123Subdomain, qualifiedName } from "../names.ts";
import { each, immutableText, nonNegative, unset } from "./common.ts";

/** Keys and values of all annotations together. */
export const annotationsBytesMax = 256 * 1024;

export type NameRule = (name: string) => string[];
export const nameRules = { label: dns1123Label, subdomain: dns1123Subdomain, service: dns1035Label } as const;

export interface MetaRule {
  readonly namespaced: boolean;
  readonly name: NameRule;
}

export function validateMeta(given: ObjectMeta | undefined, rule: MetaRule, path = "metadata"): FieldError[] {
  const meta = given ?? {};
  const errors: FieldError[] = [];
  const { generateName } = meta;
  if (!unset(generateName)) {
    // A base may end in a dash: what follows it is known to be fine.
    const base = generateName.length > 1 && generateName.endsWith("-") ? `${generateName.slice(0, -2)}a` : generateName;
    errors.push(...each(rule.name(base), `${path}.generateName`, generateName));
  }
  if (unset(meta.name)) errors.push(required(`${path}.name`, "name or generateName is required"));
  else errors.push(...each(rule.name(meta.name), `${path}.name`, meta.name));
  errors.push(...validateNamespace(meta, rule, path));
  errors.push(...nonNegative(meta.generation, `${path}.generation`));
  errors.push(...validateCommon(meta, path));
  return errors;
}

function validateNamespace(meta: ObjectMeta, rule: MetaRule, path: string): FieldError[] {
  if (!rule.namespaced) {
    return unset(meta.namespace) ? [] : [forbidden(`${path}.namespace`, "not allowed on this type")];
  }
  if (unset(meta.namespace)) return [required(`${path}.namespace`)];
  return each(dns1123Label(meta.namespace), `${path}.namespace`, meta.namespace);
}

/** What holds for new and changed objects alike. */
function validateCommon(meta: ObjectMeta | undefined, path: string): FieldError[] {
  return [
    ...validateLabels(meta?.labels, `${path}.labels`),
    ...validateAnnotations(meta?.annotations, `${path}.annotations`),
    ...validateOwners(meta?.ownerReferences ?? [], `${path}.ownerReferences`),
    ...validateFinalizers(meta?.finalizers ?? [], `${path}.finalizers`),
  ];
}

export function validateAnnotations(annotations: Record<string, string> | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations ?? {})) {
    errors.push(...each(qualifiedName(key.toLowerCase()), path, key));
    bytes += byteLength(key) + byteLength(value);
  }
  if (bytes > annotationsBytesMax) errors.push(tooLong(path, annotationsBytesMax));
  return errors;
}

function validateOwners(owners: readonly OwnerReference[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  let controller: string | undefined;
  for (const owner of owners) {
    if (unset(owner.apiVersion)) {
      errors.push(invalid(`${path}.apiVersion`, owner.apiVersion ?? "", "version must not be empty"));
    }
    for (const field of ["kind", "name", "uid"] as const) {
      if (unset(owner[field])) errors.push(invalid(`${path}.${field}`, owner[field] ?? "", "must not be empty"));
    }
    if (owner.apiVersion === "v1" && owner.kind === "Event") {
      errors.push(invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner"));
    }
    if (owner.controller !== true) continue;
    const name = `${owner.kind}/${owner.name}`;
    if (controller === undefined) {
      controller = name;
    } else {
      const text = "Only one reference can have Controller set to true. " +
        `Found "true" in references for ${controller} and ${name}`;
      errors.push(invalid(path, owners, text));
    }
  }
  return errors;
}

function validateFinalizers(finalizers: readonly string[], path: string): FieldError[] {
  const errors = finalizers.flatMap((finalizer) => each(qualifiedName(finalizer), path, finalizer));
  if (finalizers.includes("orphan") && finalizers.includes("foregroundDeletion")) {
    errors.push(invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set"));
  }
  return errors;
}

/** Fields that stay as they are for an object's whole life. */
const immutableFields = [
  "name",
  "namespace",
  "uid",
  "creationTimestamp",
  "deletionTimestamp",
  "deletionGracePeriodSeconds",
] as const;

export function validateMetaUpdate(
  next: ObjectMeta | undefined,
  old: ObjectMeta | undefined,
  path = "metadata",
): FieldError[] {
  const errors: FieldError[] = [];
  if (old?.deletionTimestamp !== undefined) {
    const added = (next?.finalizers ?? []).filter((finalizer) => !old.finalizers?.includes(finalizer));
    if (added.length > 0) {
      const list = [...new Set(added)].sort(compareStrings).map((name) => JSON.stringify(name)).join(", ");
      const text = "no new finalizers can be added if the object is being deleted, found new finalizers " +
        `[]string{${list}}`;
      errors.push(forbidden(`${path}.finalizers`, text));
    }
  }
  if ((next?.generation ?? 0) < (old?.generation ?? 0)) {
    errors.push(invalid(`${path}.generation`, next?.generation ?? 0, "must not be decremented"));
  }
  for (const field of immutableFields) {
    errors.push(...immutable(next?.[field], old?.[field], `${path}.${field}`));
  }
  errors.push(...validateCommon(next, path));
  return errors;
}

export function immutable(next: unknown, old: unknown, path: string): FieldError[] {
  return equalJson(next, old) ? [] : [invalid(path, next, immutableText)];
}
