/** Every bound of this room, by name. Sizes in bytes, durations in milliseconds unless the name says otherwise. */
export const limits = {
  /** Largest request body; upstream's MaxRequestBodyBytes. */
  requestBodyBytes: 3 * 1024 * 1024,
  /** How long a request's body may take to come; upstream's --request-timeout. */
  requestBodyMs: 60_000,
  /** Requests under way at once that only read, resp. that may write (long-running ones are not counted). */
  readsInFlight: 400,
  mutationsInFlight: 200,
  /** How long a server that stops waits for the requests that are under way. */
  drainMs: 10_000,
  /** How long a request may wait for a seat at its priority level. */
  queueWaitMs: 15_000,
  /** Kinds of requests whose series are remembered. */
  requestSeries: 4096,
  /** Users whose FlowSchemas are remembered; beyond that all are looked up anew. */
  flowUsers: 4096,
  /** Watches, followed logs, exec and attach sessions at once. */
  longRunning: 20_000,
  retryAfterSeconds: 1,

  /** Changes kept in memory for one resource, for watches that resume. Older ones come from the store. */
  ringEvents: 4096,
  /** How far back of the store's revision a starting cache loads, so that its rings hold some history at once. */
  ringRevisions: 4096,
  /** Bytes and changes waiting for one watcher's client; beyond either the watch is closed and the client resumes. */
  watcherPendingBytes: 8 * 1024 * 1024,
  watcherPendingEvents: 16_384,
  /** Changes within this time of the last write are written together. */
  watchFlushMs: 2,
  /** That time is at least this for each watcher that wrote, so that writing takes half of a busy server's at most. */
  watchFlushMsAWrite: 0.05,
  /** While no pause passes without a change it doubles, up to this, for who did not say how long it can wait. */
  watchFlushMsBusy: 8,
  /** However many watchers wrote, they write again after this. */
  watchFlushMsLoaded: 50,
  /** The same for watches whose clients say that they can wait; ascending. */
  watchGatherMs: [10, 25, 50, 100, 250, 500],
  /** One chunk of a list or watch body. */
  chunkBytes: 64 * 1024,
  /** Longer answers are compressed for who takes gzip; upstream's defaultGzipThresholdBytes. */
  gzipBytes: 128 * 1024,
  /** Lists larger than this are streamed rather than joined. */
  listJoinBytes: 2 * 1024 * 1024,
  /** Newest changes of a resource whose encoded frames are kept for watchers yet to come. */
  ringFrames: 64,
  /** Watches served from the store's history at the same time (older than the ring). */
  historicWatches: 256,
  /** Keys per page when a cache loads, or a list is read at an old revision. */
  rangePageKeys: 1000,
  /** First and longest pause before the store watch is opened again. */
  rewatchBaseMs: 20,
  rewatchMaxMs: 2000,
  /** How long a request waits until the cache has reached a revision. */
  cacheWaitMs: 3000,
  /** How often a waiting request asks the store watch for its progress. */
  progressPollMs: 50,

  /** Attempts of a read-modify-write before the caller hears Conflict or ServerTimeout. */
  updateAttempts: 32,
  /** Attempts of a patch after a conflict; upstream's MaxRetryWhenPatchConflicts. */
  patchAttempts: 5,
  /** Names tried for one generateName; upstream's maxNameGenerationCreateAttempts. */
  generateNameAttempts: 8,
  /** Addresses or ports tried for one Service before 500. */
  allocationAttempts: 16,
  /** How long one store call is tried again while there is no leader or no answer, and the pauses between. */
  storeRetryForMs: 10_000,
  storeRetryBaseMs: 20,
  storeRetryMaxMs: 250,
  /** Longest label or field selector, and largest `limit`. */
  selectorLength: 16 * 1024,

  /** Existing pods that a namespace's new PodSecurity level is tried on. */
  podSecurityPods: 3000,
  /** How often an eviction tries again when pod or budget change under it. */
  evictionAttempts: 20,
  /** Evictions under way that a disruption budget may know of before more are refused. */
  disruptedPods: 2000,

  /** Default roles and bindings written in one transaction; the store takes 128 operations in one. */
  bootstrapBatch: 100,
  /** How long a request waits for the roles of a server that is starting. */
  policyWaitMs: 10_000,
  /** Verified bearer tokens remembered. */
  tokenCacheEntries: 4096,
  tokenCacheMs: 10_000,
  /** An issuer's keys are not fetched more often, and what it, or a webhook, may answer, and how long it may take. */
  issuerKeysMs: 10_000,
  issuerAnswerBytes: 1024 * 1024,
  issuerAnswerMs: 10_000,
  /** How long a token webhook's word counts (--authentication-token-webhook-cache-ttl). */
  webhookTokenMs: 120_000,
  /** Audit events, and their bytes, that wait for the disk; more are dropped and counted. */
  auditEvents: 10_000,
  auditBytes: 16 * 1024 * 1024,
  /** An audit log that has grown beyond this is put aside, in the place of the one before it (--audit-log-maxsize). */
  auditFileBytes: 100 * 1024 * 1024,
  /** Longest Audit-ID taken from a client. */
  auditIdLength: 64,
  /** Bytes queued on one side of an exec or attach session before it is closed. */
  channelBufferedBytes: 16 * 1024 * 1024,
  /** One read of an upgraded connection that is passed on. */
  spliceBytes: 64 * 1024,
  /** How long the kubelet may take to answer an upgrade or to start a log. */
  kubeletDialMs: 30_000,
  /** What one call of a CEL expression, and all of those for one object, may cost; upstream's runtime limits. */
  celCallBudget: 1_000_000,
  celObjectBudget: 10_000_000,
  /** Match conditions of one webhook or policy, together. */
  celMatchBudget: 1_000_000,
  /** What a webhook may answer, and how many warnings it may give. */
  webhookAnswerBytes: 3 * 1024 * 1024,
  webhookWarnings: 16,
  /** How long an extension apiserver may take to answer an upgrade. */
  upgradeDialMs: 30_000,
  /** How long an extension apiserver may take to answer a check, how often one is tried, and the pause between checks. */
  remoteCallMs: 5000,
  availabilityAttempts: 5,
  availabilityMs: 30_000,
  /** The pause while one does not answer. */
  availabilityRetryMs: 2000,
  /** A discovery or OpenAPI document of an extension apiserver. */
  remoteDocumentBytes: 16 * 1024 * 1024,
  /** Objects that a conversion webhook is asked about at once. */
  conversionBatch: 500,
  /** Pause before work on definitions that failed is tried again. */
  definitionRetryMs: 1000,
  /** Complaints about one custom resource; more are not looked for. */
  schemaErrors: 100,

  /** Deepest object accepted. */
  depth: 64,
} as const;
