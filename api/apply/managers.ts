import type { ManagedFieldsEntry } from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import { quote } from "../go_text.ts";
import {
  equalSets,
  type FieldSet,
  fromFieldsV1,
  intersection,
  isEmpty,
  printedPaths,
  toFieldsV1,
  union,
} from "./field_set.ts";

/** Who owns which fields of an object: metadata.managedFields, decoded. */
export interface FieldManager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly subresource: string;
  /** RFC 3339; undefined where no one wrote one. */
  readonly time: string | undefined;
  readonly fields: FieldSet;
}

/** Updating managers that are told apart; older ones are merged into one. Upstream's DefaultMaxUpdateManagers. */
export const maxUpdateManagers = 10;
const ancient = "ancient-changes";

/** Null when an entry cannot be read: what a client sent is then taken for nothing. */
export function decodeManagers(entries: readonly ManagedFieldsEntry[] | undefined): FieldManager[] | null {
  const managers: FieldManager[] = [];
  for (const entry of entries ?? []) {
    const { manager = "", operation, apiVersion = "", subresource = "", time, fieldsType, fieldsV1 } = entry;
    if ((operation !== "Apply" && operation !== "Update") || fieldsType !== "FieldsV1" || apiVersion === "") {
      return null;
    }
    const fields = fromFieldsV1(fieldsV1 ?? {});
    if (fields === null) return null;
    managers.push({ manager, operation, apiVersion, subresource, time, fields });
  }
  return managers;
}

/** In upstream's order: Apply before Update, then the older first, then by name. */
export function encodeManagers(managers: readonly FieldManager[]): ManagedFieldsEntry[] {
  return bounded(managers.filter((it) => !isEmpty(it.fields))).sort(inOrder).map((it) => ({
    manager: it.manager,
    operation: it.operation,
    apiVersion: it.apiVersion,
    ...(it.time === undefined ? {} : { time: it.time }),
    fieldsType: "FieldsV1",
    fieldsV1: toFieldsV1(it.fields),
    ...(it.subresource === "" ? {} : { subresource: it.subresource }),
  }));
}

function inOrder(a: FieldManager, b: FieldManager): number {
  return compareText(a.operation, b.operation) || compareText(a.time ?? "", b.time ?? "") ||
    compareText(a.manager, b.manager) || compareText(a.apiVersion, b.apiVersion) ||
    compareText(a.subresource, b.subresource);
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The oldest updating managers of one version become one, until no more than the bound are left. */
function bounded(managers: readonly FieldManager[]): FieldManager[] {
  const updaters = managers.filter((it) => it.operation === "Update").sort(inOrder);
  const excess = updaters.length - maxUpdateManagers;
  if (excess <= 0) return [...managers];
  const kept = managers.filter((it) => !updaters.slice(0, excess + 1).includes(it));
  const merged = new Map<string, FieldManager>();
  for (const old of updaters.slice(0, excess + 1)) {
    const before = merged.get(old.apiVersion);
    const fields = before === undefined ? old.fields : union(before.fields, old.fields);
    merged.set(old.apiVersion, { ...old, manager: ancient, subresource: "", fields });
  }
  return [...kept, ...merged.values()];
}

/** One field manager among the others. An applier has one entry whatever version it applied in. */
export function isSame(a: FieldManager, b: Omit<FieldManager, "fields" | "time">): boolean {
  return a.manager === b.manager && a.operation === b.operation && a.subresource === b.subresource &&
    (a.operation === "Apply" || a.apiVersion === b.apiVersion);
}

export function sameManagers(a: readonly FieldManager[], b: readonly FieldManager[]): boolean {
  return a.length === b.length && a.every((it, index) => {
    const other = b[index];
    return other !== undefined && isSame(it, other) && it.apiVersion === other.apiVersion && it.time === other.time &&
      equalSets(it.fields, other.fields);
  });
}

/** `metadata.managedFields: [{}]` asks for the tracking to end. */
export function isReset(entries: readonly ManagedFieldsEntry[] | undefined): boolean {
  return entries?.length === 1 && equalJson(entries[0], {});
}

export interface FieldConflict {
  readonly manager: FieldManager;
  readonly fields: FieldSet;
}

/** The managers besides `self` that own any of `fields`. */
export function conflictsOf(
  managers: readonly FieldManager[],
  self: Omit<FieldManager, "fields" | "time">,
  fields: FieldSet,
): FieldConflict[] {
  const conflicts: FieldConflict[] = [];
  for (const manager of managers) {
    if (isSame(manager, self)) continue;
    const shared = intersection(manager.fields, fields);
    if (!isEmpty(shared)) conflicts.push({ manager, fields: shared });
  }
  return conflicts.sort((a, b) => compareText(identifier(a.manager), identifier(b.manager)));
}

/** What upstream sorts by: the entry as JSON. */
function identifier(it: FieldManager): string {
  return JSON.stringify({ manager: it.manager, operation: it.operation, apiVersion: it.apiVersion });
}

/** The message and causes of a 409 for an apply. */
export function conflictReport(conflicts: readonly FieldConflict[]): {
  readonly message: string;
  readonly causes: { reason: string; message: string; field: string }[];
} {
  const each = conflicts.map(({ manager, fields }) => ({ name: printManager(manager), paths: printedPaths(fields) }));
  const causes = each.flatMap(({ name, paths }) =>
    paths.map((field) => ({ reason: "FieldManagerConflict", message: `conflict with ${name}`, field }))
  );
  if (causes.length === 1) {
    const [{ name, paths }] = each as [{ name: string; paths: string[] }];
    return { message: `Apply failed with 1 conflict: conflict with ${name}: ${paths[0]}`, causes };
  }
  const lines = each.flatMap(({ name, paths }) => [`conflicts with ${name}:`, ...paths.map((path) => `- ${path}`)]);
  return { message: `Apply failed with ${causes.length} conflicts: ${lines.join("\n")}`, causes };
}

function printManager(it: FieldManager): string {
  const name = quote(it.manager) + (it.subresource === "" ? "" : ` with subresource ${quote(it.subresource)}`);
  return it.operation === "Update" ? `${name} using ${it.apiVersion}` : name;
}
