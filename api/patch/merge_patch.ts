/** JSON merge patch, RFC 7386. */
import { PatchError } from "./errors.ts";
import { clone, equalJson, isObject, type JsonObject, setOwn } from "../json_value.ts";

/** The document after the patch; neither argument is changed. @throws PatchError malformed when it is no object */
export function applyMergePatch(document: unknown, patch: unknown): JsonObject {
  if (!isObject(patch)) throw new PatchError("malformed", "error decoding patch: a merge patch must be an object");
  return merge(document, patch);
}

function merge(target: unknown, patch: JsonObject): JsonObject {
  const result: JsonObject = {};
  if (isObject(target)) { for (const [key, value] of Object.entries(target)) setOwn(result, key, value); }
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else if (isObject(value)) setOwn(result, key, merge(Object.hasOwn(result, key) ? result[key] : undefined, value));
    else setOwn(result, key, clone(value));
  }
  return clone(result);
}

/** The merge patch that turns `from` into `to`; undefined when nothing differs. Lists are replaced as a whole. */
export function createMergePatch(from: JsonObject, to: JsonObject): JsonObject | undefined {
  const patch: JsonObject = {};
  for (const key of Object.keys(from)) {
    if (!Object.hasOwn(to, key) || to[key] === undefined) setOwn(patch, key, null);
  }
  for (const [key, value] of Object.entries(to)) {
    if (value === undefined) continue;
    const before = Object.hasOwn(from, key) ? from[key] : undefined;
    if (isObject(before) && isObject(value)) {
      const inner = createMergePatch(before, value);
      if (inner !== undefined) setOwn(patch, key, inner);
    } else if (!equalJson(before, value)) {
      setOwn(patch, key, clone(value));
    }
  }
  return Object.keys(patch).length === 0 ? undefined : patch;
}
