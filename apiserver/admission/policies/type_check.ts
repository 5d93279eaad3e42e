import type { ExpressionWarning, ValidatingAdmissionPolicy } from "../../../api/gen/types.ts";
import { apiVersionOf, type ResourceInfo } from "../../../api/resources.ts";
import type { Catalog } from "../../catalog.ts";
import type { ExpressionEngine } from "../../cel/expressions.ts";
import { checkTypes, describe, type TypeScope } from "../../cel/type_check.ts";
import { builtinType, customType, dyn, nameOf, type Type } from "../../cel/types.ts";
import { CelError } from "../../cel/values.ts";
import { compileSchema } from "../../crd/schema.ts";

/** Kinds that one policy is checked against; upstream's bound. */
const maxTypes = 10;

/**
 * What is wrong with a policy's expressions, for each kind that its rules name outright. Stars are not followed.
 * @see apiserver pkg/admission/plugin/policy/validating/typechecking.go
 */
export function typeWarnings(
  policy: ValidatingAdmissionPolicy,
  catalog: Catalog,
  engine: ExpressionEngine,
): ExpressionWarning[] {
  const infos = kindsOf(policy, catalog).slice(0, maxTypes);
  const params = catalog.resources.find((info) =>
    info.kind === policy.spec?.paramKind?.kind && apiVersionOf(info) === policy.spec.paramKind.apiVersion
  );
  const paramsType = params === undefined ? dyn : typeOf(params, catalog);
  const warnings: ExpressionWarning[] = [];
  for (const [index, { expression, messageExpression }] of (policy.spec?.validations ?? []).entries()) {
    const places = [["expression", expression], ["messageExpression", messageExpression]] as const;
    for (const [field, text] of places) {
      if (text === undefined) continue;
      const found = infos.flatMap((info) => {
        const problem = problemOf(text, field === "expression", policy, typeOf(info, catalog), paramsType, engine);
        return problem === null ? [] : [`${apiVersionOf(info)}, Kind=${info.kind}: ${problem}\n`];
      });
      if (found.length > 0) warnings.push({ fieldRef: `spec.validations[${index}].${field}`, warning: found.join("") });
    }
  }
  return warnings;
}

function kindsOf({ spec }: ValidatingAdmissionPolicy, catalog: Catalog): ResourceInfo[] {
  const found = new Set<ResourceInfo>();
  for (const { apiGroups = [], apiVersions = [], resources = [] } of spec?.matchConstraints?.resourceRules ?? []) {
    if ([...apiGroups, ...apiVersions, ...resources].some((it) => it.includes("*"))) continue;
    for (const group of apiGroups) {
      for (const version of apiVersions) {
        for (const resource of resources) {
          const info = catalog.find(group, version, resource);
          if (info !== undefined) found.add(info);
        }
      }
    }
  }
  return [...found];
}

function typeOf(info: ResourceInfo, catalog: Catalog): Type {
  const dynamic = catalog.dynamic(info.type);
  return dynamic === undefined ? builtinType(info.type) : customType(compileSchema(dynamic.openApi, null));
}

/** Null: nothing. */
function problemOf(
  expression: string,
  isCondition: boolean,
  policy: ValidatingAdmissionPolicy,
  object: Type,
  params: Type,
  engine: ExpressionEngine,
): string | null {
  const variables = new Map<string, Type>();
  const variablesType: Type = { kind: "object", name: "kubernetes.variables", field: (name) => variables.get(name) };
  const known: Readonly<Record<string, Type>> = {
    object,
    oldObject: object,
    params,
    namespaceObject: builtinType("io.k8s.api.core.v1.Namespace", "kubernetes.Namespace"),
    request: dyn,
    authorizer: dyn,
    variables: variablesType,
  };
  const scope: TypeScope = (name) => Object.hasOwn(known, name) ? known[name] : undefined;
  try {
    for (const { name, expression } of policy.spec?.variables ?? []) {
      variables.set(name, checkTypes(engine.parse(expression), scope).type);
    }
    const { type, mistakes } = checkTypes(engine.parse(expression), scope);
    if (mistakes.length > 0) return mistakes.map((it) => describe(it, expression)).join("\n");
    const wanted = isCondition ? "bool" : "string";
    return type.kind === "dyn" || type.kind === wanted ? null : `must evaluate to ${wanted} but got ${nameOf(type)}`;
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    return error.message;
  }
}
