/** LimitRange. @see kubernetes pkg/apis/core/v1/defaults.go SetDefaults_LimitRangeItem, validation.ValidateLimitRange */
import { duplicate, type FieldError, forbidden, invalid } from "../field_errors.ts";
import type { LimitRange, LimitRangeItem } from "../gen/types.ts";
import type { KubeObject } from "../meta.ts";
import { compareQuantities, formatQuantity, parseQuantity } from "../quantity.ts";
import type { SchemaRuleOptions } from "./schema_rules.ts";

// Rules are looked up by resource, and the codec has checked the object against LimitRange's schema.
const itemsOf = (object: KubeObject): LimitRangeItem[] => (object as LimitRange).spec?.limits ?? [];

export const limitRangeOptions: SchemaRuleOptions = {
  setDefaults(object) {
    for (const item of itemsOf(object)) {
      if (item.type !== "Container") continue;
      // A limit defaults to the most there may be, a request to that limit, else to the least.
      const limits = { ...item.max, ...item.default };
      const requests = { ...item.min, ...limits, ...item.defaultRequest };
      if (Object.keys(limits).length > 0) item.default = limits;
      if (Object.keys(requests).length > 0) item.defaultRequest = requests;
    }
  },
  check: (object) =>
    itemsOf(object).flatMap((item, index, all) => {
      const path = `spec.limits[${index}]`;
      const isRepeated = all.slice(0, index).some((other) => other.type === item.type);
      return [...(isRepeated ? [duplicate(`${path}.type`, item.type)] : []), ...validateItem(item, path)];
    }),
};

function validateItem(item: LimitRangeItem, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (item.type === "Pod") {
    for (const field of ["default", "defaultRequest"] as const) {
      if (Object.keys(item[field] ?? {}).length > 0) {
        errors.push(forbidden(`${path}.${field}`, "may not be specified when `type` is 'Pod'"));
      }
    }
  }
  for (const [low, high] of ordered) errors.push(...notAbove(item, low, high, path));
  return errors;
}

type Bound = "min" | "defaultRequest" | "default" | "max";

/** What must not be above what. */
const ordered: readonly (readonly [Bound, Bound])[] = [
  ["min", "max"],
  ["min", "defaultRequest"],
  ["defaultRequest", "max"],
  ["defaultRequest", "default"],
  ["default", "max"],
];
const boundTexts: Readonly<Record<Bound, string>> = {
  min: "min",
  defaultRequest: "default request",
  default: "default",
  max: "max",
};

/** Amounts of `low` may not be above those of `high`. */
function notAbove(item: LimitRangeItem, low: Bound, high: Bound, path: string): FieldError[] {
  return Object.entries(item[low] ?? {}).flatMap(([name, lowText]) => {
    const highText = item[high]?.[name];
    if (highText === undefined) return [];
    const [a, b] = [parseQuantity(lowText), parseQuantity(highText)];
    if (compareQuantities(a, b) <= 0) return [];
    const why = `${boundTexts[low]} value ${formatQuantity(a)} is greater than ${boundTexts[high]} value ` +
      formatQuantity(b);
    return [invalid(`${path}.${low}[${name}]`, formatQuantity(a), why)];
  });
}
