import { aggregated, clusterRole, type DefaultRole, paths, read, readWrite, rule, write } from "./role_terms.ts";

/** Roles for people. */
export const userRoles: readonly DefaultRole[] = [
  clusterRole("cluster-admin", [rule("*", "*", "*"), paths("*", "*")]),
  aggregated("admin", ""),
  aggregated("edit", "admin"),
  aggregated("view", "edit"),
  clusterRole("system:aggregate-to-admin", [
    rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
    rule(readWrite, "rbac.authorization.k8s.io", "rolebindings roles"),
  ], "admin"),
  clusterRole("system:aggregate-to-edit", [
    rule(read, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
    rule("impersonate", "core", "serviceaccounts"),
    rule(write, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
    rule("create", "core", "pods/eviction"),
    rule(
      write,
      "core",
      "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets " +
        "serviceaccounts services services/proxy",
    ),
    rule("create", "core", "serviceaccounts/token"),
    rule(
      write,
      "apps",
      "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets " +
        "statefulsets/scale",
    ),
    rule(write, "autoscaling", "horizontalpodautoscalers"),
    rule(write, "batch", "cronjobs jobs"),
    rule(
      write,
      "extensions",
      "daemonsets deployments deployments/rollback deployments/scale ingresses networkpolicies replicasets " +
        "replicasets/scale replicationcontrollers/scale",
    ),
    rule(write, "policy", "poddisruptionbudgets"),
    rule(write, "networking.k8s.io", "ingresses networkpolicies"),
    rule(readWrite, "coordination.k8s.io", "leases"),
  ], "edit"),
  clusterRole("system:aggregate-to-view", [
    rule(
      read,
      "core",
      "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers " +
        "replicationcontrollers/scale serviceaccounts services services/status",
    ),
    rule(
      read,
      "core",
      "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status " +
        "resourcequotas resourcequotas/status",
    ),
    rule(read, "core", "namespaces"),
    rule(read, "discovery.k8s.io", "endpointslices"),
    rule(
      read,
      "apps",
      "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets " +
        "replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
    ),
    rule(read, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    rule(read, "batch", "cronjobs cronjobs/status jobs jobs/status"),
    rule(
      read,
      "extensions",
      "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status " +
        "networkpolicies replicasets replicasets/scale replicasets/status replicationcontrollers/scale",
    ),
    rule(read, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
    rule(read, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
  ], "view"),
  clusterRole("system:basic-user", [
    rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
    rule("create", "authentication.k8s.io", "selfsubjectreviews"),
  ]),
  clusterRole("system:discovery", [
    paths(
      "get",
      "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
    ),
  ]),
  clusterRole("system:public-info-viewer", [paths("get", "/healthz /livez /readyz /version /version/")]),
  clusterRole("system:monitoring", [
    paths("get", "/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*"),
  ]),
];
