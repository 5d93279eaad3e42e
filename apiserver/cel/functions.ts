import type { Patterns } from "../crd/patterns.ts";
import type { Budget } from "./budget.ts";
import { authorizerFunctions } from "./functions/authorizer.ts";
import { conversions } from "./functions/conversions.ts";
import { kubernetes } from "./functions/kubernetes.ts";
import { lists } from "./functions/lists.ts";
import { strings } from "./functions/strings.ts";
import { CelError, isList, isMap, typeName, type Value } from "./values.ts";

/** What functions work with beside their arguments. */
export interface Engine {
  readonly patterns: Patterns;
}

/** Throws CelError("no such overload") for arguments that it does not take. */
export type CelFunction = (args: readonly Value[], budget: Budget, engine: Engine) => Value;

/** By name; a method's begins with `_.`, its receiver is the first argument. */
export type Functions = Readonly<Record<string, CelFunction>>;

const all: ReadonlyMap<string, CelFunction> = new Map(
  [strings, lists, conversions, kubernetes, authorizerFunctions].flatMap((each) => Object.entries(each)),
);

export function isFunction(name: string): boolean {
  return all.has(name);
}

export function callFunction(name: string, args: readonly Value[], budget: Budget, engine: Engine): Value {
  const found = all.get(name);
  if (found === undefined) {
    throw new CelError(`no such overload: ${name.replace("_.", "")}(${args.map(typeName).join(", ")})`);
  }
  budget.spendText(...args.map(weight));
  const result = found(args, budget, engine);
  if (typeof result === "string" || isList(result)) budget.spendText(result.length);
  return result;
}

function weight(value: Value): number {
  if (typeof value === "string") return value.length;
  if (isList(value)) return value.length * 10;
  return isMap(value) ? value.size : 1;
}
