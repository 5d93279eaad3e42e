import { duplicate, type FieldError, forbidden, invalid, required } from "../../api/field_errors.ts";
import type { ValidationRule } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { Budget } from "../cel/budget.ts";
import { checkNames } from "../cel/check.ts";
import { evaluate, scopeOf } from "../cel/evaluate.ts";
import { namesIn, type Node, type Parser } from "../cel/parse.ts";
import { BudgetError, CelError, fromJson, Optional, type Value } from "../cel/values.ts";
import { isRecord } from "../dig.ts";
import { limits } from "../limits.ts";
import { PatternError, type Patterns } from "./patterns.ts";
import type { Schema } from "./schema.ts";

export interface RuleEngine {
  readonly parse: Parser;
  readonly patterns: Patterns;
}

interface CompiledRule {
  readonly rule: ValidationRule;
  readonly expression: Node;
  readonly message: Node | null;
  /** Compares with the value before: runs only where there is one. */
  readonly isTransition: boolean;
}

const declared: ReadonlySet<string> = new Set(["self", "oldSelf"]);

/** @throws CelError */
export function compileRule(rule: ValidationRule, parse: Parser): CompiledRule {
  const expression = parse(rule.rule);
  checkNames(expression, declared);
  const message = rule.messageExpression === undefined ? null : parse(rule.messageExpression);
  if (message !== null) checkNames(message, declared);
  return { rule, expression, message, isTransition: [...namesIn(expression)].includes("oldSelf") };
}

/** The rules of a schema and of all below it, compiled. */
interface RuleTree {
  readonly schema: Schema;
  readonly rules: readonly CompiledRule[];
  readonly properties: ReadonlyMap<string, RuleTree>;
  readonly additional: RuleTree | null;
  readonly items: RuleTree | null;
}

/** Null: there are no rules at or below `schema`. @throws CelError */
export function compileRules(schema: Schema, parse: Parser): RuleTree | null {
  const rules = schema.rules.map((rule) => compileRule(rule, parse));
  const properties = new Map<string, RuleTree>();
  for (const [name, inner] of schema.properties) {
    const tree = compileRules(inner, parse);
    if (tree !== null) properties.set(name, tree);
  }
  const { additional } = schema;
  const other = additional === null || additional === true ? null : compileRules(additional, parse);
  const items = schema.items === null ? null : compileRules(schema.items, parse);
  if (rules.length === 0 && properties.size === 0 && other === null && items === null) return null;
  return { schema, rules, properties, additional: other, items };
}

/** Evaluates the rules on an object. @param old undefined for new objects */
export function checkRules(
  tree: RuleTree,
  object: KubeObject,
  old: KubeObject | undefined,
  engine: RuleEngine,
): FieldError[] {
  const run: Run = { engine, budget: new Budget(limits.celObjectBudget), errors: [] };
  try {
    visit(tree, object, old, "", run);
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error;
    const text = "validation failed due to running out of cost budget, no further validation rules will be run";
    run.errors.push(invalid("<nil>", "", text));
  }
  return run.errors;
}

interface Run {
  readonly engine: RuleEngine;
  readonly budget: Budget;
  readonly errors: FieldError[];
}

/** @throws BudgetError when nothing is left for the object */
function visit(tree: RuleTree, value: unknown, old: unknown, path: string, run: Run): void {
  if (value === null || value === undefined) return;
  if (tree.rules.length > 0) {
    const self = withDoubles(value, tree.schema);
    const before = old === undefined || old === null ? undefined : withDoubles(old, tree.schema);
    for (const rule of tree.rules) checkRule(rule, tree.schema, self, before, path, run);
  }
  if (Array.isArray(value)) {
    const { items } = tree;
    if (items === null) return;
    const find = itemsBefore(tree.schema, old);
    for (const [index, item] of value.entries()) visit(items, item, find(item), `${path}[${index}]`, run);
  } else if (isRecord(value)) {
    const before = isRecord(old) ? old : undefined;
    for (const key of Object.keys(value)) {
      const inner = tree.properties.get(key) ?? (tree.schema.properties.has(key) ? null : tree.additional);
      if (inner === null) continue;
      const was = before !== undefined && Object.hasOwn(before, key) ? before[key] : undefined;
      visit(inner, value[key], was, path === "" ? key : `${path}.${key}`, run);
    }
  }
}

