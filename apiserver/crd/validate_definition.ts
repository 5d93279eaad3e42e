import { type FieldError, forbidden, invalid, notSupported, required } from "../../api/field_errors.ts";
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from "../../api/gen/types.ts";
import { equalJson } from "../../api/json_value.ts";
import { dns1035Label, dns1123Subdomain } from "../../api/names.ts";
import { hasCondition } from "../../api/custom_resources.ts";
import { JsonPathError, parseJsonPath, plainNames } from "./json_path.ts";
import { PatternError, type Patterns } from "./patterns.ts";
import { CelError } from "../cel/values.ts";
import { compileRule, type RuleEngine } from "./rules.ts";
import { compileSchema, eachSchema } from "./schema.ts";
import { structuralErrors } from "./structural.ts";
import { validateValue } from "./validate.ts";

type Version = CustomResourceDefinitionVersion;

/** What is wrong with a definition beyond its metadata. @see apiextensions-apiserver pkg/apis/apiextensions/validation */
export function validateDefinition(definition: CustomResourceDefinition, engine: RuleEngine): FieldError[] {
  const { spec } = definition;
  return [
    ...groupErrors(spec.group),
    ...enumErrors(spec.scope, "spec.scope", ["Cluster", "Namespaced"]),
    ...approvalErrors(definition),
    ...versionListErrors(spec),
    ...namesErrors(spec.names),
    ...conversionErrors(spec),
    ...spec.versions.flatMap((version, index) => versionErrors(version, `spec.versions[${index}]`)),
    ...schemasErrors(spec, engine),
  ];
}

export function validateDefinitionUpdate(
  next: CustomResourceDefinition,
  old: CustomResourceDefinition,
  engine: RuleEngine,
): FieldError[] {
  const errors = equalJson(next.spec, old.spec) ? [] : validateDefinition(next, engine);
  const fixed = (path: string, value: unknown, before: unknown) => {
    if (!equalJson(value, before)) errors.push(invalid(path, value, "field is immutable"));
  };
  if (hasCondition(old, "Established")) {
    fixed("spec.scope", next.spec.scope, old.spec.scope);
    fixed("spec.names.kind", next.spec.names.kind, old.spec.names.kind);
  }
  fixed("spec.group", next.spec.group, old.spec.group);
  fixed("spec.names.plural", next.spec.names.plural, old.spec.names.plural);
  for (const [index, stored] of (next.status?.storedVersions ?? []).entries()) {
    if (next.spec.versions.some((version) => version.name === stored)) continue;
    errors.push(invalid(`status.storedVersions[${index}]`, stored, "must appear in spec.versions"));
  }
  return errors;
}

function groupErrors(group: string): FieldError[] {
  if (group === "") return [required("spec.group")];
  const problems = dns1123Subdomain(group);
  if (problems.length > 0) return [invalid("spec.group", group, problems.join(","))];
  return group.includes(".") ? [] : [invalid("spec.group", group, "should be a domain with at least one dot")];
}

function enumErrors(value: string | undefined, path: string, allowed: readonly string[]): FieldError[] {
  if (value === undefined || value === "") return [required(path)];
  return allowed.includes(value) ? [] : [notSupported(path, value, allowed)];
}

/** Groups of the community need the community's word. */
function approvalErrors({ metadata, spec }: CustomResourceDefinition): FieldError[] {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec.group)) return [];
  const annotation = "api-approved.kubernetes.io";
  const value = metadata?.annotations?.[annotation] ?? "";
  const path = `metadata.annotations[${annotation}]`;
  const see = "see https://github.com/kubernetes/enhancements/pull/1111";
  if (value === "") {
    return [required(path, `protected groups must have approval annotation "${annotation}", ${see}`)];
  }
  if (value.startsWith("unapproved") || URL.canParse(value)) return [];
  const text =
    `protected groups must have approval annotation "${annotation}" with either a URL or a reason starting ` +
    `with "unapproved", ${see}`;
  return [invalid(path, value, text)];
}

function versionListErrors(spec: CustomResourceDefinitionSpec): FieldError[] {
  const { versions } = spec;
  const errors = versions.flatMap((version, index) => {
    const problems = dns1035Label(version.name);
    return problems.length > 0 ? [invalid(`spec.versions[${index}].name`, version.name, problems.join(","))] : [];
  });
  if (new Set(versions.map((version) => version.name)).size < versions.length) {
    errors.push(invalid("spec.versions", versions, "must contain unique version names"));
  }
  if (spec.preserveUnknownFields === true) {
    const text = "cannot be set to true, set x-kubernetes-preserve-unknown-fields to true in " +
      "spec.versions[*].schema instead";
    errors.push(invalid("spec.preserveUnknownFields", true, text));
  }
  return errors;
}

