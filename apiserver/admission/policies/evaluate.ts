import type { ValidatingAdmissionPolicy, Validation, Variable } from "../../../api/gen/types.ts";
import { Budget } from "../../cel/budget.ts";
import { evaluate, type Scope, scopeOf } from "../../cel/evaluate.ts";
import type { Engine } from "../../cel/functions.ts";
import type { Parser } from "../../cel/parse.ts";
import { CelError, fromJson, type Value } from "../../cel/values.ts";
import { PatternError } from "../../crd/patterns.ts";
import { limits } from "../../limits.ts";
import type { Json } from "../../dig.ts";

export interface PolicyInput {
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly request: Json;
  /** Null: the policy takes none, or there is none. */
  readonly params: unknown;
  /** Null for what has no namespace. */
  readonly namespaceObject: unknown;
}

export interface PolicyEngine extends Engine {
  readonly parse: Parser;
}

/** One complaint: what the client hears, and the reason that the policy gives it. */
export interface Complaint {
  readonly message: string;
  /** A Status reason; "" for the default. */
  readonly reason: string;
}

/** Variables are worked out when an expression first asks for them, and once. */
class Variables extends Map<string, Value> {
  readonly #compute: (expression: string) => Value;
  readonly #expressions: ReadonlyMap<string, string>;

  constructor(variables: readonly Variable[], compute: (expression: string) => Value) {
    super();
    this.#compute = compute;
    this.#expressions = new Map(variables.map(({ name, expression }) => [name, expression]));
  }

  override get(name: string): Value | undefined {
    const known = super.get(name);
    const expression = this.#expressions.get(name);
    if (known !== undefined || expression === undefined) return known;
    const value = this.#compute(expression);
    this.set(name, value);
    return value;
  }

  override has(name: string): boolean {
    return this.#expressions.has(name);
  }
}

/**
 * What a policy has against a write; empty: nothing. All its expressions share one budget. An expression that fails is a
 * complaint unless the failure policy ignores it.
 */
export function judge(
  spec: NonNullable<ValidatingAdmissionPolicy["spec"]>,
  input: PolicyInput,
  engine: PolicyEngine,
): Complaint[] {
  const budget = new Budget(limits.celObjectBudget);
  const run = (expression: string): Value => evaluate(engine.parse(expression), scope, budget, engine);
  const variables = new Variables(spec.variables ?? [], run);
  const scope: Scope = scopeOf({
    object: fromJson(input.object),
    oldObject: fromJson(input.oldObject),
    request: fromJson(input.request),
    params: fromJson(input.params),
    namespaceObject: fromJson(input.namespaceObject),
    variables,
  });
  const failure = (error: unknown, expression: string): Complaint[] => {
    if (!(error instanceof CelError || error instanceof PatternError)) throw error;
    if (spec.failurePolicy === "Ignore") return [];
    return [{ message: `expression '${expression}' resulted in error: ${error.message}`, reason: "" }];
  };
  for (const { expression } of spec.matchConditions ?? []) {
    try {
      if (run(expression) !== true) return [];
    } catch (error) {
      return failure(error, expression);
    }
  }
  return (spec.validations ?? []).flatMap((validation) => {
    try {
      if (run(validation.expression) === true) return [];
      return [{ message: messageOf(validation, run), reason: validation.reason ?? "" }];
    } catch (error) {
      return failure(error, validation.expression);
    }
  });
}

function messageOf({ expression, message, messageExpression }: Validation, run: (text: string) => Value): string {
  if (messageExpression !== undefined) {
    try {
      const made = run(messageExpression);
      if (typeof made === "string" && made.trim() !== "" && !made.includes("\n")) return made.trim();
    } catch (error) {
      // A message that cannot be made is no reason to let the write through, nor to hide why it is refused.
      if (!(error instanceof CelError || error instanceof PatternError)) throw error;
    }
  }
  return message ?? `failed expression: ${expression.trim()}`;
}
