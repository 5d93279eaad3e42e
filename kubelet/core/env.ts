import type { Container, EnvVar, Pod, Service } from "../../api/gen/types.ts";

/** ConfigMaps and Secrets by name, in the pod's namespace; values as texts. A name that is not there does not exist. */
export interface EnvSources {
  readonly configMaps: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly secrets: ReadonlyMap<string, Readonly<Record<string, string>>>;
  /** Of the pod's namespace, and default/kubernetes. */
  readonly services: readonly Readonly<Service>[];
  readonly podIP: string;
  readonly hostIP: string;
  readonly nodeName: string;
  /** `limits.cpu` and so on, as text after the divisor; null when it cannot be told. */
  readonly resource: (container: Readonly<Container>, resource: string, divisor: string) => string | null;
}

export type EnvResult =
  | { readonly ok: true; readonly env: Record<string, string> }
  | { readonly ok: false; readonly message: string };

/** Which ConfigMaps and Secrets the container's environment speaks of, sorted. */
export function envReferences(container: Readonly<Container>): { configMaps: string[]; secrets: string[] } {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef?.name) configMaps.add(configMapRef.name);
    if (secretRef?.name) secrets.add(secretRef.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name) configMaps.add(valueFrom.configMapKeyRef.name);
    if (valueFrom?.secretKeyRef?.name) secrets.add(valueFrom.secretKeyRef.name);
  }
  return { configMaps: [...configMaps].sort(), secrets: [...secrets].sort() };
}

/**
 * The container's environment: services first, then envFrom, then env; later entries win and may use earlier ones as
 * `$(NAME)`.
 */
export function buildEnv(pod: Readonly<Pod>, container: Readonly<Container>, sources: EnvSources): EnvResult {
  const env: Record<string, string> = Object.create(null);
  Object.assign(env, serviceEnv(pod, sources.services));
  for (const { configMapRef, secretRef, prefix = "" } of container.envFrom ?? []) {
    const [kind, ref, known] = configMapRef !== undefined
      ? ["configmap", configMapRef, sources.configMaps] as const
      : ["secret", secretRef, sources.secrets] as const;
    if (ref?.name === undefined) continue;
    const data = known.get(ref.name);
    if (data === undefined) {
      if (ref.optional === true) continue;
      return { ok: false, message: `${kind} "${ref.name}" not found` };
    }
    for (const key of Object.keys(data).sort()) env[prefix + key] = data[key] ?? "";
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(pod, container, variable, env, sources);
    if (value === undefined) continue;
    if (typeof value !== "string") return { ok: false, message: value.message };
    env[variable.name] = value;
  }
  return { ok: true, env };
}

function valueOf(
  pod: Readonly<Pod>,
  container: Readonly<Container>,
  variable: EnvVar,
  env: Readonly<Record<string, string>>,
  sources: EnvSources,
): string | undefined | { message: string } {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? "", env);
  if (from.fieldRef !== undefined) {
    const value = fieldValue(pod, from.fieldRef.fieldPath, sources);
    return value ?? { message: `field label not supported: ${from.fieldRef.fieldPath}` };
  }
  if (from.resourceFieldRef !== undefined) {
    const { resource, divisor = "0" } = from.resourceFieldRef;
    return sources.resource(container, resource, divisor) ??
      { message: `unsupported container resource : ${resource}` };
  }
  const [kind, ref, known] = from.configMapKeyRef !== undefined
    ? ["configmap", from.configMapKeyRef, sources.configMaps] as const
    : ["secret", from.secretKeyRef, sources.secrets] as const;
  if (ref === undefined) return { message: `environment variable ${variable.name} has no source` };
  const data = known.get(ref.name ?? "");
  if (data === undefined) return ref.optional === true ? undefined : { message: `${kind} "${ref.name}" not found` };
  const value = Object.hasOwn(data, ref.key) ? data[ref.key] : undefined;
  if (value !== undefined) return value;
  if (ref.optional === true) return undefined;
  const named = kind === "configmap" ? "ConfigMap" : "Secret";
  return { message: `couldn't find key ${ref.key} in ${named} ${pod.metadata?.namespace}/${ref.name}` };
}

