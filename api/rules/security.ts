/** Security contexts of pods and containers. */
import { type FieldError, invalid, required } from "../field_errors.ts";
import type { PodSpec, SeccompProfile, SecurityContext } from "../gen/types.ts";
import { rangeText } from "../names.ts";
import { localDescendingPath, oneOf, optionalOneOf, unset } from "./common.ts";

const idMax = 0xffffffff;

function validateId(id: number | undefined, path: string): FieldError[] {
  return id !== undefined && (id < 0 || id > idMax) ? [invalid(path, id, rangeText(0, idMax))] : [];
}

function validateSeccomp(profile: SeccompProfile | undefined, path: string): FieldError[] {
  if (profile === undefined) return [];
  const errors = unset(profile.type)
    ? [required(`${path}.type`, "type is required when seccompProfile is set")]
    : oneOf(profile.type, `${path}.type`, ["Localhost", "RuntimeDefault", "Unconfined"]);
  const { localhostProfile } = profile;
  if (profile.type === "Localhost") {
    if (localhostProfile === undefined) {
      errors.push(required(`${path}.localhostProfile`, "must be set when seccomp type is Localhost"));
    } else {
      errors.push(...localDescendingPath(localhostProfile, `${path}.localhostProfile`));
    }
  } else if (localhostProfile !== undefined) {
    errors.push(invalid(`${path}.localhostProfile`, profile, "can only be set when seccomp type is Localhost"));
  }
  return errors;
}

export function validatePodSecurity(spec: PodSpec, path: string): FieldError[] {
  const context = spec.securityContext ?? {};
  const errors: FieldError[] = [];
  for (const field of ["fsGroup", "runAsUser", "runAsGroup"] as const) {
    errors.push(...validateId(context[field], `${path}.${field}`));
  }
  for (const [i, group] of (context.supplementalGroups ?? []).entries()) {
    errors.push(...validateId(group, `${path}.supplementalGroups[${i}]`));
  }
  if (spec.shareProcessNamespace === true && spec.hostPID === true) {
    const text = "ShareProcessNamespace and HostPID cannot both be enabled";
    errors.push(invalid(`${path}.shareProcessNamespace`, true, text));
  }
  const names = new Set<string>();
  for (const [i, sysctl] of (context.sysctls ?? []).entries()) {
    const at = `${path}.sysctls[${i}].name`;
    if (unset(sysctl.name)) errors.push(required(at));
    else if (sysctl.name.length > 253 || !sysctlName.test(sysctl.name)) {
      errors.push(invalid(at, sysctl.name, `must have at most 253 characters and match regex ${sysctlName.source}`));
    } else if (names.has(sysctl.name)) {
      errors.push({
        reason: "FieldValueDuplicate",
        field: at,
        message: `Duplicate value: ${JSON.stringify(sysctl.name)}`,
      });
    }
    names.add(sysctl.name);
  }
  const policies = ["Always", "OnRootMismatch"];
  errors.push(...optionalOneOf(context.fsGroupChangePolicy, `${path}.fsGroupChangePolicy`, policies));
  errors.push(...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`));
  const groups = ["Merge", "Strict"];
  errors.push(...optionalOneOf(context.supplementalGroupsPolicy, `${path}.supplementalGroupsPolicy`, groups));
  return errors;
}

// Backtracks at worst quadratically: run on 253 characters at most.
const sysctlName = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

export function validateContainerSecurity(context: SecurityContext | undefined, path: string): FieldError[] {
  if (context === undefined) return [];
  const errors = [
    ...validateId(context.runAsUser, `${path}.runAsUser`),
    ...validateId(context.runAsGroup, `${path}.runAsGroup`),
    ...optionalOneOf(context.procMount, `${path}.procMount`, ["Default", "Unmasked"]),
    ...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`),
  ];
  if (context.allowPrivilegeEscalation === false) {
    const at = `${path}.allowPrivilegeEscalation`;
    if (context.privileged === true) {
      const text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
      errors.push(invalid(at, false, text));
    }
    if (context.capabilities?.add?.includes("CAP_SYS_ADMIN") === true) {
      const text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
      errors.push(invalid(at, false, text));
    }
  }
  return errors;
}
