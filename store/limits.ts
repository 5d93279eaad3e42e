import { invariant } from "../base/assert.ts";

/** Every bound of the store, by name. Sizes in bytes, times in milliseconds unless the name says otherwise. */
export const storeLimits = {
  /** One encoded transaction; etcd's default (1.5 MiB). */
  requestBytesMax: 1_572_864,
  /** Comparisons or operations in one branch of a transaction; etcd's default. Nested ones share the outer's budget. */
  txnOperationsMax: 128,
  /** Puts are refused above this; deletes and compaction go on. etcd's default quota. */
  databaseBytesMax: 2 * 1024 ** 3,
  /** A range that would answer with more over the wire is refused with TooLarge: the caller pages with `limit`. */
  rangeResponseBytesMax: 128 * 1024 ** 2,
  /** Longer messages leave as several frames. */
  fragmentBytesMax: 4 * 1024 ** 2,
  /** Of a message put together from fragments; the other end is cut off beyond it. */
  messageBytesMax: 512 * 1024 ** 2,
  /** A pair from a message over this is copied, so that one kept pair does not keep a whole page of them alive. */
  sharedMessageBytesMax: 64 * 1024,

  /** Whoever reads all of the store takes it in pages: bytes of one, pairs of the first, of any. */
  pageBytes: 1024 ** 2,
  pageKeysFirst: 100,
  pageKeysMax: 1_000,

  leaseTtlSecondsMin: 1,
  leaseTtlSecondsMax: 9_000_000_000,
  leasesMax: 1_000_000,
  leaseExpiryIntervalMs: 500,
  /** Leases proposed for revocation in one interval. */
  leaseExpiryBatch: 500,
  /** How much of a lease's time a change of leaders may give back where leases are checkpointed; etcd's default. */
  leaseCheckpointIntervalMs: 300_000,
  /** Leases in one checkpoint; etcd's maximum. */
  leaseCheckpointBatch: 1_000,

  /** History entries one pass over unsynced watches may look at before it yields the event loop. */
  watchSyncBudgetEntries: 20_000,
  /** A catch-up delivery is cut at the first whole revision at or over either. */
  watchDeliveryEventsMax: 1_000,
  watchDeliveryBytesMax: 1024 ** 2,
  watchSyncRetryMs: 10,
  watchProgressIntervalMs: 5_000,
  watchesPerConnectionMax: 10_000,
  /** Above this many queued bytes a connection's watches wait and catch up from history. */
  connectionCongestedBytes: 4 * 1024 ** 2,
  /** Above this the other end is taken for dead and the connection is closed. */
  connectionBufferedBytesMax: 256 * 1024 ** 2,
  /** Requests of one connection that wait for an answer; more are answered Overloaded. */
  connectionInFlightMax: 4_096,
  connectionsMax: 1_024,

  /** What one client connection keeps unanswered at most; below the server's bound, so that it is met here. */
  clientInFlightMax: 2_048,
  /** Calls of one client that wait for a leader to appear. */
  clientWaitingMax: 8_192,
  clientReconnectMsMin: 10,
  clientReconnectMsMax: 500,
  clientRetryMs: 10,
  /** After another member became leader, what the old one has not answered by then counts as lost. */
  clientLeaderGraceMs: 300,
  clientSweepMs: 100,
  /** A leader that no connection leads to for so long may be a new member. */
  clientMembersMs: 500,
  /** Members a client keeps connections to, those that it was told of included. */
  clientEndpointsMax: 16,
  requestTimeoutMs: 5_000,
  /** A server says at least this often who leads; a client takes a link silent for the other for dead. */
  serverBeatMs: 1_000,
  clientSilenceMs: 4_000,
  /** A member that has known no leader for this many election timeouts ends its watches. */
  leaderlessElections: 8,

  /** Revisions of history the leader keeps when nobody else compacts. */
  compactionRetentionRevisions: 100_000,
  compactionIntervalMs: 10_000,
  /** Steps into which compaction by age divides its period: history is kept for at most one more. */
  compactionSamples: 10,
  /** Values of the newest history that stay in memory; those of older superseded versions overflow to the disk. */
  historyResidentBytes: 4 * 1024 ** 2,
  /** Shorter values are not worth an entry of their own. */
  overflowValueBytesMin: 128,
  /** Small: it is given back as a whole, and what has rested is sent to the disk a file at a time. */
  overflowFileBytes: 4 * 1024 ** 2,
  /** History entries freed per applied command and per idle step after a compaction. */
  compactionStepEntries: 256,
  compactionStepMs: 2,

  /** Defragmentation, at once: values moved, or their bytes; then it lets others go on for so long. */
  defragmentStepValues: 256,
  defragmentStepBytes: 256 * 1024,
  defragmentPauseMs: 2,
  /** How long a client waits for its end. */
  defragmentTimeoutMs: 600_000,

  /** A member whose disk is full tells the leader so many times, so often. */
  noSpaceTries: 5,
  noSpaceRetryMs: 200,

  /** Between two comparisons of the members' data. */
  hashCheckIntervalMs: 10_000,
  /** Keys and values that one question covers, and questions in one comparison: 16 MiB each time, 1 MiB at once. */
  hashCheckBytes: 1024 ** 2,
  hashCheckQuestions: 16,
  /** How long a member that is behind has to catch up with a question. */
  hashCheckAnswerMs: 20,
  hashCheckAnswerTries: 50,
} as const;

invariant(storeLimits.clientInFlightMax < storeLimits.connectionInFlightMax, "the client's bound must be met first");
invariant(storeLimits.connectionCongestedBytes < storeLimits.connectionBufferedBytesMax, "congested comes before dead");
invariant(storeLimits.serverBeatMs * 3 < storeLimits.clientSilenceMs, "three beats may be lost");
invariant(storeLimits.rangeResponseBytesMax < storeLimits.connectionBufferedBytesMax, "one answer must fit");
invariant(storeLimits.watchDeliveryBytesMax <= storeLimits.connectionCongestedBytes, "one delivery must not congest");
