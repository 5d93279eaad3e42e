/** For tests: the least that each served kind takes, without apiVersion, kind and metadata other than a special name. */
export const selector = { matchLabels: { a: "b" } } as const;
export const template = {
  metadata: { labels: { a: "b" } },
  spec: { containers: [{ name: "c", image: "nginx" }] },
} as const;
const jobTemplate = { ...template, spec: { ...template.spec, restartPolicy: "Never" } } as const;
const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "r" } as const;
const webhook = {
  name: "hook.example.com",
  clientConfig: { url: "https://hook.example.com/" },
  sideEffects: "None",
  admissionReviewVersions: ["v1"],
} as const;
const claimSpec = {
  accessModes: ["ReadWriteOnce"],
  resources: { requests: { storage: "1Gi" } },
} as const;
const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE"], resources: ["pods"] } as const;
const crd = {
  group: "example.com",
  scope: "Namespaced",
  names: { plural: "widgets", kind: "Widget" },
  versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: { type: "object" } } }],
} as const;
/** A PKCS#10 request for `CN=e2e`, signed by a key that is thrown away; base64 of PEM. */
const signingRequest =
  "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlISk1IQUNBUUF3RGpFTU1Bb0dBMVVFQXd3RFpUSmxNRmt3RXdZ" +
  "SEtvWkl6ajBDQVFZSUtvWkl6ajBEQVFjRApRZ0FFNkgrUC8rdmtUTEloSnh6S1hCVTliMk5SU3V5S2lIN1JTekJrRjZVK1JxcFJ2" +
  "N1pXYlQzRTJUd2k5d0xNCnF4TmsvalFYY3NyNStBUEZwRkNlVmRLdXU2QUFNQW9HQ0NxR1NNNDlCQU1DQTBrQU1FWUNJUUNxejBG" +
  "emVrQmEKNEQ2Q0p1WFpNSHpOVTRWbzBEL1NnL0ZnL2ovYXNiM0pBUUloQUlURFZ6YktFY2NTM2ptdU5mYTRmWVpGMEllTApMNzBH" +
  "M1lpNEUzdlVMK0hvCi0tLS0tRU5EIENFUlRJRklDQVRFIFJFUVVFU1QtLS0tLQo=";

/** What an object of this kind needs besides a name; keys with a group are for names that several groups have. */
export function minimalOf({ group, resource }: { group: string; resource: string }): Readonly<Record<string, unknown>> {
  return minimalObjects[`${resource}.${group}`] ?? minimalObjects[resource] ?? {};
}

/** By plural name, with the group where several have it. */
const minimalObjects: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  apiservices: {
    metadata: { name: "v1.example.com" },
    spec: {
      group: "example.com",
      version: "v1",
      groupPriorityMinimum: 100,
      versionPriority: 100,
    },
  },
  certificatesigningrequests: {
    spec: { request: signingRequest, signerName: "example.com/signer", usages: ["client auth"] },
  },
  clusterrolebindings: { roleRef },
  controllerrevisions: { revision: 1, data: { a: 1 } },
  cronjobs: { spec: { schedule: "*/5 * * * *", jobTemplate: { spec: { template: jobTemplate } } } },
  csidrivers: { spec: {} },
  csinodes: { spec: { drivers: [{ name: "d.example.com", nodeID: "n" }] } },
  csistoragecapacities: { storageClassName: "standard" },
  customresourcedefinitions: { metadata: { name: "widgets.example.com" }, spec: crd },
  daemonsets: { spec: { selector, template } },
  deployments: { spec: { selector, template } },
  deviceclasses: { spec: {} },
  endpoints: { subsets: [{ addresses: [{ ip: "10.0.0.1" }], ports: [{ port: 80 }] }] },
  endpointslices: { addressType: "IPv4", endpoints: [{ addresses: ["10.0.0.1"] }], ports: [{ port: 80 }] },
  events: { involvedObject: { namespace: "default" } },
  "events.events.k8s.io": {
    eventTime: "2026-01-01T00:00:00.000000Z",
    action: "Do",
    reason: "Test",
    type: "Normal",
    reportingController: "test-controller",
    reportingInstance: "test-node",
    regarding: { namespace: "default" },
  },
  flowschemas: { spec: { priorityLevelConfiguration: { name: "p" } } },
  horizontalpodautoscalers: {
    spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "d" }, maxReplicas: 3 },
  },
  ingressclasses: { spec: { controller: "example.com/ingress" } },
  ingresses: { spec: { defaultBackend: { service: { name: "s", port: { number: 80 } } } } },
  ipaddresses: {
    metadata: { name: "10.0.0.9" },
    spec: { parentRef: { resource: "services", namespace: "default", name: "s" } },
  },
  jobs: { spec: { template: jobTemplate } },
  limitranges: { spec: { limits: [{ type: "Container", default: { cpu: "1" } }] } },
  mutatingadmissionpolicies: {
    spec: {
      matchConstraints: { resourceRules: [rule] },
      mutations: [{ patchType: "JSONPatch", jsonPatch: { expression: "[]" } }],
      reinvocationPolicy: "Never",
    },
  },
  mutatingadmissionpolicybindings: { spec: { policyName: "p" } },
  mutatingwebhookconfigurations: { webhooks: [webhook] },
  networkpolicies: { spec: { podSelector: {} } },
  persistentvolumeclaims: { spec: claimSpec },
  persistentvolumes: {
    spec: { capacity: { storage: "1Gi" }, accessModes: ["ReadWriteOnce"], hostPath: { path: "/tmp/v" } },
  },
  poddisruptionbudgets: { spec: { minAvailable: 1, selector } },
  pods: { spec: template.spec },
  podtemplates: { template },
  priorityclasses: { value: 1000 },
  prioritylevelconfigurations: { spec: { type: "Limited", limited: { limitResponse: { type: "Reject" } } } },
  replicasets: { spec: { selector, template } },
  replicationcontrollers: { spec: { selector: selector.matchLabels, template } },
  resourceclaims: { spec: { devices: { requests: [{ name: "r", exactly: { deviceClassName: "c" } }] } } },
  resourceclaimtemplates: {
    spec: { spec: { devices: { requests: [{ name: "r", exactly: { deviceClassName: "c" } }] } } },
  },
  resourcequotas: { spec: { hard: { pods: "10" } } },
  resourceslices: {
    spec: { driver: "d.example.com", nodeName: "n", pool: { name: "n", generation: 1, resourceSliceCount: 1 } },
  },
  rolebindings: { roleRef },
  roles: { rules: [{ apiGroups: [""], resources: ["pods"], verbs: ["get"] }] },
  runtimeclasses: { handler: "runc" },
  servicecidrs: { spec: { cidrs: ["10.0.0.0/24"] } },
  services: { spec: { ports: [{ port: 80 }] } },
  statefulsets: { spec: { serviceName: "s", selector, template } },
  storageclasses: { provisioner: "example.com/disk" },
  validatingadmissionpolicies: {
    spec: { matchConstraints: { resourceRules: [rule] }, validations: [{ expression: "true" }] },
  },
  validatingadmissionpolicybindings: { spec: { policyName: "p", validationActions: ["Deny"] } },
  validatingwebhookconfigurations: { webhooks: [webhook] },
  volumeattachments: {
    spec: { attacher: "d.example.com", nodeName: "n", source: { persistentVolumeName: "v" } },
  },
  volumeattributesclasses: { driverName: "d.example.com", parameters: { iops: "100" } },
};
