/** Bounds of the etcd facade and of the client of a real etcd. Sizes in bytes, times in milliseconds. */
export const etcdLimits = {
  /** Watches of one Watch call. */
  watchesPerStreamMax: 10_000,
  /** A watch whose answers pile up beyond this is stopped, and goes on from history when the client has read. */
  streamCongestedBytes: 4 * 1024 ** 2,
  /** `fragment`: a watch's answer over this is cut in parts (etcd's request size and its overhead). */
  fragmentBytes: 2 * 1024 ** 2,
  /** A watch that lost its member is tried again after this. */
  watchRetryMs: 50,
  /** Keep-alives of one stream that wait for their answer. */
  keepAlivesWaitingMax: 1_024,
  /** How old the term and the revision in a header without a read of its own may be. */
  statusIntervalMs: 1_000,
  /** While no term is known: there is no leader yet. */
  firstStatusIntervalMs: 50,
  leaseTtlSecondsMax: 9_000_000_000,
  /** A lock or an election without a lease of its own (etcd's session). */
  sessionTtlSeconds: 60,
  /** Bytes of one message of a snapshot, and of all that are made before others have their turn. */
  snapshotBlobBytes: 32 * 1024,
  snapshotTurnBytes: 256 * 1024,
  /** A compaction may overtake the reading of the store; then it begins again. */
  snapshotAttempts: 3,
  /** Snapshots of one gateway at once. */
  snapshotsMax: 2,
  /** A real etcd: after every member was tried, a pause. */
  memberRetryMs: 50,
  /** Between two rounds of those who compact it; kube-apiserver's default. */
  compactionIntervalMs: 300_000,
} as const;

/** What we say we are: at least 3.5.13, or kube-apiservers ask for no progress (they look at it). */
export const announcedVersion = "3.6.8";
export const announcedStorageVersion = "3.6.0";
