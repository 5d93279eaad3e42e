/**
 * The resources that are served: what discovery says, what keys and paths are made of. Small on purpose, so that
 * kubelet and proxy need not load schemas. Field types, required and formats live in `api/gen/`.
 */
export interface ResourceInfo {
  /** "" for the core group. */
  readonly group: string;
  readonly version: string;
  /** Plural, lower case: `deployments`. */
  readonly resource: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  /** Sub-resources by name, e.g. `status`, `scale`, `binding`, `log`, `exec`. */
  readonly subresources: readonly string[];
  /** Key into the schema table, e.g. `io.k8s.api.apps.v1.Deployment`; no table has the types of custom resources. */
  readonly type: string;
  /** Where it is not the kind with `List` after it. */
  readonly listKind?: string;
}

function define(
  group: string,
  version: string,
  kind: string,
  resource: string,
  more: Partial<Pick<ResourceInfo, "namespaced" | "shortNames" | "categories" | "subresources">> = {},
): ResourceInfo {
  return {
    group,
    version,
    resource,
    singular: kind.toLowerCase(),
    kind,
    namespaced: more.namespaced ?? true,
    shortNames: more.shortNames ?? [],
    categories: more.categories ?? [],
    subresources: more.subresources ?? [],
    type: `${packageOf(group)}.${version}.${kind}`,
  };
}

/** Two groups are defined outside k8s.io/api. */
function packageOf(group: string): string {
  switch (group) {
    case "apiextensions.k8s.io":
      return "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions";
    case "apiregistration.k8s.io":
      return "io.k8s.kube-aggregator.pkg.apis.apiregistration";
    default:
      return `io.k8s.api.${group === "" ? "core" : group.split(".")[0]}`;
  }
}

export const namespaces = define("", "v1", "Namespace", "namespaces", {
  namespaced: false,
  shortNames: ["ns"],
  subresources: ["finalize", "status"],
});
export const nodes = define("", "v1", "Node", "nodes", {
  namespaced: false,
  shortNames: ["no"],
  subresources: ["proxy", "status"],
});
export const pods = define("", "v1", "Pod", "pods", {
  shortNames: ["po"],
  categories: ["all"],
  subresources: [
    ...["attach", "binding", "ephemeralcontainers", "eviction", "exec", "log", "portforward", "proxy", "resize"],
    "status",
  ],
});
export const configMaps = define("", "v1", "ConfigMap", "configmaps", { shortNames: ["cm"] });
export const secrets = define("", "v1", "Secret", "secrets");
export const services = define("", "v1", "Service", "services", {
  shortNames: ["svc"],
  categories: ["all"],
  subresources: ["proxy", "status"],
});
export const serviceAccounts = define("", "v1", "ServiceAccount", "serviceaccounts", {
  shortNames: ["sa"],
  subresources: ["token"],
});
export const events = define("", "v1", "Event", "events", { shortNames: ["ev"] });
/** The same objects as {@linkcode events}, under other names. */
export const newEvents = define("events.k8s.io", "v1", "Event", "events", { shortNames: ["ev"] });
export const leases = define("coordination.k8s.io", "v1", "Lease", "leases");
export const deployments = define("apps", "v1", "Deployment", "deployments", {
  shortNames: ["deploy"],
  categories: ["all"],
  subresources: ["scale", "status"],
});
export const replicaSets = define("apps", "v1", "ReplicaSet", "replicasets", {
  shortNames: ["rs"],
  categories: ["all"],
  subresources: ["scale", "status"],
});
export const endpointSlices = define("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices");

