/**
 * One HorizontalPodAutoscaler has two faces: that of autoscaling/v2, as it is stored, and that of autoscaling/v1, which
 * knows the utilization of the CPU alone and carries the rest in annotations. Pure; neither face is changed, both share
 * what they are made of.
 * @see kubernetes pkg/apis/autoscaling/v1/conversion.go
 */
import {
  newBehavior,
  newMetric,
  newMetricStatus,
  oldBehavior,
  oldConditions,
  oldMetric,
  oldMetricStatus,
} from "./autoscaler_annotations.ts";
import { decodeTyped, TypeMismatchError } from "./codec/typed.ts";
import type {
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerSpec,
  HorizontalPodAutoscalerStatus,
  V2HorizontalPodAutoscaler,
  V2HorizontalPodAutoscalerBehavior,
  V2HorizontalPodAutoscalerCondition,
  V2HorizontalPodAutoscalerSpec,
  V2HorizontalPodAutoscalerStatus,
  V2MetricSpec,
  V2MetricStatus,
} from "./gen/types.ts";
import { isObject } from "./json_value.ts";
import type { ObjectMeta } from "./meta.ts";

/** What an autoscaler without metrics holds, percent of the requested CPU. */
export const defaultCpuPercent = 80;

const v2 = "io.k8s.api.autoscaling.v2.";
const prefix = "autoscaling.alpha.kubernetes.io/";
const kept = {
  metrics: `${prefix}metrics`,
  behavior: `${prefix}behavior`,
  currentMetrics: `${prefix}current-metrics`,
  conditions: `${prefix}conditions`,
} as const;
const keptNames: ReadonlySet<string> = new Set(Object.values(kept));

type Annotations = Readonly<Record<string, string>>;

/** An autoscaler of autoscaling/v1 as it is stored. Annotations that cannot be read say nothing. */
export function storedAutoscaler(scaler: Readonly<HorizontalPodAutoscaler>): V2HorizontalPodAutoscaler {
  const { metadata, spec, status } = scaler;
  const annotations = metadata?.annotations ?? {};
  const { targetCPUUtilizationPercentage: percent, ...common }: Partial<HorizontalPodAutoscalerSpec> = spec ?? {};
  const behavior = readBehavior(annotations);
  const metrics = [
    ...readList<V2MetricSpec>(annotations, kept.metrics, newMetric, "MetricSpec") ?? [],
    ...(percent === undefined ? [] : [cpuMetric(percent)]),
  ];
  const newStatus = storedStatus(status, annotations);
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    ...withAnnotations(metadata, {}),
    // What is missing is for validation to find.
    spec: {
      ...common as HorizontalPodAutoscalerSpec,
      metrics: metrics.length > 0 ? metrics : [cpuMetric(defaultCpuPercent)],
      ...(behavior === undefined ? {} : { behavior }),
    },
    ...(newStatus === undefined ? {} : { status: newStatus }),
  };
}

/** A stored autoscaler as autoscaling/v1 shows it. */
export function firstVersionAutoscaler(scaler: Readonly<V2HorizontalPodAutoscaler>): HorizontalPodAutoscaler {
  const { metadata, spec, status } = scaler;
  const { metrics = [], behavior, ...common }: Partial<V2HorizontalPodAutoscalerSpec> = spec ?? {};
  const percent = metrics.find(isCpu)?.resource?.target?.averageUtilization;
  const others = metrics.filter((metric) => !isCpu(metric));
  const { currentMetrics = [], conditions = [] }: Partial<V2HorizontalPodAutoscalerStatus> = status ?? {};
  const added: Record<string, string> = {};
  if (others.length > 0) added[kept.metrics] = JSON.stringify(others.map(oldMetric));
  if (currentMetrics.length > 0) added[kept.currentMetrics] = JSON.stringify(currentMetrics.map(oldMetricStatus));
  if (behavior !== undefined) added[kept.behavior] = JSON.stringify(oldBehavior(behavior));
  if (conditions.length > 0) added[kept.conditions] = JSON.stringify(oldConditions(conditions));
  return {
    apiVersion: "autoscaling/v1",
    kind: "HorizontalPodAutoscaler",
    ...withAnnotations(metadata, added),
    // What is missing is for validation to find.
    spec: {
      ...common as V2HorizontalPodAutoscalerSpec,
      ...(percent === undefined ? {} : { targetCPUUtilizationPercentage: percent }),
    },
    ...(status === undefined ? {} : { status: firstVersionStatus(status) }),
  };
}

