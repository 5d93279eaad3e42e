/** What differs between the kinds whose rules follow from their schemas. @see kubernetes pkg/registry strategies */
import {
  apiServices,
  clusterRoleBindings,
  clusterRoles,
  csiDrivers,
  customResourceDefinitions,
  deviceClasses,
  flowSchemas,
  ingressClasses,
  ingresses,
  ipAddresses,
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  mutatingWebhookConfigurations,
  networkPolicies,
  podDisruptionBudgets,
  podTemplates,
  priorityClasses,
  priorityLevelConfigurations,
  type ResourceInfo,
  resources,
  resourceSlices,
  roleBindings,
  roles,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
  validatingWebhookConfigurations,
} from "../resources.ts";
import { ipAddressName, pathSegmentName, type SchemaRuleOptions, schemaRules } from "./schema_rules.ts";
import type { Rules } from "./types.ts";

const spec = { generationOf: ["spec"] } as const;
const segment = { name: pathSegmentName } as const;

const options = new Map<ResourceInfo, SchemaRuleOptions>([
  [apiServices, segment],
  [clusterRoleBindings, segment],
  [clusterRoles, segment],
  [roleBindings, segment],
  [roles, segment],
  [ipAddresses, { name: ipAddressName }],
  [csiDrivers, spec],
  [customResourceDefinitions, spec],
  [deviceClasses, spec],
  [flowSchemas, spec],
  [ingressClasses, spec],
  [ingresses, spec],
  [mutatingAdmissionPolicies, spec],
  [mutatingAdmissionPolicyBindings, spec],
  [networkPolicies, spec],
  [podDisruptionBudgets, spec],
  [priorityLevelConfigurations, spec],
  [resourceSlices, spec],
  [validatingAdmissionPolicies, spec],
  [validatingAdmissionPolicyBindings, spec],
  [mutatingWebhookConfigurations, { generationOf: ["webhooks"] }],
  [validatingWebhookConfigurations, { generationOf: ["webhooks"] }],
  [podTemplates, { generationOf: ["template"] }],
  [priorityClasses, { generationOf: ["value", "globalDefault", "description", "preemptionPolicy"] }],
]);

/** The schema's rules of every served kind, by type: what kinds with own rules build on or replace. */
export const builtinRules: ReadonlyMap<string, Rules> = new Map(
  resources.map((info) => [info.type, schemaRules(info, options.get(info))]),
);
