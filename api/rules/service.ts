/** Services. Cluster addresses and node ports are given out by the apiserver, after these rules. */
import { duplicate, type FieldError, forbidden, invalid, notSupported, required } from "../field_errors.ts";
import type { Service, ServicePort, ServiceSpec } from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import { validateLabels } from "../labels.ts";
import type { KubeObject } from "../meta.ts";
import { portNumber } from "../names.ts";
import {
  cidrAt,
  each,
  ipAt,
  labelAt,
  nonSpecialIp,
  oneOf,
  optionalOneOf,
  portNumberOrName,
  qualifiedAt,
  subdomainAt,
  unset,
} from "./common.ts";
import { keepField, metadataRules } from "./generic.ts";
import { immutable, nameRules, validateMeta, validateMetaUpdate } from "./meta.ts";
import type { RuleContext, Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against Service's schema.
const asService = (object: KubeObject): Service => object as Service;

const metaRule = { namespaced: true, name: nameRules.service } as const;
const base = metadataRules(metaRule);
const affinitySeconds = 10800;
const affinitySecondsMax = 86400;

export const serviceRules: Rules = {
  ...base,
  setDefaults(object) {
    setDefaults(asService(object).spec ??= {});
  },
  prepareForCreate(object) {
    const service = asService(object);
    service.status = { loadBalancer: {} };
    if (service.spec !== undefined) normalizeAddresses(service.spec, undefined);
  },
  prepareForUpdate(next, old) {
    keepField(next, old, "status");
    const spec = asService(next).spec;
    const before = asService(old).spec;
    if (spec === undefined) return;
    if (before !== undefined) dropTypeDependentFields(spec, before);
    normalizeAddresses(spec, before);
  },
  validate: (object, context) => validateService(asService(object), context),
  validateUpdate: (next, old, context) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validateAddressChange(asService(next).spec, asService(old).spec),
    ...validateService(asService(next), context),
  ],
};

type Type = "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";

function needsAddress(spec: ServiceSpec): boolean {
  return spec.type !== "ExternalName";
}

function needsNodePorts(spec: ServiceSpec): boolean {
  return spec.type === "NodePort" ||
    (spec.type === "LoadBalancer" && spec.allocateLoadBalancerNodePorts !== false);
}

function isExternal(spec: ServiceSpec): boolean {
  return spec.type === "LoadBalancer" || spec.type === "NodePort" ||
    (spec.type === "ClusterIP" && (spec.externalIPs ?? []).length > 0);
}

function isHeadless(spec: ServiceSpec): boolean {
  return spec.clusterIP === "None" || spec.clusterIPs?.[0] === "None";
}

function setDefaults(spec: ServiceSpec): void {
  if (unset(spec.sessionAffinity)) spec.sessionAffinity = "None";
  if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === "ClientIP" && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined) {
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: affinitySeconds } };
  }
  if (unset(spec.type)) spec.type = "ClusterIP";
  for (const port of spec.ports ?? []) {
    if (unset(port.protocol)) port.protocol = "TCP";
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === "") port.targetPort = port.port;
  }
  if (isExternal(spec) && unset(spec.externalTrafficPolicy)) spec.externalTrafficPolicy = "Cluster";
  if (spec.type !== "ExternalName") spec.internalTrafficPolicy ??= "Cluster";
  if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
}

/** Keeps clusterIP and clusterIPs saying the same, and names the one IP family there is. */
function normalizeAddresses(spec: ServiceSpec, old: ServiceSpec | undefined): void {
  if (!needsAddress(spec)) return;
  if (old === undefined) {
    if (!unset(spec.clusterIP) && (spec.clusterIPs ?? []).length === 0) spec.clusterIPs = [spec.clusterIP];
    else if (unset(spec.clusterIP) && spec.clusterIPs?.[0] !== undefined) spec.clusterIP = spec.clusterIPs[0];
  } else if (!unset(old.clusterIP) && unset(spec.clusterIP) && equalJson(spec.clusterIPs, old.clusterIPs)) {
    delete spec.clusterIPs;
  } else if (!unset(spec.clusterIP) && spec.clusterIP !== old.clusterIP && equalJson(spec.clusterIPs, old.clusterIPs)) {
    spec.clusterIPs = [spec.clusterIP];
  } else if (!unset(spec.clusterIP) && (spec.clusterIPs ?? []).length === 0) {
    spec.clusterIPs = [spec.clusterIP];
  }
  spec.ipFamilyPolicy ??= "SingleStack";
  if ((spec.ipFamilies ?? []).length === 0) spec.ipFamilies = ["IPv4"];
}

