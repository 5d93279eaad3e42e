export type * from "./types.ts";
export { createBatchingTransport } from "./batching.ts";
export { type AccessAttributes, createDelegatedAuth, type DelegatedAuth } from "./delegated_auth.ts";
export { keyOf, splitKey } from "./cache.ts";
export { ApiError, isAlreadyExists, isConflict, isExpired, isNotFound, TransportError, wasNotSent } from "./errors.ts";
export {
  createEventRecorder,
  type EventObject,
  type EventRecorder,
  type EventRecorderDeps,
  type ObjectReference,
  referenceTo,
} from "./events.ts";
export { createInformer, type InformerDeps } from "./informer.ts";
export { type KubeContext, mergeContext, removeContext } from "./kubeconfig.ts";
export {
  type LeaderElection,
  type LeaderElectionConfig,
  type LeaderElectionDeps,
  type LeaseObject,
  releaseLease,
  runLeaderElection,
} from "./leader_election.ts";
export { atLeast, latest } from "./resource_version.ts";
export { createRestClient, type RestOptions } from "./rest.ts";
export { type ClosableTransport, createTransport, type TransportDeps, type TransportOptions } from "./transport.ts";
export { createWorkQueueMetrics, type WorkQueueMetrics } from "./workqueue_metrics.ts";
export { createWorkQueue, runWorkers, type WorkQueue, type WorkQueueOptions } from "./workqueue.ts";
