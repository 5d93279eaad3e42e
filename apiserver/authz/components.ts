/** Resources are named `pods` or `pods/status`; plural names are unique among what is served. */
export interface Rule {
  readonly verbs: readonly string[] | "*";
  readonly resources: readonly string[] | "*";
}

const read = ["get", "list", "watch"] as const;
const emitEvents: Rule = { verbs: ["create", "patch", "update"], resources: ["events"] };
const electLeader: Rule = { verbs: ["create", "get", "list", "watch", "update", "patch"], resources: ["leases"] };

/** By user name. The controller-manager deletes what namespaces and owners leave behind, hence every resource. */
export const componentRules: Readonly<Record<string, readonly Rule[]>> = {
  "system:kube-controller-manager": [{ verbs: "*", resources: "*" }],
  "system:kube-scheduler": [
    { verbs: read, resources: ["pods", "nodes", "namespaces", "services", "replicasets", "deployments"] },
    { verbs: ["delete"], resources: ["pods"] },
    { verbs: ["create"], resources: ["pods/binding"] },
    { verbs: ["get", "patch", "update"], resources: ["pods/status"] },
    electLeader,
    emitEvents,
  ],
  "system:kube-proxy": [
    { verbs: read, resources: ["services", "endpointslices", "nodes", "namespaces"] },
    emitEvents,
  ],
  // One process stands for many kubelets: what each may do, for all nodes. Exists only in clusters with hollow nodes.
  "system:hollow-nodes": [
    { verbs: read, resources: ["pods", "nodes", "services"] },
    { verbs: ["get"], resources: ["configmaps", "secrets"] },
    { verbs: ["create", "patch", "update"], resources: ["nodes", "leases"] },
    { verbs: ["get"], resources: ["leases"] },
    { verbs: ["patch", "update"], resources: ["nodes/status", "pods/status"] },
    { verbs: ["delete"], resources: ["pods"] },
    emitEvents,
  ],
};
