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
  /** Which of the validations; -1 for what is wrong otherwise. */
  readonly index: number;
}

/** What a policy says about a write. */
export interface Judgement {
  readonly complaints: readonly Complaint[];
  /** For the audit log. */
  readonly annotations: readonly (readonly [key: string, value: string])[];
}

const nothing: Judgement = { complaints: [], annotations: [] };

/**
 * What a policy has against a write; empty: nothing. All its expressions share one budget. An expression that fails is a
 * complaint unless the failure policy ignores it.
 */
export function judge(
  spec: NonNullable<ValidatingAdmissionPolicy["spec"]>,
  sources: Sources,
  params: unknown,
  engine: ExpressionEngine,
): Judgement {
  const run = evaluator(spec.variables, sources, params, engine);
  const failure = (error: unknown, expression: string, index = -1): Complaint[] => {
    const message = failureOf(error, expression);
    return spec.failurePolicy === "Ignore" ? [] : [{ message, reason: "", index }];
  };
  for (const { expression } of spec.matchConditions ?? []) {
    try {
      if (run(expression) !== true) return nothing;
    } catch (error) {
      return { complaints: failure(error, expression), annotations: [] };
    }
  }
  const complaints = (spec.validations ?? []).flatMap((validation, index) => {
    try {
      if (run(validation.expression) === true) return [];
      return [{ message: messageOf(validation, run), reason: validation.reason ?? "", index }];
    } catch (error) {
      return failure(error, validation.expression, index);
    }
  });
  const annotations: [string, string][] = [];
  for (const { key, valueExpression } of spec.auditAnnotations ?? []) {
    try {
      const value = run(valueExpression);
      // Null: this time there is nothing to be noted.
      if (typeof value === "string" && value.trim() !== "") annotations.push([key, value.slice(0, noteLength)]);
    } catch (error) {
      complaints.push(...failure(error, valueExpression));
    }
  }
  return { complaints, annotations };
}

/** The longest note; upstream's maxAuditAnnotationValueLength. */
const noteLength = 10 * 1024;

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
