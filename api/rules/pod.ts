/** Pods. */
import { type FieldError, forbidden, invalid, required } from "../field_errors.ts";
import type { Container, ContainerStatus, Pod, PodSpec } from "../gen/types.ts";
import { clone, equalJson, isObject } from "../json_value.ts";
import type { KubeObject } from "../meta.ts";
import { rangeText } from "../names.ts";
import { podQosClass } from "../qos.ts";
import { formatTime } from "../time.ts";
import { ipAt, qualifiedAt, subdomainAt } from "./common.ts";
import { validateImages } from "./containers.ts";
import { immutable, nameRules, validateMeta, validateMetaUpdate } from "./meta.ts";
import { validateOnlyAdded } from "./placement.ts";
import { defaultPod } from "./pod_defaults.ts";
import { validatePodSpec } from "./pod_spec.ts";
import { podViews } from "./pod_views.ts";
import type { RuleContext, Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema that Pod was made from.
const asPod = (object: KubeObject): Pod => object as Pod;

export const podRules: Rules = {
  hasGeneration: true,
  setDefaults: (object) => defaultPod(asPod(object)),
  prepareForCreate,
  prepareForUpdate,
  prepareForStatusUpdate,
  views: podViews,
  validate: (object) => validateCreate(asPod(object)),
  validateUpdate: (next, old) => validatePodUpdate(asPod(next), asPod(old)),
  validateStatusUpdate: (next, old) => validatePodStatusUpdate(asPod(next), asPod(old)),
};

function prepareForCreate(object: KubeObject, context: RuleContext): void {
  const pod = asPod(object);
  pod.metadata = { ...pod.metadata, generation: 1 };
  pod.status = { phase: "Pending", qosClass: podQosClass(pod) };
  if ((pod.spec?.schedulingGates ?? []).length > 0) {
    pod.status.conditions = [{
      type: "PodScheduled",
      status: "False",
      reason: "SchedulingGated",
      message: "Scheduling is blocked due to non-empty scheduling gates",
      lastTransitionTime: formatTime(context.now),
    }];
  }
}

function prepareForUpdate(object: KubeObject, old: KubeObject): void {
  const next = asPod(object);
  const before = asPod(old);
  if (before.status === undefined) delete next.status;
  else next.status = clone(before.status);
  next.metadata = { ...next.metadata, generation: nextGeneration(next.spec, before) };
}

function nextGeneration(spec: PodSpec | undefined, old: Pod): number {
  const generation = old.metadata?.generation ?? 0;
  return equalJson(spec, old.spec) ? generation : generation + 1;
}

/** The kubelet's path: spec and owners stay, the QoS class cannot be lost. */
function prepareForStatusUpdate(object: KubeObject, old: KubeObject): void {
  const next = asPod(object);
  const before = asPod(old);
  if (before.spec === undefined) delete next.spec;
  else next.spec = clone(before.spec);
  const meta = { ...next.metadata };
  if (before.metadata?.ownerReferences === undefined) delete meta.ownerReferences;
  else meta.ownerReferences = clone(before.metadata.ownerReferences);
  next.metadata = meta;
  const qosClass = before.status?.qosClass;
  next.status = { ...next.status };
  if ((next.status.qosClass ?? "") === "" && qosClass !== undefined) next.status.qosClass = qosClass;
}

const metaRule = { namespaced: true, name: nameRules.subdomain } as const;

function validateMetaAndSpec(pod: Pod): FieldError[] {
  const errors = [
    ...validateMeta(pod.metadata, metaRule),
    ...validatePodSpec(pod.spec, "spec", true),
  ];
  if ((pod.spec?.serviceAccountName ?? "") === "") {
    for (const [i, volume] of (pod.spec?.volumes ?? []).entries()) {
      for (const [j, source] of (volume.projected?.sources ?? []).entries()) {
        if (source.serviceAccountToken === undefined) continue;
        const path = `spec.volumes[${i}].projected.sources[${j}].serviceAccountToken`;
        errors.push(forbidden(path, "must not be specified when serviceAccountName is not set"));
      }
    }
  }
  errors.push(...validateImages(pod.spec?.containers, "spec.containers"));
  errors.push(...validateImages(pod.spec?.initContainers, "spec.initContainers"));
  return errors;
}

function validateCreate(pod: Pod): FieldError[] {
  const errors = validateMetaAndSpec(pod);
  if ((pod.spec?.ephemeralContainers ?? []).length > 0) {
    errors.push(forbidden("spec.ephemeralContainers", "cannot be set on create"));
  }
  if ((pod.spec?.nodeName ?? "") !== "" && (pod.spec?.schedulingGates ?? []).length > 0) {
    errors.push(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"));
  }
  return errors;
}

const updatableFields = [
  "`spec.containers[*].image`",
  "`spec.initContainers[*].image`",
  "`spec.activeDeadlineSeconds`",
  "`spec.tolerations` (only additions to existing tolerations)",
  "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
].join(",");
const int32Max = 2 ** 31 - 1;

export function validatePodUpdate(next: Pod, old: Pod): FieldError[] {
  const errors = [...validateMetaUpdate(next.metadata, old.metadata), ...validateMetaAndSpec(next)];
  const spec: PodSpec = next.spec ?? { containers: [] };
  const before: PodSpec = old.spec ?? { containers: [] };
  for (const list of ["containers", "initContainers"] as const) {
    const now = spec[list] ?? [];
    if (now.length !== (before[list] ?? []).length) {
      return [...errors, forbidden(`spec.${list}`, "pod updates may not add or remove containers")];
    }
    for (const [i, container] of now.entries()) {
      if ((container.image ?? "") === "") errors.push(required(`spec.${list}[${i}].image`));
    }
  }
  const deadline = validateDeadline(spec.activeDeadlineSeconds, before.activeDeadlineSeconds);
  errors.push(...deadline.errors);
  if (deadline.stop) return errors;
  errors.push(...validateOnlyAdded(spec.tolerations, before.tolerations, "spec.tolerations"));
  errors.push(...validateOnlyDeletedGates(spec, before));
  if (equalJson(spec, before)) return errors;
  const munged = withUpdatableFieldsOf(spec, before, errors);
  if (!equalJson(munged, before)) {
    const changes = describeChanges(before, munged);
    errors.push(forbidden("spec", `pod updates may not change fields other than ${updatableFields}\n${changes}`));
  }
  return errors;
}

function validateDeadline(next: number | undefined, old: number | undefined): { errors: FieldError[]; stop: boolean } {
  const path = "spec.activeDeadlineSeconds";
  if (next === undefined) {
    if (old === undefined) return { errors: [], stop: false };
    return { errors: [invalid(path, next, "must not update from a positive integer to nil value")], stop: false };
  }
  if (next < 0 || next > int32Max) return { errors: [invalid(path, next, rangeText(0, int32Max))], stop: true };
  if (old !== undefined && old < next) {
    return { errors: [invalid(path, next, "must be less than or equal to previous value")], stop: true };
  }
  return { errors: [], stop: false };
}

function validateOnlyDeletedGates(next: PodSpec, old: PodSpec): FieldError[] {
  const known = new Set((old.schedulingGates ?? []).map((gate) => gate.name));
  return (next.schedulingGates ?? []).flatMap((gate, i) => {
    if (known.has(gate.name)) return [];
    const text = `only deletion is allowed, but found new scheduling gate '${gate.name}'`;
    return [forbidden(`spec.schedulingGates[${i}].name`, text)];
  });
}

/** The new spec with every field that may change put back, so that what still differs may not. */
function withUpdatableFieldsOf(spec: PodSpec, old: PodSpec, errors: FieldError[]): PodSpec {
  const munged = clone(spec);
  for (const list of ["containers", "initContainers"] as const) {
    for (const [i, container] of (munged[list] ?? []).entries()) putBack(container, old[list]?.[i], "image");
  }
  putBack(munged, old, "activeDeadlineSeconds");
  putBack(munged, old, "schedulingGates");
  putBack(munged, old, "tolerations");
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && munged.terminationGracePeriodSeconds === 1) {
    putBack(munged, old, "terminationGracePeriodSeconds");
  }
  if ((old.schedulingGates ?? []).length > 0) {
    for (const [key, value] of Object.entries(old.nodeSelector ?? {})) {
      if (munged.nodeSelector?.[key] !== value) {
        errors.push(invalid("spec.nodeSelector", munged.nodeSelector, "only additions are allowed"));
        break;
      }
    }
    putBack(munged, old, "nodeSelector");
  }
  return munged;
}

function putBack<T extends PodSpec | Container, K extends keyof T>(to: T, from: T | undefined, key: K): void {
  const value = from?.[key];
  if (value === undefined) delete to[key];
  else to[key] = value;
}

const changesMax = 20;

/** One line for each leaf that differs, `-` as it was and `+` as it would be; Go's own diff cannot be had here. */
function describeChanges(old: unknown, next: unknown): string {
  const lines: string[] = [];
  function walk(path: string, before: unknown, after: unknown): void {
    if (lines.length >= changesMax || equalJson(before, after)) return;
    if (Array.isArray(before) && Array.isArray(after)) {
      for (let i = 0; i < Math.max(before.length, after.length); i++) walk(`${path}[${i}]`, before[i], after[i]);
    } else if (isObject(before) && isObject(after)) {
      for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
        walk(`${path}.${key}`, before[key], after[key]);
      }
    } else {
      if (before !== undefined) lines.push(`- ${path}: ${JSON.stringify(before)}`);
      if (after !== undefined) lines.push(`+ ${path}: ${JSON.stringify(after)}`);
    }
  }
  walk("spec", old, next);
  return `${lines.join("\n")}\n`;
}

