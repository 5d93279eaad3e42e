/** A PodSpec, wherever it stands. */
import { duplicate, type FieldError, forbidden, invalid, required } from "../field_errors.ts";
import { byteLength } from "../go_text.ts";
import type { ObjectMeta, PodSpec, PodTemplateSpec } from "../gen/types.ts";
import { validateLabels } from "../labels.ts";
import { rangeText } from "../names.ts";
import { podRequests } from "../pods.ts";
import { compareQuantities, formatQuantity, parseQuantity } from "../quantity.ts";
import { ipAt, labelAt, oneOf, optionalOneOf, qualifiedAt, subdomainAt, unset } from "./common.ts";
import { validateAllContainers } from "./containers.ts";
import { validateAnnotations } from "./meta.ts";
import { validateAffinity, validateSpread, validateTolerations } from "./placement.ts";
import { validateQuantity, validateRequirements } from "./resource_lists.ts";
import { validatePodSecurity } from "./security.ts";
import { validateVolumes } from "./volumes.ts";

const int32Max = 2 ** 31 - 1;

/** @param isPod a Pod's own spec, not a template's */
export function validatePodSpec(given: PodSpec | undefined, path: string, isPod: boolean): FieldError[] {
  const spec: PodSpec = given ?? { containers: [] };
  const errors: FieldError[] = [];
  if (spec.terminationGracePeriodSeconds === undefined) errors.push(required(`${path}.terminationGracePeriodSeconds`));
  errors.push(...validateVolumes(spec.volumes ?? [], `${path}.volumes`));
  errors.push(...validateAllContainers(spec, path));
  errors.push(...validatePodResources(spec, `${path}.resources`));
  errors.push(...validateHostNetwork(spec, path, isPod));
  errors.push(...oneOf(spec.restartPolicy, `${path}.restartPolicy`, ["Always", "OnFailure", "Never"]));
  const dnsPolicies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
  errors.push(...oneOf(spec.dnsPolicy, `${path}.dnsPolicy`, dnsPolicies));
  errors.push(...validateLabels(spec.nodeSelector, `${path}.nodeSelector`));
  errors.push(...validatePodSecurity(spec, `${path}.securityContext`));
  errors.push(...validateAffinity(spec.affinity, `${path}.affinity`));
  errors.push(...validateDns(spec, `${path}.dnsConfig`));
  errors.push(...validateGates(spec, path));
  errors.push(...validateSpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`));
  errors.push(...validateSubdomains(spec, path, ["serviceAccountName", "nodeName"]));
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > int32Max)) {
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, rangeText(1, int32Max)));
  }
  for (const field of ["hostname", "subdomain"] as const) {
    const value = spec[field];
    if (!unset(value)) errors.push(...labelAt(value, `${path}.${field}`));
  }
  errors.push(...validateTolerations(spec.tolerations, `${path}.tolerations`));
  for (const [i, alias] of (spec.hostAliases ?? []).entries()) {
    errors.push(...ipAt(alias.ip ?? "", `${path}.hostAliases[${i}].ip`));
    for (const [j, name] of (alias.hostnames ?? []).entries()) {
      errors.push(...subdomainAt(name, `${path}.hostAliases[${i}].hostnames[${j}]`));
    }
  }
  errors.push(...validateSubdomains(spec, path, ["priorityClassName", "runtimeClassName"]));
  const preemption = ["PreemptLowerPriority", "Never"];
  errors.push(...optionalOneOf(spec.preemptionPolicy, `${path}.preemptionPolicy`, preemption));
  for (const [name, text] of Object.entries(spec.overhead ?? {})) {
    errors.push(...validateQuantity(name, text, `${path}.overhead[${name}]`));
  }
  if (spec.os !== undefined) errors.push(...oneOf(spec.os.name, `${path}.os.name`, ["linux", "windows"]));
  return errors;
}

type NameField = "serviceAccountName" | "nodeName" | "priorityClassName" | "runtimeClassName";

function validateSubdomains(spec: PodSpec, path: string, fields: readonly NameField[]): FieldError[] {
  return fields.flatMap((field) => {
    const value = spec[field];
    return unset(value) ? [] : subdomainAt(value, `${path}.${field}`);
  });
}

function validateHostNetwork(spec: PodSpec, path: string, isPod: boolean): FieldError[] {
  if (spec.hostNetwork !== true) return [];
  const errors: FieldError[] = [];
  for (const [i, container] of (spec.containers ?? []).entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      const hostPort = port.hostPort ?? 0;
      if ((isPod || hostPort !== 0) && hostPort !== port.containerPort) {
        const text = "must match `containerPort` when `hostNetwork` is true";
        errors.push(invalid(`${path}.containers[${i}].ports[${j}].hostPort`, hostPort, text));
      }
    }
  }
  if (spec.hostUsers === false) {
    errors.push(forbidden(`${path}.hostNetwork`, "when `pod.Spec.HostUsers` is false"));
  }
  return errors;
}

function validatePodResources(spec: PodSpec, path: string): FieldError[] {
  const resources = spec.resources;
  if (resources === undefined) return [];
  const errors = validateRequirements(resources, new Set(), path);
  if (resources.claims !== undefined) {
    errors.push(forbidden(`${path}.claims`, "claims cannot be set for Resources at pod-level"));
  }
  const { resources: _, overhead: __, ...bare } = spec;
  for (const [name, sum] of podRequests({ spec: bare })) {
    const text = resources.requests?.[name] ?? "0";
    if (compareQuantities(sum, parseQuantity(text)) > 0) {
      const detail = `must be greater than or equal to aggregate container requests of ${formatQuantity(sum)}`;
      errors.push(invalid(`${path}.requests[${name}]`, text, detail));
    }
  }
  return errors;
}

function validateDns(spec: PodSpec, path: string): FieldError[] {
  const config = spec.dnsConfig;
  const nameservers = config?.nameservers ?? [];
  if (spec.dnsPolicy === "None") {
    if (config === undefined) return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")];
    if (nameservers.length === 0) {
      const text = "must provide at least one DNS nameserver when `dnsPolicy` is None";
      return [required(`${path}.nameservers`, text)];
    }
  }
  const errors: FieldError[] = [];
  if (nameservers.length > 3) {
    errors.push(invalid(`${path}.nameservers`, nameservers, "must not have more than 3 nameservers"));
  }
  for (const [i, server] of nameservers.entries()) errors.push(...ipAt(server, `${path}.nameservers[${i}]`));
  const searches = config?.searches ?? [];
  if (searches.length > 32) {
    errors.push(invalid(`${path}.searches`, searches, "must not have more than 32 search paths"));
  }
  if (byteLength(searches.join(" ")) > 2048) {
    const text = "must not have more than 2048 characters (including spaces) in the search list";
    errors.push(invalid(`${path}.searches`, searches, text));
  }
  for (const [i, option] of (config?.options ?? []).entries()) {
    if (unset(option.name)) errors.push(required(`${path}.options[${i}]`, "must not be empty"));
  }
  return errors;
}

function validateGates(spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, gate] of (spec.readinessGates ?? []).entries()) {
    errors.push(...qualifiedAt(gate.conditionType ?? "", `${path}.readinessGates[${i}].conditionType`));
  }
  const seen = new Set<string>();
  for (const [i, gate] of (spec.schedulingGates ?? []).entries()) {
    const at = `${path}.schedulingGates[${i}]`;
    errors.push(...qualifiedAt(gate.name ?? "", at));
    if (seen.has(gate.name)) errors.push(duplicate(at, gate.name));
    seen.add(gate.name);
  }
  return errors;
}

/** @param path of the template, e.g. `spec.template` */
export function validatePodTemplate(template: PodTemplateSpec, path: string): FieldError[] {
  const meta: ObjectMeta = template.metadata ?? {};
  const errors = [
    ...validateLabels(meta.labels, `${path}.labels`),
    ...validateAnnotations(meta.annotations, `${path}.annotations`),
    ...validatePodSpec(template.spec, `${path}.spec`, false),
  ];
  if ((template.spec?.ephemeralContainers ?? []).length > 0) {
    errors.push(forbidden(`${path}.spec.ephemeralContainers`, "ephemeral containers not allowed in pod template"));
  }
  return errors;
}
