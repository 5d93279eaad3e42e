/** Deployments and ReplicaSets. */
import { type FieldError, forbidden, invalid, invalidNull, notSupported, required } from "../field_errors.ts";
import type {
  Deployment,
  DeploymentSpec,
  DeploymentStrategy,
  IntOrString,
  LabelSelector,
  PodTemplateSpec,
  ReplicaSet,
} from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import { matchesLabelSelector, validateLabelSelector } from "../labels.ts";
import type { KubeObject } from "../meta.ts";
import { nonNegative, nonNegativeOrPercent, unset } from "./common.ts";
import { countGeneration, fieldsOf, firstGeneration, keepField, metadataRules } from "./generic.ts";
import { immutable, nameRules, validateMeta, validateMetaUpdate } from "./meta.ts";
import { defaultPodTemplate } from "./pod_defaults.ts";
import { validatePodTemplate } from "./pod_spec.ts";
import type { Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asDeployment = (object: KubeObject): Deployment => object as Deployment;
const asReplicaSet = (object: KubeObject): ReplicaSet => object as ReplicaSet;

const metaRule = { namespaced: true, name: nameRules.subdomain } as const;
const base = metadataRules(metaRule);

export const deploymentRules: Rules = {
  ...base,
  hasGeneration: true,
  setDefaults(object) {
    const spec = specOf(asDeployment(object));
    spec.replicas ??= 1;
    defaultStrategy(spec);
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    defaultPodTemplate(spec.template);
  },
  prepareForCreate(object) {
    fieldsOf(object).status = {};
    firstGeneration(object);
  },
  prepareForUpdate(next, old) {
    keepField(next, old, "status");
    countGeneration(next, old, "spec");
    // Annotations are copied to ReplicaSets, so a change of them is work for the controller, too.
    const changed = !equalJson(next.metadata?.annotations, old.metadata?.annotations);
    if (changed) next.metadata = { ...next.metadata, generation: (old.metadata?.generation ?? 0) + 1 };
  },
  prepareForStatusUpdate(next, old) {
    base.prepareForStatusUpdate(next, old, { now: 0, allowLoopbackEndpoints: false });
    const labels = old.metadata?.labels;
    const { labels: _, ...meta } = next.metadata ?? {};
    next.metadata = labels === undefined ? meta : { ...meta, labels: { ...labels } };
  },
  validate: (object) => [
    ...validateMeta(object.metadata, metaRule),
    ...validateDeploymentSpec(asDeployment(object).spec, "spec"),
  ],
  validateUpdate: (next, old) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validateDeploymentSpec(asDeployment(next).spec, "spec"),
    ...immutable(asDeployment(next).spec?.selector, asDeployment(old).spec?.selector, "spec.selector"),
  ],
  validateStatusUpdate: (next, old) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validateCounts(asDeployment(next).status ?? {}, ["updatedReplicas", "readyReplicas", "availableReplicas"]),
    ...validateCollisions(asDeployment(next).status?.collisionCount, asDeployment(old).status?.collisionCount),
  ],
};

export const replicaSetRules: Rules = {
  ...base,
  hasGeneration: true,
  setDefaults(object) {
    const spec = specOf(asReplicaSet(object));
    spec.replicas ??= 1;
    defaultPodTemplate(spec.template);
  },
  prepareForCreate(object) {
    asReplicaSet(object).status = { replicas: 0 };
    firstGeneration(object);
  },
  prepareForUpdate(next, old) {
    keepField(next, old, "status");
    countGeneration(next, old, "spec");
  },
  validate: (object) => [
    ...validateMeta(object.metadata, metaRule),
    ...validateReplicaSetSpec(asReplicaSet(object), "spec"),
  ],
  validateUpdate: (next, old) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validateReplicaSetSpec(asReplicaSet(next), "spec"),
    ...immutable(asReplicaSet(next).spec?.selector, asReplicaSet(old).spec?.selector, "spec.selector"),
  ],
  validateStatusUpdate: (next, old) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validateCounts(asReplicaSet(next).status ?? {}, ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"]),
  ],
};

