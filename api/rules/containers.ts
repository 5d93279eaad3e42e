/** Containers, init containers and ephemeral containers of a pod or template. */
import { duplicate, type FieldError, forbidden, invalid, notFound, notSupported, required } from "../field_errors.ts";
import type { Container, ContainerPort, ContainerResizePolicy, PodSpec, Volume } from "../gen/types.ts";
import { dns1123Label, portName, portNumber } from "../names.ts";
import { each, oneOf, unset } from "./common.ts";
import { validateEnv, validateEnvFrom } from "./env.ts";
import { type ProbeKind, validateLifecycle, validateProbe } from "./handlers.ts";
import { validateRequirements } from "./resource_lists.ts";
import { validateContainerSecurity } from "./security.ts";
import { validateMounts } from "./volumes.ts";

interface Surroundings {
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly claimNames: ReadonlySet<string>;
  readonly graceSeconds: number | undefined;
  readonly podRestartPolicy: string | undefined;
}

const probeKinds: readonly ProbeKind[] = ["livenessProbe", "readinessProbe", "startupProbe"];
const protocols = ["SCTP", "TCP", "UDP"];

/** All containers of a spec. @param path of the spec */
export function validateAllContainers(spec: PodSpec, path: string): FieldError[] {
  const around: Surroundings = {
    volumes: new Map((spec.volumes ?? []).map((volume) => [volume.name, volume])),
    claimNames: new Set((spec.resourceClaims ?? []).map((claim) => claim.name)),
    graceSeconds: spec.terminationGracePeriodSeconds,
    podRestartPolicy: spec.restartPolicy,
  };
  return [
    ...validateContainers(spec.containers ?? [], around, `${path}.containers`),
    ...validateInitContainers(spec, around, `${path}.initContainers`),
    ...validateEphemeralContainers(spec, around, `${path}.ephemeralContainers`),
  ];
}

function validateContainers(containers: readonly Container[], around: Surroundings, path: string): FieldError[] {
  if (containers.length === 0) return [required(path)];
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, container] of containers.entries()) {
    const at = `${path}[${i}]`;
    errors.push(...validateCommon(container, around, at));
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name ?? ""));
    names.add(container.name);
    errors.push(...validateLifecycle(container.lifecycle, around.graceSeconds, `${at}.lifecycle`));
    for (const kind of probeKinds) {
      errors.push(...validateProbe(container[kind], kind, around.graceSeconds, `${at}.${kind}`));
    }
    if (container.restartPolicy !== undefined && container.restartPolicyRules === undefined) {
      // Rules and container-level policies other than a sidecar's are an alpha upstream: refused as with the gate off.
      errors.push(forbidden(`${at}.restartPolicy`, "may not be set for non-init containers"));
    }
  }
  return [...errors, ...hostPortConflicts(containers, path)];
}

function validateInitContainers(spec: PodSpec, around: Surroundings, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set((spec.containers ?? []).map((container) => container.name));
  for (const [i, container] of (spec.initContainers ?? []).entries()) {
    const at = `${path}[${i}]`;
    errors.push(...validateCommon(container, around, at));
    const { restartPolicy } = container;
    if (restartPolicy !== undefined && restartPolicy !== "Always") {
      errors.push(notSupported(`${at}.restartPolicy`, restartPolicy, ["Always"]));
    }
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name ?? ""));
    else if (!unset(container.name)) names.add(container.name);
    // Init containers run one by one, so each is checked alone.
    errors.push(...hostPortConflicts([container], path));
    if (restartPolicy === "Always") {
      errors.push(...validateLifecycle(container.lifecycle, around.graceSeconds, `${at}.lifecycle`));
      for (const kind of probeKinds) {
        errors.push(...validateProbe(container[kind], kind, around.graceSeconds, `${at}.${kind}`));
      }
      continue;
    }
    for (const field of ["lifecycle", ...probeKinds] as const) {
      if (container[field] === undefined) continue;
      errors.push(forbidden(`${at}.${field}`, "may not be set for init containers without restartPolicy=Always"));
    }
  }
  return errors;
}

