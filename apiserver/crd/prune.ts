import { isRecord, type Json } from "../dig.ts";
import type { Schema } from "./schema.ts";

/** Fields of every object at the root and of embedded resources, whatever the schema says. */
export const metaFields: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata"]);

/**
 * Takes out of `object` what `schema` does not specify. @param report gets the path of each such field, in the order of the
 * document @see apiextensions-apiserver pkg/apiserver/schema/pruning
 */
export function prune(object: Json, schema: Schema, report: (path: string) => void = () => {}): void {
  pruneObject(object, schema, true, "", report);
}

type Report = (path: string) => void;

function pruneValue(value: unknown, schema: Schema | null, path: string, report: Report): void {
  if (Array.isArray(value)) {
    // Without items a list's own fields are kept only where unknown ones are.
    if (schema?.preserveUnknown === true && schema.items === null) return;
    for (const [index, item] of value.entries()) {
      pruneValue(item, schema?.items ?? null, `${path}[${index}]`, report);
    }
  } else if (isRecord(value)) {
    pruneObject(value, schema, false, path, report);
  }
}

function pruneObject(object: Json, schema: Schema | null, root: boolean, path: string, report: Report): void {
  const keepsMeta = root || schema?.embedded === true;
  for (const key of Object.keys(object)) {
    if (keepsMeta && metaFields.has(key)) continue;
    const place = path === "" ? key : `${path}.${key}`;
    const property = schema?.properties.get(key);
    if (property !== undefined) {
      pruneValue(object[key], property, place, report);
    } else if (schema !== null && schema.additional !== null) {
      pruneValue(object[key], schema.additional === true ? null : schema.additional, place, report);
    } else if (schema?.preserveUnknown !== true) {
      delete object[key];
      report(place);
    }
  }
}
