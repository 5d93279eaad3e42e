/** What the cells of several kinds are made of, in kubectl's words. */
import { dig, items, type Json, record, text, texts } from "../dig.ts";
import { since } from "./duration.ts";

export function nameOf(object: Json): string {
  return text(dig(object, "metadata", "name"));
}

export function age(object: Json, now: number): string {
  return since(dig(object, "metadata", "creationTimestamp"), now);
}

export function count(value: unknown): number {
  return Object.keys(record(value)).length;
}

/** `a=1,b in (x,y)`, `<none>` when empty: a LabelSelector or a plain map. */
export function selectorText(selector: unknown): string {
  const { matchLabels, matchExpressions, ...plain } = record(selector);
  const labels = matchLabels === undefined && matchExpressions === undefined ? plain : record(matchLabels);
  const parts = Object.keys(labels).sort().map((key) => `${key}=${text(labels[key])}`);
  for (const expression of items(matchExpressions).map(record)) {
    const key = text(expression["key"]);
    const values = texts(expression["values"]).sort().join(",");
    switch (expression["operator"]) {
      case "In":
        parts.push(`${key} in (${values})`);
        break;
      case "NotIn":
        parts.push(`${key} notin (${values})`);
        break;
      case "Exists":
        parts.push(key);
        break;
      case "DoesNotExist":
        parts.push(`!${key}`);
        break;
    }
  }
  return parts.length === 0 ? "<none>" : parts.join(",");
}

/** The first `max` items, then how many more there are. */
export function firstFew(list: readonly string[], max: number, none = "<unset>"): string {
  if (list.length === 0) return none;
  const shown = list.slice(0, max).join(",");
  return list.length > max ? `${shown} + ${list.length - max} more...` : shown;
}

/** A value, or what stands for none. */
export function orElse(value: unknown, none: string): string {
  return typeof value === "number" ? String(value) : text(value) || none;
}

export function isGoing(object: Json): boolean {
  return text(dig(object, "metadata", "deletionTimestamp")) !== "";
}
