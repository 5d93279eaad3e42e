/** StatefulSets and ReplicationControllers. @see kubernetes pkg/apis/apps/v1/defaults.go and validation */
import { type FieldError, forbidden, invalid, notSupported, required } from "../field_errors.ts";
import type {
  PersistentVolumeClaim,
  PodTemplateSpec,
  ReplicationController,
  StatefulSet,
  StatefulSetSpec,
  StatefulSetUpdateStrategy,
} from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import { matchesSelector, selectorFromLabels } from "../labels.ts";
import type { KubeObject } from "../meta.ts";
import { labelAt, nonNegative, oneOf, unset } from "./common.ts";
import { nameRules } from "./meta.ts";
import { defaultPodTemplate } from "./pod_defaults.ts";
import { validatePodTemplate } from "./pod_spec.ts";
import type { SchemaRuleOptions } from "./schema_rules.ts";
import { defaultClaimSpec } from "./storage.ts";
import { isUsable, mismatch, specOf, validateMatch, validateSelector, validateTemplate } from "./workloads.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asStatefulSet = (object: KubeObject): StatefulSet => object as StatefulSet;
const asController = (object: KubeObject): ReplicationController => object as ReplicationController;

export const statefulSetOptions: SchemaRuleOptions = {
  // It becomes its pods' host name.
  name: nameRules.label,
  generationOf: ["spec"],
  setDefaults(object) {
    const spec = specOf(asStatefulSet(object));
    if (unset(spec.podManagementPolicy)) spec.podManagementPolicy = "OrderedReady";
    const strategy = spec.updateStrategy ??= {};
    if (unset(strategy.type)) strategy.type = "RollingUpdate";
    if (strategy.type === "RollingUpdate") {
      strategy.rollingUpdate ??= {};
      strategy.rollingUpdate.partition ??= 0;
      // The gate MaxUnavailableStatefulSet is off in 1.36 (kubernetes#137904), and what is behind a gate is dropped.
      delete strategy.rollingUpdate.maxUnavailable;
    }
    const retention = spec.persistentVolumeClaimRetentionPolicy ??= {};
    if (unset(retention.whenDeleted)) retention.whenDeleted = "Retain";
    if (unset(retention.whenScaled)) retention.whenScaled = "Retain";
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    defaultPodTemplate(spec.template);
    for (const claim of spec.volumeClaimTemplates ?? []) defaultClaimTemplate(claim);
  },
  prepareForCreate(object) {
    asStatefulSet(object).status = { replicas: 0, availableReplicas: 0 };
  },
  check(object, old) {
    const spec = asStatefulSet(object).spec;
    const { podManagementPolicy: policy = "", serviceName } = spec ?? {};
    const { whenDeleted, whenScaled } = spec?.persistentVolumeClaimRetentionPolicy ?? {};
    const retention = "spec.persistentVolumeClaimRetentionPolicy";
    return [
      ...policy === "OrderedReady" || policy === "Parallel"
        ? []
        : [invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")],
      ...validateStatefulStrategy(spec?.updateStrategy ?? {}, "spec.updateStrategy"),
      ...oneOf(whenDeleted, `${retention}.whenDeleted`, ["Retain", "Delete"]),
      ...oneOf(whenScaled, `${retention}.whenScaled`, ["Retain", "Delete"]),
      // Older objects may have any name there: their pods could not be made, but they can be changed.
      ...old === undefined && !unset(serviceName) ? labelAt(serviceName, "spec.serviceName") : [],
      ...nonNegative(spec?.replicas, "spec.replicas"),
      ...nonNegative(spec?.minReadySeconds, "spec.minReadySeconds"),
      ...nonNegative(spec?.revisionHistoryLimit, "spec.revisionHistoryLimit"),
      ...nonNegative(spec?.ordinals?.start, "spec.ordinals.start"),
      ...validateSelector(spec?.selector, "spec.selector", "statefulset"),
      ...isUsable(spec?.selector)
        ? validateMatch(spec ?? {}, "spec.template")
        : [invalid("spec.selector", spec?.selector, "")],
      ...validateTemplate(withClaims(spec), "spec.template", "StatefulSet"),
    ];
  },
  checkUpdate(next, old) {
    const fixed = (object: KubeObject) => {
      const {
        replicas: _replicas,
        ordinals: _ordinals,
        template: _template,
        updateStrategy: _strategy,
        revisionHistoryLimit: _history,
        persistentVolumeClaimRetentionPolicy: _retention,
        minReadySeconds: _ready,
        ...rest
      } = specOf(asStatefulSet(object));
      return rest;
    };
    if (equalJson(fixed(next), fixed({ ...old }))) return [];
    const text = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', " +
      "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' " +
      "are forbidden";
    return [forbidden("spec", text)];
  },
};

/** The pods' template with the volumes that they get from their claims: containers mount those, too. */
function withClaims(spec: StatefulSetSpec | undefined): PodTemplateSpec | undefined {
  const { template, volumeClaimTemplates: claims = [] }: Partial<StatefulSetSpec> = spec ?? {};
  if (template?.spec === undefined || claims.length === 0) return template;
  const names = claims.map(({ metadata }) => metadata?.name ?? "");
  const others = (template.spec.volumes ?? []).filter(({ name }) => !names.includes(name));
  const volumes = names.map((name) => ({ name, persistentVolumeClaim: { claimName: name } }));
  return { ...template, spec: { ...template.spec, volumes: [...others, ...volumes] } };
}

function validateStatefulStrategy(strategy: StatefulSetUpdateStrategy, path: string): FieldError[] {
  const { type, rollingUpdate } = strategy;
  if (type === "RollingUpdate") return nonNegative(rollingUpdate?.partition, `${path}.rollingUpdate.partition`);
  if (type !== "OnDelete") return [invalid(path, strategy, "must be 'RollingUpdate' or 'OnDelete'")];
  if (rollingUpdate === undefined) return [];
  return [invalid(`${path}.rollingUpdate`, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'")];
}

/** A claim inside a template is a whole object, with its defaults. */
function defaultClaimTemplate(claim: PersistentVolumeClaim): void {
  claim.apiVersion = "v1";
  claim.kind = "PersistentVolumeClaim";
  defaultClaimSpec(claim.spec ??= {});
  claim.status = { ...claim.status, phase: claim.status?.phase ?? "Pending" };
}

export const replicationControllerOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  setDefaults(object) {
    const controller = asController(object);
    const spec = specOf(controller);
    const labels = spec.template?.metadata?.labels;
    if (labels !== undefined) {
      if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
      if (Object.keys(controller.metadata?.labels ?? {}).length === 0) {
        controller.metadata = { ...controller.metadata, labels: { ...labels } };
      }
    }
    spec.replicas ??= 1;
    defaultPodTemplate(spec.template);
  },
  check(object) {
    const { selector, template, replicas, minReadySeconds } = specOf(asController(object));
    const errors = [
      ...nonNegative(minReadySeconds, "spec.minReadySeconds"),
      ...nonNegative(replicas, "spec.replicas"),
    ];
    if (Object.keys(selector ?? {}).length === 0) errors.push(required("spec.selector"));
    if (template === undefined) return [...errors, required("spec.template")];
    const labels = template.metadata?.labels;
    if (!matchesSelector(selectorFromLabels(selector), labels)) {
      errors.push(mismatch(labels, "spec.template"));
    }
    errors.push(...validatePodTemplate(template, "spec.template"));
    const policy = template.spec?.restartPolicy ?? "";
    if (policy !== "Always") errors.push(notSupported("spec.template.spec.restartPolicy", policy, ["Always"]));
    return errors;
  },
};
