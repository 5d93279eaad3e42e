import { equalJson, isObject, type JsonObject } from "../json_value.ts";
import type { ApplyType } from "./types.ts";
import { emptySet, type FieldSet, type FieldsV1, insert } from "./field_set.ts";

/** The type behind one field or key of a value; undefined: not in the schema. */
export function childType(type: ApplyType, name: string): ApplyType | undefined {
  switch (type.kind) {
    case "struct":
      return type.field(name);
    case "map":
      return type.of;
    case "untyped":
      return type;
    default:
      return undefined;
  }
}

/** Whether a value of this type is owned as a whole. */
export function isLeaf(type: ApplyType, value: unknown): boolean {
  switch (type.kind) {
    case "scalar":
      return true;
    case "struct":
    case "map":
      return type.atomic || !isObject(value);
    case "list":
      return type.listType === "atomic" || !Array.isArray(value);
    case "untyped":
      return !isObject(value);
  }
}

/** How an item of a keyed list or of a set is named in a path. */
export function itemKey(type: ApplyType & { kind: "list" }, item: unknown): string {
  if (type.listType !== "map") return `v:${JSON.stringify(item)}`;
  const names: Record<string, unknown> = {};
  for (const key of [...type.keys].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const value = (isObject(item) ? item[key.name] : undefined) ?? key.default;
    if (value !== undefined) names[key.name] = value;
  }
  return `k:${JSON.stringify(names)}`;
}

/** What an applied configuration claims: every leaf that it names, every item of a keyed list, every key of a map. */
export function fieldSetOf(value: unknown, type: ApplyType): FieldSet {
  const set = emptySet();
  claim(set, value, type);
  return set;
}

function claim(node: FieldSet, value: unknown, type: ApplyType): void {
  if (isLeaf(type, value)) {
    node.member = true;
    return;
  }
  if (type.kind === "list") {
    for (const item of value as readonly unknown[]) {
      const child = childOf(node, itemKey(type, item));
      claim(child, item, type.of);
      child.member = true;
    }
    return;
  }
  for (const [name, inner] of Object.entries(value as JsonObject)) {
    if (inner === undefined) continue;
    const child = childOf(node, `f:${name}`);
    const innerType = childType(type, name);
    if (innerType !== undefined && inner !== null) claim(child, inner, innerType);
    const isField = type.kind === "struct" && innerType !== undefined;
    if (!isField || inner === null || (isObject(inner) && Object.keys(inner).length === 0)) child.member = true;
  }
}

function childOf(node: FieldSet, key: string): FieldSet {
  let child = node.children.get(key);
  if (child === undefined) node.children.set(key, child = emptySet());
  return child;
}

/**
 * What the creator of `value` owns, written down at once: {@linkcode compareValues} of nothing with it, encoded. Creates
 * are the busiest of all writes, and this takes a fifth of the time.
 */
export function createdFields(value: unknown, type: ApplyType, root = true): FieldsV1 {
  if (isEmptyContainer(value) || isLeaf(type, value)) return {};
  const fields: FieldsV1 = {};
  if (!root && !(type.kind === "struct" && type.plain)) fields["."] = {};
  if (type.kind === "list") {
    const items = itemsByKey(type, value);
    for (const key of [...items.keys()].sort()) fields[key] = createdFields(items.get(key), type.of, false);
    return fields;
  }
  const object = value as JsonObject;
  for (const name of Object.keys(object).sort()) {
    const inner = object[name];
    const innerType = childType(type, name);
    if (inner === undefined || inner === null || innerType === undefined) continue;
    fields[`f:${name}`] = createdFields(inner, innerType, false);
  }
  return fields;
}

export interface Comparison {
  readonly added: FieldSet;
  readonly modified: FieldSet;
  readonly removed: FieldSet;
}

/** Which paths differ between two values. Undefined: not there. */
export function compareValues(before: unknown, after: unknown, type: ApplyType): Comparison {
  const comparison = { added: emptySet(), modified: emptySet(), removed: emptySet() };
  compare(comparison, [], before, after, type);
  return comparison;
}

function compare(found: Comparison, path: string[], before: unknown, after: unknown, type: ApplyType): void {
  if (before === after) return;
  const whole = before ?? after;
  const bothEmpty = isEmptyContainer(before) && isEmptyContainer(after);
  if (bothEmpty || isLeaf(type, whole) || (before !== undefined && after !== undefined && isLeaf(type, after))) {
    if (before === undefined) insert(found.added, path);
    else if (after === undefined) insert(found.removed, path);
    else if (!equalJson(before, after)) insert(found.modified, path);
    return;
  }
  if (type.kind === "list") {
    const mine = itemsByKey(type, before);
    const theirs = itemsByKey(type, after);
    for (const [key, item] of mine) step(found, path, key, item, theirs.get(key), type.of);
    for (const [key, item] of theirs) if (!mine.has(key)) step(found, path, key, undefined, item, type.of);
  } else {
    const mine = isObject(before) ? before : {};
    const theirs = isObject(after) ? after : {};
    for (const name of Object.keys(mine)) stepField(found, path, name, mine[name], own(theirs, name), type);
    for (const name of Object.keys(theirs)) {
      if (!Object.hasOwn(mine, name)) stepField(found, path, name, undefined, theirs[name], type);
    }
  }
  if (path.length === 0 || (type.kind === "struct" && type.plain)) return;
  if (before === undefined) insert(found.added, path);
  else if (after === undefined) insert(found.removed, path);
}

function own(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function stepField(found: Comparison, path: string[], name: string, before: unknown, after: unknown, type: ApplyType) {
  const inner = childType(type, name);
  if (inner !== undefined) step(found, path, `f:${name}`, before ?? undefined, after ?? undefined, inner);
}

function step(found: Comparison, path: string[], key: string, before: unknown, after: unknown, type: ApplyType): void {
  path.push(key);
  compare(found, path, before, after, type);
  path.pop();
}

/** Items that share a key are taken for one: the last. */
export function itemsByKey(type: ApplyType & { kind: "list" }, list: unknown): Map<string, unknown> {
  const items = new Map<string, unknown>();
  if (Array.isArray(list)) { for (const item of list) items.set(itemKey(type, item), item); }
  return items;
}

function isEmptyContainer(value: unknown): boolean {
  if (value === undefined) return true;
  if (Array.isArray(value)) return value.length === 0;
  return isObject(value) && Object.keys(value).length === 0;
}
