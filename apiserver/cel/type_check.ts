import type { Node } from "./parse.ts";
import { bool, dyn, int, nameOf, text, type Type } from "./types.ts";

/** A mistake that can be seen before there are values: where it stands, and cel-go's words. */
export interface TypeMistake {
  /** Offset in the expression. */
  readonly at: number;
  readonly message: string;
}

/** What names stand for; undefined: not declared, which is somebody else's complaint. */
export type TypeScope = (name: string) => Type | undefined;

/**
 * Looks for fields that do not exist and for operators whose operands cannot be. What it does not know it takes for
 * dynamic, so it never complains of what could be right. @returns the type, and what is wrong
 */
export function checkTypes(
  node: Node,
  scope: TypeScope,
): { readonly type: Type; readonly mistakes: readonly TypeMistake[] } {
  const mistakes: TypeMistake[] = [];
  return { type: new Checking(mistakes).infer(node, scope), mistakes };
}

/** As cel-go prints a mistake. */
export function describe(mistake: TypeMistake, expression: string): string {
  const { message } = mistake;
  const at = mistake.at + (/^\s*/.exec(expression.slice(mistake.at))?.[0].length ?? 0);
  const before = expression.slice(0, at);
  const line = before.split("\n").length;
  const column = at - (before.lastIndexOf("\n") + 1);
  const source = expression.split("\n")[line - 1] ?? "";
  return `ERROR: <input>:${line}:${column + 1}: ${message}\n | ${source}\n | ${".".repeat(column)}^`;
}

const comparisons: ReadonlySet<string> = new Set(["<", "<=", ">", ">="]);
const numbers: ReadonlySet<string> = new Set(["int", "uint", "double"]);
const quantifiers: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "existsOne"]);

class Checking {
  readonly #mistakes: TypeMistake[];

  constructor(mistakes: TypeMistake[]) {
    this.#mistakes = mistakes;
  }

  infer(node: Node, scope: TypeScope): Type {
    switch (node.op) {
      case "value":
        return valueType(node.value);
      case "id":
        return scope(node.name) ?? dyn;
      case "select":
        return this.#select(node, scope);
      case "index": {
        this.infer(node.at, scope);
        const of = this.infer(node.of, scope);
        return !node.optional && (of.kind === "list" || of.kind === "map") ? of.of : dyn;
      }
      case "list": {
        const [first = dyn, ...others] = node.items.map((item) => this.infer(item, scope));
        return { kind: "list", of: others.every((it) => nameOf(it) === nameOf(first)) ? first : dyn };
      }
      case "map":
        for (const entry of node.entries) for (const inner of entry) this.infer(inner, scope);
        return { kind: "map", of: dyn };
      case "message":
        for (const [, value] of node.fields) this.infer(value, scope);
        return dyn;
      case "and":
      case "or":
        this.infer(node.left, scope);
        this.infer(node.right, scope);
        return bool;
      case "if": {
        const [, yes = dyn, no = dyn] = node.args.map((inner) => this.infer(inner, scope));
        return nameOf(yes) === nameOf(no) ? yes : dyn;
      }
      case "unary": {
        const [type = dyn] = node.args.map((inner) => this.infer(inner, scope));
        return node.name === "!" ? bool : type;
      }
      case "binary":
        return this.#binary(node, scope);
      case "call":
        return this.#call(node, scope);
    }
  }

  #select(node: Node & { readonly op: "select" }, scope: TypeScope): Type {
    const of = this.infer(node.of, scope);
    if (node.optional || of.kind === "dyn") return dyn;
    if (of.kind === "map") return of.of;
    if (of.kind !== "object") {
      this.#mistakes.push({ at: node.at, message: `type '${nameOf(of)}' does not support field selection` });
      return dyn;
    }
    const found = of.field(node.field);
    if (found === undefined) this.#mistakes.push({ at: node.at, message: `undefined field '${node.field}'` });
    return found ?? dyn;
  }

  #binary({ name, args, at }: Node & { readonly op: "binary" }, scope: TypeScope): Type {
    const [left = dyn, right = dyn] = args.map((inner) => this.infer(inner, scope));
    const isRelation = comparisons.has(name) || name === "==" || name === "!=" || name === "in";
    if (left.kind === "dyn" || right.kind === "dyn") return isRelation ? bool : dyn;
    const result = operatorType(name, left, right);
    if (result !== null) return result;
    const message = `found no matching overload for '_${name}_' applied to '(${nameOf(left)}, ${nameOf(right)})'`;
    this.#mistakes.push({ at, message });
    return isRelation ? bool : dyn;
  }

  #call({ name, receiver, args }: Node & { readonly op: "call" }, scope: TypeScope): Type {
    if (receiver === null) {
      for (const inner of args) this.infer(inner, scope);
      return name === "has" ? bool : name === "size" || name === "int" ? int : name === "string" ? text : dyn;
    }
    const [variable, body, third] = args;
    if (variable?.op === "id" && body !== undefined && scope(variable.name) === undefined) {
      const of = receiver.op === "id" && receiver.name === "cel" ? null : this.infer(receiver, scope);
      const bound = of === null ? this.infer(body, scope) : of.kind === "list" ? of.of : of.kind === "map" ? text : dyn;
      const inside: TypeScope = (wanted) => wanted === variable.name ? bound : scope(wanted);
      const inner = of === null ? third : body;
      const type = inner === undefined ? dyn : this.infer(inner, inside);
      if (of !== null && third !== undefined) this.infer(third, inside);
      if (of === null) return type;
      return quantifiers.has(name) ? bool : name === "filter" ? of : dyn;
    }
    this.infer(receiver, scope);
    for (const inner of args) this.infer(inner, scope);
    return name === "size" ? int : dyn;
  }
}

/** Null: there is no such overload. */
function operatorType(name: string, left: Type, right: Type): Type | null {
  if (name === "in") return right.kind === "list" || right.kind === "map" ? bool : null;
  if (comparisons.has(name)) {
    if (numbers.has(left.kind) && numbers.has(right.kind)) return bool;
    const ordered = ["bool", "string", "bytes", "timestamp"].includes(left.kind);
    return ordered && left.kind === right.kind ? bool : null;
  }
  if (name === "==" || name === "!=") {
    if (left.kind === "null" || right.kind === "null" || numbers.has(left.kind) && numbers.has(right.kind)) return bool;
    return left.kind === right.kind ? bool : null;
  }
  if (left.kind === "timestamp" || right.kind === "timestamp") return dyn;
  if (left.kind !== right.kind) return null;
  if (name === "+" && (left.kind === "string" || left.kind === "bytes" || left.kind === "list")) return left;
  return numbers.has(left.kind) ? left : null;
}

function valueType(value: unknown): Type {
  switch (typeof value) {
    case "boolean":
      return bool;
    case "bigint":
      return int;
    case "number":
      return { kind: "double" };
    case "string":
      return text;
    default:
      return value === null ? { kind: "null" } : value instanceof Uint8Array ? { kind: "bytes" } : { kind: "uint" };
  }
}
