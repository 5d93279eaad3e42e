/** Keys that one controller works on at the same time (kube-controller-manager: 5 for most). */
export const workersPerController = 8;
/** A key waits at most this long to see its own last write in the informer; then it is reconciled all the same. */
export const ownWriteTimeoutMs = 30_000;
/**
 * What happens to pods is gathered for this long before the owner, or the Service, looks: 500 pods that become ready
 * within a second cost about 50 status writes instead of 500.
 */
export const gatherMs = 20;
/** How long an apiserver may gather changes for the controllers, once some have gone out: less than `gatherMs`. */
export const watchGatherMs = 10;
/** How often a key that waits for its own write looks again, besides being woken by the informer's events. */
export const ownWritePollMs = 100;
/** Pods that a ReplicaSet makes or deletes in one round (upstream's burst of replicas). */
export const burstReplicas = 500;
/** Pods that a DaemonSet makes, and deletes, in one round (upstream's burst). */
export const burstDaemons = 250;
/** Requests under way at once for one key: an apiserver takes 200 writes at a time from everybody, and answers 429 beyond. */
export const maxBatch = 100;
/** Slow start: the first batch of creations; each batch that succeeds doubles the next. */
export const slowStartInitialBatch = 1;
/** Endpoints in one EndpointSlice (upstream's default). */
export const endpointsPerSlice = 100;
/** Addresses of one subset that are mirrored into slices (upstream's bound); more are left out. */
export const mirroredAddressesPerSubset = 1_000;
/** Addresses in one Endpoints object (upstream's bound); more are left out. */
export const endpointAddresses = 1_000;
/** Revisions remembered in a ReplicaSet's history annotation, characters (upstream's bound). */
export const maxRevisionHistoryChars = 2_000;
/** Finished pods kept in the cluster before the oldest are removed (--terminated-pod-gc-threshold). */
export const terminatedPodThreshold = 12_500;
/** Owners known to be absent that the garbage collector remembers. */
export const maxAbsentOwners = 500;
/** After a quota was charged, it is recounted when the informers will have seen what it was charged for. */
export const quotaRecountMs = 5_000;
/** A Terminating namespace is looked at again after this, besides being woken by the deletion of its content. */
export const namespaceRetryMs = 500;
/** Objects asked for in one list when looking for what remains of a namespace. */
export const namespaceListPage = 500;
/** Certificates that are signed on request: longest (--cluster-signing-duration) and shortest life. */
export const certificateTtlMs = 365 * 86_400_000;
export const certificateTtlMinMs = 600_000;
/** How far back they are dated, and below which life that is added at the end. */
export const certificateBackdateMs = 300_000;
export const certificateShortMs = 8 * 3_600_000;
/** How long a certificate request is kept that nobody judges, and one that is judged (upstream's). */
export const pendingRequestMs = 24 * 3_600_000;
export const settledRequestMs = 3_600_000;
/** A timer's longest wait; what is due later is looked at again then. */
export const requestLookMs = 3_600_000;
/** Finished pods that a Job's status lists by uid before they are counted (upstream's bound, about 20 KB). */
export const uncountedPods = 500;
/** A pod whose Job is not to be seen is held this much longer: the Job's own event may come after the pod's. */
export const strayPodMs = 1_000;
