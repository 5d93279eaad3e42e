import type { ManagedFieldsEntry } from "../gen/types.ts";
import { isObject, type JsonObject } from "../json_value.ts";
import { difference, emptySet, type FieldSet, isEmpty, union, withNamedParents } from "./field_set.ts";
import { conflictsOf, type FieldConflict, type FieldManager, isSame } from "./managers.ts";
import { mergeValues, removePaths } from "./merge.ts";
import type { ApplyType } from "./types.ts";
import { compareValues, type Comparison, createdFields, fieldSetOf } from "./walk.ts";

/** Fields that no one owns: they name the object, or only the server sets them. */
const unowned = [
  "clusterName",
  "creationTimestamp",
  "generation",
  "managedFields",
  "name",
  "namespace",
  "resourceVersion",
  "selfLink",
  "uid",
] as const;

/** `object` without what no one owns. A shallow copy. */
export function ownable(object: unknown): JsonObject {
  if (!isObject(object)) return {};
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object;
  const meta: JsonObject = isObject(metadata) ? { ...metadata } : {};
  for (const name of unowned) delete meta[name];
  return Object.keys(meta).length === 0 ? rest : { ...rest, metadata: meta };
}

/** Who writes, and when. */
export interface Writer {
  readonly manager: string;
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339, seconds. */
  readonly time: string;
}

/** The owners after a write by any verb but apply: whoever changed a field has it. @param before null for a create */
export function trackUpdate(
  managers: readonly FieldManager[],
  writer: Writer,
  before: unknown,
  after: unknown,
  type: ApplyType,
): readonly FieldManager[] {
  const { added, modified, removed } = compareValues(ownable(before), ownable(after), type);
  const taken = union(added, modified);
  const given = union(taken, removed);
  if (isEmpty(given)) return managers;
  const self = { ...writer, operation: "Update" as const };
  const own = managers.find((it) => isSame(it, self));
  const next: FieldManager[] = [];
  for (const it of managers) {
    const fields = difference(it.fields, given);
    if (it !== own) { if (!isEmpty(fields)) next.push({ ...it, fields }); }
    else if (isEmpty(taken) && !isEmpty(fields)) next.push({ ...it, fields });
  }
  if (isEmpty(taken)) return next;
  const kept = own === undefined ? emptySet() : difference(own.fields, removed);
  return [...next, { ...self, fields: union(kept, taken) }];
}

/** The one owner of a new object's fields. */
export function trackNew(writer: Writer, object: unknown, type: ApplyType): ManagedFieldsEntry[] {
  const fieldsV1 = createdFields(ownable(object), type);
  if (Object.keys(fieldsV1).length === 0) return [];
  const { manager, apiVersion, time } = writer;
  return [{ manager, operation: "Update", apiVersion, time, fieldsType: "FieldsV1", fieldsV1 }];
}

export type Applied =
  | { readonly kind: "applied"; readonly object: JsonObject; readonly managers: readonly FieldManager[] }
  | { readonly kind: "conflict"; readonly conflicts: readonly FieldConflict[] };

export interface ApplyOptions {
  readonly writer: Writer;
  readonly force: boolean;
  /** Top-level fields that this endpoint does not write: what an applier says of them does not count. */
  readonly ignored: (field: string) => boolean;
}

/**
 * Server-side apply: `config` over `live`, without what the applier named last time and no longer does, unless others
 * own it too. A field that changes and belongs to someone else is a conflict, or with force changes hands.
 * @param live {} for an object that does not exist yet
 */
export function applyConfig(
  managers: readonly FieldManager[],
  live: JsonObject,
  config: JsonObject,
  type: ApplyType,
  options: ApplyOptions,
): Applied {
  const self = { ...options.writer, operation: "Apply" as const };
  const wanted: JsonObject = {};
  for (const [name, value] of Object.entries(ownable(config))) if (!options.ignored(name)) wanted[name] = value;
  const claimed = fieldSetOf(wanted, type);
  const before = managers.find((it) => isSame(it, self));
  const others = managers.filter((it) => it !== before);
  const merged = mergeValues(live, wanted, type) as JsonObject;
  const object = before === undefined ? merged : pruned(merged, before.fields, claimed, others, type);
  const changes = compareValues(ownable(live), ownable(object), type);
  const conflicts = conflictsOf(others, self, union(changes.added, changes.modified));
  if (conflicts.length > 0 && !options.force) return { kind: "conflict", conflicts };
  return { kind: "applied", object, managers: [...handedOver(others, changes), owner()] };

  function owner(): FieldManager {
    const unchanged = before !== undefined && isUnchanged(changes);
    return { ...self, time: unchanged ? before.time : options.writer.time, fields: claimed };
  }
}

function pruned(
  merged: JsonObject,
  last: FieldSet,
  claimed: FieldSet,
  others: readonly FieldManager[],
  type: ApplyType,
): JsonObject {
  const owned = others.reduce((all, it) => union(all, it.fields), claimed);
  const dropped = difference(withNamedParents(last), withNamedParents(owned));
  const left = removePaths(merged, dropped, type);
  return isObject(left) ? left : {};
}

/** Changed fields leave their former owners, removed ones leave everyone. */
function handedOver(managers: readonly FieldManager[], changes: Comparison): FieldManager[] {
  const lost = union(union(changes.added, changes.modified), changes.removed);
  return managers.map((it) => ({ ...it, fields: difference(it.fields, lost) })).filter((it) => !isEmpty(it.fields));
}

function isUnchanged(changes: Comparison): boolean {
  return isEmpty(changes.added) && isEmpty(changes.modified) && isEmpty(changes.removed);
}