/** An absent spec is Go's zero value: it gets its defaults and then fails for want of a selector. */
export function specOf<T extends object>(object: { spec?: T }): Partial<T> {
  const spec: Partial<T> = object.spec ?? {};
  (object as { spec?: Partial<T> }).spec = spec;
  return spec;
}

function defaultStrategy(spec: Partial<DeploymentSpec>): void {
  const strategy: DeploymentStrategy = spec.strategy ??= {};
  if (unset(strategy.type)) strategy.type = "RollingUpdate";
  if (strategy.type !== "RollingUpdate") return;
  strategy.rollingUpdate ??= {};
  strategy.rollingUpdate.maxUnavailable ??= "25%";
  strategy.rollingUpdate.maxSurge ??= "25%";
}

function validateDeploymentSpec(given: DeploymentSpec | undefined, path: string): FieldError[] {
  // A missing selector or template is reported as such below.
  const spec: Partial<DeploymentSpec> = given ?? {};
  const errors = nonNegative(spec.replicas, `${path}.replicas`);
  errors.push(...validateSelected(spec, path));
  errors.push(...validateStrategy(spec.strategy ?? {}, `${path}.strategy`));
  errors.push(...nonNegative(spec.minReadySeconds, `${path}.minReadySeconds`));
  errors.push(...nonNegative(spec.revisionHistoryLimit, `${path}.revisionHistoryLimit`));
  const deadline = spec.progressDeadlineSeconds;
  if (deadline !== undefined) {
    errors.push(...nonNegative(deadline, `${path}.progressDeadlineSeconds`));
    if (deadline <= (spec.minReadySeconds ?? 0)) {
      errors.push(invalid(`${path}.progressDeadlineSeconds`, deadline, "must be greater than minReadySeconds"));
    }
  }
  return errors;
}

function validateReplicaSetSpec(set: ReplicaSet, path: string): FieldError[] {
  return [
    ...nonNegative(set.spec?.replicas, `${path}.replicas`),
    ...nonNegative(set.spec?.minReadySeconds, `${path}.minReadySeconds`),
    ...validateSelected(set.spec ?? {}, path),
  ];
}

export function isEmptySelector(selector: LabelSelector): boolean {
  return Object.keys(selector.matchLabels ?? {}).length === 0 && (selector.matchExpressions ?? []).length === 0;
}

/** A selector, and a template that it must select. */
export interface Selected {
  readonly selector?: LabelSelector | undefined;
  readonly template?: PodTemplateSpec | undefined;
}

/** What is not said of it once the selector cannot be used is not said upstream either. */
function validateSelected({ selector, template }: Selected, path: string): FieldError[] {
  const at = `${path}.selector`;
  const errors = validateSelector(selector, at, "deployment");
  if (!isUsable(selector)) return [...errors, invalid(at, selector, "invalid label selector")];
  return [
    ...errors,
    ...validateMatch({ selector, template }, `${path}.template`),
    ...validateTemplate(template, `${path}.template`, "ReplicaSet"),
  ];
}

/** @param kind as upstream says it: a ReplicaSet is a deployment */
export function validateSelector(selector: LabelSelector | undefined, path: string, kind: string): FieldError[] {
  if (selector === undefined) return [required(path)];
  const errors = validateLabelSelector(selector, path);
  if (isEmptySelector(selector)) errors.push(invalid(path, selector, `empty selector is invalid for ${kind}`));
  return errors;
}

/** A missing selector can be used, and selects nothing. */
export function isUsable(selector: LabelSelector | undefined): boolean {
  return selector === undefined || validateLabelSelector(selector, "").length === 0;
}

