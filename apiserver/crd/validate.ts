import {
  duplicate,
  type FieldError,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from "../../api/field_errors.ts";
import { equalJson } from "../../api/json_value.ts";
import { isRecord, type Json } from "../dig.ts";
import { limits } from "../limits.ts";
import { hasFormat } from "./formats.ts";
import { metaFields } from "./prune.ts";
import type { Schema } from "./schema.ts";

/**
 * What is wrong with a value by its schema's types and bounds, in the words of kube-openapi's validator.
 * @param old the value it replaces: what has not changed is not complained about (KEP-4008); undefined for new objects
 */
export function validateValue(value: unknown, schema: Schema, path: string, old?: unknown): FieldError[] {
  const errors: FieldError[] = [];
  check(value, schema, path, old, errors);
  return errors;
}

function check(value: unknown, schema: Schema, path: string, old: unknown, errors: FieldError[]): void {
  if (errors.length >= limits.schemaErrors) return;
  if (old !== undefined && equalJson(value, old)) return;
  if (value === null || value === undefined) {
    if (!schema.nullable && schema.type !== "" && !schema.intOrString) {
      errors.push(typeError(path, schema.type, "null"));
    }
    return;
  }
  checkType(value, schema, path, errors);
  checkBranches(value, schema, path, errors);
  if (typeof value === "string") checkString(value, schema, path, errors);
  else if (typeof value === "number") checkNumber(value, schema, path, errors);
  else if (Array.isArray(value)) checkList(value, schema, path, old, errors);
  else if (isRecord(value)) checkObject(value, schema, path, old, errors);
  const allowed = schema.props.enum;
  if (allowed !== undefined && !allowed.some((each) => equalJson(each, value))) {
    errors.push(notSupported(path, value, allowed.map((it) => typeof it === "string" ? it : JSON.stringify(it))));
  }
}

function typeError(path: string, wanted: string, found: string): FieldError {
  return typeInvalid(path, found, `${path} in body must be of type ${wanted}: ${JSON.stringify(found)}`);
}

function typeOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

function checkType(value: unknown, schema: Schema, path: string, errors: FieldError[]): void {
  const found = typeOf(value);
  if (schema.intOrString) {
    if (found !== "integer" && found !== "string") errors.push(typeError(path, "integer,string", found));
    return;
  }
  if (schema.type === "" || schema.type === found || (schema.type === "number" && found === "integer")) return;
  errors.push(typeError(path, schema.type, found));
}

function checkString(value: string, schema: Schema, path: string, errors: FieldError[]): void {
  const { maxLength, minLength, format, pattern } = schema.props;
  if (maxLength !== undefined || minLength !== undefined) {
    const length = [...value].length;
    if (maxLength !== undefined && length > maxLength) errors.push(tooLong(path, maxLength));
    if (minLength !== undefined && length < minLength) {
      errors.push(invalid(path, value, `${path} in body should be at least ${minLength} chars long`));
    }
  }
  if (schema.matches !== null && !schema.matches(value)) {
    errors.push(invalid(path, value, `${path} in body should match '${pattern}'`));
  }
  if (format !== undefined && schema.type === "string" && !hasFormat(format, value)) {
    errors.push(typeInvalid(path, value, `${path} in body must be of type ${format}: ${JSON.stringify(value)}`));
  }
}

function checkNumber(value: number, schema: Schema, path: string, errors: FieldError[]): void {
  const { maximum, minimum, exclusiveMaximum, exclusiveMinimum, multipleOf } = schema.props;
  const say = (text: string) => errors.push(invalid(path, value, `${path} in body should be ${text}`));
  if (multipleOf !== undefined && multipleOf > 0 && !isMultiple(value, multipleOf)) say(`a multiple of ${multipleOf}`);
  if (maximum !== undefined && (exclusiveMaximum === true ? value >= maximum : value > maximum)) {
    say(`less than ${exclusiveMaximum === true ? "" : "or equal to "}${maximum}`);
  }
  if (minimum !== undefined && (exclusiveMinimum === true ? value <= minimum : value < minimum)) {
    say(`greater than ${exclusiveMinimum === true ? "" : "or equal to "}${minimum}`);
  }
}

function isMultiple(value: number, factor: number): boolean {
  const quotient = value / factor;
  return Math.abs(quotient - Math.round(quotient)) < 1e-9;
}

function checkList(
  value: readonly unknown[],
  schema: Schema,
  path: string,
  old: unknown,
  errors: FieldError[],
): void {
  const { maxItems, minItems } = schema.props;
  if (maxItems !== undefined && value.length > maxItems) errors.push(tooMany(path, value.length, maxItems));
  if (minItems !== undefined && value.length < minItems) {
    errors.push(invalid(path, value.length, `${path} in body should have at least ${minItems} items`));
  }
  const { items } = schema;
  if (items !== null) {
    const before = itemsBefore(schema, old);
    for (const [index, item] of value.entries()) check(item, items, `${path}[${index}]`, before(item), errors);
  }
  if (schema.listType !== "atomic") checkUnique(value, schema, path, errors);
}

/** How a list's item finds itself in the list that it replaces: by its keys, or not at all. */
function itemsBefore(schema: Schema, old: unknown): (item: unknown) => unknown {
  if (schema.listType !== "map" || !Array.isArray(old)) return () => undefined;
  const byKey = new Map(old.map((item) => [keyOf(item, schema), item]));
  return (item) => byKey.get(keyOf(item, schema));
}

function keyOf(item: unknown, schema: Schema): string {
  return JSON.stringify(keyFields(item, schema));
}

/** A list item's keys, with the defaults that they would have. */
function keyFields(item: unknown, schema: Schema): Json {
  const fields: Json = {};
  for (const name of schema.listKeys) {
    const value = isRecord(item) && Object.hasOwn(item, name)
      ? item[name]
      : schema.items?.properties.get(name)?.fallback;
    if (value !== undefined) fields[name] = value;
  }
  return fields;
}

function checkUnique(value: readonly unknown[], schema: Schema, path: string, errors: FieldError[]): void {
  const seen = new Set<string>();
  for (const [index, item] of value.entries()) {
    const shown = schema.listType === "map" ? keyFields(item, schema) : item;
    const key = JSON.stringify(shown);
    if (seen.has(key)) errors.push(duplicate(`${path}[${index}]`, shown));
    seen.add(key);
  }
}

function checkObject(value: Json, schema: Schema, path: string, old: unknown, errors: FieldError[]): void {
  const keys = Object.keys(value);
  const { maxProperties, minProperties } = schema.props;
  if (maxProperties !== undefined && keys.length > maxProperties) {
    errors.push(tooMany(path, keys.length, maxProperties));
  }
  if (minProperties !== undefined && keys.length < minProperties) {
    errors.push(invalid(path, keys.length, `${path} in body should have at least ${minProperties} properties`));
  }
  const root = path === "";
  for (const name of schema.required) {
    if (!Object.hasOwn(value, name) && !(root && metaFields.has(name))) errors.push(required(join(path, name)));
  }
  if (schema.embedded) checkEmbedded(value, path, errors);
  const before = isRecord(old) ? old : undefined;
  for (const key of keys) {
    if ((root || schema.embedded) && metaFields.has(key) && key !== "metadata") continue;
    const inner = schema.properties.get(key) ?? schema.additional;
    if (inner === null || inner === true) continue;
    const was = before !== undefined && Object.hasOwn(before, key) ? before[key] : undefined;
    check(value[key], inner, join(path, key), was, errors);
  }
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function checkEmbedded(value: Json, path: string, errors: FieldError[]): void {
  for (const name of ["apiVersion", "kind"]) {
    if (typeof value[name] !== "string" || value[name] === "") {
      errors.push(required(`${path}.${name}`, "must not be empty"));
    }
  }
}

/** allOf, anyOf, oneOf, not. Upstream reports them at no path at all. */
function checkBranches(value: unknown, schema: Schema, path: string, errors: FieldError[]): void {
  const { allOf, anyOf, oneOf, not } = schema;
  const say = (text: string) => errors.push(invalid("<nil>", "", `"${path}" ${text}`));
  if (not !== null && validateValue(value, not, path).length === 0) say("must not validate the schema (not)");
  if (anyOf.length > 0) {
    const failures = anyOf.map((branch) => validateValue(value, branch, path));
    if (!failures.some((each) => each.length === 0)) {
      say("must validate at least one schema (anyOf)");
      errors.push(...failures[0] ?? []);
    }
  }
  if (oneOf.length > 0) {
    const failures = oneOf.map((branch) => validateValue(value, branch, path));
    const valid = failures.filter((each) => each.length === 0).length;
    if (valid === 0) {
      say("must validate one and only one schema (oneOf). Found none valid");
      errors.push(...failures[0] ?? []);
    } else if (valid > 1) {
      say(`must validate one and only one schema (oneOf). Found ${valid} valid alternatives`);
    }
  }
  if (allOf.length > 0) {
    const failures = allOf.map((branch) => validateValue(value, branch, path));
    const valid = failures.filter((each) => each.length === 0).length;
    errors.push(...failures.flat());
    if (valid === 0) say("must validate all the schemas (allOf). None validated");
    else if (valid < allOf.length) say("must validate all the schemas (allOf)");
  }
}
