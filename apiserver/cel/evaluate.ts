import type { Budget } from "./budget.ts";
import { callFunction, type Engine } from "./functions.ts";
import type { Node } from "./parse.ts";
import {
  AuthorizerValue,
  BudgetError,
  CelError,
  type CelMap,
  compare,
  Duration,
  equals,
  isList,
  isMap,
  type Key,
  Message,
  Optional,
  Timestamp,
  typeName,
  TypeValue,
  Uint,
  type Value,
} from "./values.ts";

/** What names stand for. */
export interface Scope {
  get(name: string): Value | undefined;
}

/** Variables that are worked out when they are first used: policies' `variables`. */
export function scopeOf(values: Readonly<Record<string, Value>>, outer?: Scope): Scope {
  return { get: (name) => Object.hasOwn(values, name) ? values[name] : outer?.get(name) };
}

/**
 * The value of an expression. Iteration is over finite values and every step spends of the budget, so it always ends.
 * @throws CelError in cel-go's words, BudgetError
 */
export function evaluate(node: Node, scope: Scope, budget: Budget, engine: Engine): Value {
  return new Evaluation(budget, engine).run(node, scope);
}

const types: ReadonlyMap<string, TypeValue> = new Map(
  ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"].map((
    name,
  ) => [name, new TypeValue(name)]),
);

class Evaluation {
  readonly #budget: Budget;
  readonly #engine: Engine;

  constructor(budget: Budget, engine: Engine) {
    this.#budget = budget;
    this.#engine = engine;
  }

  run(node: Node, scope: Scope): Value {
    switch (node.op) {
      case "value":
        return literal(node.value);
      case "id": {
        this.#budget.spend(1);
        const value = scope.get(node.name) ?? (node.name === "null" ? null : types.get(node.name));
        if (value === undefined) throw new CelError(`no such attribute(s): ${node.name}`);
        return value;
      }
      case "select":
        this.#budget.spend(1);
        return this.#select(this.run(node.of, scope), node.field, node.optional);
      case "index":
        this.#budget.spend(1);
        return this.#index(this.run(node.of, scope), this.run(node.at, scope), node.optional);
      case "list":
        this.#budget.spend(node.items.length);
        return node.items.map((item) => this.run(item, scope));
      case "map":
        return this.#map(node.entries, scope);
      case "message":
        this.#budget.spend(40);
        return new Message(node.type, new Map(node.fields.map(([name, value]) => [name, this.run(value, scope)])));
      case "and":
      case "or":
        return this.#logical(node.op === "or", node.left, node.right, scope);
      case "if":
        return this.run(this.#bool(node.args[0], scope) ? node.args[1] : node.args[2], scope);
      case "unary":
        return this.#unary(node.name, this.run(node.args[0] as Node, scope));
      case "binary":
        return this.#binary(node.name, this.run(node.args[0] as Node, scope), this.run(node.args[1] as Node, scope));
      case "call":
        return this.#call(node, scope);
    }
  }

  #bool(node: Node, scope: Scope): boolean {
    const value = this.run(node, scope);
    if (typeof value !== "boolean") throw new CelError("no such overload");
    return value;
  }

  /** Either side may decide: an error on the other one is then of no account. */
  #logical(decisive: boolean, left: Node, right: Node, scope: Scope): boolean {
    let failure: unknown;
    for (const side of [left, right]) {
      try {
        if (this.#bool(side, scope) === decisive) return decisive;
      } catch (error) {
        if (!(error instanceof CelError) || error instanceof BudgetError) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return !decisive;
  }

  #map(entries: readonly (readonly [Node, Node])[], scope: Scope): CelMap {
    this.#budget.spend(30);
    const map = new Map<Key, Value>();
    for (const [keyNode, valueNode] of entries) {
      const key = this.run(keyNode, scope);
      const value = this.run(valueNode, scope);
      if (!isKey(key)) throw new CelError(`unsupported key type: ${typeName(key)}`);
      if (map.has(key)) throw new CelError(`insert failed: key ${String(key)} already exists`);
      map.set(key, value);
    }
    return map;
  }

  #select(of: Value, field: string, optional: boolean): Value {
    if (of instanceof Optional) {
      if (of.value === undefined) return of;
      const found = fieldOf(of.value, field);
      return new Optional(found);
    }
    const found = fieldOf(of, field);
    if (optional) return new Optional(found);
    if (found === undefined) throw new CelError(`no such key: ${field}`);
    return found;
  }

