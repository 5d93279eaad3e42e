/** JSON patch, RFC 6902. */
import { jsonText, printPlain, quote } from "../go_text.ts";
import { PatchError } from "./errors.ts";
import { patchLimits } from "./limits.ts";
import { clone, equalJson, isObject, setOwn } from "../json_value.ts";

type Operation =
  | { readonly op: "add" | "replace" | "test"; readonly path: string; readonly value: unknown }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "move" | "copy"; readonly path: string; readonly from: string };

/** Checks the form of a patch. @throws PatchError malformed or too-large */
export function readJsonPatch(patch: unknown): readonly Operation[] {
  if (!Array.isArray(patch)) {
    throw new PatchError("malformed", "error decoding patch: a JSON patch must be an array of operations");
  }
  if (patch.length > patchLimits.operationsMax) {
    throw new PatchError(
      "too-large",
      `The allowed maximum operations in a JSON patch is ${patchLimits.operationsMax}, got ${patch.length}`,
    );
  }
  return patch.map(readOperation);
}

function readOperation(raw: unknown): Operation {
  if (!isObject(raw)) throw new PatchError("malformed", "error decoding patch: each operation must be an object");
  const { op, path, from } = raw;
  if (typeof path !== "string") throw new PatchError("malformed", "error decoding patch: operation is missing path");
  switch (op) {
    case "add":
    case "replace":
    case "test":
      // A missing value stands for null, as upstream's library has it.
      return { op, path, value: Object.hasOwn(raw, "value") ? raw.value : null };
    case "remove":
      return { op, path };
    case "move":
    case "copy":
      if (typeof from !== "string") {
        throw new PatchError("malformed", `error decoding patch: ${op} operation is missing from`);
      }
      return { op, path, from };
    default:
      throw new PatchError("malformed", `Unexpected kind: ${printPlain(op)}`);
  }
}

/**
 * The document after all operations; the one given is not changed.
 * @throws PatchError
 */
export function applyJsonPatch(document: unknown, patch: unknown): unknown {
  const operations = readJsonPatch(patch);
  let root = clone(document);
  let copiedBytes = 0;
  for (const operation of operations) {
    switch (operation.op) {
      case "add":
        root = put(root, operation.path, clone(operation.value), "add");
        break;
      case "replace":
        find(root, operation.path, "replace");
        root = put(root, operation.path, clone(operation.value), "replace");
        break;
      case "test":
        if (!equalJson(lookup(root, operation.path), operation.value)) {
          throw new PatchError("inapplicable", `testing value ${operation.path} failed: test failed`);
        }
        break;
      case "remove":
        root = remove(root, operation.path, "remove");
        break;
      case "copy": {
        const value = find(root, operation.from, "copy");
        copiedBytes += jsonText(value)?.length ?? 0;
        if (copiedBytes > patchLimits.copiedBytesMax) {
          throw new PatchError("too-large", `The copies of a JSON patch may add ${patchLimits.copiedBytesMax} bytes`);
        }
        root = put(root, operation.path, clone(value), "copy");
        break;
      }
      case "move": {
        const value = find(root, operation.from, "move");
        if (operation.path.startsWith(`${operation.from}/`)) throw missing("move", operation.path);
        root = remove(root, operation.from, "move");
        root = put(root, operation.path, value, "move");
        break;
      }
    }
  }
  return root;
}

function missing(op: string, path: string): PatchError {
  return new PatchError("inapplicable", `${op} operation does not apply: doc is missing path: ${quote(path)}`);
}

function tokens(path: string): string[] | undefined {
  if (path === "") return [];
  if (!path.startsWith("/")) return undefined;
  return path.slice(1).split("/").map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The list position a token names, `-` being the end; negative when it names none. */
function position(list: readonly unknown[], token: string): number {
  if (token === "-") return list.length;
  return /^(0|[1-9][0-9]{0,8})$/.test(token) ? Number(token) : -1;
}

function child(parent: unknown, token: string): { readonly value: unknown } | undefined {
  if (Array.isArray(parent)) {
    const at = position(parent, token);
    return at >= 0 && at < parent.length ? { value: parent[at] } : undefined;
  }
  if (isObject(parent) && Object.hasOwn(parent, token)) return { value: parent[token] };
  return undefined;
}

/** The value at `path`; undefined where there is none. */
function lookup(root: unknown, path: string): unknown {
  let at: { readonly value: unknown } | undefined = { value: root };
  for (const token of tokens(path) ?? ["\0"]) {
    at = child(at.value, token);
    if (at === undefined) return null;
  }
  return at.value;
}

function find(root: unknown, path: string, op: string): unknown {
  let at: { readonly value: unknown } | undefined = { value: root };
  const parts = tokens(path);
  if (parts === undefined) throw missing(op, path);
  for (const token of parts) {
    at = child(at.value, token);
    if (at === undefined) throw missing(op, path);
  }
  return at.value;
}

/** The container that `path`'s last token is in. */
function parentOf(root: unknown, path: string, op: string): { readonly parent: unknown; readonly last: string } {
  const parts = tokens(path);
  if (parts === undefined) throw missing(op, path);
  const last = parts.pop() as string;
  let parent = root;
  for (const token of parts) {
    const next = child(parent, token);
    if (next === undefined) throw missing(op, path);
    parent = next.value;
  }
  return { parent, last };
}

function put(root: unknown, path: string, value: unknown, op: "add" | "replace" | "copy" | "move"): unknown {
  if (path === "") return value;
  const { parent, last } = parentOf(root, path, op);
  if (Array.isArray(parent)) {
    const at = position(parent, last);
    if (at < 0 || at > parent.length) throw missing(op, path);
    parent.splice(at, op === "replace" ? 1 : 0, value);
  } else if (isObject(parent)) {
    setOwn(parent, last, value);
  } else {
    throw missing(op, path);
  }
  return root;
}

function remove(root: unknown, path: string, op: "remove" | "move"): unknown {
  if (path === "") return null;
  const { parent, last } = parentOf(root, path, op);
  if (child(parent, last) === undefined) throw missing(op, path);
  if (Array.isArray(parent)) parent.splice(position(parent, last), 1);
  else if (isObject(parent)) delete parent[last];
  return root;
}