export function validatePodStatusUpdate(next: Pod, old: Pod): FieldError[] {
  const errors = validateMetaUpdate(next.metadata, old.metadata);
  for (const [i, condition] of (next.status?.conditions ?? []).entries()) {
    if (["PodScheduled", "Ready", "Initialized"].includes(condition.type)) continue;
    errors.push(...qualifiedAt(condition.type ?? "", `metadata.conditions[${i}].Type`));
  }
  if (next.spec?.nodeName !== old.spec?.nodeName) {
    errors.push(forbidden("status.nodeName", "may not be changed directly"));
  }
  const nominated = next.status?.nominatedNodeName ?? "";
  if (nominated !== "" && nominated !== old.status?.nominatedNodeName) {
    errors.push(...subdomainAt(nominated, "status.nominatedNodeName"));
  }
  errors.push(...immutable(next.status?.qosClass, old.status?.qosClass, "status.qosClass"));
  const policy = old.spec?.restartPolicy ?? "Always";
  const sidecars = new Set(
    (old.spec?.initContainers ?? []).filter((it) => it.restartPolicy === "Always").map((it) => it.name),
  );
  for (const list of ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"] as const) {
    const effective = list === "ephemeralContainerStatuses" ? "Never" : policy;
    errors.push(...validateTransitions(next.status?.[list], old.status?.[list], effective, sidecars, `status.${list}`));
  }
  for (const [i, ip] of (next.status?.podIPs ?? []).entries()) errors.push(...ipAt(ip.ip ?? "", `status.podIPs[${i}]`));
  const hostIps = next.status?.hostIPs ?? [];
  if (hostIps.length > 0 && hostIps[0]?.ip !== next.status?.hostIP) {
    errors.push(invalid("status.hostIPs[0].ip", hostIps[0]?.ip, "must be equal to `hostIP`"));
  }
  for (const [i, ip] of hostIps.entries()) errors.push(...ipAt(ip.ip ?? "", `status.hostIPs[${i}]`));
  return errors;
}

/** A container that must not run again does not come back. */
function validateTransitions(
  next: readonly ContainerStatus[] | undefined,
  old: readonly ContainerStatus[] | undefined,
  restartPolicy: string,
  sidecars: ReadonlySet<string>,
  path: string,
): FieldError[] {
  if (restartPolicy === "Always") return [];
  const errors: FieldError[] = [];
  for (const [i, before] of (old ?? []).entries()) {
    const terminated = before.state?.terminated;
    if (terminated === undefined) continue;
    if (terminated.exitCode !== 0 && restartPolicy === "OnFailure") continue;
    if (path === "status.initContainerStatuses" && sidecars.has(before.name)) continue;
    const back = (next ?? []).some((now) => now.name === before.name && now.state?.terminated === undefined);
    if (back) errors.push(forbidden(`${path}[${i}].state`, "may not be transitioned to non-terminated state"));
  }
  return errors;
}
