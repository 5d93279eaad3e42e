/** HorizontalPodAutoscalers. @see kubernetes pkg/apis/autoscaling/v2/defaults.go, pkg/apis/autoscaling/validation */
import { defaultCpuPercent, firstVersionAutoscaler, storedAutoscaler, withoutKeptAnnotations } from "../autoscalers.ts";
import { type FieldError, invalid, notSupported, required } from "../field_errors.ts";
import type {
  HorizontalPodAutoscaler,
  V2HorizontalPodAutoscaler,
  V2HPAScalingPolicy,
  V2HPAScalingRules,
} from "../gen/types.ts";
import type { KubeObject } from "../meta.ts";
import { parseQuantity } from "../quantity.ts";
import { type Reference, validateMetrics, validateReference, type VersionCheck } from "./autoscaler_metrics.ts";
import { nonNegativeText } from "./common.ts";
import { fieldsOf } from "./generic.ts";
import type { SchemaRuleOptions } from "./schema_rules.ts";
import type { Rules } from "./types.ts";
import { specOf } from "./workloads.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asScaler = (object: KubeObject): V2HorizontalPodAutoscaler => object as V2HorizontalPodAutoscaler;

const podsPolicy = { type: "Pods", value: 4, periodSeconds: 15 } as const;
const percentPolicy = { type: "Percent", value: 100, periodSeconds: 15 } as const;

export const autoscalerOptions: SchemaRuleOptions = {
  checksMissing: true,
  setDefaults(object) {
    const metadata = withoutKeptAnnotations(object.metadata);
    if (metadata !== undefined) object.metadata = metadata;
    const spec = specOf(asScaler(object));
    spec.minReplicas ??= 1;
    if ((spec.metrics ?? []).length === 0) {
      const target = { type: "Utilization", averageUtilization: defaultCpuPercent };
      spec.metrics = [{ type: "Resource", resource: { name: "cpu", target } }];
    }
    if (spec.behavior === undefined) return;
    const up = spec.behavior.scaleUp ??= {};
    up.stabilizationWindowSeconds ??= 0;
    up.selectPolicy ??= "Max";
    up.policies ??= [{ ...podsPolicy }, { ...percentPolicy }];
    const down = spec.behavior.scaleDown ??= {};
    down.selectPolicy ??= "Max";
    down.policies ??= [{ ...percentPolicy }];
  },
  check(object, old) {
    const spec = specOf(asScaler(object));
    const before = old === undefined ? undefined : asScaler(old).spec;
    const { minReplicas, maxReplicas = 0, scaleTargetRef: target, metrics = [], behavior } = spec;
    const errors: FieldError[] = [];
    if (minReplicas !== undefined && minReplicas < 1) {
      errors.push(invalid("spec.minReplicas", minReplicas, "must be greater than or equal to 1"));
    }
    if (maxReplicas === 0) errors.push(required("spec.maxReplicas", "must be set and greater than 0"));
    else if (maxReplicas < 0) {
      errors.push(invalid("spec.maxReplicas", maxReplicas, "must be greater than or equal to 1"));
    }
    if (minReplicas !== undefined && maxReplicas < minReplicas) {
      const text = "must be greater than or equal to `minReplicas`";
      errors.push(invalid("spec.maxReplicas", maxReplicas, text));
    }
    const checks = checksOfTarget(target, before?.scaleTargetRef);
    errors.push(...validateReference(target, "spec.scaleTargetRef", checks));
    errors.push(...validateMetrics(metrics, "spec.metrics", before?.metrics));
    errors.push(...validateRules(behavior?.scaleUp, "spec.behavior.scaleUp"));
    errors.push(...validateRules(behavior?.scaleDown, "spec.behavior.scaleDown"));
    return errors;
  },
};

function checksOfTarget(target: Reference, before: Reference): VersionCheck {
  if (before !== undefined && before.apiVersion === target?.apiVersion && before.kind === target?.kind) return "none";
  return target?.kind === "ReplicationController" ? "readable" : "grouped";
}

const windowSecondsMax = 3600;
const periodSecondsMax = 1800;
const selections = ["Disabled", "Max", "Min"];
const policyTypes = ["Percent", "Pods"];

function validateRules(rules: V2HPAScalingRules | undefined, path: string): FieldError[] {
  if (rules === undefined) return [];
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [], tolerance } = rules;
  const errors: FieldError[] = [];
  if (window !== undefined && window < 0) {
    errors.push(invalid(`${path}.stabilizationWindowSeconds`, window, "must be greater than or equal to zero"));
  }
  if (window !== undefined && window > windowSecondsMax) {
    const text = `must be less than or equal to ${windowSecondsMax}`;
    errors.push(invalid(`${path}.stabilizationWindowSeconds`, window, text));
  }
  if (selectPolicy !== undefined && !selections.includes(selectPolicy)) {
    errors.push(notSupported(`${path}.selectPolicy`, selectPolicy, selections));
  }
  if (policies.length === 0) errors.push(required(`${path}.policies`, "must specify at least one Policy"));
  for (const [index, policy] of policies.entries()) {
    errors.push(...validatePolicy(policy, `${path}.policies[${index}]`));
  }
  if (tolerance !== undefined && parseQuantity(tolerance).nanos < 0n) {
    errors.push(invalid(`${path}.tolerance`, tolerance, nonNegativeText));
  }
  return errors;
}

function validatePolicy(policy: Partial<V2HPAScalingPolicy>, path: string): FieldError[] {
  const { type = "", value = 0, periodSeconds = 0 } = policy;
  const errors: FieldError[] = [];
  if (!policyTypes.includes(type)) errors.push(notSupported(`${path}.type`, type, policyTypes));
  if (value <= 0) errors.push(invalid(`${path}.value`, value, "must be greater than zero"));
  if (periodSeconds <= 0) errors.push(invalid(`${path}.periodSeconds`, periodSeconds, "must be greater than zero"));
  if (periodSeconds > periodSecondsMax) {
    const text = `must be less than or equal to ${periodSecondsMax}`;
    errors.push(invalid(`${path}.periodSeconds`, periodSeconds, text));
  }
  return errors;
}

const stored = (object: KubeObject): KubeObject => storedAutoscaler(object as HorizontalPodAutoscaler);

/** Has the stored face of an object of autoscaling/v1 changed, and the object with it. */
function throughStored(object: KubeObject, change: (face: KubeObject) => void): void {
  const face = stored(object);
  change(face);
  const fields = fieldsOf(object);
  for (const name of Object.keys(fields)) delete fields[name];
  Object.assign(fields, firstVersionAutoscaler(asScaler(face)));
}

/** The rules of autoscaling/v1: those of what is stored, whose fields upstream's messages name too. */
export function firstVersionRules(rules: Rules): Rules {
  return {
    hasGeneration: rules.hasGeneration,
    setDefaults: (object) => throughStored(object, (face) => rules.setDefaults(face)),
    prepareForCreate: (object, context) => throughStored(object, (face) => rules.prepareForCreate(face, context)),
    prepareForUpdate: (next, old, context) =>
      throughStored(next, (face) => rules.prepareForUpdate(face, stored(old), context)),
    prepareForStatusUpdate: (next, old, context) =>
      throughStored(next, (face) => rules.prepareForStatusUpdate(face, stored(old), context)),
    validate: (object, context) => rules.validate(stored(object), context),
    validateUpdate: (next, old, context) => rules.validateUpdate(stored(next), stored(old), context),
    validateStatusUpdate: (next, old, context) => rules.validateStatusUpdate(stored(next), stored(old), context),
  };
}
