import { type FieldError, forbidden, invalid, required } from "../../api/field_errors.ts";
import type { JSONSchemaProps } from "../../api/gen/types.ts";
import { equalJson } from "../../api/json_value.ts";
import { isRecord } from "../dig.ts";

type Level = "root" | "item" | "field";
type Props = Readonly<JSONSchemaProps>;

const emptyType: Readonly<Record<Level, string>> = {
  root: "must not be empty at the root",
  item: "must not be empty for specified array items",
  field: "must not be empty for specified object fields",
};

/** What keeps a schema from being structural. @see KEP "vanilla OpenAPI subset: structural schema" */
export function structuralErrors(props: Props, path: string): FieldError[] {
  const errors: FieldError[] = [];
  checkNode(props, "root", path, errors);
  checkComplete(props, path, errors);
  const order = (error: FieldError) => `${error.field}: ${error.message}`;
  return errors.sort((a, b) => order(a) < order(b) ? -1 : 1);
}

function schemaAt(value: unknown): Props | undefined {
  return isRecord(value) ? value as Props : undefined;
}

function checkNode(props: Props, level: Level, path: string, errors: FieldError[]): void {
  const { type = "" } = props;
  const items = schemaAt(props.items);
  const additional = schemaAt(props.additionalProperties);
  if (type === "array" && items === undefined) errors.push(required(`${path}.items`, "must be specified"));
  if (items !== undefined) checkNode(items, "item", `${path}.items`, errors);
  for (const [name, inner] of Object.entries(props.properties ?? {})) {
    checkNode(inner, "field", `${path}.properties[${name}]`, errors);
  }
  if (props.additionalProperties !== undefined && props.additionalProperties !== false && level === "root") {
    errors.push(forbidden(`${path}.additionalProperties`, "must not be used at the root"));
  }
  if (additional !== undefined) checkNode(additional, "field", `${path}.additionalProperties`, errors);
  checkExtensions(props, path, errors);
  checkBranches(props, path, errors, isIntOrString(props.anyOf), isIntOrString(props.allOf?.[0]?.anyOf));
  checkType(props, level, path, errors);
  checkMeta(props, level, path, errors);
}

function isIntOrString(branches: readonly Props[] | undefined): boolean {
  return equalJson(branches, [{ type: "integer" }, { type: "string" }]);
}

function checkExtensions(props: Props, path: string, errors: FieldError[]): void {
  if (props["x-kubernetes-int-or-string"] !== true) return;
  for (const name of ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] as const) {
    if (props[name] !== true) continue;
    errors.push(invalid(`${path}.${name}`, true, "must be false if x-kubernetes-int-or-string is true"));
  }
}

function checkType(props: Props, level: Level, path: string, errors: FieldError[]): void {
  const { type = "" } = props;
  const embedded = props["x-kubernetes-embedded-resource"] === true;
  if (embedded && type !== "object") {
    const text = "must be object if x-kubernetes-embedded-resource is true";
    errors.push(type === "" ? required(`${path}.type`, text) : invalid(`${path}.type`, type, text));
  } else if (
    type === "" && props["x-kubernetes-int-or-string"] !== true &&
    props["x-kubernetes-preserve-unknown-fields"] !== true
  ) {
    errors.push(required(`${path}.type`, emptyType[level]));
  }
  if (embedded && props.additionalProperties !== undefined) {
    const text = "must not be used if x-kubernetes-embedded-resource is set";
    errors.push(forbidden(`${path}.additionalProperties`, text));
  }
  if (level === "root" && type !== "" && type !== "object") {
    errors.push(invalid(`${path}.type`, type, "must be object at the root"));
  }
}

function checkMeta(props: Props, level: Level, path: string, errors: FieldError[]): void {
  const embedded = props["x-kubernetes-embedded-resource"] === true;
  const { properties = {} } = props;
  if (embedded && props["x-kubernetes-preserve-unknown-fields"] !== true && Object.keys(properties).length === 0) {
    const text = "must not be empty if x-kubernetes-embedded-resource is true without " +
      "x-kubernetes-preserve-unknown-fields";
    errors.push(required(`${path}.properties`, text));
  }
  if (level !== "root" && !embedded) return;
  for (const name of ["kind", "apiVersion"]) {
    const inner = Object.hasOwn(properties, name) ? properties[name] : undefined;
    if (inner !== undefined && inner.type !== "string") {
      errors.push(invalid(`${path}.properties[${name}].type`, inner.type ?? "", "must be string"));
    }
  }
  const metadata = properties["metadata"];
  if (metadata === undefined) return;
  const at = `${path}.properties[metadata]`;
  if (metadata.type !== "object") errors.push(invalid(`${at}.type`, metadata.type ?? "", "must be object"));
  if (level !== "root") return;
  const { type: _type, properties: names = {}, description: _description, ...rest } = metadata;
  if (Object.keys(rest).length > 0 || Object.keys(names).some((name) => name !== "name" && name !== "generateName")) {
    const text = "must not specify anything other than name and generateName, but metadata is implicitly specified";
    errors.push(forbidden(at, text));
  }
}

