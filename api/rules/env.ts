/** Environment variables and references into the pod's own fields. */
import { type FieldError, invalid, notSupported, required } from "../field_errors.ts";
import type {
  ConfigMapKeySelector,
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from "../gen/types.ts";
import { configMapKey, dns1123Subdomain, envVarName } from "../names.ts";
import { canonicalQuantity } from "../quantity.ts";
import { each, qualifiedAt, unset } from "./common.ts";

const envFieldPaths = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];
const volumeFieldPaths = [
  "metadata.annotations",
  "metadata.labels",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
];
/** Paths that exist, though not every place may use every one. */
const knownFieldPaths = new Set([
  ...envFieldPaths,
  ...volumeFieldPaths,
  "spec.restartPolicy",
  "spec.schedulerName",
  "spec.host",
  "status.phase",
]);
const resourcePaths = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];
const sizeDivisors = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

export function validateEnv(variables: readonly EnvVar[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, variable] of variables.entries()) {
    const at = `${path}[${i}]`;
    if (unset(variable.name)) errors.push(required(`${at}.name`));
    else errors.push(...each(envVarName(variable.name), `${at}.name`, variable.name));
    if (variable.valueFrom !== undefined) {
      errors.push(...validateValueFrom(variable.valueFrom, variable.value ?? "", `${at}.valueFrom`));
    }
  }
  return errors;
}

function validateValueFrom(from: EnvVarSource, value: string, path: string): FieldError[] {
  const errors: FieldError[] = [];
  let sources = 0;
  if (from.fieldRef !== undefined) {
    sources++;
    errors.push(...validateFieldRef(from.fieldRef, "env", `${path}.fieldRef`));
  }
  if (from.resourceFieldRef !== undefined) {
    sources++;
    errors.push(...validateResourceFieldRef(from.resourceFieldRef, false, `${path}.resourceFieldRef`));
  }
  for (const kind of ["configMapKeyRef", "secretKeyRef"] as const) {
    const reference = from[kind];
    if (reference === undefined) continue;
    sources++;
    errors.push(...validateKeyRef(reference, `${path}.${kind}`));
  }
  if (from.fileKeyRef !== undefined) sources++;
  if (sources === 0) {
    const text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`";
    errors.push(invalid(path, "", text));
  } else if (value !== "") {
    errors.push(invalid(path, "", "may not be specified when `value` is not empty"));
  } else if (sources > 1) {
    errors.push(invalid(path, "", "may not have more than one field specified at a time"));
  }
  return errors;
}

function validateKeyRef(reference: ConfigMapKeySelector, path: string): FieldError[] {
  const errors = each(dns1123Subdomain(reference.name ?? ""), `${path}.name`, reference.name ?? "");
  if (unset(reference.key)) errors.push(required(`${path}.key`));
  else errors.push(...each(configMapKey(reference.key), `${path}.key`, reference.key));
  return errors;
}

/** @param place environment variables and volumes may refer to different fields */
export function validateFieldRef(
  reference: ObjectFieldSelector,
  place: "env" | "volume",
  path: string,
): FieldError[] {
  if (unset(reference.apiVersion)) return [required(`${path}.apiVersion`)];
  if (unset(reference.fieldPath)) return [required(`${path}.fieldPath`)];
  const { fieldPath } = reference;
  const subscript = /^(metadata\.(?:annotations|labels))\['(.*)'\]$/.exec(fieldPath);
  if (subscript !== null) {
    const key = subscript[2] as string;
    return qualifiedAt(subscript[1] === "metadata.annotations" ? key.toLowerCase() : key, path);
  }
  if (!knownFieldPaths.has(fieldPath)) {
    const text = `error converting fieldPath: field label not supported: ${fieldPath}`;
    return [invalid(`${path}.fieldPath`, fieldPath, text)];
  }
  const allowed = place === "env" ? envFieldPaths : volumeFieldPaths;
  return allowed.includes(fieldPath) ? [] : [notSupported(`${path}.fieldPath`, fieldPath, allowed)];
}

export function validateResourceFieldRef(
  reference: ResourceFieldSelector,
  volume: boolean,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const resource = reference.resource ?? "";
  if (volume && unset(reference.containerName)) errors.push(required(`${path}.containerName`));
  else if (resource === "") errors.push(required(`${path}.resource`));
  else if (!resourcePaths.includes(resource) && !/^(requests|limits)\.hugepages-/.test(resource)) {
    errors.push(notSupported(`${path}.resource`, resource, resourcePaths));
  }
  const divisor = reference.divisor === undefined ? "0" : canonicalQuantity(reference.divisor);
  if (divisor === "0") return errors;
  if (resource.endsWith(".cpu")) {
    if (divisor !== "1" && divisor !== "1m") {
      const text = "only divisor's values 1m and 1 are supported with the cpu resource";
      errors.push(invalid(`${path}.divisor`, resource, text));
    }
  } else if (!sizeDivisors.includes(divisor)) {
    const what = resource.endsWith(".memory")
      ? "memory"
      : resource.endsWith(".ephemeral-storage")
      ? "local ephemeral storage"
      : "hugepages";
    const text = `only divisor's values ${sizeDivisors.join(", ")} are supported with the ${what} resource`;
    errors.push(invalid(`${path}.divisor`, resource, text));
  }
  return errors;
}

export function validateEnvFrom(sources: readonly EnvFromSource[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, source] of sources.entries()) {
    const at = `${path}[${i}]`;
    if (!unset(source.prefix)) errors.push(...each(envVarName(source.prefix), `${at}.prefix`, source.prefix));
    let count = 0;
    for (const kind of ["configMapRef", "secretRef"] as const) {
      const reference = source[kind];
      if (reference === undefined) continue;
      count++;
      const name = reference.name ?? "";
      if (name === "") errors.push(required(`${at}.${kind}.name`));
      else errors.push(...each(dns1123Subdomain(name), `${at}.${kind}.name`, name));
    }
    if (count === 0) errors.push(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"));
    if (count > 1) errors.push(invalid(path, "", "may not have more than one field specified at a time"));
  }
  return errors;
}