/** A change of type leaves behind what only the old type had, where the author did not set it anew. */
function dropTypeDependentFields(spec: ServiceSpec, old: ServiceSpec): void {
  if (needsAddress(old) && !needsAddress(spec) && spec.clusterIP === old.clusterIP) {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    delete spec.ipFamilies;
    delete spec.ipFamilyPolicy;
  }
  if (needsNodePorts(old) && !needsNodePorts(spec)) {
    const before = new Set((old.ports ?? []).map((port) => port.nodePort));
    if ((spec.ports ?? []).every((port) => port.nodePort === undefined || before.has(port.nodePort))) {
      for (const port of spec.ports ?? []) delete port.nodePort;
    }
  }
  if (isExternal(old) && !isExternal(spec) && spec.externalTrafficPolicy === old.externalTrafficPolicy) {
    delete spec.externalTrafficPolicy;
  }
  if (spec.type === "LoadBalancer") return;
  if (old.type === "LoadBalancer") {
    if (spec.allocateLoadBalancerNodePorts === old.allocateLoadBalancerNodePorts) {
      delete spec.allocateLoadBalancerNodePorts;
    }
    if (spec.loadBalancerClass === old.loadBalancerClass) delete spec.loadBalancerClass;
    if (spec.healthCheckNodePort === old.healthCheckNodePort) delete spec.healthCheckNodePort;
  }
}

const types: readonly Type[] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

function validateService(service: Service, context: RuleContext): FieldError[] {
  const errors = validateMeta(service.metadata, metaRule);
  const spec = service.spec ?? {};
  if ((spec.ports ?? []).length === 0 && !isHeadless(spec) && spec.type !== "ExternalName") {
    errors.push(required("spec.ports"));
  }
  errors.push(...validateByType(spec));
  errors.push(...validatePorts(spec));
  errors.push(...validateLabels(spec.selector, "spec.selector"));
  errors.push(...oneOf(spec.sessionAffinity, "spec.sessionAffinity", ["ClientIP", "None"]));
  errors.push(...validateAffinity(spec));
  errors.push(...validateAddresses(spec));
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    const path = `spec.externalIPs[${i}]`;
    const problems = ipAt(ip, path);
    errors.push(...problems);
    if (problems.length === 0) errors.push(...nonSpecialIp(ip, path, context.allowLoopbackEndpoints));
  }
  errors.push(...oneOf(spec.type, "spec.type", types));
  errors.push(...validateNumbers(spec));
  const ranges = spec.loadBalancerSourceRanges ?? [];
  if (ranges.length > 0 && spec.type !== "LoadBalancer") {
    errors.push(forbidden("spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'"));
  }
  for (const [i, range] of ranges.entries()) {
    errors.push(...cidrAt(range.trim(), `spec.LoadBalancerSourceRanges[${i}]`));
  }
  if (spec.allocateLoadBalancerNodePorts !== undefined && spec.type !== "LoadBalancer") {
    errors.push(forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'"));
  }
  if (spec.loadBalancerClass !== undefined) {
    if (spec.type !== "LoadBalancer") {
      errors.push(forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'"));
    } else {
      errors.push(...qualifiedAt(spec.loadBalancerClass, "spec.loadBalancerClass"));
    }
  }
  return [...errors, ...validateTraffic(spec)];
}

function validateByType(spec: ServiceSpec): FieldError[] {
  if (spec.type === "LoadBalancer" || spec.type === "NodePort") {
    if (!isHeadless(spec)) return [];
    return [invalid("spec.clusterIPs[0]", "None", `may not be set to 'None' for ${spec.type} services`)];
  }
  if (spec.type !== "ExternalName") return [];
  const errors: FieldError[] = [];
  for (const field of ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] as const) {
    if ((spec[field]?.length ?? 0) > 0) {
      errors.push(forbidden(`spec.${field}`, "may not be set for ExternalName services"));
    }
  }
  const name = (spec.externalName ?? "").replace(/\.$/, "");
  if (name === "") errors.push(required("spec.externalName"));
  else errors.push(...subdomainAt(name, "spec.externalName"));
  return errors;
}

