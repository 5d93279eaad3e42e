import type { Container, SELinuxOptions } from "../../../api/gen/types.ts";
import {
  badContainers,
  type Check,
  containersOf,
  containerText,
  joinQuoted,
  plural,
  settersText,
  sortedSet,
  type Subject,
  type Violation,
} from "./check.ts";

/**
 * The rules of `baseline`: nothing by which a pod takes over its node. In upstream's order and words.
 * @see kubernetes staging/src/k8s.io/pod-security-admission/policy
 */
export const baselineChecks: readonly Check[] = [
  { id: "appArmorProfile", since: 0, run: appArmor },
  { id: "capabilities_baseline", since: 0, coveredBy: "capabilities_restricted", run: capabilities },
  { id: "hostNamespaces", since: 0, run: hostNamespaces },
  { id: "hostPathVolumes", since: 0, coveredBy: "restrictedVolumes", run: hostPaths },
  { id: "hostPorts", since: 0, run: hostPorts },
  { id: "hostProbesAndHostLifecycle", since: 34, run: probeHosts },
  { id: "privileged", since: 0, run: privileged },
  { id: "procMount", since: 0, run: procMount },
  { id: "seLinuxOptions", since: 0, run: seLinux },
  { id: "seccompProfile_baseline", since: 19, coveredBy: "seccompProfile_restricted", run: seccomp },
  { id: "sysctls", since: 0, run: sysctls },
  { id: "windowsHostProcess", since: 0, run: hostProcess },
];

const appArmorAnnotation = "container.apparmor.security.beta.kubernetes.io/";

function appArmor({ metadata, spec }: Subject): Violation | null {
  const isBadType = (type: string | undefined) =>
    type !== undefined && type !== "RuntimeDefault" && type !== "Localhost";
  const podType = spec.securityContext?.appArmorProfile?.type;
  const values: string[] = isBadType(podType) ? [podType as string] : [];
  const names = badContainers(spec, ({ securityContext }) => {
    const type = securityContext?.appArmorProfile?.type;
    if (isBadType(type)) values.push(type as string);
    return isBadType(type);
  });
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key, value]) =>
    key.startsWith(appArmorAnnotation) && value !== "" && value !== "runtime/default" && !value.startsWith("localhost/")
  );
  if (values.length === 0 && annotations.length === 0) return null;
  const setters = settersText(isBadType(podType), names);
  const byAnnotation = annotations.map(([key, value]) => `${key}="${value}"`);
  const byField = setters === ""
    ? []
    : [`${setters} must not set AppArmor profile type to ${joinQuoted(sortedSet(values))}`];
  const count = sortedSet(values).length + annotations.length;
  return {
    reason: plural("forbidden AppArmor profile", count),
    detail: [...byField, ...sortedSet(byAnnotation)].join(", "),
  };
}

const allowedCapabilities: ReadonlySet<string> = new Set(
  ("AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL MKNOD NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID " +
    "SYS_CHROOT").split(" "),
);

function capabilities({ spec }: Subject): Violation | null {
  const added = ({ securityContext }: Container) =>
    (securityContext?.capabilities?.add ?? []).filter((it) => !allowedCapabilities.has(it));
  const names = badContainers(spec, (container) => added(container).length > 0);
  if (names.length === 0) return null;
  const list = joinQuoted(sortedSet(containersOf(spec).flatMap(added)));
  return {
    reason: "non-default capabilities",
    detail: `${containerText(names)} must not include ${list} in securityContext.capabilities.add`,
  };
}

function hostNamespaces({ spec }: Subject): Violation | null {
  const shared = (["hostNetwork", "hostPID", "hostIPC"] as const).filter((name) => spec[name] === true);
  return shared.length === 0
    ? null
    : { reason: "host namespaces", detail: shared.map((name) => `${name}=true`).join(", ") };
}

function hostPaths({ spec }: Subject): Violation | null {
  const names = (spec.volumes ?? []).filter((it) => it.hostPath !== undefined).map((it) => it.name);
  if (names.length === 0) return null;
  return { reason: "hostPath volumes", detail: `${plural("volume", names.length)} ${joinQuoted(names)}` };
}

function hostPorts({ spec }: Subject): Violation | null {
  const portsOf = ({ ports }: Container) =>
    (ports ?? []).flatMap(({ hostPort = 0 }) => hostPort === 0 ? [] : [hostPort]);
  const names = badContainers(spec, (container) => portsOf(container).length > 0);
  if (names.length === 0) return null;
  const ports = sortedSet(containersOf(spec).flatMap(portsOf).map(String));
  const uses = names.length === 1 ? "uses" : "use";
  return {
    reason: "hostPort",
    detail: `${containerText(names)} ${uses} ${plural("hostPort", ports.length)} ${ports.join(", ")}`,
  };
}

function probeHosts({ spec }: Subject): Violation | null {
  const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container) =>
    [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop]
      .flatMap((it) => [it?.httpGet?.host ?? "", it?.tcpSocket?.host ?? ""]).filter((host) => host !== "");
  const names = sortedSet(badContainers(spec, (container) => hostsOf(container).length > 0));
  if (names.length === 0) return null;
  const hosts = sortedSet(containersOf(spec).flatMap(hostsOf));
  const uses = names.length === 1 ? "uses" : "use";
  const reason = "probe or lifecycle host";
  return { reason, detail: `${containerText(names)} ${uses} ${plural(reason, hosts.length)} ${joinQuoted(hosts)}` };
}