  #index(of: Value, at: Value, optional: boolean): Value {
    if (of instanceof Optional) {
      return of.value === undefined ? of : new Optional(itemOf(of.value, at));
    }
    const found = itemOf(of, at);
    if (optional) return new Optional(found);
    if (found !== undefined) return found;
    throw new CelError(isList(of) ? `index out of bounds: ${String(at)}` : `no such key: ${String(at)}`);
  }

  #unary(name: string, value: Value): Value {
    this.#budget.spend(1);
    if (name === "!" && typeof value === "boolean") return !value;
    if (name === "-" && typeof value === "bigint") return inRange(-value);
    if (name === "-" && typeof value === "number") return -value;
    throw new CelError("no such overload");
  }

  #binary(name: string, a: Value, b: Value): Value {
    if (isList(a) || isList(b)) this.#budget.spend(weight(a) + weight(b));
    else this.#budget.spendText(weight(a), weight(b));
    switch (name) {
      case "==":
        return equals(a, b);
      case "!=":
        return !equals(a, b);
      case "<":
        return compare(a, b) < 0;
      case "<=":
        return compare(a, b) <= 0;
      case ">":
        return compare(a, b) > 0;
      case ">=":
        return compare(a, b) >= 0;
      case "in":
        if (isList(b)) return b.some((item) => equals(item, a));
        if (isMap(b)) return isKey(a) && b.has(a);
        throw new CelError("no such overload");
      default:
        return arithmetic(name, a, b);
    }
  }

  #call(node: Node & { op: "call" }, scope: Scope): Value {
    const { name, receiver, args } = node;
    if (receiver === null && name === "has") return this.#has(args[0], scope);
    if (receiver !== null) {
      const macro = this.#macro(name, receiver, args, scope);
      if (macro !== undefined) return macro;
      const space = receiver.op === "id" && scope.get(receiver.name) === undefined ? receiver.name : null;
      if (space !== null) {
        return callFunction(`${space}.${name}`, args.map((it) => this.run(it, scope)), this.#budget, this.#engine);
      }
      const all = [this.run(receiver, scope), ...args.map((it) => this.run(it, scope))];
      return callFunction(`_.${name}`, all, this.#budget, this.#engine);
    }
    return callFunction(name, args.map((it) => this.run(it, scope)), this.#budget, this.#engine);
  }

  #has(argument: Node | undefined, scope: Scope): boolean {
    if (argument?.op !== "select") throw new CelError("invalid argument to has() macro");
    this.#budget.spend(1);
    const of = this.run(argument.of, scope);
    const inner = of instanceof Optional ? of.value : of;
    return inner !== undefined && fieldOf(inner, argument.field) !== undefined;
  }

  /** Undefined: not a macro. */
  #macro(name: string, receiver: Node, args: readonly Node[], scope: Scope): Value | undefined {
    if (receiver.op === "id" && receiver.name === "cel" && name === "bind") {
      const [variable, value, body] = args;
      if (variable?.op !== "id" || value === undefined || body === undefined) throw new CelError("invalid cel.bind");
      return this.run(body, scopeOf({ [variable.name]: this.run(value, scope) }, scope));
    }
    if (name === "optMap" || name === "optFlatMap") return this.#optionalMap(name, receiver, args, scope);
    if (!macros.has(name) || args[0]?.op !== "id") return undefined;
    const variable = args[0].name;
    const target = this.run(receiver, scope);
    const items: readonly Value[] = isList(target) ? target : isMap(target) ? [...target.keys()] : notIterable();
    const withItem = (item: Value) => {
      this.#budget.spend(2);
      return scopeOf({ [variable]: item }, scope);
    };
    const first = args[1];
    if (first === undefined) throw new CelError("no such overload");
    switch (name) {
      case "all":
        return this.#quantify(items, (item) => this.#bool(first, withItem(item)), false);
      case "exists":
        return this.#quantify(items, (item) => this.#bool(first, withItem(item)), true);
      case "exists_one":
      case "existsOne":
        return items.filter((item) => this.#bool(first, withItem(item))).length === 1;
      case "filter":
        return items.filter((item) => this.#bool(first, withItem(item)));
      default: {
        const transform = args[2];
        if (transform === undefined) return items.map((item) => this.run(first, withItem(item)));
        return items.filter((item) => this.#bool(first, withItem(item)))
          .map((item) => this.run(transform, withItem(item)));
      }
    }
  }

  /** `all` and `exists`: one item that decides makes the errors of others of no account. */
  #quantify(items: readonly Value[], test: (item: Value) => boolean, decisive: boolean): boolean {
    let failure: unknown;
    for (const item of items) {
      try {
        if (test(item) === decisive) return decisive;
      } catch (error) {
        if (!(error instanceof CelError) || error instanceof BudgetError) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return !decisive;
  }

  #optionalMap(name: string, receiver: Node, args: readonly Node[], scope: Scope): Value {
    const [variable, body] = args;
    const of = this.run(receiver, scope);
    if (!(of instanceof Optional) || variable?.op !== "id" || body === undefined) {
      throw new CelError("no such overload");
    }
    if (of.value === undefined) return of;
    const result = this.run(body, scopeOf({ [variable.name]: of.value }, scope));
    return name === "optMap" ? new Optional(result) : result;
  }
}

const macros: ReadonlySet<string> = new Set(["all", "exists", "exists_one", "existsOne", "filter", "map"]);

function notIterable(): never {
  throw new CelError("no such overload");
}

function literal(value: unknown): Value {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "bigint" || typeof value === "number" || value instanceof Uint8Array) return value;
  const inner: unknown = typeof value === "object" && value !== null ? value.valueOf() : undefined;
  if (typeof inner === "bigint") return new Uint(inner);
  throw new CelError("unsupported literal");
}

export function isKey(value: Value): value is Key {
  return typeof value === "string" || typeof value === "bigint" || typeof value === "boolean";
}

/** Names that are no identifiers are written with escapes: `__dash__`, `__dot__`, `__slash__`, `__namespace__`. */
function unescapeName(name: string): string {
  if (!name.includes("__")) return name;
  const escaped = name.replaceAll("__dot__", ".").replaceAll("__dash__", "-").replaceAll("__slash__", "/");
  const keyword = /^__([a-z]+)__$/.exec(escaped)?.[1];
  return (keyword ?? escaped).replaceAll("__underscores__", "__");
}

function fieldOf(of: Value, field: string): Value | undefined {
  if (of instanceof Message) return of.fields.get(field);
  if (of instanceof AuthorizerValue && of.question.kind === "authorizer" && field === "requestResource") {
    return new AuthorizerValue({ kind: "resource", ask: of.question.ask, of: of.question.own });
  }
  if (!isMap(of)) throw new CelError(`no such key: ${field}`);
  return of.get(field) ?? (of.has(field) ? null : of.get(unescapeName(field)));
}

function itemOf(of: Value, at: Value): Value | undefined {
  if (isList(of)) {
    const index = typeof at === "bigint" || typeof at === "number"
      ? Number(at)
      : at instanceof Uint
      ? Number(at.value)
      : NaN;
    if (!Number.isInteger(index)) throw new CelError("no such overload");
    return of[index];
  }
  if (!isMap(of)) throw new CelError("no such overload");
  if (!isKey(at)) return undefined;
  return of.get(at);
}

/** How much text there is to look at. */
function weight(value: Value): number {
  if (typeof value === "string" || value instanceof Uint8Array || isList(value)) return value.length;
  return isMap(value) ? value.size : 1;
}

const maxInt = 2n ** 63n - 1n;
const maxUint = 2n ** 64n - 1n;

export function inRange(value: bigint): bigint {
  if (value > maxInt || value < -maxInt - 1n) throw new CelError("integer overflow");
  return value;
}

function arithmetic(name: string, a: Value, b: Value): Value {
  if (typeof a === "bigint" && typeof b === "bigint") return inRange(integers(name, a, b));
  if (a instanceof Uint && b instanceof Uint) {
    const value = integers(name, a.value, b.value);
    if (value < 0n || value > maxUint) throw new CelError("unsigned integer overflow");
    return new Uint(value);
  }
  if (typeof a === "number" && typeof b === "number") return doubles(name, a, b);
  if (name === "+" && typeof a === "string" && typeof b === "string") return a + b;
  if (name === "+" && isList(a) && isList(b)) return [...a, ...b];
  if (name === "+" && a instanceof Uint8Array && b instanceof Uint8Array) return new Uint8Array([...a, ...b]);
  return times(name, a, b);
}

function integers(name: string, a: bigint, b: bigint): bigint {
  switch (name) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      if (b === 0n) throw new CelError("division by zero");
      return a / b;
    case "%":
      if (b === 0n) throw new CelError("modulus by zero");
      return a % b;
  }
  throw new CelError("no such overload");
}

function doubles(name: string, a: number, b: number): number {
  switch (name) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return a / b;
  }
  throw new CelError("no such overload");
}

function times(name: string, a: Value, b: Value): Value {
  const sign = name === "-" ? -1n : 1n;
  if (name === "+" || name === "-") {
    if (a instanceof Timestamp && b instanceof Duration) return new Timestamp(a.nanos + sign * b.nanos);
    if (a instanceof Duration && b instanceof Duration) return new Duration(a.nanos + sign * b.nanos);
    if (name === "+" && a instanceof Duration && b instanceof Timestamp) return new Timestamp(a.nanos + b.nanos);
    if (name === "-" && a instanceof Timestamp && b instanceof Timestamp) return new Duration(a.nanos - b.nanos);
  }
  throw new CelError("no such overload");
}
