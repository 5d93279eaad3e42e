import { isRecord } from "../dig.ts";

/** One step of a simple JSONPath. */
type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "index"; readonly index: number }
  | { readonly kind: "all" }
  /** Items whose `path` equals `value`. */
  | { readonly kind: "filter"; readonly path: JsonPath; readonly value: unknown };

/** Far longer than any path in use, and short enough for patterns that look back. */
const lengthMax = 1024;

export type JsonPath = readonly Step[];

export class JsonPathError extends Error {
  override readonly name = "JsonPathError";
}

/**
 * The paths that printer columns, scales and selectable fields use: `.spec.replicas`, `.a['b\.c']`, `.list[0].x`, `.list[*].x`,
 * `.conditions[?(@.type=="Ready")].status`. @throws JsonPathError
 */
export function parseJsonPath(text: string): JsonPath {
  if (text.length > lengthMax) throw new JsonPathError(`longer than ${lengthMax} characters`);
  const steps: Step[] = [];
  let at = text.startsWith("$") ? 1 : 0;
  while (at < text.length) {
    if (text[at] === ".") {
      const end = fieldEnd(text, at + 1);
      const name = text.slice(at + 1, end).replaceAll("\\", "");
      if (name === "*") steps.push({ kind: "all" });
      else if (name !== "") steps.push({ kind: "field", name });
      else if (text[end] !== "[" && end < text.length) throw new JsonPathError(`unexpected end of field at ${text}`);
      at = end;
    } else if (text[at] === "[") {
      const end = bracketEnd(text, at);
      steps.push(bracket(text.slice(at + 1, end)));
      at = end + 1;
    } else {
      throw new JsonPathError(`unrecognized character in action: ${JSON.stringify(text[at])}`);
    }
  }
  return steps;
}

function fieldEnd(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== "." && text[at] !== "[") at += text[at] === "\\" ? 2 : 1;
  return Math.min(at, text.length);
}

function bracketEnd(text: string, from: number): number {
  let quote = "";
  for (let at = from + 1; at < text.length; at++) {
    const char = text[at] as string;
    if (quote !== "") {
      if (char === "\\") at++;
      else if (char === quote) quote = "";
    } else if (char === "'" || char === '"') {
      quote = char;
    } else if (char === "]") {
      return at;
    }
  }
  throw new JsonPathError("unterminated array");
}

function bracket(inner: string): Step {
  if (inner === "*") return { kind: "all" };
  if (/^-?\d+$/.test(inner)) return { kind: "index", index: Number(inner) };
  const quoted = /^(['"])(.*)\1$/.exec(inner);
  if (quoted !== null) return { kind: "field", name: (quoted[2] as string).replaceAll("\\", "") };
  const filter = /^\?\(\s*@([^=]*)==\s*(.*?)\s*\)$/.exec(inner);
  if (filter === null) throw new JsonPathError(`invalid array index ${inner}`);
  const literal = filter[2] as string;
  const text = /^(['"])(.*)\1$/.exec(literal);
  const value = text === null ? plainLiteral(literal) : text[2];
  return { kind: "filter", path: parseJsonPath((filter[1] as string).trim()), value };
}

function plainLiteral(literal: string): unknown {
  if (literal === "true" || literal === "false") return literal === "true";
  const number = Number(literal);
  return Number.isNaN(number) ? literal : number;
}

/** Everything that the path leads to. */
export function findAll(path: JsonPath, value: unknown): unknown[] {
  let found: unknown[] = [value];
  for (const step of path) found = found.flatMap((each) => take(step, each));
  return found;
}

export function findFirst(path: JsonPath, value: unknown): unknown {
  return findAll(path, value)[0];
}

function take(step: Step, value: unknown): unknown[] {
  switch (step.kind) {
    case "field":
      return isRecord(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : [];
    case "index": {
      const item = Array.isArray(value) ? value.at(step.index) : undefined;
      return item === undefined ? [] : [item];
    }
    case "all":
      return Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : [];
    case "filter":
      return Array.isArray(value) ? value.filter((item) => findAll(step.path, item)[0] === step.value) : [];
  }
}

/** The path as names alone: what writing needs. Undefined where it is more than that. */
export function plainNames(path: JsonPath): string[] | undefined {
  const names: string[] = [];
  for (const step of path) {
    if (step.kind !== "field") return undefined;
    names.push(step.name);
  }
  return names;
}
