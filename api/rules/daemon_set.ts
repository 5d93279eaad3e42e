/** DaemonSets. @see kubernetes pkg/apis/apps/v1/defaults.go, validation and pkg/registry/apps/daemonset/strategy.go */
import { type FieldError, invalid, notSupported } from "../field_errors.ts";
import type { DaemonSet } from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import { validateLabelSelector } from "../labels.ts";
import type { KubeObject } from "../meta.ts";
import { nonNegative, nonNegativeOrPercent, unset } from "./common.ts";
import { immutable } from "./meta.ts";
import { defaultPodTemplate } from "./pod_defaults.ts";
import type { SchemaRuleOptions } from "./schema_rules.ts";
import {
  isEmptySelector,
  isUsable,
  isZero,
  type Selected,
  specOf,
  validateMatch,
  validateTemplate,
} from "./workloads.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asDaemonSet = (object: KubeObject): DaemonSet => object as DaemonSet;

/** Counts the templates of a DaemonSet: a field of old API versions that lives on as an annotation. */
const generationAnnotation = "deprecated.daemonset.template.generation";

export const daemonSetOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  setDefaults(object) {
    const spec = specOf(asDaemonSet(object));
    const strategy = spec.updateStrategy ??= {};
    if (unset(strategy.type)) strategy.type = "RollingUpdate";
    if (strategy.type === "RollingUpdate") {
      strategy.rollingUpdate ??= {};
      strategy.rollingUpdate.maxUnavailable ??= 1;
      strategy.rollingUpdate.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
    defaultPodTemplate(spec.template);
  },
  check(object) {
    const spec = asDaemonSet(object).spec;
    const { selector, template }: Selected = spec ?? {};
    const isEmpty = selector !== undefined && isEmptySelector(selector);
    return [
      // That it must be there follows from the template's labels alone.
      ...selector === undefined ? [] : validateLabelSelector(selector, "spec.selector"),
      ...isUsable(selector) ? validateMatch({ selector, template }, "spec.template") : [],
      ...isEmpty ? [invalid("spec.selector", selector, "empty selector is invalid for daemonset")] : [],
      ...validateTemplate(template, "spec.template", "DaemonSet"),
      ...nonNegative(spec?.minReadySeconds, "spec.minReadySeconds"),
      ...nonNegative(spec?.revisionHistoryLimit, "spec.revisionHistoryLimit"),
      ...validateDaemonStrategy(asDaemonSet(object)),
    ];
  },
  prepareForCreate: (object) => setTemplateGeneration(object, Math.max(1, templateGeneration(object))),
  prepareForUpdate(next, old) {
    const same = equalJson(asDaemonSet(next).spec?.template, asDaemonSet(old).spec?.template);
    setTemplateGeneration(next, templateGeneration(old) + (same ? 0 : 1));
  },
  checkUpdate: (next, old) =>
    immutable(asDaemonSet(next).spec?.selector, asDaemonSet(old).spec?.selector, "spec.selector"),
};

function validateDaemonStrategy(set: DaemonSet): FieldError[] {
  const path = "spec.updateStrategy";
  const strategy = set.spec?.updateStrategy ?? {};
  if (strategy.type === "OnDelete") return [];
  if (strategy.type !== "RollingUpdate") {
    return [notSupported(`${path}.type`, strategy.type ?? "", ["OnDelete", "RollingUpdate"])];
  }
  const { maxUnavailable = 0, maxSurge = 0 } = strategy.rollingUpdate ?? {};
  const errors = [
    ...nonNegativeOrPercent(maxUnavailable, `${path}.rollingUpdate.maxUnavailable`),
    ...nonNegativeOrPercent(maxSurge, `${path}.rollingUpdate.maxSurge`),
  ];
  if (isZero(maxUnavailable) && isZero(maxSurge)) {
    errors.push(invalid(`${path}.rollingUpdate.maxUnavailable`, maxUnavailable, "cannot be 0 when maxSurge is 0"));
  }
  if (!isZero(maxUnavailable) && !isZero(maxSurge)) {
    errors.push(
      invalid(`${path}.rollingUpdate.maxSurge`, maxSurge, "may not be set when maxUnavailable is non-zero"),
    );
  }
  return errors;
}

function templateGeneration({ metadata }: KubeObject): number {
  const value = Number.parseInt(metadata?.annotations?.[generationAnnotation] ?? "", 10);
  return Number.isSafeInteger(value) ? value : 0;
}

function setTemplateGeneration(object: KubeObject, generation: number): void {
  const annotations = { ...object.metadata?.annotations, [generationAnnotation]: String(generation) };
  object.metadata = { ...object.metadata, annotations };
}
