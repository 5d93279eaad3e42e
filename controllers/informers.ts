import type {
  CertificateSigningRequest,
  ClusterRole,
  ConfigMap,
  ControllerRevision,
  CronJob,
  CustomResourceDefinition,
  DaemonSet,
  Deployment,
  Endpoints,
  EndpointSlice,
  Job,
  Lease,
  Namespace,
  Node,
  PersistentVolumeClaim,
  Pod,
  PodDisruptionBudget,
  ReplicaSet,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
  StatefulSet,
} from "../api/gen/types.ts";
import type { KubeObject } from "../api/meta.ts";
import { controllerOf } from "../api/pods.ts";
import * as resources from "../api/resources.ts";
import type { ResourceInfo } from "../api/resources.ts";
import {
  createInformer,
  type Informer,
  type InformerDeps,
  type InformerOptions,
  keyOf,
  type RestClient,
} from "../client/mod.ts";
import { followDefinitions } from "./custom_resources.ts";
import { clusterInfoKey, isTokenSecret } from "./core/bootstrap_token.ts";
import { serviceNameLabel } from "./core/endpoint_slice.ts";
import { rootCaName } from "./core/service_account.ts";
import * as limits from "./limits.ts";

/** Index names. Every informer has `owner` and `namespace`. */
export const index = {
  /** Uids of the owners. */
  owner: "owner",
  namespace: "namespace",
  /** Uid of the controlling owner. */
  controller: "controller",
  /** The namespace of what nothing controls. */
  orphan: "orphan",
  /** Name of the node that a pod is bound to. */
  node: "node",
  /** `namespace/name` of the Service that a slice belongs to. */
  service: "service",
} as const;

/** One watched resource: what the garbage collector and the namespace controller go over. */
export interface Watched {
  readonly info: ResourceInfo;
  readonly informer: Informer<KubeObject>;
}

export interface Informers {
  readonly certificateSigningRequests: Informer<CertificateSigningRequest>;
  readonly clusterRoles: Informer<ClusterRole>;
  readonly configMaps: Informer<ConfigMap>;
  readonly controllerRevisions: Informer<ControllerRevision>;
  readonly cronJobs: Informer<CronJob>;
  readonly customResourceDefinitions: Informer<CustomResourceDefinition>;
  readonly daemonSets: Informer<DaemonSet>;
  readonly deployments: Informer<Deployment>;
  readonly endpoints: Informer<Endpoints>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly jobs: Informer<Job>;
  readonly leases: Informer<Lease>;
  readonly namespaces: Informer<Namespace>;
  readonly nodes: Informer<Node>;
  readonly persistentVolumeClaims: Informer<PersistentVolumeClaim>;
  readonly podDisruptionBudgets: Informer<PodDisruptionBudget>;
  readonly pods: Informer<Pod>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly replicationControllers: Informer<ReplicationController>;
  readonly resourceQuotas: Informer<ResourceQuota>;
  readonly secrets: Informer<Secret>;
  readonly services: Informer<Service>;
  readonly serviceAccounts: Informer<ServiceAccount>;
  readonly statefulSets: Informer<StatefulSet>;
  /** Everything that is watched now: custom resources come and go with their definitions. */
  readonly all: readonly Watched[];
  /** Calls `listener` for all that is watched, now and later. */
  onWatched(listener: (watched: Watched) => void): void;
  start(): void;
  stop(): void;
  readonly synced: Promise<void>;
}

const common = {
  [index.owner]: (object: Readonly<KubeObject>) =>
    (object.metadata?.ownerReferences ?? []).map((reference) => reference.uid),
  [index.namespace]: (object: Readonly<KubeObject>) => [object.metadata?.namespace ?? ""],
};
const controlled = {
  [index.controller]: (object: Readonly<KubeObject>) => {
    const uid = controllerOf(object.metadata)?.uid;
    return uid === undefined ? [] : [uid];
  },
  [index.orphan]: (object: Readonly<KubeObject>) =>
    controllerOf(object.metadata) === undefined ? [object.metadata?.namespace ?? ""] : [],
};

/**
 * A copy of what the controllers read, and of all custom resources: the garbage collector knows no other owners and
 * dependents. Bodies that nobody reads are not kept.
 */
