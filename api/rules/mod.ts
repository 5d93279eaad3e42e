/**
 * Defaulting and validation of the served kinds, in upstream's words.
 * @see kubernetes pkg/apis/core/v1/defaults.go and validation, pkg/registry strategies
 */
import { invariant } from "../../base/assert.ts";
import {
  apiServices,
  certificateSigningRequests,
  configMaps,
  cronJobs,
  customResourceDefinitions,
  deployments,
  endpointSlices,
  events,
  firstHorizontalPodAutoscalers,
  horizontalPodAutoscalers,
  jobs,
  leases,
  namespaces,
  newEvents,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  replicaSets,
  type ResourceInfo,
  secrets,
  serviceAccounts,
  services,
} from "../resources.ts";
import { firstVersionRules } from "./autoscaler.ts";
import { builtinRules } from "./builtin.ts";
import { signingRequestRules } from "./certificates.ts";
import { configMapRules, secretRules } from "./config.ts";
import { endpointSliceRules } from "./endpoint_slice.ts";
import { apiServiceRules } from "./api_service.ts";
import { definitionRules } from "./extension.ts";
import { cronJobRules, jobRules } from "./jobs.ts";
import { namespaceRules } from "./namespace.ts";
import { nodeRules } from "./node.ts";
import { podRules } from "./pod.ts";
import { eventRules, leaseRules, newEventRules, serviceAccountRules } from "./records.ts";
import { serviceRules } from "./service.ts";
import { claimRules, volumeRules } from "./storage.ts";
import type { Rules } from "./types.ts";
import { deploymentRules, replicaSetRules } from "./workloads.ts";

export { localApiServiceCondition } from "./api_service.ts";
export type { RuleContext, Rules, ViewRules } from "./types.ts";
export { distinct, metadataRules } from "./generic.ts";
export { certificateUsages } from "./certificates.ts";
export { imageTag } from "./pod_defaults.ts";
export { namespaceFinalizer } from "./namespace.ts";

function builtin({ type }: ResourceInfo): Rules {
  const rules = builtinRules.get(type);
  invariant(rules !== undefined, "the schema says what every kind must have");
  return rules;
}

const rulesByType: ReadonlyMap<string, Rules> = new Map([
  [certificateSigningRequests.type, signingRequestRules(builtin(certificateSigningRequests))],
  [configMaps.type, configMapRules],
  [cronJobs.type, cronJobRules],
  [apiServices.type, apiServiceRules],
  [customResourceDefinitions.type, definitionRules],
  [deployments.type, deploymentRules],
  [endpointSlices.type, endpointSliceRules],
  [events.type, eventRules],
  [firstHorizontalPodAutoscalers.type, firstVersionRules(builtin(horizontalPodAutoscalers))],
  [jobs.type, jobRules],
  [leases.type, leaseRules],
  [persistentVolumeClaims.type, claimRules],
  [persistentVolumes.type, volumeRules],
  [namespaces.type, namespaceRules],
  [newEvents.type, newEventRules],
  [nodes.type, nodeRules],
  [pods.type, podRules],
  [replicaSets.type, replicaSetRules],
  [secrets.type, secretRules],
  [serviceAccounts.type, serviceAccountRules],
  [services.type, serviceRules],
]);

/** The rules of a served resource. */
export function rulesFor(resource: Pick<ResourceInfo, "type">): Rules {
  const rules = rulesByType.get(resource.type) ?? builtinRules.get(resource.type);
  invariant(rules !== undefined, `no rules for ${resource.type}`);
  return rules;
}
