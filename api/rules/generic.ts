/** What kinds without rules of their own on some path do there. */
import type { FieldError } from "../field_errors.ts";
import { clone, equalJson } from "../json_value.ts";
import type { KubeObject } from "../meta.ts";
import { type MetaRule, validateMeta, validateMetaUpdate } from "./meta.ts";
import type { Rules } from "./types.ts";

type Fields = Record<string, unknown>;

// Every decoded object is a plain record; its fields' types are the caller's business here.
export const fieldsOf = (object: KubeObject): Fields => object as Fields;

/** Metadata alone. Kinds override what they have more of. */
export function metadataRules(meta: MetaRule): Rules {
  return {
    hasGeneration: false,
    setDefaults: () => {},
    prepareForCreate: () => {},
    prepareForUpdate: (next, old) => keepField(next, old, "status"),
    prepareForStatusUpdate: keepAllButStatus,
    validate: (object) => validateMeta(object.metadata, meta),
    validateUpdate: (next, old) =>
      [
        ...validateMetaUpdate(next.metadata, old.metadata),
        ...validateMeta(next.metadata, meta),
      ].filter(distinct),
    validateStatusUpdate: (next, old) => validateMetaUpdate(next.metadata, old.metadata),
  };
}

/** For lists of errors that two overlapping checks make. */
export function distinct(error: FieldError, index: number, all: readonly FieldError[]): boolean {
  return all.findIndex((other) => other.field === error.field && other.message === error.message) === index;
}

/** `next` has the field exactly as `old` has it. */
export function keepField(next: KubeObject, old: KubeObject, field: string): void {
  const value = fieldsOf(old)[field];
  if (value === undefined) delete fieldsOf(next)[field];
  else fieldsOf(next)[field] = clone(value);
}

/** An update of `/status`: all but status and metadata stays. */
export function keepAllButStatus(next: KubeObject, old: KubeObject): void {
  const names = new Set([...Object.keys(next), ...Object.keys(old)]);
  for (const name of names) {
    if (name !== "status" && name !== "metadata" && name !== "apiVersion" && name !== "kind") {
      keepField(next, old, name);
    }
  }
}

/** Counts the generation: a change of `field` is something new that is wanted. */
export function countGeneration(next: KubeObject, old: KubeObject, ...fields: readonly string[]): void {
  const before = old.metadata?.generation ?? 0;
  const same = fields.every((field) => equalJson(fieldsOf(next)[field], fieldsOf(old)[field]));
  next.metadata = { ...next.metadata, generation: same ? before : before + 1 };
}

export function firstGeneration(object: KubeObject): void {
  object.metadata = { ...object.metadata, generation: 1 };
}
