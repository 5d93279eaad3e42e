/**
 * What the schema tables lack: messages that Go embeds, so that JSON shows their fields one level up. The field number
 * of each, and the numbers inside it (k8s.io/api generated.proto).
 */
export interface Embedded {
  readonly number: number;
  readonly fields: Readonly<Record<string, number>>;
}

const localObjectReference: Embedded = { number: 1, fields: { name: 1 } };

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
};

/** Field numbers that the tables lack otherwise. */
export const extraNumbers: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  "io.k8s.api.authentication.v1.BoundObjectReference": { kind: 1, apiVersion: 2, name: 3, uid: 4 },
};

/**
 * Numbers and booleans that are pointers in Go, by JSON name: their zero is on the wire only when it was meant. Every
 * other zero is on the wire always and means "not set".
 */
export const pointerFields: ReadonlySet<string> = new Set([
  "activeDeadlineSeconds",
  "allocateLoadBalancerNodePorts",
  "allowPrivilegeEscalation",
  "automountServiceAccountToken",
  "blockOwnerDeletion",
  "controller",
  "defaultMode",
  "deletionGracePeriodSeconds",
  "enableServiceLinks",
  "expirationSeconds",
  "fsGroup",
  "gracePeriodSeconds",
  "hostUsers",
  "immutable",
  "leaseDurationSeconds",
  "leaseTransitions",
  "mode",
  "optional",
  "orphanDependents",
  "priority",
  "privileged",
  "progressDeadlineSeconds",
  "readOnlyRootFilesystem",
  "replicas",
  "revisionHistoryLimit",
  "runAsGroup",
  "runAsNonRoot",
  "runAsUser",
  "serving",
  "setHostnameAsFQDN",
  "shareProcessNamespace",
  "started",
  "terminating",
  "terminationGracePeriodSeconds",
  "tolerationSeconds",
]);