/** Only items of a `map` list can be found again. */
function itemsBefore(schema: Schema, old: unknown): (item: unknown) => unknown {
  if (schema.listType !== "map" || !Array.isArray(old)) return () => undefined;
  const keyOf = (item: unknown) => JSON.stringify(schema.listKeys.map((key) => isRecord(item) ? item[key] : undefined));
  const byKey = new Map(old.map((item) => [keyOf(item), item]));
  return (item) => byKey.get(keyOf(item));
}

/** Fields that the schema calls numbers are doubles, whole or not. */
function withDoubles(value: unknown, schema: Schema): Value {
  if (typeof value === "number" && schema.type === "number") return value;
  if (Array.isArray(value)) {
    return value.map((item) => schema.items === null ? fromJson(item) : withDoubles(item, schema.items));
  }
  if (!isRecord(value)) return fromJson(value);
  return new Map(
    Object.entries(value).filter(([, it]) => it !== undefined).map(([key, it]) => {
      const inner = schema.properties.get(key) ?? schema.additional;
      return [key, inner === null || inner === true ? fromJson(it) : withDoubles(it, inner)];
    }),
  );
}

function checkRule(
  compiled: CompiledRule,
  schema: Schema,
  self: Value,
  before: Value | undefined,
  path: string,
  run: Run,
): void {
  const { rule, expression, isTransition } = compiled;
  if (isTransition && before === undefined && rule.optionalOldSelf !== true) return;
  const oldSelf = rule.optionalOldSelf === true ? new Optional(before) : before;
  const scope = scopeOf({ self, ...(oldSelf === undefined ? {} : { oldSelf }) });
  const say = (text: string) => run.errors.push(errorFor(rule, schema, path, text));
  const result = attempt(expression, scope, run);
  if (result.error !== undefined) {
    say(`${result.error} evaluating rule: ${rule.message ?? rule.rule}`);
  } else if (result.value !== true) {
    say(messageOf(compiled, scope, run));
  }
}

function messageOf({ rule, message }: CompiledRule, scope: ReturnType<typeof scopeOf>, run: Run): string {
  const made = message === null ? undefined : attempt(message, scope, run).value;
  if (typeof made === "string" && made.trim() !== "" && !made.includes("\n")) return made;
  return rule.message ?? `failed rule: ${rule.rule}`;
}

/** Each call has a budget of its own within the object's. @throws BudgetError when the object's is spent */
function attempt(node: Node, scope: ReturnType<typeof scopeOf>, run: Run): { value?: Value; error?: string } {
  const given = Math.min(limits.celCallBudget, run.budget.left);
  const budget = new Budget(given);
  try {
    return { value: evaluate(node, scope, budget, run.engine) };
  } catch (error) {
    if (error instanceof BudgetError) {
      if (given < limits.celCallBudget) throw error;
      return { error: "call cost exceeds limit" };
    }
    if (error instanceof CelError || error instanceof PatternError) return { error: error.message };
    throw error;
  } finally {
    run.budget.spend(Math.max(0, given - Math.max(0, budget.left)));
  }
}

function errorFor(rule: ValidationRule, schema: Schema, path: string, text: string): FieldError {
  const field = (path + (rule.fieldPath ?? "")).replace(/^\./, "") || "<nil>";
  const type = schema.type === "" ? "object" : schema.type;
  switch (rule.reason) {
    case "FieldValueForbidden":
      return forbidden(field, text);
    case "FieldValueRequired":
      return required(field, text);
    case "FieldValueDuplicate":
      return duplicate(field, type);
    default:
      return invalid(field, type, text);
  }
}