/** @param path of the template */
export function validateMatch({ selector, template }: Selected, path: string): FieldError[] {
  const labels = template?.metadata?.labels;
  const matches = selector !== undefined && (isEmptySelector(selector) || matchesLabelSelector(selector, labels));
  return matches ? [] : [mismatch(labels, path)];
}

/** @param path of the template */
export function mismatch(labels: Readonly<Record<string, string>> | undefined, path: string): FieldError {
  const text = "`selector` does not match template `labels`";
  const at = `${path}.metadata.labels`;
  return labels === undefined ? invalidNull(at, text) : invalid(at, labels, text);
}

/** The template of pods that never end. @param kind that is named in messages */
export function validateTemplate(template: PodTemplateSpec | undefined, path: string, kind: string): FieldError[] {
  // Go's zero value gets its defaults, and then has no containers.
  if (template === undefined) return [required(`${path}.spec.containers`)];
  const errors = validatePodTemplate(template, path);
  const policy = template.spec?.restartPolicy;
  if (policy !== "Always") errors.push(notSupported(`${path}.spec.restartPolicy`, policy ?? "", ["Always"]));
  if (template.spec?.activeDeadlineSeconds !== undefined) {
    const text = `activeDeadlineSeconds in ${kind} is not Supported`;
    errors.push(forbidden(`${path}.spec.activeDeadlineSeconds`, text));
  }
  return errors;
}

function validateStrategy(strategy: DeploymentStrategy, path: string): FieldError[] {
  switch (strategy.type) {
    case "Recreate":
      if (strategy.rollingUpdate === undefined) return [];
      return [forbidden(`${path}.rollingUpdate`, "may not be specified when strategy `type` is 'Recreate'")];
    case "RollingUpdate": {
      const { maxUnavailable = 0, maxSurge = 0 } = strategy.rollingUpdate ?? {};
      const at = `${path}.rollingUpdate`;
      const errors = [
        ...nonNegativeOrPercent(maxUnavailable, `${at}.maxUnavailable`),
        ...nonNegativeOrPercent(maxSurge, `${at}.maxSurge`),
      ];
      if (isZero(maxUnavailable) && isZero(maxSurge)) {
        errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable, "may not be 0 when `maxSurge` is 0"));
      }
      if (typeof maxUnavailable === "string" && Number.parseInt(maxUnavailable) > 100) {
        errors.push(invalid(`${at}.maxUnavailable`, maxUnavailable, "must not be greater than 100%"));
      }
      return errors;
    }
    default:
      return [notSupported(`${path}.type`, strategy.type ?? "", ["Recreate", "RollingUpdate"])];
  }
}

export function isZero(value: IntOrString): boolean {
  return value === 0 || (typeof value === "string" && /^0+%$/.test(value));
}

interface Counts {
  replicas?: number;
  observedGeneration?: number;
  updatedReplicas?: number;
  readyReplicas?: number;
  availableReplicas?: number;
  fullyLabeledReplicas?: number;
}

function validateCounts(status: Counts, parts: readonly (keyof Counts)[]): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of ["observedGeneration", "replicas", ...parts] as const) {
    errors.push(...nonNegative(status[name], `status.${name}`));
  }
  for (const name of parts) {
    const value = status[name] ?? 0;
    if (value > (status.replicas ?? 0)) {
      errors.push(invalid(`status.${name}`, value, "cannot be greater than status.replicas"));
    }
  }
  const available = status.availableReplicas ?? 0;
  if (available > (status.readyReplicas ?? 0)) {
    errors.push(invalid("status.availableReplicas", available, "cannot be greater than readyReplicas"));
  }
  return errors;
}

function validateCollisions(next: number | undefined, old: number | undefined): FieldError[] {
  const errors = nonNegative(next, "status.collisionCount");
  if (old !== undefined && next === undefined) {
    errors.push(invalid("status.collisionCount", next, "cannot be set to nil"));
  } else if (old !== undefined && next !== undefined && next < old) {
    errors.push(invalid("status.collisionCount", next, "cannot be decremented"));
  }
  return errors;
}
