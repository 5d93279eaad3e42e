/**
 * Strategic merge patch: lists merge by key where the schema says so, and directives inside the patch say more:
 * `$patch: replace|delete`, `$retainKeys`, `$deleteFromPrimitiveList/F`, `$setElementOrder/F`.
 * @see sig-api-machinery strategic-merge-patch.md
 */
import { type FieldSchema, findSchema, type TypeSchema } from "../schema.ts";
import { jsonText, printPlain } from "../go_text.ts";
import { PatchError } from "./errors.ts";
import { clone, equalJson, isObject, type JsonObject, setOwn } from "../json_value.ts";

const patchKey = "$patch";
const retainKeysKey = "$retainKeys";
const deletePrefix = "$deleteFromPrimitiveList/";
const orderPrefix = "$setElementOrder/";

/**
 * The document after the patch; neither argument is changed.
 * @param type full type name of the document
 * @throws PatchError
 */
export function applyStrategicMergePatch(document: unknown, patch: unknown, type: string): JsonObject {
  if (!isObject(patch)) throw new PatchError("malformed", "error decoding patch: a strategic patch must be an object");
  const original = isObject(document) ? clone(document) : {};
  return mergeMap(original, clone(patch), findSchema(type));
}

/** How a list or map field merges. */
interface Meta {
  readonly schema: TypeSchema | undefined;
  readonly replace: boolean;
  /** Lists only: merge item by item instead of replacing the list. */
  readonly merge: boolean;
  readonly mergeKey: string | undefined;
}

function metaOf(schema: TypeSchema | undefined, name: string): Meta {
  const field: FieldSchema | undefined = schema?.fields.get(name);
  let inner = field?.type;
  if (inner?.kind === "list" || inner?.kind === "map") inner = inner.of;
  return {
    schema: inner?.kind === "ref" ? findSchema(inner.type) : undefined,
    replace: field?.patchStrategies.includes("replace") ?? false,
    merge: field?.patchStrategies.includes("merge") ?? false,
    mergeKey: field?.mergeKey,
  };
}

/** Both arguments are the caller's copies and may be used up. */
function mergeMap(original: JsonObject, patch: JsonObject, schema: TypeSchema | undefined): JsonObject {
  if (Object.hasOwn(patch, patchKey)) {
    const directive = patch[patchKey];
    if (directive === "replace") {
      delete patch[patchKey];
      return patch;
    }
    if (directive === "delete") return {};
    throw new PatchError("inapplicable", `unknown patch type found: ${printPlain(directive)}`);
  }
  retainKeys(original, patch);
  setOrders(original, patch, schema);
  for (const [key, value] of Object.entries(patch)) mergeField(original, key, value, schema);
  return original;
}

function mergeField(original: JsonObject, key: string, value: unknown, schema: TypeSchema | undefined): void {
  if (key.startsWith(deletePrefix)) {
    const name = key.slice(deletePrefix.length);
    if (!Array.isArray(value)) throw badPrimitiveList();
    const list = Object.hasOwn(original, name) ? original[name] : undefined;
    if (Array.isArray(list)) original[name] = list.filter((item) => !value.some((gone) => equalJson(gone, item)));
    return;
  }
  if (value === null) {
    delete original[key];
    return;
  }
  const before = Object.hasOwn(original, key) ? original[key] : undefined;
  const meta = metaOf(schema, key);
  if (isObject(before) && isObject(value)) {
    setOwn(original, key, meta.replace ? withoutDirectives(value) : mergeMap(before, value, meta.schema));
  } else if (Array.isArray(before) && Array.isArray(value) && meta.merge) {
    setOwn(original, key, mergeList(before, value, meta));
  } else {
    setOwn(original, key, withoutDirectives(value));
  }
}

function badPrimitiveList(): PatchError {
  return new PatchError("malformed", "invalid patch format of primitive list");
}

/** `$retainKeys: [a, b]`: whatever else the object has goes. */
function retainKeys(original: JsonObject, patch: JsonObject): void {
  if (!Object.hasOwn(patch, retainKeysKey)) return;
  const keep = patch[retainKeysKey];
  delete patch[retainKeysKey];
  if (!Array.isArray(keep)) throw new PatchError("malformed", "invalid patch format of retainKeys");
  for (const key of Object.keys(patch)) {
    if (!key.startsWith("$") && patch[key] !== null && !keep.includes(key)) {
      throw new PatchError("malformed", "invalid patch format of retainKeys");
    }
  }
  for (const key of Object.keys(original)) if (!keep.includes(key)) delete original[key];
}

/** `$setElementOrder/F: [...]`: merges F now, then puts its items into that order. */
function setOrders(original: JsonObject, patch: JsonObject, schema: TypeSchema | undefined): void {
  for (const key of Object.keys(patch)) {
    if (!key.startsWith(orderPrefix)) continue;
    const order = patch[key];
    delete patch[key];
    if (!Array.isArray(order)) throw new PatchError("malformed", "invalid patch format of setElementOrder list");
    const name = key.slice(orderPrefix.length);
    const meta = metaOf(schema, name);
    const before = Object.hasOwn(original, name) ? original[name] : undefined;
    const change = Object.hasOwn(patch, name) ? patch[name] : undefined;
    const server = Array.isArray(before) ? before : undefined;
    if (change !== undefined && !Array.isArray(change)) continue;
    const mergeKey = meta.mergeKey;
    if (change !== undefined) checkOrder(change, order, mergeKey);
    delete patch[name];
    let merged: unknown[];
    if (server !== undefined && change !== undefined) {
      // A primitive list's deletions come with the order and are applied before it.
      deletePrimitives(original, patch, name);
      const current = original[name];
      merged = meta.merge ? mergeList(Array.isArray(current) ? current : [], change, meta) : clean(change);
    } else if (server !== undefined) {
      deletePrimitives(original, patch, name);
      const current = original[name];
      merged = Array.isArray(current) ? current : [];
    } else if (change !== undefined) {
      merged = clean(change);
    } else {
      continue;
    }
    setOwn(original, name, ordered(merged, order, server ?? [], mergeKey));
  }
}