export function createInformers(client: RestClient, deps: InformerDeps): Informers {
  const all: Watched[] = [];
  function inform<T extends KubeObject>(info: ResourceInfo, options: InformerOptions<T> = {}): Informer<T> {
    const informer = createInformer<T>(client, info, {
      transform: withoutManagedFields,
      gatherMs: limits.watchGatherMs,
      ...options,
      indexers: { ...common, ...options.indexers },
    }, deps);
    // Seen as any object, it is only read through the fields that all objects have.
    all.push({ info, informer: informer as unknown as Informer<KubeObject> });
    return informer;
  }
  const informers = {
    certificateSigningRequests: inform<CertificateSigningRequest>(resources.certificateSigningRequests),
    clusterRoles: inform<ClusterRole>(resources.clusterRoles),
    configMaps: inform<ConfigMap>(resources.configMaps, { transform: withoutUnreadData }),
    controllerRevisions: inform<ControllerRevision>(resources.controllerRevisions, { indexers: controlled }),
    cronJobs: inform<CronJob>(resources.cronJobs),
    customResourceDefinitions: inform<CustomResourceDefinition>(resources.customResourceDefinitions, {
      transform: withoutSchemas,
    }),
    daemonSets: inform<DaemonSet>(resources.daemonSets),
    deployments: inform<Deployment>(resources.deployments),
    endpoints: inform<Endpoints>(resources.endpoints),
    endpointSlices: inform<EndpointSlice>(resources.endpointSlices, {
      indexers: {
        [index.service]: ({ metadata }) => {
          const name = metadata?.labels?.[serviceNameLabel];
          return name === undefined ? [] : [`${metadata?.namespace ?? ""}/${name}`];
        },
      },
    }),
    jobs: inform<Job>(resources.jobs, { indexers: controlled }),
    leases: inform<Lease>(resources.leases),
    namespaces: inform<Namespace>(resources.namespaces),
    nodes: inform<Node>(resources.nodes),
    persistentVolumeClaims: inform<PersistentVolumeClaim>(resources.persistentVolumeClaims),
    podDisruptionBudgets: inform<PodDisruptionBudget>(resources.podDisruptionBudgets),
    pods: inform<Pod>(resources.pods, {
      indexers: { ...controlled, [index.node]: (pod) => pod.spec?.nodeName ? [pod.spec.nodeName] : [] },
    }),
    replicaSets: inform<ReplicaSet>(resources.replicaSets, { indexers: controlled }),
    replicationControllers: inform<ReplicationController>(resources.replicationControllers, { indexers: controlled }),
    resourceQuotas: inform<ResourceQuota>(resources.resourceQuotas),
    secrets: inform<Secret>(resources.secrets, { transform: onlyTokens }),
    services: inform<Service>(resources.services),
    serviceAccounts: inform<ServiceAccount>(resources.serviceAccounts),
    statefulSets: inform<StatefulSet>(resources.statefulSets),
  };
  const custom = followDefinitions(
    informers.customResourceDefinitions,
    (info) =>
      createInformer<KubeObject>(client, info, { transform: ({ metadata }) => bare(metadata), indexers: common }, deps),
  );
  return {
    ...informers,
    get all() {
      return [...all, ...custom.watched()];
    },
    onWatched(listener) {
      for (const watched of all) listener(watched);
      custom.onWatched(listener);
    },
    start: () => all.forEach(({ informer }) => informer.start()),
    stop() {
      for (const { informer } of all) informer.stop();
      custom.stop();
    },
    synced: Promise.all(all.map(({ informer }) => informer.synced)).then(() => {}),
  };
}

function bare(metadata: KubeObject["metadata"]): KubeObject {
  return withoutManagedFields(metadata === undefined ? {} : { metadata });
}

/** Definitions are large, and only who they are is read. */
function withoutSchemas(definition: CustomResourceDefinition): CustomResourceDefinition {
  for (const version of definition.spec.versions) delete version.schema;
  return withoutManagedFields(definition);
}

/** Changes the object it is handed: a transform owns what was just parsed. */
function withoutManagedFields<T extends KubeObject>(object: T): T {
  if (object.metadata !== undefined) delete object.metadata.managedFields;
  return object;
}

/** What a Secret holds is nobody's business here but for the tokens that the controllers look after. */
function onlyTokens(secret: Secret): Secret {
  return isTokenSecret(secret) ? withoutManagedFields(secret) : bare(secret.metadata);
}

function withoutUnreadData(configMap: ConfigMap): ConfigMap {
  return configMap.metadata?.name === rootCaName || keyOf(configMap) === clusterInfoKey
    ? withoutManagedFields(configMap)
    : bare(configMap.metadata) as ConfigMap;
}