function namesErrors(names: CustomResourceDefinitionNames): FieldError[] {
  const errors: FieldError[] = [];
  for (const field of ["plural", "singular", "kind", "listKind"] as const) {
    const path = `spec.names.${field}`;
    const name = names[field] ?? "";
    if (name === "") {
      errors.push(required(path));
      continue;
    }
    const cased = field === "kind" || field === "listKind";
    const problems = dns1035Label(cased ? name.toLowerCase() : name);
    const head = cased ? "may have mixed case, but should otherwise match: " : "";
    if (problems.length > 0) errors.push(invalid(path, name, head + problems.join(",")));
  }
  for (const field of ["shortNames", "categories"] as const) {
    for (const [index, name] of (names[field] ?? []).entries()) {
      const problems = dns1035Label(name);
      if (problems.length > 0) errors.push(invalid(`spec.names.${field}[${index}]`, name, problems.join(",")));
    }
  }
  if (names.kind !== "" && names.kind === names.listKind) {
    errors.push(invalid("spec.names.listKind", names.listKind, "kind and listKind may not be the same"));
  }
  return errors;
}

function conversionErrors({ conversion }: CustomResourceDefinitionSpec): FieldError[] {
  if (conversion === undefined) return [];
  const errors = enumErrors(conversion.strategy, "spec.conversion.strategy", ["None", "Webhook"]);
  const { webhook } = conversion;
  if (conversion.strategy === "Webhook") {
    if (webhook?.clientConfig === undefined) {
      errors.push(required("spec.conversion.webhookClientConfig", "required when strategy is set to Webhook"));
    } else if ((webhook.clientConfig.url === undefined) === (webhook.clientConfig.service === undefined)) {
      const text = "exactly one of url or service is required";
      errors.push(required("spec.conversion.webhookClientConfig", text));
    }
    if ((webhook?.conversionReviewVersions ?? []).length === 0) {
      errors.push(required("spec.conversion.conversionReviewVersions"));
    }
  } else if (webhook !== undefined) {
    errors.push(
      forbidden("spec.conversion.webhookClientConfig", "should not be set when strategy is not set to Webhook"),
    );
  }
  return errors;
}

function versionErrors(version: Version, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (version.deprecationWarning !== undefined && version.deprecated !== true) {
    const text = "can only be set for deprecated versions";
    errors.push(invalid(`${path}.deprecationWarning`, version.deprecationWarning, text));
  }
  for (const [index, column] of (version.additionalPrinterColumns ?? []).entries()) {
    errors.push(...columnErrors(column, `${path}.additionalPrinterColumns[${index}]`));
  }
  for (const [index, field] of (version.selectableFields ?? []).entries()) {
    const at = `${path}.selectableFields[${index}].jsonPath`;
    if (namesOf(field.jsonPath) === undefined) errors.push(invalid(at, field.jsonPath, "is an invalid path"));
  }
  const scale = version.subresources?.scale;
  if (scale === undefined) return errors;
  const at = `${path}.subresources.scale`;
  errors.push(
    ...pathErrors(scale.specReplicasPath, `${at}.specReplicasPath`, ["spec"], "should be a json path under .spec"),
  );
  errors.push(
    ...pathErrors(
      scale.statusReplicasPath,
      `${at}.statusReplicasPath`,
      ["status"],
      "should be a json path under .status",
    ),
  );
  if (scale.labelSelectorPath !== undefined && scale.labelSelectorPath !== "") {
    const text = "should be a json path under either .status or .spec";
    errors.push(...pathErrors(scale.labelSelectorPath, `${at}.labelSelectorPath`, ["spec", "status"], text));
  }
  return errors;
}

function columnErrors(column: CustomResourceColumnDefinition, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (column.name === "") errors.push(required(`${path}.name`));
  errors.push(...enumErrors(column.type, `${path}.type`, ["boolean", "date", "integer", "number", "string"]));
  if (column.jsonPath === "") errors.push(required(`${path}.jsonPath`));
  else if (!canParse(column.jsonPath)) errors.push(invalid(`${path}.jsonPath`, column.jsonPath, "is an invalid path"));
  return errors;
}

function canParse(path: string): boolean {
  try {
    parseJsonPath(path);
    return true;
  } catch (error) {
    if (error instanceof JsonPathError) return false;
    throw error;
  }
}

function namesOf(path: string): string[] | undefined {
  return path !== "" && canParse(path) ? plainNames(parseJsonPath(path)) : undefined;
}

function pathErrors(value: string, path: string, under: readonly string[], text: string): FieldError[] {
  if (value === "") return [required(path)];
  const names = namesOf(value);
  if (names === undefined) return [invalid(path, value, "is an invalid path")];
  return under.includes(names[0] ?? "") && names.length > 1 ? [] : [invalid(path, value, text)];
}

