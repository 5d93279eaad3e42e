import { type JsonObject, setOwn } from "../json_value.ts";
import type { ApplyType } from "./types.ts";
import type { FieldSet } from "./field_set.ts";
import { childType, isLeaf, itemKey, itemsByKey } from "./walk.ts";

/** `config` over `live`: what it names wins, everything else stays. Neither is changed; parts may be shared. */
export function mergeValues(live: unknown, config: unknown, type: ApplyType): unknown {
  if (config === undefined || config === null) return live;
  if (live === undefined || live === null || isLeaf(type, config) || isLeaf(type, live)) return config;
  if (type.kind === "list") return mergeLists(live as readonly unknown[], config as readonly unknown[], type);
  const merged: JsonObject = { ...(live as JsonObject) };
  for (const [name, value] of Object.entries(config as JsonObject)) {
    const inner = childType(type, name);
    const before = Object.hasOwn(merged, name) ? merged[name] : undefined;
    setOwn(merged, name, inner === undefined ? value : mergeValues(before, value, inner));
  }
  return merged;
}

/** The places where `config` sets a list, a map or a structure that is owned as a whole. */
export function atomicPaths(config: unknown, type: ApplyType, path = ""): string[] {
  if (typeof config !== "object" || config === null) return [];
  if (isLeaf(type, config)) return [path];
  if (type.kind === "list") {
    return (config as readonly unknown[]).flatMap((item) =>
      atomicPaths(item, type.of, `${path}[${itemKey(type, item)}]`)
    );
  }
  return Object.entries(config).flatMap(([name, value]) => {
    const inner = childType(type, name);
    return inner === undefined ? [] : atomicPaths(value, inner, `${path}.${name}`);
  });
}

/** Items that only `live` has keep their place among the others; the rest follows the order of `config`. */
function mergeLists(live: readonly unknown[], config: readonly unknown[], type: ApplyType & { kind: "list" }) {
  const mine = itemsByKey(type, live);
  const theirs = itemsByKey(type, config);
  const order = [...mine.keys()];
  const merged: unknown[] = [];
  let at = 0;
  const takeUnshared = () => {
    while (at < order.length && !theirs.has(order[at] as string)) merged.push(mine.get(order[at++] as string));
  };
  const taken = new Set<string>();
  for (const [key, item] of theirs) {
    takeUnshared();
    merged.push(mergeValues(mine.get(key), item, type.of));
    taken.add(key);
    while (at < order.length && taken.has(order[at] as string)) at++;
  }
  for (; at < order.length; at++) {
    if (!theirs.has(order[at] as string)) merged.push(mine.get(order[at] as string));
  }
  return merged;
}

/** `value` without the paths of `set`, and without containers that this leaves empty. Undefined: nothing is left. */
export function removePaths(value: unknown, set: FieldSet, type: ApplyType): unknown {
  if (set.children.size === 0 || isLeaf(type, value)) return value;
  if (type.kind === "list") {
    const left: unknown[] = [];
    for (const item of value as readonly unknown[]) {
      const node = set.children.get(itemKey(type, item));
      if (node?.member === true) continue;
      left.push(node === undefined ? item : removePaths(item, node, type.of) ?? item);
    }
    return left.length === 0 ? undefined : left;
  }
  const left: JsonObject = {};
  for (const [name, inner] of Object.entries(value as JsonObject)) {
    const node = set.children.get(`f:${name}`);
    if (node?.member === true) continue;
    const innerType = childType(type, name);
    const kept = node === undefined || innerType === undefined ? inner : removePaths(inner, node, innerType);
    if (kept !== undefined) setOwn(left, name, kept);
  }
  return Object.keys(left).length === 0 ? undefined : left;
}
