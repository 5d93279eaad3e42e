/** What differs between the kinds whose rules follow from their schemas. @see kubernetes pkg/registry strategies */
import type { PodTemplate } from "../gen/types.ts";
import {
  certificateSigningRequests,
  clusterRoleBindings,
  clusterRoles,
  controllerRevisions,
  csiDrivers,
  csiStorageCapacities,
  daemonSets,
  deviceClasses,
  endpoints,
  flowSchemas,
  horizontalPodAutoscalers,
  ingressClasses,
  ingresses,
  ipAddresses,
  limitRanges,
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  mutatingWebhookConfigurations,
  networkPolicies,
  podDisruptionBudgets,
  podTemplates,
  priorityClasses,
  priorityLevelConfigurations,
  replicationControllers,
  resourceClaims,
  resourceClaimTemplates,
  type ResourceInfo,
  resources,
  resourceSlices,
  roleBindings,
  roles,
  runtimeClasses,
  serviceCidrs,
  statefulSets,
  storageClasses,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
  validatingWebhookConfigurations,
  volumeAttachments,
  volumeAttributesClasses,
} from "../resources.ts";
import { bindingOptions, clusterRoleOptions, priorityClassOptions, roleOptions } from "./access.ts";
import { autoscalerOptions } from "./autoscaler.ts";
import {
  admissionPolicyOptions,
  flowSchemaOptions,
  mutatingPolicyOptions,
  policyBindingOptions,
  priorityLevelOptions,
  webhookOptions,
} from "./extension.ts";
import { limitRangeOptions } from "./limit_range.ts";
import { defaultPodTemplate } from "./pod_defaults.ts";
import { daemonSetOptions } from "./daemon_set.ts";
import { ipAddressName, type SchemaRuleOptions, schemaRules } from "./schema_rules.ts";
import { replicationControllerOptions, statefulSetOptions } from "./sets.ts";
import { csiDriverOptions, storageClassOptions } from "./storage.ts";
import {
  budgetOptions,
  endpointsOptions,
  ingressClassOptions,
  ingressOptions,
  networkPolicyOptions,
} from "./traffic.ts";
import type { Rules } from "./types.ts";

const spec = { generationOf: ["spec"] } as const;
const fixedSpec = { fixed: ["spec"] } as const;

const options = new Map<ResourceInfo, SchemaRuleOptions>([
  [certificateSigningRequests, { needs: ["spec.request", "spec.usages"] }],
  [clusterRoleBindings, bindingOptions(["ClusterRole"])],
  [clusterRoles, clusterRoleOptions],
  [roleBindings, bindingOptions(["ClusterRole", "Role"])],
  [roles, roleOptions],
  [controllerRevisions, { fixed: ["data"] }],
  [csiDrivers, csiDriverOptions],
  [csiStorageCapacities, { fixed: ["storageClassName", "nodeTopology"] }],
  [daemonSets, daemonSetOptions],
  [deviceClasses, spec],
  [endpoints, endpointsOptions],
  [flowSchemas, flowSchemaOptions],
  [horizontalPodAutoscalers, autoscalerOptions],
  [ingressClasses, ingressClassOptions],
  [ingresses, ingressOptions],
  [ipAddresses, { name: ipAddressName, needs: ["spec.parentRef"] }],
  [limitRanges, limitRangeOptions],
  [mutatingAdmissionPolicies, mutatingPolicyOptions],
  [mutatingAdmissionPolicyBindings, policyBindingOptions],
  [mutatingWebhookConfigurations, webhookOptions(true)],
  [networkPolicies, networkPolicyOptions],
  [podDisruptionBudgets, budgetOptions],
  [podTemplates, {
    generationOf: ["template"],
    setDefaults: (object) => defaultPodTemplate((object as PodTemplate).template),
  }],
  [priorityClasses, priorityClassOptions],
  [priorityLevelConfigurations, priorityLevelOptions],
  [replicationControllers, replicationControllerOptions],
  [resourceClaims, fixedSpec],
  [resourceClaimTemplates, fixedSpec],
  [resourceSlices, spec],
  [runtimeClasses, { fixed: ["handler"] }],
  [serviceCidrs, { needs: ["spec.cidrs"], fixed: ["spec"] }],
  [statefulSets, statefulSetOptions],
  [storageClasses, storageClassOptions],
  [validatingAdmissionPolicies, admissionPolicyOptions],
  [validatingAdmissionPolicyBindings, {
    ...policyBindingOptions,
    needs: ["spec.policyName", "spec.validationActions"],
  }],
  [validatingWebhookConfigurations, webhookOptions(false)],
  [volumeAttachments, fixedSpec],
  [volumeAttributesClasses, { fixed: ["driverName", "parameters"] }],
]);

/** The schema's rules of every served kind, by type: what kinds with own rules build on or replace. */
export const builtinRules: ReadonlyMap<string, Rules> = new Map(
  resources.map((info) => [info.type, schemaRules(info, options.get(info))]),
);
