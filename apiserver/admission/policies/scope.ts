import type { Variable } from "../../../api/gen/types.ts";
import { namespaces } from "../../../api/resources.ts";
import { attributesOn } from "../../authz/attributes.ts";
import { Budget } from "../../cel/budget.ts";
import { evaluate, type Scope, scopeOf } from "../../cel/evaluate.ts";
import type { ExpressionEngine } from "../../cel/expressions.ts";
import { type AskedResource, AuthorizerValue, CelError, fromJson, type Value } from "../../cel/values.ts";
import { PatternError } from "../../crd/patterns.ts";
import { limits } from "../../limits.ts";
import type { Registry, WriteContext } from "../../registry/context.ts";
import { admissionRequest } from "../webhooks/call.ts";
import type { Admission } from "../webhooks/match.ts";

/** What expressions about one write may name, whatever the policy. Made once for all of them. */
export type Sources = Readonly<Record<string, Value>>;

export function sourcesOf(registry: Registry, context: WriteContext, it: Admission): Sources {
  const namespace = it.namespace === "" ? undefined : registry.strategy(namespaces).cache.get("", it.namespace);
  return {
    object: fromJson(it.object),
    oldObject: fromJson(it.old),
    request: fromJson(admissionRequest({ ...it, object: null, old: null }, context, "")),
    namespaceObject: fromJson(namespace?.parsed ?? null),
    authorizer: authorizerOf(registry, context, it),
  };
}

/** What `authorizer` is: asks about whoever sends the request. */
export function authorizerOf(registry: Registry, { user }: WriteContext, it: Admission): AuthorizerValue {
  const { info, subresource, namespace, name } = it;
  const ask = (verb: string, about: AskedResource | string) => {
    const attributes = typeof about === "string"
      ? { kind: "path", verb, path: about } as const
      : { ...attributesOn(verb, about, about.namespace, about.name), subresource: about.subresource };
    return registry.authorizer.decide(user, attributes);
  };
  const own = { group: info.group, resource: info.resource, subresource, namespace, name };
  return new AuthorizerValue({ kind: "authorizer", ask, own });
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

/** Evaluates the expressions of one policy about one write; they share a budget. @throws CelError, PatternError */
export function evaluator(
  variables: readonly Variable[] | undefined,
  sources: Sources,
  params: unknown,
  engine: ExpressionEngine,
): (expression: string) => Value {
  const budget = new Budget(limits.celObjectBudget);
  const run = (expression: string): Value => evaluate(engine.parse(expression), scope, budget, engine);
  const scope: Scope = scopeOf({
    ...sources,
    params: fromJson(params),
    variables: new Variables(variables ?? [], run),
  });
  return run;
}

/** Why an expression could not be evaluated. @throws what is no failure of an expression */
export function failureOf(error: unknown, expression: string): string {
  if (!(error instanceof CelError || error instanceof PatternError)) throw error;
  return `expression '${expression}' resulted in error: ${error.message}`;
}