function deletePrimitives(original: JsonObject, patch: JsonObject, name: string): void {
  const key = deletePrefix + name;
  if (!Object.hasOwn(patch, key)) return;
  mergeField(original, key, patch[key], undefined);
  delete patch[key];
}

/** The items of a patch must stand in the order that the patch itself asks for. */
function checkOrder(change: readonly unknown[], order: readonly unknown[], mergeKey: string | undefined): void {
  let at = 0;
  for (const item of change) {
    if (isObject(item) && Object.hasOwn(item, patchKey)) continue;
    while (at < order.length && !same(order[at], item, mergeKey)) at++;
    if (at === order.length) {
      throw new PatchError(
        "inapplicable",
        `The order in patch list:\n${jsonText(change)}\n doesn't match $setElementOrder list:\n${jsonText(order)}\n`,
      );
    }
    at++;
  }
}

function keyOf(item: unknown, mergeKey: string | undefined): unknown {
  if (!isObject(item) || mergeKey === undefined) return item;
  if (!Object.hasOwn(item, mergeKey)) {
    throw new PatchError(
      "inapplicable",
      `map: ${jsonText(item)} does not contain declared merge key: ${mergeKey}`,
    );
  }
  return item[mergeKey];
}

function same(a: unknown, b: unknown, mergeKey: string | undefined): boolean {
  return equalJson(keyOf(a, mergeKey), keyOf(b, mergeKey));
}

function clean(list: readonly unknown[]): unknown[] {
  const result = withoutDirectives(list);
  return Array.isArray(result) ? result : [];
}

function mergeList(server: readonly unknown[], change: readonly unknown[], meta: Meta): unknown[] {
  if (change.length === 0) return [...server];
  if (change.every((item) => !isObject(item))) {
    if (server.some(isObject)) throw badPrimitiveList();
    const merged = unique([...server, ...change]);
    return ordered(merged, change, server, undefined);
  }
  const mergeKey = meta.mergeKey;
  if (mergeKey === undefined) {
    throw new PatchError("inapplicable", "cannot merge lists without merge key for this type");
  }
  let base = [...server];
  const plain: JsonObject[] = [];
  let replace = false;
  for (const item of change) {
    if (!isObject(item)) throw new PatchError("inapplicable", "expecting an object in a list that merges by key");
    const directive = item[patchKey];
    if (directive === undefined) {
      plain.push(item);
    } else if (directive === "delete") {
      base = base.filter((other) => !same(other, item, mergeKey));
    } else if (directive === "replace") {
      replace = true;
    } else if (directive === "merge") {
      throw new PatchError("inapplicable", "merging lists cannot yet be specified in the patch");
    } else {
      throw new PatchError("inapplicable", `unknown patch type found: ${printPlain(directive)}`);
    }
  }
  if (replace) return plain.map(withoutDirectives);
  for (const item of plain) {
    const at = base.findIndex((other) => same(other, item, mergeKey));
    const other = base[at];
    // The key fields stay out of a merge's way: they are equal.
    if (isObject(other)) base[at] = mergeMap(other, { ...item }, meta.schema);
    else base.push(withoutDirectives(item));
  }
  return ordered(base, plain, server, mergeKey);
}

function unique(list: readonly unknown[]): unknown[] {
  const result: unknown[] = [];
  for (const item of list) if (!result.some((other) => equalJson(other, item))) result.push(item);
  return result;
}

/**
 * Items named in `order` in that order; the others as the server had them. Where the two meet, an item of the server
 * goes first only if the server had it before the other: so wholly new items come first.
 */
function ordered(
  items: readonly unknown[],
  order: readonly unknown[],
  server: readonly unknown[],
  mergeKey: string | undefined,
): unknown[] {
  const placeIn = (list: readonly unknown[], item: unknown) => list.findIndex((other) => same(other, item, mergeKey));
  const named = items.filter((item) => placeIn(order, item) >= 0)
    .sort((a, b) => placeIn(order, a) - placeIn(order, b));
  const others = items.filter((item) => placeIn(order, item) < 0);
  const result: unknown[] = [];
  let i = 0;
  let j = 0;
  while (i < others.length && j < named.length) {
    const left = placeIn(server, others[i]);
    const right = placeIn(server, named[j]);
    if (left >= 0 && right >= 0 && left < right) result.push(others[i++]);
    else result.push(named[j++]);
  }
  result.push(...others.slice(i), ...named.slice(j));
  return result;
}

/** A value that is taken over as a whole: directives and nulls in it have nothing to act on. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !(isObject(item) && item[patchKey] === "delete"))
      .filter((item) => !(isObject(item) && Object.keys(item).length === 1 && Object.hasOwn(item, patchKey)))
      .map(withoutDirectives);
  }
  if (!isObject(value)) return value;
  const result: JsonObject = {};
  for (const [key, item] of Object.entries(value)) {
    if (item === null || key === patchKey || key === retainKeysKey) continue;
    if (key.startsWith(deletePrefix) || key.startsWith(orderPrefix)) continue;
    setOwn(result, key, withoutDirectives(item));
  }
  return result;
}