function privileged({ spec }: Subject): Violation | null {
  const names = badContainers(spec, ({ securityContext }) => securityContext?.privileged === true);
  if (names.length === 0) return null;
  return { reason: "privileged", detail: `${containerText(names)} must not set securityContext.privileged=true` };
}

function procMount({ spec }: Subject): Violation | null {
  const typeOf = ({ securityContext }: Container) => securityContext?.procMount ?? "Default";
  const names = badContainers(spec, (container) => typeOf(container) !== "Default");
  if (names.length === 0) return null;
  const types = joinQuoted(sortedSet(containersOf(spec).map(typeOf).filter((type) => type !== "Default")));
  return { reason: "procMount", detail: `${containerText(names)} must not set securityContext.procMount to ${types}` };
}

function seLinux({ spec }: Subject, minor: number): Violation | null {
  const allowed = ["", "container_t", "container_init_t", "container_kvm_t"];
  if (minor >= 31) allowed.push("container_engine_t");
  const types: string[] = [];
  let setsUser = false;
  let setsRole = false;
  const isBad = (options: SELinuxOptions | undefined) => {
    const { type = "", user = "", role = "" } = options ?? {};
    if (!allowed.includes(type)) types.push(type);
    if (user !== "") setsUser = true;
    if (role !== "") setsRole = true;
    return !allowed.includes(type) || user !== "" || role !== "";
  };
  const isPodBad = isBad(spec.securityContext?.seLinuxOptions);
  const names = badContainers(spec, ({ securityContext }) => isBad(securityContext?.seLinuxOptions));
  if (!isPodBad && names.length === 0) return null;
  const bad = [
    ...(types.length > 0 ? [`${plural("type", sortedSet(types).length)} ${joinQuoted(sortedSet(types))}`] : []),
    ...(setsUser ? ["user may not be set"] : []),
    ...(setsRole ? ["role may not be set"] : []),
  ];
  const setters = settersText(isPodBad, names);
  return {
    reason: "seLinuxOptions",
    detail: `${setters} set forbidden securityContext.seLinuxOptions: ${bad.join("; ")}`,
  };
}

export function isGoodSeccomp(type: string | undefined): boolean {
  return type === "RuntimeDefault" || type === "Localhost";
}

/** Explicit bad values; what is left out is not judged. */
export function seccomp({ spec }: Subject): Violation | null {
  const podType = spec.securityContext?.seccompProfile?.type;
  const isPodBad = podType !== undefined && !isGoodSeccomp(podType);
  const typeOf = ({ securityContext }: Container) => securityContext?.seccompProfile?.type;
  const isBad = (container: Container) => typeOf(container) !== undefined && !isGoodSeccomp(typeOf(container));
  const names = badContainers(spec, isBad);
  if (!isPodBad && names.length === 0) return null;
  const values = containersOf(spec).filter(isBad).map((container) => typeOf(container) ?? "");
  const list = joinQuoted(sortedSet(isPodBad ? [podType, ...values] : values));
  return {
    reason: "seccompProfile",
    detail: `${settersText(isPodBad, names)} must not set securityContext.seccompProfile.type to ${list}`,
  };
}

/** Safe sysctls by the first minor that has them. */
const safeSysctls: Readonly<Record<string, number>> = {
  "kernel.shm_rmid_forced": 0,
  "net.ipv4.ip_local_port_range": 0,
  "net.ipv4.tcp_syncookies": 0,
  "net.ipv4.ping_group_range": 0,
  "net.ipv4.ip_unprivileged_port_start": 0,
  "net.ipv4.ip_local_reserved_ports": 27,
  "net.ipv4.tcp_keepalive_time": 29,
  "net.ipv4.tcp_fin_timeout": 29,
  "net.ipv4.tcp_keepalive_intvl": 29,
  "net.ipv4.tcp_keepalive_probes": 29,
  "net.ipv4.tcp_rmem": 32,
  "net.ipv4.tcp_wmem": 32,
};

function sysctls({ spec }: Subject, minor: number): Violation | null {
  const unsafe = (spec.securityContext?.sysctls ?? []).map((it) => it.name)
    .filter((name) => !Object.hasOwn(safeSysctls, name) || (safeSysctls[name] ?? 0) > minor);
  return unsafe.length === 0 ? null : { reason: "forbidden sysctls", detail: unsafe.join(", ") };
}

function hostProcess({ spec }: Subject): Violation | null {
  const isPodBad = spec.securityContext?.windowsOptions?.hostProcess === true;
  const names = badContainers(spec, (it) => it.securityContext?.windowsOptions?.hostProcess === true);
  if (!isPodBad && names.length === 0) return null;
  const setters = settersText(isPodBad, names);
  return { reason: "hostProcess", detail: `${setters} must not set securityContext.windowsOptions.hostProcess=true` };
}
