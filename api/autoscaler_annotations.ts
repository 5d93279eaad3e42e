/**
 * What autoscaling/v1 writes of an autoscaler into annotations, as Go would write it: the order of the fields, zero
 * quantities where a field has no other nothing, and the rules' names without JSON tags. What is read may be anything;
 * its types are for the reader to check.
 * @see kubernetes staging/src/k8s.io/api/autoscaling/v1/types.go, pkg/apis/autoscaling/types.go
 */
import type {
  V2CrossVersionObjectReference,
  V2HorizontalPodAutoscalerBehavior,
  V2HorizontalPodAutoscalerCondition,
  V2HPAScalingRules,
  V2MetricIdentifier,
  V2MetricSpec,
  V2MetricStatus,
  V2MetricTarget,
  V2MetricValueStatus,
} from "./gen/types.ts";
import { isObject } from "./json_value.ts";
import { tryParseQuantity } from "./quantity.ts";

type Json = Readonly<Record<string, unknown>>;
type Written = Record<string, unknown>;

const zero = "0";

/** `make` of a structure; what is none stays as it is. */
function part(value: unknown, make: (value: Json) => Written): unknown {
  return isObject(value) ? make(value) : value;
}

function written<T>(value: T | undefined, make: (value: T) => Written): Written | undefined {
  return value === undefined ? undefined : make(value);
}

function reference(it: Partial<V2CrossVersionObjectReference> = {}): Written {
  return { kind: it.kind ?? "", name: it.name ?? "", apiVersion: it.apiVersion };
}

// Objects need not have been validated: any field may be missing, whatever its type says.
const named = (it: Partial<V2MetricIdentifier> | undefined): Partial<V2MetricIdentifier> => it ?? {};
const aim = (it: Partial<V2MetricTarget> | undefined): Partial<V2MetricTarget> => it ?? {};
const measured = (it: Partial<V2MetricValueStatus> | undefined): Partial<V2MetricValueStatus> => it ?? {};

export function oldMetric({ type, object, pods, resource, containerResource, external }: V2MetricSpec): Written {
  return {
    type,
    object: written(object, ({ describedObject, metric, target }) => ({
      target: reference(describedObject),
      metricName: named(metric).name ?? "",
      targetValue: aim(target).value ?? zero,
      selector: named(metric).selector,
      averageValue: aim(target).averageValue,
    })),
    pods: written(pods, ({ metric, target }) => ({
      metricName: named(metric).name ?? "",
      targetAverageValue: aim(target).averageValue ?? zero,
      selector: named(metric).selector,
    })),
    resource: written(resource, (it) => ({ name: it.name ?? "", ...oldTarget(it.target) })),
    containerResource: written(containerResource, (it) => ({
      name: it.name ?? "",
      ...oldTarget(it.target),
      container: it.container ?? "",
    })),
    external: written(external, ({ metric, target }) => ({
      metricName: named(metric).name ?? "",
      metricSelector: named(metric).selector,
      targetValue: aim(target).value,
      targetAverageValue: aim(target).averageValue,
    })),
  };
}

function oldTarget(target: V2MetricTarget | undefined): Written {
  const { averageUtilization, averageValue } = aim(target);
  return { targetAverageUtilization: averageUtilization, targetAverageValue: averageValue };
}

export function newMetric(metric: Json): Written {
  return {
    type: metric["type"],
    object: part(metric["object"], (it) => ({
      describedObject: it["target"] ?? {},
      metric: { name: it["metricName"], selector: it["selector"] },
      target: objectTarget(it["targetValue"], it["averageValue"]),
    })),
    pods: part(metric["pods"], (it) => ({
      metric: { name: it["metricName"], selector: it["selector"] },
      target: { type: "AverageValue", averageValue: it["targetAverageValue"] ?? zero },
    })),
    resource: part(metric["resource"], (it) => ({ name: it["name"], target: newTarget(it) })),
    containerResource: part(metric["containerResource"], (it) => ({
      name: it["name"],
      container: it["container"],
      target: newTarget(it),
    })),
    external: part(metric["external"], (it) => ({
      metric: { name: it["metricName"], selector: it["metricSelector"] },
      target: {
        type: isSet(it["targetValue"]) ? "Value" : "AverageValue",
        value: it["targetValue"],
        averageValue: it["targetAverageValue"],
      },
    })),
  };
}

/**
 * Of an average alone the annotation has a value of 0, because the field cannot be empty. Upstream takes it for a value,
 * and then refuses the autoscaler when it is written through autoscaling/v1.
 */
function objectTarget(value: unknown, averageValue: unknown): Written {
  if (!isSet(averageValue)) return { type: "Value", value: value ?? zero };
  const isZero = typeof value === "string" && tryParseQuantity(value)?.nanos === 0n;
  return { type: "AverageValue", averageValue, value: isZero ? undefined : value };
}

