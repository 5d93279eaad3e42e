import { clone, setOwn } from "../../api/json_value.ts";
import { isRecord, type Json } from "../dig.ts";
import type { Schema } from "./schema.ts";

/**
 * Fills in what the schema has defaults for; null counts as absent where it is not allowed.
 * @see apiextensions-apiserver pkg/apiserver/schema/defaulting
 */
export function setDefaults(value: unknown, schema: Schema): void {
  if (!schema.hasDefaults) return;
  if (Array.isArray(value)) {
    const { items } = schema;
    if (items === null || !items.hasDefaults) return;
    for (const [index, item] of value.entries()) {
      if (wantsDefault(item, items)) value[index] = clone(items.fallback);
      setDefaults(value[index], items);
    }
    return;
  }
  if (!isRecord(value)) return;
  for (const [name, property] of schema.properties) {
    if (property.fallback === undefined) continue;
    if (!Object.hasOwn(value, name) || wantsDefault(value[name], property)) {
      setOwn(value, name, clone(property.fallback));
    }
  }
  for (const key of Object.keys(value)) {
    const inner = schema.properties.get(key) ?? schema.additional;
    if (inner === null || inner === true) continue;
    if (!schema.properties.has(key) && wantsDefault(value[key], inner)) setOwn(value, key, clone(inner.fallback));
    setDefaults(value[key], inner);
  }
}

function wantsDefault(value: unknown, schema: Schema): boolean {
  return value === null && !schema.nullable && schema.fallback !== undefined;
}

/** Takes out nulls that are not allowed and have no default, as Go's decoder would have ignored them. */
export function dropNulls(value: unknown, schema: Schema): void {
  if (Array.isArray(value)) {
    if (schema.items !== null) { for (const item of value) dropNulls(item, schema.items); }
    return;
  }
  if (!isRecord(value)) return;
  for (const key of Object.keys(value)) {
    const property = schema.properties.get(key);
    const inner = property ?? (schema.additional === true ? null : schema.additional);
    if (inner === null) continue;
    if (property !== undefined && value[key] === null && !property.nullable && property.fallback === undefined) {
      delete (value as Json)[key];
    } else {
      dropNulls(value[key], inner);
    }
  }
}
