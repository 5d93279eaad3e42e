import { type FieldError, invalid, required } from "../../api/field_errors.ts";
import type {
  MatchCondition,
  MutatingAdmissionPolicy,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
} from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { mutatingAdmissionPolicies, validatingAdmissionPolicies } from "../../api/resources.ts";
import { checkNames } from "../cel/check.ts";
import { loadParser, type Parser } from "../cel/parse.ts";
import { CelError } from "../cel/values.ts";
import type { Strategy } from "../registry/strategy.ts";

/** An expression and where it stands. */
interface Place {
  readonly path: string;
  readonly expression: string;
}

const conditionNames: ReadonlySet<string> = new Set(["object", "oldObject", "request", "authorizer"]);
const policyNames: ReadonlySet<string> = new Set([...conditionNames, "params", "namespaceObject", "variables"]);
/** What mutations may make. */
const mutationNames: ReadonlySet<string> = new Set([...policyNames, "Object", "JSONPatch"]);

/** Policies and webhook configurations: their expressions are read before they are stored. */
export function expressionStrategy(base: Strategy): Strategy {
  let parse: Parser | null = null;
  const placesOf = base.info === validatingAdmissionPolicies
    ? ofPolicy
    : base.info === mutatingAdmissionPolicies
    ? ofMutations
    : ofWebhooks;
  const names = base.info === validatingAdmissionPolicies
    ? policyNames
    : base.info === mutatingAdmissionPolicies
    ? mutationNames
    : conditionNames;
  const check = (object: KubeObject): FieldError[] => {
    return placesOf(object).flatMap((place) => parse === null ? [] : errorsAt(place, parse, names));
  };
  return {
    ...base,
    prepare: async () => void (parse ??= await loadParser()),
    validateCreate: (object) => [...base.validateCreate(object), ...check(object)],
    validateUpdate: (object, old) => [...base.validateUpdate(object, old), ...check(object)],
  };
}

function errorsAt({ path, expression }: Place, parse: Parser, names: ReadonlySet<string>): FieldError[] {
  if ((expression ?? "").trim() === "") return [required(path)];
  try {
    checkNames(parse(expression), names);
    return [];
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return [invalid(path, expression, `compilation failed: ${error.message}`)];
  }
}

function conditions(list: readonly MatchCondition[] | undefined, path: string): Place[] {
  return (list ?? []).map(({ expression }, i) => ({ path: `${path}[${i}].expression`, expression }));
}

// Both are looked up by their resource, whose schema the codec has checked.
function ofWebhooks(object: KubeObject): Place[] {
  const { webhooks = [] } = object as MutatingWebhookConfiguration;
  return webhooks.flatMap((hook, i) => conditions(hook.matchConditions, `webhooks[${i}].matchConditions`));
}

function ofPolicy(object: KubeObject): Place[] {
  const { spec } = object as ValidatingAdmissionPolicy;
  return [
    ...(spec?.variables ?? []).map(({ expression }, i) => ({ path: `spec.variables[${i}].expression`, expression })),
    ...conditions(spec?.matchConditions, "spec.matchConditions"),
    ...(spec?.validations ?? []).flatMap(({ expression, messageExpression }, i) => [
      { path: `spec.validations[${i}].expression`, expression },
      ...(messageExpression === undefined
        ? []
        : [{ path: `spec.validations[${i}].messageExpression`, expression: messageExpression }]),
    ]),
    ...(spec?.auditAnnotations ?? []).map(({ valueExpression }, i) => ({
      path: `spec.auditAnnotations[${i}].valueExpression`,
      expression: valueExpression,
    })),
  ];
}

function ofMutations(object: KubeObject): Place[] {
  const { spec } = object as MutatingAdmissionPolicy;
  return [
    ...(spec?.variables ?? []).map(({ expression }, i) => ({ path: `spec.variables[${i}].expression`, expression })),
    ...conditions(spec?.matchConditions, "spec.matchConditions"),
    ...(spec?.mutations ?? []).flatMap(({ patchType, applyConfiguration, jsonPatch }, i) => {
      const field = patchType === "JSONPatch" ? "jsonPatch" : "applyConfiguration";
      const expression = (patchType === "JSONPatch" ? jsonPatch : applyConfiguration)?.expression ?? "";
      return [{ path: `spec.mutations[${i}].${field}.expression`, expression }];
    }),
  ];
}
