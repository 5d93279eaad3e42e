/** How long a unary request may take, from dialling to the last byte of the answer. */
export const requestTimeoutMs = 10_000;
/** How long an apiserver may take to open a watch (send the headers of the answer). */
export const watchOpenTimeoutMs = 10_000;
/** An endpoint that failed is tried last for this long. */
export const deadEndpointMs = 2_000;
/**
 * Streams that one HttpClient carries for watches. A server opens at most 200 HTTP/2 streams a connection and the 201st
 * waits for ever without an error, so a further client (hence a further connection) is opened well before.
 */
export const streamsPerWatchClient = 50;
/** An endpoint with open watches that said nothing for this long is asked whether it lives. */
export const watchProbePeriodMs = 2_000;
/** How long that answer may take before everything under way at the endpoint is given up. */
export const watchProbeTimeoutMs = 3_000;
/** Answers 429 and 503 with Retry-After are retried this many times. */
export const maxThrottleRetries = 5;
/** The longest Retry-After that is obeyed, seconds; a longer one is cut to this. */
export const maxRetryAfterSeconds = 10;

/** The longest single watch change, bytes. etcd's largest object is 1.5 MiB; JSON escapes may triple it. */
export const maxWatchChangeBytes = 16 * 1024 * 1024;

/** Reflector: a watch that ended well is opened again after a random delay up to this. */
export const rewatchJitterMs = 20;
/** A watch that ended in order sooner than this counts as failed, milliseconds. */
export const briefWatchMs = 500;
/** Reflector: first delay after a failure; doubles up to the maximum. */
export const reflectorBackoffBaseMs = 50;
export const reflectorBackoffMaxMs = 10_000;
/** A watch that lived this long resets the delay. */
export const reflectorBackoffResetMs = 5_000;
/** How long an informer that is to have caught up waits for the watch to say so. */
export const catchUpMs = 500;
/** client-go asks for a watch of 5 to 10 minutes, so that connections spread over apiservers again. */
export const watchTimeoutSecondsMin = 300;

/** Per-key delay of a work queue's rate limiter (client-go: 5 ms doubling to 1000 s; shorter at the top here). */
export const requeueBaseMs = 5;
export const requeueMaxMs = 60_000;

/** Events waiting to be written; more are dropped and counted. */
export const maxQueuedEvents = 4_096;
/** Events written at once. */
export const maxConcurrentEvents = 64;
/** Event series remembered for aggregation (client-go: an LRU of 4096). */
export const maxEventSeries = 4_096;
/** Per object: a burst of 25 events, then one every 300 s (client-go's spam filter). */
export const eventBurst = 25;
export const eventRefillMs = 300_000;
/** More than this many events that differ only in their message within the window become one combined event. */
export const maxSimilarEvents = 10;
export const similarEventsWindowMs = 600_000;
/** Tries to write one event before it is dropped (client-go: 12). */
export const maxEventTries = 12;
export const eventRetryMs = 2_000;
/** The longest message of an Event, UTF-8 bytes (validation's limit of core/v1 Events). */
export const maxEventMessageBytes = 1_024;

/** Batches under way at once; writes that come up meanwhile wait for the next one. */
export const maxBatchesUnderWay = 2;
/** A larger body is sent by itself, bytes. */
export const maxBatchedBodyBytes = 64 * 1024;
/** What one request's head adds to a batch beside its path, bytes. */
export const batchHeadBytes = 256;
/** Writes that wait for a batch; more are sent by themselves. */
export const maxBatchQueue = 4_096;

/** Questions to the API server about who may read a component's metrics: at once, answers kept, and for how long (upstream's 10 s). */
export const maxAccessReviews = 32;
export const maxAccessAnswers = 256;
export const accessAnswerMs = 10_000;
