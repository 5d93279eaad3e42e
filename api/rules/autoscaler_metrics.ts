/** What an autoscaler goes by, and what it refers to. @see kubernetes pkg/apis/autoscaling/validation */
import { type FieldError, forbidden, invalid, notSupported, required } from "../field_errors.ts";
import type { V2CrossVersionObjectReference, V2MetricIdentifier, V2MetricSpec, V2MetricTarget } from "../gen/types.ts";
import { parseQuantity } from "../quantity.ts";
import { each, labelAt, unset } from "./common.ts";
import { validateContainerResourceName } from "./resource_lists.ts";
import { pathSegmentName } from "./schema_rules.ts";

const sourceTypes = ["ContainerResource", "External", "Object", "Pods", "Resource"];

/** The field of each type of metric, in the order in which they are looked at. */
const fields = {
  Object: "object",
  External: "external",
  Pods: "pods",
  Resource: "resource",
  ContainerResource: "containerResource",
} as const satisfies Record<string, keyof V2MetricSpec>;
type Field = (typeof fields)[keyof typeof fields];

/** @param before those of the object that is updated: what was invalid there may stay so */
export function validateMetrics(
  metrics: readonly V2MetricSpec[],
  path: string,
  before: readonly V2MetricSpec[] = [],
): FieldError[] {
  const wasInvalid = before.some(({ type, object }) =>
    type === "Object" && object !== undefined &&
    versionProblem(object.describedObject?.apiVersion ?? "", "readable") !== null
  );
  const check = wasInvalid ? "none" : "readable";
  return metrics.flatMap((metric, index) => validateMetric(metric, `${path}[${index}]`, check));
}

function validateMetric(metric: V2MetricSpec, path: string, check: VersionCheck): FieldError[] {
  const errors: FieldError[] = [];
  const { type } = metric;
  if (unset(type)) errors.push(required(`${path}.type`, "must specify a metric source type"));
  if (!sourceTypes.includes(type)) errors.push(notSupported(`${path}.type`, type ?? "", sourceTypes));
  const present = Object.values(fields).filter((field) => metric[field] !== undefined);
  const [first] = present;
  if (first !== undefined) errors.push(...validateSource(metric, first, `${path}.${first}`, check));
  const expected = Object.hasOwn(fields, type ?? "") ? fields[type as keyof typeof fields] : undefined;
  if (expected !== undefined && metric[expected] === undefined) {
    errors.push(required(`${path}.${expected}`, "must populate information for the given metric source"));
  }
  if (present.length > 1) {
    for (const other of present.filter((field) => field !== expected)) {
      errors.push(forbidden(`${path}.${other}`, "must populate the given metric source only"));
    }
  }
  return errors;
}

function validateSource(metric: V2MetricSpec, field: Field, path: string, check: VersionCheck): FieldError[] {
  const { object, external, pods, resource, containerResource } = metric;
  switch (field) {
    case "object":
      return [
        ...validateReference(object?.describedObject, `${path}.describedObject`, check),
        ...validateIdentifier(object?.metric, `${path}.metric`),
        ...validateTarget(object?.target, `${path}.target`),
        ...needsValue(object?.target, path, "must set either a target value or averageValue"),
      ];
    case "external":
      return [
        ...validateIdentifier(external?.metric, `${path}.metric`),
        ...validateTarget(external?.target, `${path}.target`),
        ...needsValue(external?.target, path, "must set either a target value for metric or a per-pod target"),
        ...external?.target?.value !== undefined && external.target.averageValue !== undefined
          ? [forbidden(`${path}.target.value`, "may not set both a target value for metric and a per-pod target")]
          : [],
      ];
    case "pods":
      return [
        ...validateIdentifier(pods?.metric, `${path}.metric`),
        ...validateTarget(pods?.target, `${path}.target`),
        ...pods?.target?.averageValue === undefined
          ? [required(`${path}.target.averageValue`, "must specify a positive target averageValue")]
          : [],
      ];
    case "resource":
      return [
        ...unset(resource?.name) ? [required(`${path}.name`, "must specify a resource name")] : [],
        ...validateUse(resource?.target, path),
      ];
    case "containerResource": {
      const { name, container } = containerResource ?? {};
      return [
        ...unset(name)
          ? [required(`${path}.name`, "must specify a resource name")]
          : validateContainerResourceName(name, `${path}.name`),
        ...unset(container)
          ? [required(`${path}.container`, "must specify a container")]
          : labelAt(container, `${path}.container`),
        ...validateUse(containerResource?.target, path),
      ];
    }
  }
}

