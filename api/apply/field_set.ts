import { quote } from "../go_text.ts";

/**
 * A set of paths into an object, as a tree. Children are keyed as FieldsV1 writes them (KEP-555): `f:NAME` a field or
 * map key, `k:{JSON}` an item of a keyed list, `v:JSON` an item of a set, `i:N` an index.
 */
export interface FieldSet {
  /** Whether the path that ends here is in the set; it says nothing of the paths below. */
  member: boolean;
  readonly children: Map<string, FieldSet>;
}

export type FieldsV1 = { [key: string]: FieldsV1 };

export function emptySet(): FieldSet {
  return { member: false, children: new Map() };
}

export function isEmpty(set: FieldSet): boolean {
  if (set.member) return false;
  for (const child of set.children.values()) if (!isEmpty(child)) return false;
  return true;
}

/** Changes `set`. */
export function insert(set: FieldSet, path: readonly string[]): void {
  let at = set;
  for (const element of path) {
    let next = at.children.get(element);
    if (next === undefined) at.children.set(element, next = emptySet());
    at = next;
  }
  at.member = true;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  const all: FieldSet = { member: a.member || b.member, children: new Map(a.children) };
  for (const [key, child] of b.children) {
    const mine = all.children.get(key);
    all.children.set(key, mine === undefined ? child : union(mine, child));
  }
  return all;
}

/** Exactly the paths of `b` leave: what lies below one of them stays. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  const left: FieldSet = { member: a.member && !b.member, children: new Map() };
  for (const [key, child] of a.children) {
    const theirs = b.children.get(key);
    const rest = theirs === undefined ? child : difference(child, theirs);
    if (rest.member || rest.children.size > 0) left.children.set(key, rest);
  }
  return left;
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const both: FieldSet = { member: a.member && b.member, children: new Map() };
  for (const [key, child] of a.children) {
    const theirs = b.children.get(key);
    if (theirs === undefined) continue;
    const shared = intersection(child, theirs);
    if (shared.member || shared.children.size > 0) both.children.set(key, shared);
  }
  return both;
}

export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a.member !== b.member || a.children.size !== b.children.size) return false;
  for (const [key, child] of a.children) {
    const theirs = b.children.get(key);
    if (theirs === undefined || !equalSets(child, theirs)) return false;
  }
  return true;
}

/** The set with every field that leads to one of its paths: who owns a part of a structure holds on to the structure. */
export function withNamedParents(set: FieldSet): FieldSet {
  const grown: FieldSet = { member: set.member, children: new Map() };
  for (const [key, child] of set.children) {
    const inner = withNamedParents(child);
    if (key.startsWith("f:") && inner.children.size > 0) inner.member = true;
    grown.children.set(key, inner);
  }
  return grown;
}

/** Keys sorted, as upstream writes them. A path with nothing below it is `{}`; one with something below it has a `.`. */
export function toFieldsV1(set: FieldSet): FieldsV1 {
  const json: FieldsV1 = {};
  if (set.member && set.children.size > 0) json["."] = {};
  for (const key of [...set.children.keys()].sort()) json[key] = toFieldsV1(set.children.get(key) as FieldSet);
  return json;
}

/** Null when `value` is no FieldsV1. */
export function fromFieldsV1(value: unknown, depth = 0): FieldSet | null {
  if (typeof value !== "object" || value === null || Array.isArray(value) || depth > 64) return null;
  const set = emptySet();
  const keys = Object.keys(value);
  set.member = depth > 0 && keys.length === 0;
  for (const key of keys) {
    if (key === ".") {
      set.member = depth > 0;
      continue;
    }
    if (!/^[fkvi]:/.test(key)) return null;
    const child = fromFieldsV1((value as Record<string, unknown>)[key], depth + 1);
    if (child === null) return null;
    set.children.set(key, child);
  }
  return set;
}

/** Every path of the set as upstream prints it: `.spec.containers[name="c"].image`. */
export function printedPaths(set: FieldSet): string[] {
  const found: string[] = [];
  const walk = (node: FieldSet, text: string) => {
    if (node.member) found.push(text);
    for (const key of [...node.children.keys()].sort()) {
      walk(node.children.get(key) as FieldSet, text + printElement(key));
    }
  };
  walk(set, "");
  return found;
}

function printElement(key: string): string {
  const rest = key.slice(2);
  switch (key[0]) {
    case "f":
      return `.${rest}`;
    case "k": {
      const keys = JSON.parse(rest) as Record<string, unknown>;
      return `[${Object.keys(keys).map((name) => `${name}=${printValue(keys[name])}`).join(",")}]`;
    }
    case "v":
      return `[=${printValue(JSON.parse(rest))}]`;
    default:
      return `[${rest}]`;
  }
}

function printValue(value: unknown): string {
  return typeof value === "string" ? quote(value) : JSON.stringify(value);
}
