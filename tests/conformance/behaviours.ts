/**
 * The conformance behaviours of Kubernetes 1.36 that need no running container, or none but a webhook's server, which the
 * check is itself (176 of the 446 entries of test/conformance/testdata/conformance.yaml), by their published names; for
 * each the check that stands for it, "" where none does yet, and what that waits for.
 */
export const behaviours: readonly (readonly [name: string, check: string, waitsFor?: string])[] = [
  ["[sig-api-machinery] API priority and fairness should support FlowSchema API operations", "flowschemas"],
  [
    "[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations",
    "prioritylevels",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] listing mutating webhooks should work",
    "mutating webhooks listed",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] listing validating webhooks should work",
    "validating webhooks listed",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] patching/updating a mutating webhook should work",
    "mutating webhook changed",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] patching/updating a validating webhook should work",
    "validating webhook changed",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to deny attaching pod",
    "webhook denies attaching",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to deny custom resource creation, update and deletion",
    "webhook denies custom resources",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to deny pod and configmap creation",
    "webhook denies pods and configmaps",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should deny crd creation",
    "webhook denies definitions",
  ],
  ["[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should honor timeout", "webhook in time"],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate configmap",
    "webhook changes configmaps",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate custom resource",
    "webhook changes custom resources",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate custom resource with different stored version",
    "webhook changes another stored version",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate custom resource with pruning",
    "webhook changes are pruned",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate everything except 'skip-me' configmaps",
    "webhook conditions skip",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate pod and apply defaults after mutation",
    "webhook changes pods",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should not be able to mutate or prevent deletion of webhook configuration objects",
    "webhook configurations are not webhooks' business",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should unconditionally reject operations on fail closed webhook",
    "webhook fails closed",
  ],
  [
    "[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert a non homogeneous list of CRs",
    "lists of two versions converted",
  ],
  [
    "[sig-api-machinery] CustomResourceConversionWebhook [Privileged:ClusterAdmin] should be able to convert from CR v1 to CR v2",
    "custom resources converted",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to create and update mutating webhook configurations with match conditions",
    "mutating match conditions",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to create and update validating webhook configurations with match conditions",
    "validating match conditions",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should include webhook resources in discovery documents",
    "webhooks discovered",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should reject mutating webhook configurations with invalid match conditions",
    "mutating conditions refused",
  ],
  [
    "[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should reject validating webhook configurations with invalid match conditions",
    "validating conditions refused",
  ],
  ["[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface", "aggregated discovery"],
  [
    "[sig-api-machinery] AggregatedDiscovery should support aggregated discovery interface for CRDs",
    "aggregated discovery of definitions",
  ],
  [
    "[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery endpoint Accept headers",
    "aggregated discovery",
  ],
  [
    "[sig-api-machinery] AggregatedDiscovery should support raw aggregated discovery request for CRDs",
    "aggregated discovery of definitions",
  ],
  [
    "[sig-api-machinery] CustomResourceDefinition Watch [Privileged:ClusterAdmin] CustomResourceDefinition Watch watch on custom resource definition objects",
    "watch of definitions",
  ],
  [
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition creating/deleting custom resource definition objects works",
    "definition lifecycle",
  ],
  [
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition getting/updating/patching custom resource definition status sub-resource works",
    "definition lifecycle",
  ],
  [
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] Simple CustomResourceDefinition listing custom resource definition objects works",
    "definition lifecycle",
  ],
  [
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] custom resource defaulting for requests and from storage works",
    "defaults of definitions",
  ],
  [
    "[sig-api-machinery] CustomResourceDefinition resources [Privileged:ClusterAdmin] should include custom resource definition resources in discovery documents",
    "definitions discovered",
  ],
  [
    "[sig-api-machinery] CustomResourceFieldSelectors [Privileged:ClusterAdmin] CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector",
    "fields of custom resources selected",
  ],
  [
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] removes definition from spec when one version gets changed to not be served",
    "published no more",
  ],
  [
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] updates the published spec when one version gets renamed",
    "published under a new name",
  ],
  [
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown fields at the schema root",
    "published preserving the root",
  ],
  [
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD preserving unknown fields in an embedded object",
    "published preserving a field",
  ],
  [
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD with validation schema",
    "published with a schema",
  ],
  [
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for CRD without validation schema",
    "published without a schema",
  ],
  [
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of different groups",
    "published in several groups",
  ],
  [
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group and version but different kinds",
    "published as several kinds",
  ],
  [
    "[sig-api-machinery] CustomResourcePublishOpenAPI [Privileged:ClusterAdmin] works for multiple CRDs of same group but different versions",
    "published in several versions",
  ],
  [
    "[sig-api-machinery] Discovery should locate the groupVersion and a resource within each APIGroup",
    "discovery of groups",
  ],
  ["[sig-api-machinery] Discovery should validate PreferredVersion for each APIGroup", "discovery of groups"],
  [
    "[sig-api-machinery] FieldValidation should create/apply a CR with unknown fields for CRD with no validation schema",
    "unknown fields without a schema",
  ],
  [
    "[sig-api-machinery] FieldValidation should create/apply a valid CR for CRD with validation schema",
    "valid custom resource",
  ],
  [
    "[sig-api-machinery] FieldValidation should create/apply an invalid CR with extra properties for CRD with validation schema",
    "unknown field of a custom resource",
  ],
  [
    "[sig-api-machinery] FieldValidation should detect duplicates in a CR when preserving unknown fields",
    "duplicate field of a custom resource",
  ],
  [
    "[sig-api-machinery] FieldValidation should detect unknown and duplicate fields of a typed object",
    "unknown and duplicate fields",
  ],
  [
    "[sig-api-machinery] FieldValidation should detect unknown metadata fields in both the root and embedded object of a CR",
    "unknown metadata of a custom resource",
  ],
  ["[sig-api-machinery] FieldValidation should detect unknown metadata fields of a typed object", "unknown metadata"],
  [
    "[sig-api-machinery] Garbage collector should delete RS created by deployment when not orphaning",
    "sets go with their deployment",
  ],
  [
    "[sig-api-machinery] Garbage collector should delete pods created by rc when not orphaning",
    "pods go with their controller",
  ],
  [
    "[sig-api-machinery] Garbage collector should keep the rc around until all its pods are deleted if the deleteOptions says so [Serial]",
    "controller waits for its pods",
  ],
  ["[sig-api-machinery] Garbage collector should not be blocked by dependency circle", "a circle of dependents"],
  [
    "[sig-api-machinery] Garbage collector should not delete dependents that have both valid owner and owner that's waiting for dependents to be deleted [Serial]",
    "dependents with a second owner",
  ],
  [
    "[sig-api-machinery] Garbage collector should orphan RS created by deployment when deleteOptions.PropagationPolicy is Orphan",
    "sets orphaned by their deployment",
  ],
  [
    "[sig-api-machinery] Garbage collector should orphan pods created by rc if delete options say so [Serial]",
    "pods orphaned by their controller",
  ],
  [
    "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should mutate a Deployment",
    "deployment mutated",
  ],
  [
    "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should mutate a Deployment with annotations",
    "annotations of a deployment mutated",
  ],
  [
    "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicy API operations",
    "mutatingPolicies",
  ],
  [
    "[sig-api-machinery] MutatingAdmissionPolicy [Privileged:ClusterAdmin] should support MutatingAdmissionPolicyBinding API operations",
    "mutatingPolicyBindings",
  ],
  ["[sig-api-machinery] Namespaces [Serial] should apply a finalizer to a Namespace", "namespace finalizer"],
  ["[sig-api-machinery] Namespaces [Serial] should apply an update to a Namespace", "namespace update"],
  ["[sig-api-machinery] Namespaces [Serial] should apply changes to a namespace status", "namespace status"],
  [
    "[sig-api-machinery] Namespaces [Serial] should ensure that all pods are removed when a namespace is deleted",
    "pods go with their namespace",
  ],
  [
    "[sig-api-machinery] Namespaces [Serial] should ensure that all services are removed when a namespace is deleted",
    "services go with their namespace",
  ],
  ["[sig-api-machinery] Namespaces [Serial] should patch a Namespace", "namespace patch"],
  [
    "[sig-api-machinery] OrderedNamespaceDeletion namespace deletion should delete pod first",
    "pods go before the rest",
  ],
  ["[sig-api-machinery] ResourceQuota should apply changes to a resourcequota status", "resourcequotas/status"],
  ["[sig-api-machinery] ResourceQuota should be able to update and delete ResourceQuota.", "quota update"],
  [
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a configMap.",
    "quota of configmaps",
  ],
  ["[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a pod.", "quota of pods"],
  [
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replica set.",
    "quota of replicasets",
  ],
  [
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a replication controller.",
    "quota of replicationcontrollers",
  ],
  [
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a secret.",
    "quota of secrets",
  ],
  [
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and capture the life of a service.",
    "quota of services",
  ],
  [
    "[sig-api-machinery] ResourceQuota should create a ResourceQuota and ensure its status is promptly calculated.",
    "quota status",
  ],
  ["[sig-api-machinery] ResourceQuota should manage the lifecycle of a ResourceQuota", "quotas"],
  ["[sig-api-machinery] ResourceQuota should verify ResourceQuota with best effort scope.", "quota of best effort"],
  ["[sig-api-machinery] ResourceQuota should verify ResourceQuota with terminating scopes.", "quota of terminating"],
  [
    "[sig-api-machinery] Servers with support for API chunking should return chunks of results for list calls",
    "chunks",
  ],
  [
    "[sig-api-machinery] Servers with support for API chunking should support continue listing from the last key if the original version has been compacted away, though the list is inconsistent [Slow]",
    "chunks after compaction",
  ],
  [
    "[sig-api-machinery] Servers with support for Table transformation should return a 406 for a backend which does not implement metadata",
    "table 406",
  ],
  [
    "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should allow expressions to refer variables.",
    "policy with variables",
  ],
  [
    "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicy API operations",
    "policies",
  ],
  [
    "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should support ValidatingAdmissionPolicyBinding API operations",
    "policyBindings",
  ],
  [
    "[sig-api-machinery] ValidatingAdmissionPolicy [Privileged:ClusterAdmin] should validate against a Deployment",
    "policy on deployments",
  ],
  [
    "[sig-api-machinery] Watchers should be able to restart watching from the last resource version observed by the previous watch",
    "watch restarted",
  ],
  [
    "[sig-api-machinery] Watchers should be able to start watching from a specific resource version",
    "watch from a version",
  ],
  [
    "[sig-api-machinery] Watchers should observe add, update, and delete watch notifications on configmaps",
    "watch by label",
  ],
  [
    "[sig-api-machinery] Watchers should observe an object deletion if it stops meeting the requirements of the selector",
    "watch left by the selector",
  ],
  ["[sig-api-machinery] Watchers should receive events on concurrent watches in same order", "concurrent watches"],
  ["[sig-api-machinery] server version should find the server version", "version"],
  ["[sig-apps] ControllerRevision [Serial] should manage the lifecycle of a ControllerRevision", "controllerrevisions"],
  ["[sig-apps] CronJob should support CronJob API operations", "cronjobs"],
  [
    "[sig-apps] DisruptionController Listing PodDisruptionBudgets for all namespaces should list and delete a collection of PodDisruptionBudgets",
    "disruptionbudgets",
  ],
  ["[sig-apps] DisruptionController should create a PodDisruptionBudget", "disruptionbudgets"],
  ["[sig-apps] DisruptionController should observe PodDisruptionBudget status updated", "budget status observed"],
  ["[sig-apps] DisruptionController should update/patch PodDisruptionBudget status", "budget status written"],
  ["[sig-architecture] Conformance Tests should have at least two untainted nodes", "two nodes"],
  ["[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations", "signingrequests"],
  [
    "[sig-auth] ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer",
    "discovery of groups",
  ],
  ["[sig-auth] ServiceAccounts should allow opting out of API token automount", "automount of the token"],
  [
    "[sig-auth] ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview",
    "token review",
  ],
  ["[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace", "root certificate"],
  ["[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount", "serviceaccounts"],
  ["[sig-auth] ServiceAccounts should update a ServiceAccount", "serviceaccount update"],
  ["[sig-auth] SubjectReview should support SubjectReview API operations", "subject reviews"],
  [
    "[sig-cli] Kubectl client Kubectl api-versions should check if v1 is in available api versions",
    "kubectl api-versions",
  ],
  [
    "[sig-cli] Kubectl client Kubectl cluster-info should check if Kubernetes control plane services is included in cluster-info",
    "kubectl cluster-info",
  ],
  [
    "[sig-cli] Kubectl client Kubectl diff should check if kubectl diff finds a difference for Deployments",
    "kubectl diff",
  ],
  ["[sig-cli] Kubectl client Kubectl version should check is all data is printed", "kubectl version"],
  ["[sig-cli] Kubectl client Proxy server should support --unix-socket=/path", "kubectl proxy on a socket"],
  ["[sig-cli] Kubectl client Proxy server should support proxy with --port 0", "kubectl proxy"],
  ["[sig-instrumentation] Events API should delete a collection of events", "new events as a collection"],
  [
    "[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed",
    "new events",
  ],
  ["[sig-instrumentation] Events should delete a collection of events", "events"],
  ["[sig-instrumentation] Events should manage the lifecycle of an event", "events"],
  ["[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server", "apiserver endpoints"],
  ["[sig-network] API Server should provide secure master service", "kubernetes service"],
  [
    "[sig-network] EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods",
    "slices of a service without pods",
  ],
  ["[sig-network] EndpointSlice should support creating EndpointSlice API operations", "endpointslices"],
  [
    "[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete",
    "mirrored endpoints",
  ],
  ["[sig-network] Endpoints should test the lifecycle of an Endpoint", "endpoints"],
  [
    "[sig-network] EndpointsController should create and delete Endpoints for a Service with a selector that matches no pods",
    "endpoints of a service without pods",
  ],
  ["[sig-network] Ingress API should support creating Ingress API operations", "ingresses"],
  ["[sig-network] IngressClass API should support creating IngressClass API operations", "ingressclasses"],
  ["[sig-network] ServiceCIDR and IPAddress API should support IPAddress API operations", "ip addresses"],
  ["[sig-network] ServiceCIDR and IPAddress API should support ServiceCIDR API operations", "servicecidrs"],
  ["[sig-network] Services should complete a service status lifecycle", "services/status"],
  ["[sig-network] Services should delete a collection of services", "services collection"],
  ["[sig-network] Services should find a service from listing all namespaces", "services of all namespaces"],
  ["[sig-node] ConfigMap should fail to create ConfigMap with empty key", "configmaps empty key"],
  ["[sig-node] ConfigMap should run through a ConfigMap lifecycle", "configmaps"],
  ["[sig-node] ConfigMap should update ConfigMap successfully [NodeConformance]", "configmaps"],
  ["[sig-node] Lease lease API should be available", "leases"],
  ["[sig-node] Node Lifecycle should run through the lifecycle of a node", "node lifecycle"],
  ["[sig-node] PodTemplates should delete a collection of pod templates", "podtemplates replace"],
  ["[sig-node] PodTemplates should replace a pod template", "podtemplates replace"],
  ["[sig-node] PodTemplates should run the lifecycle of PodTemplates", "podtemplates"],
  [
    "[sig-node] Pods Extended (pod generation) Pod Generation custom-set generation on new pods and graceful delete",
    "pod generation",
  ],
  [
    "[sig-node] Pods Extended (pod generation) Pod Generation pod generation should start at 1 and increment per update [MinimumKubeletVersion:1.34]",
    "pod generation counts changes",
  ],
  [
    "[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and cpu",
    "pod quality of service",
  ],
  ["[sig-node] Pods should allow activeDeadlineSeconds to be updated [NodeConformance]", "active deadline"],
  ["[sig-node] Pods should delete a collection of pods", "pods collection"],
  ["[sig-node] Pods should patch a pod status", "pod status"],
  [
    "[sig-node] RuntimeClass should reject a Pod requesting a deleted RuntimeClass [NodeConformance]",
    "unknown runtime class",
  ],
  [
    "[sig-node] RuntimeClass should reject a Pod requesting a non-existent RuntimeClass [NodeConformance]",
    "unknown runtime class",
  ],
  ["[sig-node] RuntimeClass should support RuntimeClasses API operations", "runtimeclasses"],
  ["[sig-node] Secrets should fail to create secret due to empty secret key", "secrets empty key"],
  ["[sig-node] Secrets should patch a secret", "secrets"],
  ["[sig-node] Sysctls [LinuxOnly] [NodeConformance] should reject invalid sysctls", "invalid sysctls"],
  ["[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceClass", "deviceclasses"],
  ["[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim", "resourceclaims"],
  ["[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate", "resourceclaimtemplates"],
  ["[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice", "resourceslices"],
  [
    "[sig-scheduling] LimitRange should create a LimitRange with defaults and ensure pod has those defaults applied.",
    "limit range defaults",
  ],
  ["[sig-scheduling] LimitRange should list, patch and delete a LimitRange by collection", "limitranges"],
  [
    "[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods",
    "priorityclasses",
  ],
  ["[sig-storage] CSIInlineVolumes should run through the lifecycle of a CSIDriver", "csidrivers"],
  ["[sig-storage] CSIInlineVolumes should support CSIVolumeSource in Pod API", "csi volumes of pods"],
  ["[sig-storage] CSINodes CSI Conformance should run through the lifecycle of a csinode", "csinodes"],
  ["[sig-storage] CSIStorageCapacity should support CSIStorageCapacities API operations", "csistoragecapacities"],
  ["[sig-storage] ConfigMap should be immutable if `immutable` field is set", "configmaps immutable"],
  ["[sig-storage] PersistentVolumes CSI Conformance should apply changes to a pv/pvc status", "volumes and claims"],
  [
    "[sig-storage] PersistentVolumes CSI Conformance should run through the lifecycle of a PV and a PVC",
    "volumes and claims",
  ],
  ["[sig-storage] Secrets should be immutable if `immutable` field is set", "secrets immutable"],
  ["[sig-storage] StorageClasses CSI Conformance should run through the lifecycle of a StorageClass", "storageclasses"],
  [
    "[sig-storage] VolumeAttachment Conformance should apply changes to a volumeattachment status",
    "volumeattachments/status",
  ],
  [
    "[sig-storage] VolumeAttachment Conformance should run through the lifecycle of a VolumeAttachment",
    "volumeattachments",
  ],
  [
    "[sig-storage] VolumeAttributesClass [FeatureGate:VolumeAttributesClass] should run through the lifecycle of a VolumeAttributesClass",
    "volumeattributesclasses",
  ],
];
