/** Requests, limits and the names of resources. */
import { type FieldError, forbidden, invalid, required } from "../field_errors.ts";
import type { ResourceRequirements } from "../gen/types.ts";
import { qualifiedName } from "../names.ts";
import { compareQuantities, formatQuantity, parseQuantity, quantityFromMilli } from "../quantity.ts";
import { each, nonNegativeText } from "./common.ts";

type ResourceList = Readonly<Record<string, string>>;

const containerResources = new Set(["cpu", "memory", "ephemeral-storage"]);
const standardResources = new Set([...containerResources, "pods", "storage"]);
const millionth = 1_000_000n;

function isHugePages(name: string): boolean {
  return name.startsWith("hugepages-");
}

function isNative(name: string): boolean {
  return !name.includes("/") || name.includes("kubernetes.io/");
}

function isExtended(name: string): boolean {
  return !isNative(name) && !name.startsWith("requests.");
}

function mayOvercommit(name: string): boolean {
  return isNative(name) && !isHugePages(name);
}

/** Resource amounts are kept in thousandths, rounded up. */
export function roundToMilli(list: Record<string, string> | undefined): void {
  for (const [name, text] of Object.entries(list ?? {})) {
    const quantity = parseQuantity(text);
    if (quantity.nanos % millionth === 0n || list === undefined) continue;
    const { nanos } = quantity;
    const milli = nanos < 0n ? (nanos - millionth + 1n) / millionth : (nanos + millionth - 1n) / millionth;
    list[name] = formatQuantity(quantityFromMilli(milli, quantity.format));
  }
}

export function validateQuantity(name: string, text: string, path: string): FieldError[] {
  const quantity = parseQuantity(text);
  const errors: FieldError[] = [];
  if (quantity.nanos < 0n) errors.push(invalid(path, formatQuantity(quantity), nonNegativeText));
  if (isExtended(name) && quantity.nanos % 1_000_000_000n !== 0n) {
    errors.push(invalid(path, formatQuantity(quantity), "must be an integer"));
  }
  return errors;
}

export function validateContainerResourceName(name: string, path: string): FieldError[] {
  const errors = each(qualifiedName(name), path, name);
  if (errors.length > 0 || name.includes("/")) return errors;
  if (!standardResources.has(name) && !isHugePages(name)) {
    errors.push(invalid(path, name, "must be a standard resource type or fully qualified"));
  }
  if (!containerResources.has(name) && !isHugePages(name)) {
    errors.push(invalid(path, name, "must be a standard resource for containers"));
  }
  return errors;
}

/** A container's resources. @param claimNames names of spec.resourceClaims */
export function validateRequirements(
  resources: ResourceRequirements | undefined,
  claimNames: ReadonlySet<string>,
  path: string,
): FieldError[] {
  if (resources === undefined) return [];
  const limits = resources.limits ?? {};
  const requests = resources.requests ?? {};
  const errors = [
    ...validateList(limits, `${path}.limits`),
    ...validateList(requests, `${path}.requests`),
    ...compareWithLimits(requests, limits, path),
  ];
  const names = [...Object.keys(limits), ...Object.keys(requests)];
  if (names.some(isHugePages) && !names.includes("cpu") && !names.includes("memory")) {
    errors.push(forbidden(path, "HugePages require cpu or memory"));
  }
  for (const [i, claim] of (resources.claims ?? []).entries()) {
    const at = `${path}.claims[${i}].name`;
    if ((claim.name ?? "") === "") errors.push(required(at));
    else if (!claimNames.has(claim.name)) {
      errors.push({ reason: "FieldValueNotFound", field: at, message: `Not found: ${JSON.stringify(claim.name)}` });
    }
  }
  return errors;
}

function validateList(list: ResourceList, path: string): FieldError[] {
  return Object.entries(list).flatMap(([name, text]) => [
    ...validateContainerResourceName(name, `${path}[${name}]`),
    ...validateQuantity(name, text, `${path}[${name}]`),
  ]);
}

function compareWithLimits(requests: ResourceList, limits: ResourceList, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [name, text] of Object.entries(requests)) {
    const limitText = Object.hasOwn(limits, name) ? limits[name] : undefined;
    if (limitText === undefined) {
      if (!mayOvercommit(name)) {
        errors.push(required(`${path}.limits`, "Limit must be set for non overcommitable resources"));
      }
      continue;
    }
    const order = compareQuantities(parseQuantity(text), parseQuantity(limitText));
    if (order !== 0 && !mayOvercommit(name)) {
      errors.push(invalid(`${path}.requests`, text, `must be equal to ${name} limit of ${limitText}`));
    } else if (order > 0) {
      errors.push(invalid(`${path}.requests`, text, `must be less than or equal to ${name} limit of ${limitText}`));
    }
  }
  return errors;
}