export const endpoints = define("", "v1", "Endpoints", "endpoints", { shortNames: ["ep"] });
export const limitRanges = define("", "v1", "LimitRange", "limitranges", { shortNames: ["limits"] });
export const persistentVolumes = define("", "v1", "PersistentVolume", "persistentvolumes", {
  namespaced: false,
  shortNames: ["pv"],
  subresources: ["status"],
});
export const persistentVolumeClaims = define("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", {
  shortNames: ["pvc"],
  subresources: ["status"],
});
export const podTemplates = define("", "v1", "PodTemplate", "podtemplates");
export const replicationControllers = define("", "v1", "ReplicationController", "replicationcontrollers", {
  shortNames: ["rc"],
  categories: ["all"],
  subresources: ["scale", "status"],
});
export const resourceQuotas = define("", "v1", "ResourceQuota", "resourcequotas", {
  shortNames: ["quota"],
  subresources: ["status"],
});
export const controllerRevisions = define("apps", "v1", "ControllerRevision", "controllerrevisions");
export const daemonSets = define("apps", "v1", "DaemonSet", "daemonsets", {
  shortNames: ["ds"],
  categories: ["all"],
  subresources: ["status"],
});
export const statefulSets = define("apps", "v1", "StatefulSet", "statefulsets", {
  shortNames: ["sts"],
  categories: ["all"],
  subresources: ["scale", "status"],
});
export const horizontalPodAutoscalers = define(
  "autoscaling",
  "v2",
  "HorizontalPodAutoscaler",
  "horizontalpodautoscalers",
  { shortNames: ["hpa"], categories: ["all"], subresources: ["status"] },
);
/** The same objects as {@linkcode horizontalPodAutoscalers}, with the rest in annotations. */
export const firstHorizontalPodAutoscalers = define(
  "autoscaling",
  "v1",
  "HorizontalPodAutoscaler",
  "horizontalpodautoscalers",
  { shortNames: ["hpa"], categories: ["all"], subresources: ["status"] },
);
export const cronJobs = define("batch", "v1", "CronJob", "cronjobs", {
  shortNames: ["cj"],
  categories: ["all"],
  subresources: ["status"],
});
export const jobs = define("batch", "v1", "Job", "jobs", { categories: ["all"], subresources: ["status"] });
export const certificateSigningRequests = define(
  "certificates.k8s.io",
  "v1",
  "CertificateSigningRequest",
  "certificatesigningrequests",
  { namespaced: false, shortNames: ["csr"], subresources: ["approval", "status"] },
);
export const ingressClasses = define("networking.k8s.io", "v1", "IngressClass", "ingressclasses", {
  namespaced: false,
});
export const ingresses = define("networking.k8s.io", "v1", "Ingress", "ingresses", {
  shortNames: ["ing"],
  subresources: ["status"],
});
export const ipAddresses = define("networking.k8s.io", "v1", "IPAddress", "ipaddresses", {
  namespaced: false,
  shortNames: ["ip"],
});
export const networkPolicies = define("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", {
  shortNames: ["netpol"],
});
export const serviceCidrs = define("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", {
  namespaced: false,
  subresources: ["status"],
});
export const podDisruptionBudgets = define("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", {
  shortNames: ["pdb"],
  subresources: ["status"],
});
export const clusterRoleBindings = define(
  "rbac.authorization.k8s.io",
  "v1",
  "ClusterRoleBinding",
  "clusterrolebindings",
  { namespaced: false },
);
export const clusterRoles = define("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", {
  namespaced: false,
});
export const roleBindings = define("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings");
export const roles = define("rbac.authorization.k8s.io", "v1", "Role", "roles");
export const csiDrivers = define("storage.k8s.io", "v1", "CSIDriver", "csidrivers", { namespaced: false });
export const csiNodes = define("storage.k8s.io", "v1", "CSINode", "csinodes", { namespaced: false });
export const csiStorageCapacities = define("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities");
export const storageClasses = define("storage.k8s.io", "v1", "StorageClass", "storageclasses", {
  namespaced: false,
  shortNames: ["sc"],
});
export const volumeAttachments = define("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", {
  namespaced: false,
  subresources: ["status"],
});
export const volumeAttributesClasses = define(
  "storage.k8s.io",
  "v1",
  "VolumeAttributesClass",
  "volumeattributesclasses",
  { namespaced: false, shortNames: ["vac"] },
);
export const mutatingAdmissionPolicies = define(
  "admissionregistration.k8s.io",
  "v1",
  "MutatingAdmissionPolicy",
  "mutatingadmissionpolicies",
  { namespaced: false, categories: ["api-extensions"] },
);
export const mutatingAdmissionPolicyBindings = define(
  "admissionregistration.k8s.io",
  "v1",
  "MutatingAdmissionPolicyBinding",
  "mutatingadmissionpolicybindings",
  { namespaced: false, categories: ["api-extensions"] },
);
export const mutatingWebhookConfigurations = define(
  "admissionregistration.k8s.io",
  "v1",
  "MutatingWebhookConfiguration",
  "mutatingwebhookconfigurations",
  { namespaced: false, categories: ["api-extensions"] },
);
export const validatingAdmissionPolicies = define(
  "admissionregistration.k8s.io",
  "v1",
  "ValidatingAdmissionPolicy",
  "validatingadmissionpolicies",
  { namespaced: false, categories: ["api-extensions"], subresources: ["status"] },
);
export const validatingAdmissionPolicyBindings = define(
  "admissionregistration.k8s.io",
  "v1",
  "ValidatingAdmissionPolicyBinding",
  "validatingadmissionpolicybindings",
  { namespaced: false, categories: ["api-extensions"] },
);
export const validatingWebhookConfigurations = define(
  "admissionregistration.k8s.io",
  "v1",
  "ValidatingWebhookConfiguration",
  "validatingwebhookconfigurations",
  { namespaced: false, categories: ["api-extensions"] },
);
export const customResourceDefinitions = define(
  "apiextensions.k8s.io",
  "v1",
  "CustomResourceDefinition",
  "customresourcedefinitions",
  { namespaced: false, shortNames: ["crd", "crds"], categories: ["api-extensions"], subresources: ["status"] },
);
export const apiServices = define("apiregistration.k8s.io", "v1", "APIService", "apiservices", {
  namespaced: false,
  categories: ["api-extensions"],
  subresources: ["status"],
});
export const priorityClasses = define("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", {
  namespaced: false,
  shortNames: ["pc"],
});
export const runtimeClasses = define("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses", { namespaced: false });
export const flowSchemas = define("flowcontrol.apiserver.k8s.io", "v1", "FlowSchema", "flowschemas", {
  namespaced: false,
  subresources: ["status"],
});
export const priorityLevelConfigurations = define(
  "flowcontrol.apiserver.k8s.io",
  "v1",
  "PriorityLevelConfiguration",
  "prioritylevelconfigurations",
  { namespaced: false, subresources: ["status"] },
);
export const deviceClasses = define("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", { namespaced: false });
export const resourceClaims = define("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", {
  subresources: ["status"],
});
export const resourceClaimTemplates = define(
  "resource.k8s.io",
  "v1",
  "ResourceClaimTemplate",
  "resourceclaimtemplates",
);
export const resourceSlices = define("resource.k8s.io", "v1", "ResourceSlice", "resourceslices", { namespaced: false });