function validateEphemeralContainers(spec: PodSpec, around: Surroundings, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const others = new Set([...spec.containers ?? [], ...spec.initContainers ?? []].map((container) => container.name));
  const names = new Set(others);
  for (const [i, container] of (spec.ephemeralContainers ?? []).entries()) {
    const at = `${path}[${i}]`;
    errors.push(...validateCommon(container, around, at));
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name ?? ""));
    names.add(container.name);
    const target = container.targetContainerName ?? "";
    if (target !== "" && !others.has(target)) errors.push(notFound(`${at}.targetContainerName`, target));
    for (const field of ["ports", "lifecycle", ...probeKinds] as const) {
      if (container[field] === undefined) continue;
      errors.push(forbidden(`${at}.${field}`, "cannot be set for an Ephemeral Container"));
    }
    if (Object.keys(container.resources ?? {}).length > 0) {
      errors.push(forbidden(`${at}.resources`, "cannot be set for an Ephemeral Container"));
    }
  }
  return errors;
}

function validateCommon(container: Container, around: Surroundings, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (unset(container.name)) errors.push(required(`${path}.name`));
  else errors.push(...each(dns1123Label(container.name), `${path}.name`, container.name));
  if (unset(container.image)) errors.push(required(`${path}.image`));
  const policies = ["File", "FallbackToLogsOnError"];
  errors.push(...oneOf(container.terminationMessagePolicy, `${path}.terminationMessagePolicy`, policies));
  errors.push(...validatePorts(container.ports ?? [], `${path}.ports`));
  errors.push(...validateEnv(container.env ?? [], `${path}.env`));
  errors.push(...validateEnvFrom(container.envFrom ?? [], `${path}.envFrom`));
  errors.push(...validateMounts(container, around.volumes, `${path}.volumeMounts`));
  errors.push(...oneOf(container.imagePullPolicy, `${path}.imagePullPolicy`, ["Always", "IfNotPresent", "Never"]));
  errors.push(...validateRequirements(container.resources, around.claimNames, `${path}.resources`));
  errors.push(...validateResizePolicy(container.resizePolicy ?? [], around.podRestartPolicy, `${path}.resizePolicy`));
  errors.push(...validateContainerSecurity(container.securityContext, `${path}.securityContext`));
  return errors;
}

function validatePorts(ports: readonly ContainerPort[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) {
    const at = `${path}[${i}]`;
    if (!unset(port.name)) {
      const problems = portName(port.name);
      if (problems.length > 0) errors.push(...each(problems, `${at}.name`, port.name));
      else if (names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name));
      else names.add(port.name);
    }
    if ((port.containerPort ?? 0) === 0) errors.push(required(`${at}.containerPort`));
    else errors.push(...each(portNumber(port.containerPort), `${at}.containerPort`, port.containerPort));
    const hostPort = port.hostPort ?? 0;
    if (hostPort !== 0) errors.push(...each(portNumber(hostPort), `${at}.hostPort`, hostPort));
    errors.push(...oneOf(port.protocol, `${at}.protocol`, protocols));
  }
  return errors;
}

function hostPortConflicts(containers: readonly Container[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const taken = new Set<string>();
  for (const [i, container] of containers.entries()) {
    for (const [j, port] of (container.ports ?? []).entries()) {
      if ((port.hostPort ?? 0) === 0) continue;
      const key = `${port.protocol ?? ""}/${port.hostIP ?? ""}/${port.hostPort}`;
      if (taken.has(key)) errors.push(duplicate(`${path}[${i}].ports[${j}].hostPort`, key));
      taken.add(key);
    }
  }
  return errors;
}

function validateResizePolicy(
  policies: readonly ContainerResizePolicy[],
  podRestartPolicy: string | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [i, policy] of policies.entries()) {
    if (seen.has(policy.resourceName)) errors.push(duplicate(`${path}[${i}]`, policy.resourceName ?? ""));
    seen.add(policy.resourceName);
    errors.push(...oneOf(policy.resourceName, path, ["cpu", "memory"]));
    errors.push(...oneOf(policy.restartPolicy, path, ["NotRequired", "RestartContainer"]));
    if (podRestartPolicy === "Never" && policy.restartPolicy !== "NotRequired") {
      const text = "must be 'NotRequired' when `restartPolicy` is 'Never'";
      errors.push(invalid(path, policy.restartPolicy ?? "", text));
    }
  }
  return errors;
}

/** What is checked in pods alone: templates with such images exist. @param path of the list */
export function validateImages(containers: readonly Container[] | undefined, path: string): FieldError[] {
  return (containers ?? []).flatMap((container, i) => {
    const image = container.image ?? "";
    if (image === image.trim()) return [];
    return [invalid(`${path}[${i}].image`, image, "must not have leading or trailing whitespace")];
  });
}