function checkBranches(
  props: Props,
  path: string,
  errors: FieldError[],
  skipAny: boolean,
  skipFirstAll: boolean,
): void {
  if (!skipAny) props.anyOf?.forEach((inner, i) => checkNested(inner, `${path}.anyOf[${i}]`, errors, false));
  props.allOf?.forEach((inner, i) => checkNested(inner, `${path}.allOf[${i}]`, errors, skipFirstAll && i === 0));
  props.oneOf?.forEach((inner, i) => checkNested(inner, `${path}.oneOf[${i}]`, errors, false));
  if (props.not !== undefined) checkNested(props.not, `${path}.not`, errors, false);
}

/** What a branch may not say: it restricts values, and cannot say which fields there are. */
const forbiddenInBranches = [
  ["type", "must be empty to be structural"],
  ["additionalProperties", "must be undefined to be structural"],
  ["default", "must be undefined to be structural"],
  ["title", "must be empty to be structural"],
  ["description", "must be empty to be structural"],
  ["nullable", "must be false to be structural"],
  ["externalDocs", "must be undefined to be structural"],
  ["x-kubernetes-preserve-unknown-fields", "must be false to be structural"],
  ["x-kubernetes-embedded-resource", "must be false to be structural"],
  ["x-kubernetes-int-or-string", "must be false to be structural"],
  ["x-kubernetes-list-map-keys", "must be empty to be structural"],
  ["x-kubernetes-list-type", "must be undefined to be structural"],
  ["x-kubernetes-map-type", "must be undefined to be structural"],
  ["x-kubernetes-validations", "must be empty to be structural"],
] as const;

function checkNested(props: Props, path: string, errors: FieldError[], skipAny: boolean): void {
  checkBranches(props, path, errors, skipAny, false);
  const items = schemaAt(props.items);
  if (items !== undefined) checkNested(items, `${path}.items`, errors, false);
  for (const [name, inner] of Object.entries(props.properties ?? {})) {
    checkNested(inner, `${path}.properties[${name}]`, errors, false);
  }
  for (const [name, text] of forbiddenInBranches) {
    const value = props[name];
    if (value !== undefined && value !== false && value !== "") errors.push(forbidden(`${path}.${name}`, text));
  }
  if (props.properties?.["metadata"] !== undefined) {
    errors.push(forbidden(`${path}.properties[metadata]`, "must not be specified in a nested context"));
  }
}

/** Every field that a branch speaks of must be specified outside of branches too. */
function checkComplete(props: Props, path: string, errors: FieldError[]): void {
  for (const { props: branch, path: at } of branchesOf(props, path)) checkCovered(branch, props, at, path, errors);
  const items = schemaAt(props.items);
  if (items !== undefined) checkComplete(items, `${path}.items`, errors);
  const additional = schemaAt(props.additionalProperties);
  if (additional !== undefined) checkComplete(additional, `${path}.additionalProperties`, errors);
  for (const [name, inner] of Object.entries(props.properties ?? {})) {
    checkComplete(inner, `${path}.properties[${name}]`, errors);
  }
}

function branchesOf(props: Props, path: string): { props: Props; path: string }[] {
  const lists = (["anyOf", "allOf", "oneOf"] as const).flatMap((name) =>
    (props[name] ?? []).map((inner, i) => ({ props: inner, path: `${path}.${name}[${i}]` }))
  );
  return props.not === undefined ? lists : [...lists, { props: props.not, path: `${path}.not` }];
}

function checkCovered(branch: Props, whole: Props | undefined, at: string, path: string, errors: FieldError[]): void {
  if (whole === undefined) {
    errors.push(required(path, `because it is defined in ${at}`));
    return;
  }
  for (const inner of branchesOf(branch, at)) checkCovered(inner.props, whole, inner.path, path, errors);
  const items = schemaAt(branch.items);
  if (items !== undefined) checkCovered(items, schemaAt(whole.items), `${at}.items`, `${path}.items`, errors);
  for (const [name, inner] of Object.entries(branch.properties ?? {})) {
    const place = `properties[${name}]`;
    const own = whole.properties !== undefined && Object.hasOwn(whole.properties, name)
      ? whole.properties[name]
      : schemaAt(whole.additionalProperties);
    checkCovered(inner, own, `${at}.${place}`, `${path}.${place}`, errors);
  }
}