function validatePorts(spec: ServiceSpec): FieldError[] {
  const ports = spec.ports ?? [];
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, port] of ports.entries()) {
    errors.push(...validatePort(port, ports.length > 1, names, `spec.ports[${i}]`));
  }
  return errors;
}

/** What ports may not have in common, and node ports where there are none. */
function validateNumbers(spec: ServiceSpec): FieldError[] {
  const ports = spec.ports ?? [];
  const unwanted = ports.flatMap(({ nodePort = 0 }, i) =>
    spec.type === "ClusterIP" && nodePort !== 0
      ? [forbidden(`spec.ports[${i}].nodePort`, "may not be used when `type` is 'ClusterIP'")]
      : []
  );
  const nodePorts = new Set<string>();
  const taken = ports.flatMap(({ protocol, nodePort = 0 }, i) => {
    const key = `${protocol}/${nodePort}`;
    if (nodePort !== 0 && nodePorts.has(key)) return [duplicate(`spec.ports[${i}].nodePort`, nodePort)];
    nodePorts.add(key);
    return [];
  });
  const numbers = new Set<string>();
  const repeated = ports.flatMap(({ protocol, port }, i) => {
    const key = `${protocol}/${port}`;
    if (numbers.has(key)) return [duplicate(`spec.ports[${i}]`, printedPort(protocol ?? "", port))];
    numbers.add(key);
    return [];
  });
  return [...unwanted, ...taken, ...repeated];
}

/** Upstream prints its internal type, whose fields have no JSON names. */
function printedPort(protocol: string, port: number): Record<string, unknown> {
  return { Name: "", Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 };
}

function validatePort(port: ServicePort, needsName: boolean, names: Set<string>, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (unset(port.name)) {
    if (needsName) errors.push(required(`${path}.name`));
  } else {
    errors.push(...labelAt(port.name, `${path}.name`));
    if (names.has(port.name)) errors.push(duplicate(`${path}.name`, port.name));
    names.add(port.name);
  }
  errors.push(...each(portNumber(port.port ?? 0), `${path}.port`, port.port ?? 0));
  errors.push(...oneOf(port.protocol, `${path}.protocol`, ["SCTP", "TCP", "UDP"]));
  errors.push(...portNumberOrName(port.targetPort, `${path}.targetPort`));
  if (port.appProtocol !== undefined) errors.push(...qualifiedAt(port.appProtocol, `${path}.appProtocol`));
  return errors;
}

function validateAffinity(spec: ServiceSpec): FieldError[] {
  const path = "spec.sessionAffinityConfig";
  if (spec.sessionAffinity === "None" && spec.sessionAffinityConfig !== undefined) {
    return [forbidden(path, "must not be set when session affinity is None")];
  }
  if (spec.sessionAffinity !== "ClientIP") return [];
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (seconds === undefined) return [required(path, "when session affinity type is ClientIP")];
  if (seconds > 0 && seconds <= affinitySecondsMax) return [];
  const text = `must be greater than 0 and less than ${affinitySecondsMax}`;
  return [invalid(`${path}.clientIP.timeoutSeconds`, seconds, text)];
}

