/**
 * What the schema tables lack: messages that Go embeds, so that JSON shows their fields one level up. The field number
 * of each, and the numbers inside it (k8s.io/api generated.proto).
 */
export interface Embedded {
  readonly number: number;
  readonly fields: Readonly<Record<string, number>>;
  /** A message that is embedded in this one in turn. */
  readonly within?: Embedded;
}

const localObjectReference: Embedded = { number: 1, fields: { name: 1 } };
const rule: Embedded = { number: 2, fields: { apiGroups: 1, apiVersions: 2, resources: 3, scope: 4 } };

export const embeddedIn: Readonly<Record<string, Embedded>> = {
  "io.k8s.api.core.v1.ConfigMapEnvSource": localObjectReference,
  "io.k8s.api.core.v1.ConfigMapKeySelector": localObjectReference,
  "io.k8s.api.core.v1.ConfigMapProjection": localObjectReference,
  "io.k8s.api.core.v1.ConfigMapVolumeSource": localObjectReference,
  "io.k8s.api.core.v1.SecretEnvSource": localObjectReference,
  "io.k8s.api.core.v1.SecretKeySelector": localObjectReference,
  "io.k8s.api.core.v1.SecretProjection": localObjectReference,
  "io.k8s.api.core.v1.Probe": { number: 1, fields: { exec: 1, httpGet: 2, tcpSocket: 3, grpc: 4 } },
  "io.k8s.api.core.v1.EphemeralContainer": {
    number: 1,
    fields: {
      name: 1,
      image: 2,
      command: 3,
      args: 4,
      workingDir: 5,
      ports: 6,
      env: 7,
      resources: 8,
      volumeMounts: 9,
      livenessProbe: 10,
      readinessProbe: 11,
      lifecycle: 12,
      terminationMessagePath: 13,
      imagePullPolicy: 14,
      securityContext: 15,
      stdin: 16,
      stdinOnce: 17,
      tty: 18,
      envFrom: 19,
      terminationMessagePolicy: 20,
      volumeDevices: 21,
      startupProbe: 22,
      resizePolicy: 23,
      restartPolicy: 24,
      restartPolicyRules: 25,
    },
  },
  "io.k8s.api.core.v1.Volume": {
    number: 2,
    fields: {
      hostPath: 1,
      emptyDir: 2,
      gcePersistentDisk: 3,
      awsElasticBlockStore: 4,
      gitRepo: 5,
      secret: 6,
      nfs: 7,
      iscsi: 8,
      glusterfs: 9,
      persistentVolumeClaim: 10,
      rbd: 11,
      flexVolume: 12,
      cinder: 13,
      cephfs: 14,
      flocker: 15,
      downwardAPI: 16,
      fc: 17,
      azureFile: 18,
      configMap: 19,
      vsphereVolume: 20,
      quobyte: 21,
      azureDisk: 22,
      photonPersistentDisk: 23,
      portworxVolume: 24,
      scaleIO: 25,
      projected: 26,
      storageos: 27,
      csi: 28,
      ephemeral: 29,
      image: 30,
    },
  },
  "io.k8s.api.core.v1.PersistentVolumeSpec": {
    number: 2,
    fields: {
      gcePersistentDisk: 1,
      awsElasticBlockStore: 2,
      hostPath: 3,
      glusterfs: 4,
      nfs: 5,
      rbd: 6,
      iscsi: 7,
      cinder: 8,
      cephfs: 9,
      fc: 10,
      flocker: 11,
      flexVolume: 12,
      azureFile: 13,
      vsphereVolume: 14,
      quobyte: 15,
      azureDisk: 16,
      photonPersistentDisk: 17,
      portworxVolume: 18,
      scaleIO: 19,
      local: 20,
      storageos: 21,
      csi: 22,
    },
  },
  "io.k8s.api.admissionregistration.v1.RuleWithOperations": rule,
  "io.k8s.api.admissionregistration.v1.NamedRuleWithOperations": { number: 2, fields: { operations: 1 }, within: rule },
  "io.k8s.api.networking.v1.IngressRule": { number: 2, fields: { http: 1 } },
  "io.k8s.api.resource.v1.DeviceAllocationConfiguration": { number: 3, fields: { opaque: 1 } },
  "io.k8s.api.resource.v1.DeviceClaimConfiguration": { number: 2, fields: { opaque: 1 } },
  "io.k8s.api.resource.v1.DeviceClassConfiguration": { number: 1, fields: { opaque: 1 } },
};

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