function newTarget(it: Json): Written {
  const averageUtilization = it["targetAverageUtilization"];
  const type = isSet(averageUtilization) ? "Utilization" : "AverageValue";
  return { type, averageUtilization, averageValue: it["targetAverageValue"] };
}

function isSet(value: unknown): boolean {
  return value !== undefined && value !== null;
}

export function oldMetricStatus(status: V2MetricStatus): Written {
  const { type, object, pods, resource, containerResource, external } = status;
  return {
    type,
    object: written(object, ({ describedObject, metric, current }) => ({
      target: reference(describedObject),
      metricName: named(metric).name ?? "",
      currentValue: measured(current).value ?? zero,
      selector: named(metric).selector,
      averageValue: measured(current).averageValue,
    })),
    pods: written(pods, ({ metric, current }) => ({
      metricName: named(metric).name ?? "",
      currentAverageValue: measured(current).averageValue ?? zero,
      selector: named(metric).selector,
    })),
    resource: written(resource, (it) => ({ name: it.name ?? "", ...oldCurrent(it.current) })),
    containerResource: written(containerResource, (it) => ({
      name: it.name ?? "",
      ...oldCurrent(it.current),
      container: it.container ?? "",
    })),
    external: written(external, ({ metric, current }) => ({
      metricName: named(metric).name ?? "",
      metricSelector: named(metric).selector,
      currentValue: measured(current).value ?? zero,
      currentAverageValue: measured(current).averageValue,
    })),
  };
}

function oldCurrent(current: V2MetricValueStatus | undefined): Written {
  const { averageUtilization, averageValue = zero } = measured(current);
  return { currentAverageUtilization: averageUtilization, currentAverageValue: averageValue };
}

export function newMetricStatus(status: Json): Written {
  return {
    type: status["type"],
    object: part(status["object"], (it) => ({
      describedObject: it["target"] ?? {},
      metric: { name: it["metricName"], selector: it["selector"] },
      current: { value: it["currentValue"] ?? zero, averageValue: it["averageValue"] },
    })),
    pods: part(status["pods"], (it) => ({
      metric: { name: it["metricName"], selector: it["selector"] },
      current: { averageValue: it["currentAverageValue"] ?? zero },
    })),
    resource: part(status["resource"], (it) => ({ name: it["name"], current: newCurrent(it) })),
    containerResource: part(status["containerResource"], (it) => ({
      name: it["name"],
      container: it["container"],
      current: newCurrent(it),
    })),
    external: part(status["external"], (it) => ({
      metric: { name: it["metricName"], selector: it["metricSelector"] },
      current: { value: it["currentValue"] ?? zero, averageValue: it["currentAverageValue"] },
    })),
  };
}

function newCurrent(it: Json): Written {
  return { averageUtilization: it["currentAverageUtilization"], averageValue: it["currentAverageValue"] ?? zero };
}

export function oldConditions(conditions: readonly V2HorizontalPodAutoscalerCondition[]): Written[] {
  return conditions.map(({ type, status, lastTransitionTime, reason, message }) => ({
    type,
    status,
    lastTransitionTime: lastTransitionTime ?? null,
    reason: reason === "" ? undefined : reason,
    message: message === "" ? undefined : message,
  }));
}

export function oldBehavior({ scaleUp, scaleDown }: V2HorizontalPodAutoscalerBehavior): Written {
  return { ScaleUp: oldRules(scaleUp), ScaleDown: oldRules(scaleDown) };
}

function oldRules(rules: V2HPAScalingRules | undefined): Written | null {
  if (rules === undefined) return null;
  return {
    StabilizationWindowSeconds: rules.stabilizationWindowSeconds ?? null,
    SelectPolicy: rules.selectPolicy ?? null,
    Policies: rules.policies?.map((it) => ({ Type: it.type, Value: it.value, PeriodSeconds: it.periodSeconds })) ??
      null,
    Tolerance: rules.tolerance ?? null,
  };
}

export function newBehavior(behavior: Json): Written {
  return {
    scaleUp: part(field(behavior, "scaleUp"), newRules),
    scaleDown: part(field(behavior, "scaleDown"), newRules),
  };
}

function newRules(rules: Json): Written {
  const policies = field(rules, "policies");
  return {
    stabilizationWindowSeconds: field(rules, "stabilizationWindowSeconds"),
    selectPolicy: field(rules, "selectPolicy"),
    policies: Array.isArray(policies) ? policies.map((policy: unknown) => part(policy, newPolicy)) : policies,
    tolerance: field(rules, "tolerance"),
  };
}

function newPolicy(policy: Json): Written {
  return {
    type: field(policy, "type"),
    value: field(policy, "value"),
    periodSeconds: field(policy, "periodSeconds"),
  };
}

/** Go reads `scaleUp` and `ScaleUp` alike. */
function field(from: Json, name: string): unknown {
  return from[name.charAt(0).toUpperCase() + name.slice(1)] ?? from[name];
}