function validateAddresses(spec: ServiceSpec): FieldError[] {
  if (spec.type === "ExternalName") return [];
  const errors = [
    ...optionalOneOf(spec.ipFamilyPolicy, "spec.ipFamilyPolicy", [
      "PreferDualStack",
      "RequireDualStack",
      "SingleStack",
    ]),
  ];
  const families = spec.ipFamilies ?? [];
  for (const [i, family] of families.entries()) {
    if (family !== "IPv4" && family !== "IPv6") {
      errors.push(notSupported(`spec.ipFamilies[${i}]`, family, ["IPv4", "IPv6"]));
    } else if (families.indexOf(family) < i) {
      errors.push(duplicate(`spec.ipFamilies[${i}]`, family));
    }
  }
  const addresses = spec.clusterIPs ?? [];
  if (addresses.length === 0 && !unset(spec.clusterIP)) {
    errors.push(required("spec.clusterIPs"));
  } else if (addresses.length > 0 && addresses[0] !== spec.clusterIP) {
    errors.push(invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`"));
  }
  for (const [i, address] of addresses.entries()) {
    if (i === 0 && address === "None") {
      if (addresses.length > 1) {
        errors.push(invalid("spec.clusterIPs", addresses, "'None' must be the first and only value"));
      }
      break;
    }
    errors.push(...ipAt(address, `spec.clusterIPs[${i}]`));
  }
  if (addresses.length > 2) {
    errors.push(invalid("spec.clusterIPs", addresses, "may only hold up to 2 values"));
  }
  return errors;
}

function validateTraffic(spec: ServiceSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (isExternal(spec)) {
    errors.push(...oneOf(spec.externalTrafficPolicy, "spec.externalTrafficPolicy", ["Cluster", "Local"]));
  } else if (!unset(spec.externalTrafficPolicy)) {
    const text = "may only be set for externally-accessible services";
    errors.push(invalid("spec.externalTrafficPolicy", spec.externalTrafficPolicy, text));
  }
  const healthPort = spec.healthCheckNodePort ?? 0;
  const checked = spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local";
  if (!checked && healthPort !== 0) {
    const text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
    errors.push(invalid("spec.healthCheckNodePort", healthPort, text));
  }
  if (checked && healthPort !== 0) {
    errors.push(...each(portNumber(healthPort), "spec.healthCheckNodePort", healthPort));
  }
  if (spec.internalTrafficPolicy === undefined && spec.type !== "ExternalName") {
    errors.push(required("spec.internalTrafficPolicy"));
  }
  const policies = ["Cluster", "Local"];
  errors.push(...optionalOneOf(spec.internalTrafficPolicy, "spec.internalTrafficPolicy", policies));
  const spreads = ["PreferClose", "PreferSameNode", "PreferSameZone"];
  return [...errors, ...optionalOneOf(spec.trafficDistribution, "spec.trafficDistribution", spreads)];
}

/** The first address and family of a Service are for life, unless it is or becomes an ExternalName. */
function validateAddressChange(next: ServiceSpec | undefined, old: ServiceSpec | undefined): FieldError[] {
  if (next === undefined || old === undefined || !needsAddress(next) || !needsAddress(old)) return [];
  const errors: FieldError[] = [];
  const before = old.clusterIPs?.[0] ?? old.clusterIP;
  const after = next.clusterIPs?.[0] ?? next.clusterIP;
  if (!unset(before) && after !== before) {
    errors.push(invalid("spec.clusterIPs[0]", next.clusterIPs ?? [], "may not change once set"));
  }
  const family = old.ipFamilies?.[0];
  if (family !== undefined && next.ipFamilies?.[0] !== family) {
    errors.push(invalid("spec.ipFamilies[0]", next.ipFamilies ?? [], "may not change once set"));
  }
  if (next.type === "LoadBalancer" && old.type === "LoadBalancer") {
    const path = "spec.loadBalancerClass";
    if (immutable(next.loadBalancerClass, old.loadBalancerClass, path).length > 0) {
      errors.push(invalid(path, next.loadBalancerClass, "may not change once set"));
    }
  }
  return errors;
}
