import type { Prng } from "../base/prng.ts";
import { encodeBase64 } from "./base64.ts";
import { apiVersionOf, type ResourceInfo } from "./resources.ts";
import { type FieldType, schemaOf, type TypeSchema } from "./schema.ts";
import { formatMicroTime, formatTime } from "./time.ts";
import type { JsonObject as Json } from "./json_value.ts";
import { isUnion, jsonSchemaProps, zeroCounts } from "./go_shape.ts";

/** For tests: objects of any kind, drawn from its schema, each in the form in which Go would write it as JSON. */

const maxDepth = 7;
const words = ["a", "web", "x/y", "ünï", "日本", "🦎", "", 'q"uo\\te', "line\nbreak", "z".repeat(130)];

export function sampleObject(info: ResourceInfo, random: Prng): Json {
  return { kind: info.kind, apiVersion: apiVersionOf(info), ...sampleFields(schemaOf(info.type), random, 0) };
}

function sampleFields(schema: TypeSchema, random: Prng, depth: number): Json {
  const object: Json = {};
  // Deep down few fields are drawn, so that recursive schemas come to an end.
  const density = depth < 2 ? 2 : depth + 1;
  for (const { name, type, required, pb } of schema.fields.values()) {
    // The type of an object is on the wire once, around the whole.
    if (pb === undefined && (name === "kind" || name === "apiVersion")) continue;
    if (!required && random.int(density) > 0) continue;
    const value = isUnion(schema.name, name) ? sampleUnion(name, random, depth) : sampleValue(type, random, depth);
    if (value === undefined) continue;
    const zero = value === "" || value === 0 || value === false;
    if (zero && !required && !zeroCounts(schema.name, name, value)) continue;
    object[name] = value;
  }
  return object;
}

/** Undefined: nothing, where Go would leave the field out. */
function sampleValue(type: FieldType, random: Prng, depth: number): unknown {
  switch (type.kind) {
    case "string":
      return words[random.int(words.length)];
    case "bool":
      return random.int(2) === 1;
    case "int32":
      return random.int(3) === 0 ? 0 : random.int(2 ** 31) * (random.int(4) === 0 ? -1 : 1);
    case "int64":
      return random.int(3) === 0 ? 0 : random.int(2 ** 31) * 2 ** 21 * (random.int(4) === 0 ? -1 : 1);
    case "double":
      return random.int(3) === 0 ? 0 : random.int(2 ** 31) / 1000;
    case "bytes":
      return encodeBase64(Uint8Array.from({ length: 1 + random.int(40) }, () => random.int(256)));
    case "time":
      return formatTime(random.int(2 ** 31) * 1000);
    case "microtime":
      return formatMicroTime(random.int(2 ** 31) * 1000 + random.int(1000), random.int(1000));
    case "quantity":
      return ["1", "100m", "2Gi", "0", "15e3"][random.int(5)];
    case "int-or-string":
      return random.int(2) === 0 ? random.int(1000) : "25%";
    case "any":
      return { free: [1, "two", { three: null }], n: random.int(9) };
    case "list": {
      if (depth >= maxDepth) return undefined;
      const items = Array.from({ length: 1 + random.int(3) }, () => sampleValue(type.of, random, depth + 1));
      return items.filter((item) => item !== undefined);
    }
    case "map": {
      if (depth >= maxDepth) return undefined;
      const map: Json = {};
      for (let i = 1 + random.int(3); i > 0; i--) map[`key-${i}`] = sampleValue(type.of, random, depth + 1) ?? {};
      return map;
    }
    case "ref": {
      const schema = schemaOf(type.type);
      if (schema.opaque) return { free: random.int(100) };
      return depth >= maxDepth ? requiredOnly(schema, random) : sampleFields(schema, random, depth + 1);
    }
  }
}

function requiredOnly(schema: TypeSchema, random: Prng): Json {
  const object: Json = {};
  for (const { name, type, required } of schema.fields.values()) {
    if (!required || type.kind === "list" || type.kind === "map") continue;
    object[name] = type.kind === "ref" && !schemaOf(type.type).opaque
      ? requiredOnly(schemaOf(type.type), random)
      : sampleValue(type, random, maxDepth);
  }
  return object;
}

function sampleUnion(name: string, random: Prng, depth: number): unknown {
  const props = () => requiredOnlyProps(random);
  switch (name) {
    case "status":
      return {};
    case "items":
      return random.int(2) === 0 ? props() : [props(), props()];
    case "dependencies":
      return depth >= maxDepth ? undefined : { a: ["b", "c"], d: props() };
    default:
      return random.int(2) === 0 ? true : props();
  }
}

function requiredOnlyProps(random: Prng): Json {
  return { ...requiredOnly(schemaOf(jsonSchemaProps), random), type: "string", maxLength: random.int(9) };
}
