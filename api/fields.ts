import { compareStrings } from "./go_text.ts";
import { SelectorError } from "./labels.ts";

/** `field` equals, or differs from, `value`. */
export interface FieldRequirement {
  readonly field: string;
  readonly operator: "=" | "!=";
  readonly value: string;
}

/** All must hold; an empty list matches everything. */
export type FieldSelector = readonly FieldRequirement[];

/** A URL's selector has at most this many terms. */
const termsMax = 256;

/** Reads `spec.nodeName=n1,status.phase!=Failed`. @throws SelectorError */
export function parseFieldSelector(text: string): FieldSelector {
  const requirements: FieldRequirement[] = [];
  for (const part of text.split(",").sort(compareStrings)) {
    if (part === "") continue;
    const requirement = parseTerm(part);
    if (requirement === undefined) {
      throw new SelectorError(`invalid selector: '${text}'; can't understand '${part}'`);
    }
    requirements.push(requirement);
    if (requirements.length > termsMax) throw new SelectorError("too many field selector terms");
  }
  return requirements;
}

function parseTerm(part: string): FieldRequirement | undefined {
  for (const symbol of ["!=", "==", "="]) {
    const pieces = part.split(symbol);
    const [field, value] = pieces;
    if (pieces.length === 2 && field !== undefined && value !== undefined) {
      return { field, operator: symbol === "!=" ? "!=" : "=", value };
    }
  }
  return undefined;
}

/** @param read gives a field's text, "" when it is not set */
export function matchesFields(selector: FieldSelector, read: (field: string) => string): boolean {
  for (const { field, operator, value } of selector) {
    if ((read(field) === value) !== (operator === "=")) return false;
  }
  return true;
}

/** The value that `field` must equal, if the selector demands one: lets a watch be indexed. */
export function requiredValue(selector: FieldSelector, field: string): string | undefined {
  return selector.find((term) => term.field === field && term.operator === "=")?.value;
}

export function formatFieldSelector(selector: FieldSelector): string {
  return selector.map(({ field, operator, value }) => `${field}${operator}${value}`).join(",");
}
