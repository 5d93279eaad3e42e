import type { JSONSchemaProps, ValidationRule } from "../../api/gen/types.ts";
import { isRecord, type Json } from "../dig.ts";
import type { Matcher, Patterns } from "./patterns.ts";

/** One node of a structural schema, in the form that pruning, defaulting and validation walk. */
export interface Schema {
  /** "" where any type goes. */
  readonly type: string;
  readonly nullable: boolean;
  readonly intOrString: boolean;
  readonly preserveUnknown: boolean;
  readonly embedded: boolean;
  readonly properties: ReadonlyMap<string, Schema>;
  /** Schema of values under other keys; true: any value; null: none are specified. */
  readonly additional: Schema | true | null;
  readonly items: Schema | null;
  readonly listType: "atomic" | "set" | "map";
  readonly listKeys: readonly string[];
  /** Undefined: none. */
  readonly fallback: unknown;
  /** Whether this node or one below has a default: subtrees without one are not walked. */
  readonly hasDefaults: boolean;
  readonly matches: Matcher | null;
  readonly required: readonly string[];
  readonly allOf: readonly Schema[];
  readonly anyOf: readonly Schema[];
  readonly oneOf: readonly Schema[];
  readonly not: Schema | null;
  readonly rules: readonly ValidationRule[];
  /** Bounds, enum, format, pattern: read where they are checked. */
  readonly props: Readonly<JSONSchemaProps>;
}

const nothing: readonly never[] = [];

/** @param patterns compiles regular expressions; null: there are none, or their texts are known to be wrong */
export function compileSchema(props: Readonly<JSONSchemaProps>, patterns: Patterns | null): Schema {
  const compile = (inner: Readonly<JSONSchemaProps>) => compileSchema(inner, patterns);
  const properties = new Map(Object.entries(props.properties ?? {}).map(([name, inner]) => [name, compile(inner)]));
  const additional = additionalOf(props.additionalProperties, compile);
  const items = isRecord(props.items) ? compile(props.items) : null;
  const fallback = props.default;
  return {
    type: props.type ?? "",
    nullable: props.nullable === true,
    intOrString: props["x-kubernetes-int-or-string"] === true,
    preserveUnknown: props["x-kubernetes-preserve-unknown-fields"] === true,
    embedded: props["x-kubernetes-embedded-resource"] === true,
    properties,
    additional,
    items,
    listType: listTypeOf(props),
    listKeys: props["x-kubernetes-list-map-keys"] ?? nothing,
    fallback,
    hasDefaults: fallback !== undefined || [...properties.values()].some((inner) => inner.hasDefaults) ||
      (additional !== null && additional !== true && additional.hasDefaults) || items?.hasDefaults === true,
    matches: props.pattern === undefined || patterns === null ? null : patterns.compile(props.pattern),
    required: props.required ?? nothing,
    allOf: (props.allOf ?? nothing).map(compile),
    anyOf: (props.anyOf ?? nothing).map(compile),
    oneOf: (props.oneOf ?? nothing).map(compile),
    not: props.not === undefined ? null : compile(props.not),
    rules: props["x-kubernetes-validations"] ?? nothing,
    props,
  };
}

function additionalOf(given: unknown, compile: (props: Json) => Schema): Schema | true | null {
  if (given === true) return true;
  return isRecord(given) ? compile(given) : null;
}

function listTypeOf(props: Readonly<JSONSchemaProps>): Schema["listType"] {
  const given = props["x-kubernetes-list-type"];
  return given === "set" || given === "map" ? given : "atomic";
}

/** Every schema in `props`, itself first, with its place as upstream writes it: `properties[spec].items`. */
export function* eachSchema(
  props: Readonly<JSONSchemaProps>,
  path: string,
): Generator<{ readonly props: Readonly<JSONSchemaProps>; readonly path: string }> {
  yield { props, path };
  for (const name of ["properties", "patternProperties", "definitions"] as const) {
    for (const [key, inner] of Object.entries(props[name] ?? {})) yield* eachSchema(inner, `${path}.${name}[${key}]`);
  }
  for (const name of ["additionalProperties", "additionalItems", "items"] as const) {
    const inner = props[name];
    if (isRecord(inner)) yield* eachSchema(inner, `${path}.${name}`);
  }
  for (const name of ["allOf", "anyOf", "oneOf"] as const) {
    for (const [index, inner] of (props[name] ?? []).entries()) yield* eachSchema(inner, `${path}.${name}[${index}]`);
  }
  if (props.not !== undefined) yield* eachSchema(props.not, `${path}.not`);
}
