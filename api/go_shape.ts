/** What Go's structures say and the schema tables do not: which fields are pointers, which `any` is a union. */

/**
 * Which optional numbers, booleans and texts are pointers in Go (types.go of each group). Their zero is on the wire only
 * when it was meant; every other zero is on the wire always and means "not set".
 */
const pointers: ReadonlySet<string> = new Set([
  "activeDeadlineSeconds",
  "adminAccess",
  "allNodes",
  "allocateLoadBalancerNodePorts",
  "allowMultipleAllocations",
  "allowPrivilegeEscalation",
  "allowVolumeExpansion",
  "attachRequired",
  "automountServiceAccountToken",
  "averageUtilization",
  "backoffLimit",
  "backoffLimitPerIndex",
  "bindsToNode",
  "blockOwnerDeletion",
  "bool",
  "borrowingLimitPercent",
  "capacity",
  "collisionCount",
  "completions",
  "controller",
  "currentCPUUtilizationPercentage",
  "defaultMode",
  "deletionGracePeriodSeconds",
  "enableServiceLinks",
  "endPort",
  "errorCode",
  "expirationSeconds",
  "failedJobsHistoryLimit",
  "fsGroup",
  "gracePeriodSeconds",
  "hostProcess",
  "hostUsers",
  "ignoreStoreReadErrorWithClusterBreakingPotential",
  "immutable",
  "int",
  "leaseDurationSeconds",
  "leaseTransitions",
  "lendablePercent",
  "lun",
  "manualSelector",
  "maxExpirationSeconds",
  "maxFailedIndexes",
  "maxItems",
  "maxLength",
  "maxProperties",
  "maximum",
  "minDomains",
  "minItems",
  "minLength",
  "minProperties",
  "minReplicas",
  "minimum",
  "mode",
  "multipleOf",
  "nodeAllocatableUpdatePeriodSeconds",
  "nominalConcurrencyShares",
  "optional",
  "optionalOldSelf",
  "orphanDependents",
  "parallelism",
  "partition",
  "perDeviceNodeSelection",
  "podInfoOnMount",
  "port",
  "preventPodSchedulingIfMissing",
  "priority",
  "privileged",
  "progressDeadlineSeconds",
  "readOnlyRootFilesystem",
  "ready",
  "recursiveReadOnlyMounts",
  "remainingItemCount",
  "replicas",
  "requiresRepublish",
  "revisionHistoryLimit",
  "runAsGroup",
  "runAsNonRoot",
  "runAsUser",
  "seLinuxMount",
  "serviceAccountTokenInSecrets",
  "serving",
  "setHostnameAsFQDN",
  "shareProcessNamespace",
  "stabilizationWindowSeconds",
  "started",
  "startingDeadlineSeconds",
  "storageCapacity",
  "succeededCount",
  "successfulJobsHistoryLimit",
  "supplementalGroupsPolicy",
  "suspend",
  "targetCPUUtilizationPercentage",
  "terminating",
  "terminatingReplicas",
  "terminationGracePeriodSeconds",
  "timeoutSeconds",
  "tolerationSeconds",
  "ttlSecondsAfterFinished",
  "userNamespaces",
  "x-kubernetes-preserve-unknown-fields",
]);

/** Fields of one of those names that are plain all the same. */
const plain: ReadonlySet<string> = new Set([
  "io.k8s.api.apps.v1.DeploymentStatus.replicas",
  "io.k8s.api.apps.v1.StatefulSetStatus.replicas",
  "io.k8s.api.core.v1.AWSElasticBlockStoreVolumeSource.partition",
  "io.k8s.api.core.v1.GCEPersistentDiskVolumeSource.partition",
  "io.k8s.api.core.v1.Probe.timeoutSeconds",
  "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceColumnDefinition.priority",
]);

const pointerTexts: ReadonlySet<string> = new Set([
  "io.k8s.api.coordination.v1.LeaseSpec.holderIdentity",
  "io.k8s.api.core.v1.PersistentVolumeClaimSpec.storageClassName",
  "io.k8s.api.core.v1.PersistentVolumeClaimSpec.volumeAttributesClassName",
  "io.k8s.api.discovery.v1.EndpointPort.name",
]);

/** Whether a zero of this field on the wire says something. @param type full name of the structure */
export function zeroCounts(type: string, field: string, zero: unknown): boolean {
  if (zero === "") return pointerTexts.has(`${type}.${field}`);
  return pointers.has(field) && !plain.has(`${type}.${field}`);
}

export const jsonSchemaProps = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps";
const subresources = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceSubresources";

/**
 * Fields of a CustomResourceDefinition that the tables call `any` and that are messages of their own on the wire:
 * JSONSchemaPropsOrBool {allows = 1, schema = 2}, OrArray {schema = 1, jSONSchemas = 2}, OrStringArray {schema = 1,
 * property = 2}, and the empty CustomResourceSubresourceStatus.
 */
export function isUnion(type: string, field: string): boolean {
  if (type === subresources) return field === "status";
  if (type !== jsonSchemaProps) return false;
  return field === "items" || field === "additionalItems" || field === "additionalProperties" ||
    field === "dependencies";
}
