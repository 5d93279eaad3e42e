import { type FieldSelector, matchesFields, parseFieldSelector, requiredValue } from "../../api/fields.ts";
import { matchesSelector, parseSelector, type Selector, SelectorError } from "../../api/labels.ts";
import { quote } from "../../api/go_text.ts";
import { badRequest } from "../../api/status.ts";
import { limits } from "../limits.ts";
import type { CachedObject, StoredResource } from "../watchcache/cached.ts";
import { selectableNames } from "./fields.ts";

/** The label and field selectors of one request. */
export interface Selection {
  /** No selectors at all. */
  readonly everything: boolean;
  /** The one name that is asked for, where the field selector demands one. */
  readonly name: string | undefined;
  /** Namespace is not part of it. */
  readonly matches: (object: CachedObject) => boolean;
  /** The one value that a field must have, if any. */
  readonly requires: (field: string) => string | undefined;
}

/** No selectors. */
export const everything: Selection = {
  everything: true,
  name: undefined,
  matches: () => true,
  requires: () => undefined,
};

/** Reads labelSelector and fieldSelector. @throws ApiError 400 for selectors that cannot be read or are not supported */
export function selectionOf(resource: StoredResource, query: URLSearchParams): Selection {
  const labelText = query.get("labelSelector") ?? "";
  const fieldText = query.get("fieldSelector") ?? "";
  if (labelText.length > limits.selectorLength || fieldText.length > limits.selectorLength) {
    throw badRequest(`selectors are limited to ${limits.selectorLength} characters`);
  }
  const labels = parsing(() => parseSelector(labelText));
  const fields = parsing(() => parseFieldSelector(fieldText));
  checkFields(resource, fields);
  return {
    everything: labels.length === 0 && fields.length === 0,
    name: requiredValue(fields, "metadata.name"),
    matches: matcher(labels, fields),
    requires: (field) => requiredValue(fields, field),
  };
}

function matcher(labels: Selector, fields: FieldSelector): (object: CachedObject) => boolean {
  if (labels.length === 0 && fields.length === 0) return () => true;
  return (object) => {
    if (labels.length > 0 && !matchesSelector(labels, object.labels)) return false;
    return fields.length === 0 || matchesFields(fields, (field) => fieldOf(object, field));
  };
}

function fieldOf(object: CachedObject, field: string): string {
  if (field === "metadata.name") return object.name;
  if (field === "metadata.namespace") return object.namespace;
  return object.fields[field] ?? "";
}

function checkFields(resource: StoredResource, fields: FieldSelector): void {
  if (fields.length === 0) return;
  const known = selectableNames(resource);
  for (const { field } of fields) {
    if (known.has(field)) continue;
    // Kinds that have fields of their own to select by say so in their own way.
    const only = [...known].every((name) => name.startsWith("metadata."));
    throw badRequest(
      only
        ? `${quote(field)} is not a known field selector: only "metadata.name", "metadata.namespace"`
        : `field label not supported: ${field}`,
    );
  }
}

function parsing<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    throw badRequest(error.message);
  }
}