function validateIdentifier(metric: V2MetricIdentifier | undefined, path: string): FieldError[] {
  return segmentAt(metric?.name, `${path}.name`, "must specify a metric name");
}

function needsValue(target: V2MetricTarget | undefined, path: string, text: string): FieldError[] {
  const isSet = target?.value !== undefined || target?.averageValue !== undefined;
  return isSet ? [] : [required(`${path}.target.averageValue`, text)];
}

/** The target of what the containers use of a resource. */
function validateUse(target: V2MetricTarget | undefined, path: string): FieldError[] {
  const errors = validateTarget(target, `${path}.target`);
  const { averageUtilization, averageValue } = target ?? {};
  if (averageUtilization === undefined && averageValue === undefined) {
    const text = "must set either a target raw value or a target utilization";
    errors.push(required(`${path}.target.averageUtilization`, text));
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const text = "may not set both a target raw value and a target utilization";
    errors.push(forbidden(`${path}.target.averageValue`, text));
  }
  return errors;
}

const targetTypes = ["Utilization", "Value", "AverageValue"];

function validateTarget(given: V2MetricTarget | undefined, path: string): FieldError[] {
  const { type = "", value, averageValue, averageUtilization }: Partial<V2MetricTarget> = given ?? {};
  const errors: FieldError[] = [];
  if (type === "") errors.push(required(`${path}.type`, "must specify a metric target type"));
  if (!targetTypes.includes(type)) {
    errors.push(invalid(`${path}.type`, type, "must be either Utilization, Value, or AverageValue"));
  }
  if (value !== undefined) errors.push(...positive(value, `${path}.value`));
  if (averageValue !== undefined) errors.push(...positive(averageValue, `${path}.averageValue`));
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.push(invalid(`${path}.averageUtilization`, averageUtilization, "must be greater than 0"));
  }
  return errors;
}

function positive(quantity: string, path: string): FieldError[] {
  return parseQuantity(quantity).nanos > 0n ? [] : [invalid(path, quantity, "must be positive")];
}

/** What an apiVersion must be: anything, one that can be read, one of a group. */
export type VersionCheck = "none" | "readable" | "grouped";

export type Reference = Partial<V2CrossVersionObjectReference> | undefined;

export function validateReference(given: Reference, path: string, check: VersionCheck): FieldError[] {
  const { kind, name, apiVersion = "" }: Partial<V2CrossVersionObjectReference> = given ?? {};
  const errors = [...segmentAt(kind, `${path}.kind`), ...segmentAt(name, `${path}.name`)];
  const problem = versionProblem(apiVersion, check);
  return problem === null ? errors : [...errors, invalid(`${path}.apiVersion`, apiVersion, problem)];
}

/** A required name that will be part of a path. */
function segmentAt(value: string | undefined, path: string, missing = ""): FieldError[] {
  return unset(value) ? [required(path, missing)] : each(pathSegmentName(value), path, value);
}

/** Null: none. */
function versionProblem(apiVersion: string, check: VersionCheck): string | null {
  if (check === "none") return null;
  const slashes = apiVersion.split("/").length - 1;
  if (slashes > 1) return `unexpected GroupVersion string: ${apiVersion}`;
  const grouped = slashes === 1 && !apiVersion.startsWith("/");
  return grouped || check === "readable" ? null : "apiVersion must specify API group";
}
