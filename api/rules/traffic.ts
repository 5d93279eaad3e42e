/** Ingresses, NetworkPolicies, Endpoints, disruption budgets. @see kubernetes pkg/apis/*\/v1/defaults.go */
import { type FieldError, invalid, required } from "../field_errors.ts";
import type {
  Endpoints,
  Ingress,
  IngressBackend,
  IngressClass,
  NetworkPolicy,
  PodDisruptionBudget,
} from "../gen/types.ts";
import { validateLabelSelector } from "../labels.ts";
import type { KubeObject } from "../meta.ts";
import { cidrAt, nonNegativeOrPercent, oneOf, optionalOneOf, subdomainAt, unset } from "./common.ts";
import type { SchemaRuleOptions } from "./schema_rules.ts";
import { specOf } from "./workloads.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asIngress = (object: KubeObject): Ingress => object as Ingress;
const asPolicy = (object: KubeObject): NetworkPolicy => object as NetworkPolicy;
const asBudget = (object: KubeObject): PodDisruptionBudget => object as PodDisruptionBudget;

export const ingressOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  check(object) {
    const spec = asIngress(object).spec ?? {};
    const errors: FieldError[] = [];
    if (spec.defaultBackend !== undefined) errors.push(...validateBackend(spec.defaultBackend, "spec.defaultBackend"));
    else if ((spec.rules ?? []).length === 0) {
      errors.push(invalid("spec", spec, "either `defaultBackend` or `rules` must be specified"));
    }
    if (spec.ingressClassName !== undefined) {
      errors.push(...subdomainAt(spec.ingressClassName, "spec.ingressClassName"));
    }
    for (const [index, rule] of (spec.rules ?? []).entries()) {
      if (rule.http === undefined) continue;
      const at = `spec.rules[${index}].http.paths`;
      if ((rule.http.paths ?? []).length === 0) errors.push(required(at));
      for (const [each, { path, pathType, backend }] of (rule.http.paths ?? []).entries()) {
        if (!unset(pathType)) {
          const types = ["Exact", "ImplementationSpecific", "Prefix"];
          errors.push(...oneOf(pathType, `${at}[${each}].pathType`, types));
        }
        const absolute = (path ?? "").startsWith("/");
        const mustBe = pathType === "Exact" || pathType === "Prefix" || !unset(path);
        if (mustBe && !absolute) errors.push(invalid(`${at}[${each}].path`, path ?? "", "must be an absolute path"));
        errors.push(...validateBackend(backend ?? {}, `${at}[${each}].backend`));
      }
    }
    return errors;
  },
};

function validateBackend(backend: IngressBackend, path: string): FieldError[] {
  const { service, resource } = backend;
  if (resource !== undefined) {
    return service === undefined ? [] : [invalid(path, "", "cannot set both resource and service backends")];
  }
  if (service === undefined) return [required(`${path}.service.name`)];
  const named = !unset(service.port?.name);
  const numbered = (service.port?.number ?? 0) !== 0;
  if (named && numbered) return [invalid(path, "", "cannot set both port name & port number")];
  return named || numbered ? [] : [required(path, "port name or number is required")];
}

export const ingressClassOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  needs: ["spec.controller"],
  setDefaults(object) {
    const { parameters } = specOf(object as IngressClass);
    if (parameters !== undefined) parameters.scope ??= "Cluster";
  },
};

export const networkPolicyOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  setDefaults(object) {
    const spec = specOf(asPolicy(object));
    // Go writes the selector whether it says anything or not.
    spec.podSelector ??= {};
    for (const rule of [...spec.ingress ?? [], ...spec.egress ?? []]) {
      for (const port of rule.ports ?? []) port.protocol ??= "TCP";
    }
    if ((spec.policyTypes ?? []).length > 0) return;
    spec.policyTypes = (spec.egress ?? []).length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
  },
  check(object) {
    const { podSelector, policyTypes, ingress, egress } = asPolicy(object).spec ?? {};
    const errors = podSelector === undefined ? [] : validateLabelSelector(podSelector, "spec.podSelector");
    for (const [index, type] of (policyTypes ?? []).entries()) {
      errors.push(...oneOf(type, `spec.policyTypes[${index}]`, ["Egress", "Ingress"]));
    }
    const rules = [
      ...(ingress ?? []).map((rule, index) => ({ peers: rule.from ?? [], path: `spec.ingress[${index}].from` })),
      ...(egress ?? []).map((rule, index) => ({ peers: rule.to ?? [], path: `spec.egress[${index}].to` })),
    ];
    for (const { peers, path } of rules) {
      for (const [index, peer] of peers.entries()) {
        const at = `${path}[${index}]`;
        if (Object.keys(peer).length === 0) errors.push(required(at, "must specify a peer"));
        const cidr = peer.ipBlock?.cidr;
        if (!unset(cidr)) errors.push(...cidrAt(cidr, `${at}.ipBlock.cidr`));
      }
    }
    return errors;
  },
};

export const endpointsOptions: SchemaRuleOptions = {
  setDefaults(object) {
    for (const subset of (object as Endpoints).subsets ?? []) {
      for (const port of subset.ports ?? []) port.protocol ??= "TCP";
    }
  },
};

export const budgetOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  check(object) {
    const spec = asBudget(object).spec ?? {};
    const { minAvailable, maxUnavailable } = spec;
    const errors: FieldError[] = [];
    if (minAvailable !== undefined && maxUnavailable !== undefined) {
      errors.push(invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"));
    }
    if (minAvailable !== undefined) errors.push(...nonNegativeOrPercent(minAvailable, "spec.minAvailable"));
    else if (maxUnavailable !== undefined) errors.push(...nonNegativeOrPercent(maxUnavailable, "spec.maxUnavailable"));
    if (spec.selector !== undefined) errors.push(...validateLabelSelector(spec.selector, "spec.selector"));
    const policies = ["AlwaysAllow", "IfHealthyBudget"];
    errors.push(...optionalOneOf(spec.unhealthyPodEvictionPolicy, "spec.unhealthyPodEvictionPolicy", policies));
    return errors;
  },
};