/** Versions with the same schema are spoken of as one, at the place where the first API version kept it. */
function schemasErrors(spec: CustomResourceDefinitionSpec, engine: RuleEngine): FieldError[] {
  const { versions } = spec;
  const schemas = versions.map((version) => version.schema?.openAPIV3Schema);
  const [first] = schemas;
  if (first !== undefined && schemas.every((schema) => equalJson(schema, first))) {
    return schemaErrors(first, "spec.validation.openAPIV3Schema", engine);
  }
  return schemas.flatMap((schema, index) => {
    const path = `spec.versions[${index}].schema.openAPIV3Schema`;
    return schema === undefined ? [required(path, "schemas are required")] : schemaErrors(schema, path, engine);
  });
}

function schemaErrors(schema: JSONSchemaProps, path: string, engine: RuleEngine): FieldError[] {
  const errors = structuralErrors(schema, path);
  for (const { props, path: at } of eachSchema(schema, path)) nodeErrors(props, at, engine, errors);
  if (errors.length > 0) return errors;
  for (const { props, path: at } of eachSchema(schema, path)) {
    if (props.default === undefined) continue;
    const { default: value, ...rest } = props;
    errors.push(...validateValue(value, compileSchema(rest, engine.patterns), `${at}.default`));
  }
  return errors;
}

const unsupported = ["$ref", "additionalItems", "definitions", "dependencies", "id", "patternProperties"] as const;
const types = ["array", "boolean", "integer", "number", "object", "string"];

function nodeErrors(props: Readonly<JSONSchemaProps>, path: string, engine: RuleEngine, errors: FieldError[]): void {
  for (const name of unsupported) {
    if (props[name] !== undefined) errors.push(forbidden(`${path}.${name}`, `${name} is not supported`));
  }
  const { type = "" } = props;
  if (type === "null") {
    errors.push(forbidden(`${path}.type`, "type cannot be set to null, use nullable as an alternative"));
  } else if (type !== "" && !types.includes(type)) {
    errors.push(notSupported(`${path}.type`, type, types));
  }
  if (Array.isArray(props.items)) {
    errors.push(forbidden(`${path}.items`, "items must be a schema object and not an array"));
  }
  if (props.uniqueItems === true) {
    const text = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
    errors.push(forbidden(`${path}.uniqueItems`, text));
  }
  if (props.additionalProperties !== undefined && Object.keys(props.properties ?? {}).length > 0) {
    const text = "additionalProperties and properties are mutual exclusive";
    errors.push(forbidden(`${path}.additionalProperties`, text));
  }
  if (props["x-kubernetes-preserve-unknown-fields"] === false) {
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, "must be true or undefined"));
  }
  listErrors(props, path, errors);
  ruleErrors(props, path, engine, errors);
  if (props.pattern !== undefined) patternErrors(props.pattern, `${path}.pattern`, engine.patterns, errors);
}

function listErrors(props: Readonly<JSONSchemaProps>, path: string, errors: FieldError[]): void {
  const listType = props["x-kubernetes-list-type"];
  const keys = props["x-kubernetes-list-map-keys"] ?? [];
  const mapType = props["x-kubernetes-map-type"];
  if (listType !== undefined) {
    if (props.type !== "array") {
      errors.push(required(`${path}.type`, "must be array if x-kubernetes-list-type is specified"));
    }
    if (!["atomic", "map", "set"].includes(listType)) {
      errors.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ["atomic", "map", "set"]));
    }
  }
  if (listType === "map" && keys.length === 0) {
    errors.push(required(`${path}.x-kubernetes-list-map-keys`, "must not be empty if x-kubernetes-list-type is map"));
  }
  if (keys.length > 0 && listType !== "map") {
    errors.push(
      invalid(
        `${path}.x-kubernetes-list-type`,
        listType ?? "null",
        "must be map if x-kubernetes-list-map-keys is non-empty",
      ),
    );
  }
  if (mapType !== undefined) {
    if (props.type !== "object") {
      errors.push(required(`${path}.type`, "must be object if x-kubernetes-map-type is specified"));
    }
    if (!["atomic", "granular"].includes(mapType)) {
      errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ["atomic", "granular"]));
    }
  }
}

function ruleErrors(props: Readonly<JSONSchemaProps>, path: string, engine: RuleEngine, errors: FieldError[]): void {
  for (const [index, rule] of (props["x-kubernetes-validations"] ?? []).entries()) {
    const at = `${path}.x-kubernetes-validations[${index}]`;
    if (rule.rule.trim() === "") {
      errors.push(required(`${at}.rule`, "rule is not specified"));
      continue;
    }
    try {
      compileRule(rule, engine.parse);
    } catch (error) {
      if (!(error instanceof CelError)) throw error;
      errors.push(invalid(`${at}.rule`, rule.rule, `compilation failed: ${error.message}`));
    }
  }
}

function patternErrors(pattern: string, path: string, patterns: Patterns, errors: FieldError[]): void {
  try {
    patterns.compile(pattern);
  } catch (error) {
    if (!(error instanceof PatternError)) throw error;
    errors.push(invalid(path, pattern, `must be a valid regular expression, but isn't: ${error.message}`));
  }
}