export const selfSubjectReviews = define("authentication.k8s.io", "v1", "SelfSubjectReview", "selfsubjectreviews", {
  namespaced: false,
});
export const tokenReviews = define("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", {
  namespaced: false,
});
export const localSubjectAccessReviews = define(
  "authorization.k8s.io",
  "v1",
  "LocalSubjectAccessReview",
  "localsubjectaccessreviews",
);
export const selfSubjectAccessReviews = define(
  "authorization.k8s.io",
  "v1",
  "SelfSubjectAccessReview",
  "selfsubjectaccessreviews",
  { namespaced: false },
);
export const selfSubjectRulesReviews = define(
  "authorization.k8s.io",
  "v1",
  "SelfSubjectRulesReview",
  "selfsubjectrulesreviews",
  { namespaced: false },
);
export const subjectAccessReviews = define(
  "authorization.k8s.io",
  "v1",
  "SubjectAccessReview",
  "subjectaccessreviews",
  { namespaced: false },
);

/** Questions that a POST answers; nothing of them is stored. */
export const reviews: readonly ResourceInfo[] = [
  selfSubjectReviews,
  tokenReviews,
  localSubjectAccessReviews,
  selfSubjectAccessReviews,
  selfSubjectRulesReviews,
  subjectAccessReviews,
];

/** Every stored resource, in discovery order: of the versions of one resource that first by which it is stored. */
export const resources: readonly ResourceInfo[] = [
  configMaps,
  endpoints,
  events,
  limitRanges,
  namespaces,
  nodes,
  persistentVolumeClaims,
  persistentVolumes,
  pods,
  podTemplates,
  replicationControllers,
  resourceQuotas,
  secrets,
  serviceAccounts,
  services,
  apiServices,
  controllerRevisions,
  daemonSets,
  deployments,
  replicaSets,
  statefulSets,
  horizontalPodAutoscalers,
  firstHorizontalPodAutoscalers,
  cronJobs,
  jobs,
  certificateSigningRequests,
  ingressClasses,
  ingresses,
  ipAddresses,
  networkPolicies,
  serviceCidrs,
  podDisruptionBudgets,
  clusterRoleBindings,
  clusterRoles,
  roleBindings,
  roles,
  csiDrivers,
  csiNodes,
  csiStorageCapacities,
  storageClasses,
  volumeAttachments,
  volumeAttributesClasses,
  mutatingAdmissionPolicies,
  mutatingAdmissionPolicyBindings,
  mutatingWebhookConfigurations,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
  validatingWebhookConfigurations,
  customResourceDefinitions,
  priorityClasses,
  leases,
  runtimeClasses,
  newEvents,
  endpointSlices,
  flowSchemas,
  priorityLevelConfigurations,
  deviceClasses,
  resourceClaims,
  resourceClaimTemplates,
  resourceSlices,
];

const afterApps = resources.indexOf(horizontalPodAutoscalers);

/** Every resource that has a path, in discovery order. */
export const served: readonly ResourceInfo[] = [
  ...resources.slice(0, afterApps),
  ...reviews,
  ...resources.slice(afterApps),
];

/** Of every stored resource one version, the one that discovery prefers: what counts or deletes goes over these. */
export const preferred: readonly ResourceInfo[] = resources.filter((info) => info !== firstHorizontalPodAutoscalers);

/** Whether it is a question that is answered rather than an object that is kept. */
export function isReview(info: ResourceInfo): boolean {
  return reviews.includes(info);
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(info: Pick<ResourceInfo, "group" | "version">): string {
  return info.group === "" ? info.version : `${info.group}/${info.version}`;
}

export function listKindOf(info: Pick<ResourceInfo, "kind" | "listKind">): string {
  return info.listKind ?? `${info.kind}List`;
}

/** `/api/v1` or `/apis/apps/v1`, then `/namespaces/NS` when given, then the plural, then the name and sub-resource. */
export function pathOf(info: ResourceInfo, namespace?: string, name?: string, subresource?: string): string {
  let path = info.group === "" ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`;
  if (info.namespaced && namespace !== undefined && namespace !== "") {
    path += `/namespaces/${encodeURIComponent(namespace)}`;
  }
  path += `/${info.resource}`;
  if (name !== undefined) path += `/${encodeURIComponent(name)}`;
  if (subresource !== undefined) path += `/${subresource}`;
  return path;
}
