import type { ValidatingAdmissionPolicy, Validation } from "../../../api/gen/types.ts";
import type { ExpressionEngine } from "../../cel/expressions.ts";
import { CelError, type Value } from "../../cel/values.ts";
import { PatternError } from "../../crd/patterns.ts";
import { evaluator, failureOf, type Sources } from "./scope.ts";

/** One complaint: what the client hears, and the reason that the policy gives it. */
export interface Complaint {
  readonly message: string;
  /** A Status reason; "" for the default. */
  readonly reason: string;
}

/**
 * What a policy has against a write; empty: nothing. All its expressions share one budget. An expression that fails is a
 * complaint unless the failure policy ignores it.
 */
export function judge(
  spec: NonNullable<ValidatingAdmissionPolicy["spec"]>,
  sources: Sources,
  params: unknown,
  engine: ExpressionEngine,
): Complaint[] {
  const run = evaluator(spec.variables, sources, params, engine);
  const failure = (error: unknown, expression: string): Complaint[] => {
    const message = failureOf(error, expression);
    return spec.failurePolicy === "Ignore" ? [] : [{ message, reason: "" }];
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