/** A downward API field as text; null when there is no such field. */
export function fieldValue(
  pod: Readonly<Pod>,
  path: string,
  sources: Pick<EnvSources, "podIP" | "hostIP" | "nodeName">,
): string | null {
  const meta = pod.metadata ?? {};
  const subscript = /^metadata\.(annotations|labels)\['(.+)'\]$/.exec(path);
  if (subscript !== null) {
    const map = subscript[1] === "labels" ? meta.labels : meta.annotations;
    return map?.[subscript[2] ?? ""] ?? "";
  }
  switch (path) {
    case "metadata.name":
      return meta.name ?? "";
    case "metadata.namespace":
      return meta.namespace ?? "";
    case "metadata.uid":
      return meta.uid ?? "";
    case "metadata.labels":
      return mapText(meta.labels);
    case "metadata.annotations":
      return mapText(meta.annotations);
    case "spec.nodeName":
      return sources.nodeName;
    case "spec.serviceAccountName":
      return pod.spec?.serviceAccountName ?? "";
    case "status.hostIP":
    case "status.hostIPs":
      return sources.hostIP;
    case "status.podIP":
    case "status.podIPs":
      return sources.podIP;
    default:
      return null;
  }
}

/** `key="value"` lines, sorted by key, as downward API files hold maps. */
function mapText(map: Readonly<Record<string, string>> | undefined): string {
  return Object.keys(map ?? {}).sort().map((key) => `${key}=${JSON.stringify(map?.[key] ?? "")}`).join("\n");
}

/** `$(NAME)` becomes its value, `$$` becomes `$`, an unknown name stays as written. */
export function expand(text: string, env: Readonly<Record<string, string>>): string {
  return text.replace(/\$(?:\$|\(([^)]*)\))/g, (match, name: string | undefined) => {
    if (name === undefined) return "$";
    return Object.hasOwn(env, name) ? env[name] ?? "" : match;
  });
}

/** The Docker-links style variables of the services a pod may see. */
function serviceEnv(pod: Readonly<Pod>, services: readonly Readonly<Service>[]): Record<string, string> {
  const env: Record<string, string> = {};
  const links = pod.spec?.enableServiceLinks ?? true;
  const byName = [...services].sort((a, b) => (a.metadata?.name ?? "") < (b.metadata?.name ?? "") ? -1 : 1);
  for (const service of byName) {
    const { name = "", namespace } = service.metadata ?? {};
    const isMaster = name === "kubernetes" && namespace === "default";
    if (!isMaster && (!links || namespace !== pod.metadata?.namespace)) continue;
    const ip = service.spec?.clusterIP ?? "";
    const ports = service.spec?.ports ?? [];
    const first = ports[0];
    if (ip === "" || ip === "None" || first === undefined) continue;
    const prefix = envName(name);
    env[`${prefix}_SERVICE_HOST`] = ip;
    env[`${prefix}_SERVICE_PORT`] = String(first.port);
    env[`${prefix}_PORT`] = `${(first.protocol ?? "TCP").toLowerCase()}://${ip}:${first.port}`;
    for (const port of ports) {
      if (port.name) env[`${prefix}_SERVICE_PORT_${envName(port.name)}`] = String(port.port);
      const protocol = port.protocol ?? "TCP";
      const link = `${prefix}_PORT_${port.port}_${protocol}`;
      env[link] = `${protocol.toLowerCase()}://${ip}:${port.port}`;
      env[`${link}_PROTO`] = protocol.toLowerCase();
      env[`${link}_PORT`] = String(port.port);
      env[`${link}_ADDR`] = ip;
    }
  }
  return env;
}

function envName(name: string): string {
  return name.replaceAll("-", "_").toUpperCase();
}