/** Without what the older version keeps there: the stored one has fields for it. */
export function withoutKeptAnnotations(metadata: ObjectMeta | undefined): ObjectMeta | undefined {
  return withAnnotations(metadata, {}).metadata;
}

function withAnnotations(metadata: ObjectMeta | undefined, added: Annotations): { metadata?: ObjectMeta } {
  const before = Object.entries(metadata?.annotations ?? {});
  const own = before.filter(([name]) => !keptNames.has(name));
  const names = Object.keys(added);
  if (own.length === before.length && names.length === 0) return metadata === undefined ? {} : { metadata };
  const { annotations: _annotations, ...others } = metadata ?? {};
  if (own.length + names.length === 0) return { metadata: others };
  return { metadata: { ...others, annotations: { ...Object.fromEntries(own), ...added } } };
}

/** The metric for which autoscaling/v1 has a field. */
function isCpu({ type, resource }: V2MetricSpec): boolean {
  return type === "Resource" && resource?.name === "cpu" && resource.target?.averageUtilization !== undefined;
}

function cpuMetric(averageUtilization: number): V2MetricSpec {
  return { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization } } };
}

function firstVersionStatus(status: V2HorizontalPodAutoscalerStatus): HorizontalPodAutoscalerStatus {
  const { currentMetrics = [], conditions: _conditions, currentReplicas = 0, desiredReplicas = 0, ...common } = status;
  const percent = currentMetrics
    .filter(({ type, resource }) => type === "Resource" && resource?.name === "cpu")
    .findLast(({ resource }) => resource?.current?.averageUtilization !== undefined)
    ?.resource?.current.averageUtilization;
  return {
    ...common,
    currentReplicas,
    desiredReplicas,
    ...(percent === undefined ? {} : { currentCPUUtilizationPercentage: percent }),
  };
}

function storedStatus(
  status: HorizontalPodAutoscalerStatus | undefined,
  annotations: Annotations,
): V2HorizontalPodAutoscalerStatus | undefined {
  // The annotation has the raw value too.
  const currentMetrics = readList<V2MetricStatus>(annotations, kept.currentMetrics, newMetricStatus, "MetricStatus") ??
    usedCpu(status?.currentCPUUtilizationPercentage);
  const conditions = readList<V2HorizontalPodAutoscalerCondition>(
    annotations,
    kept.conditions,
    (condition) => condition,
    "HorizontalPodAutoscalerCondition",
  ) ?? [];
  if (status === undefined && currentMetrics.length + conditions.length === 0) return undefined;
  const given: Partial<HorizontalPodAutoscalerStatus> = status ?? {};
  const { currentCPUUtilizationPercentage: _percent, currentReplicas = 0, desiredReplicas = 0, ...common } = given;
  return {
    ...common,
    ...(currentReplicas === 0 ? {} : { currentReplicas }),
    desiredReplicas,
    ...(currentMetrics.length === 0 ? {} : { currentMetrics }),
    ...(conditions.length === 0 ? {} : { conditions }),
  };
}

function usedCpu(averageUtilization: number | undefined): V2MetricStatus[] {
  if (averageUtilization === undefined) return [];
  return [{ type: "Resource", resource: { name: "cpu", current: { averageUtilization } } }];
}

function readBehavior(annotations: Annotations): V2HorizontalPodAutoscalerBehavior | undefined {
  const value = parsed(annotations, kept.behavior);
  if (!isObject(value)) return undefined;
  const behavior = typed<V2HorizontalPodAutoscalerBehavior>(newBehavior(value), "HorizontalPodAutoscalerBehavior");
  return behavior === null || Object.keys(behavior).length === 0 ? undefined : behavior;
}

/** The items of a list in an annotation, in the words of autoscaling/v2; undefined when it is not there, or no such list. */
function readList<T>(
  annotations: Annotations,
  name: string,
  convert: (item: Readonly<Record<string, unknown>>) => Record<string, unknown>,
  type: string,
): T[] | undefined {
  const value = parsed(annotations, name);
  if (!Array.isArray(value)) return undefined;
  const items: T[] = [];
  for (const each of value) {
    const item = isObject(each) ? typed<T>(convert(each), type) : null;
    if (item === null) return undefined;
    items.push(item);
  }
  return items;
}

function parsed(annotations: Annotations, name: string): unknown {
  const text = annotations[name];
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Null for what is not of the type. */
function typed<T>(value: Record<string, unknown>, type: string): T | null {
  try {
    // decodeTyped has checked every field against the schema that T was generated from.
    return decodeTyped(value, v2 + type).object as T;
  } catch (error) {
    if (error instanceof TypeMismatchError) return null;
    throw error;
  }
}
