/** The largest frame a frame connection carries, bytes; a longer announced length closes the connection. */
export const maxFrameBytes = 64 * 1024 * 1024;
/**
 * Frames up to this size are copied into one write with their neighbours; larger ones are written on their own, which
 * wakes the reader twice. Above one append of a busy leader (the core's maxAppendBytes).
 */
export const maxCoalescedFrameBytes = 320 * 1024;
/** The size of one read from a frame connection, bytes. */
export const readBufferBytes = 256 * 1024;
/** How long a frame connection that was closed on purpose may take to hand its queue to the kernel. */
export const closeFlushMs = 1000;
/** How long a client that reads slowly may take for the last bytes of a TLS connection that the server has closed. */
export const slowReaderMs = 30_000;
/** The head of a request that asks to be upgraded, or of the answer; and what is kept of the text of a refusal. */
export const maxUpgradeHeadBytes = 64 * 1024;
export const maxRefusalBytes = 64 * 1024;
/** How long a client may take for a request's head, and between two requests on one connection; kube-apiserver's. */
export const requestHeadMs = 32_000;
export const idleConnectionMs = 90_000;
/** How long an idle HTTP/2 connection stays open after it has been told to go: requests that crossed that word are not lost. */
export const goAwayMs = 1000;
/** How long a short body that is gathered before its handler sees the request may take; kube-apiserver's --request-timeout. */
export const gatheredBodyMs = 60_000;
/** Bytes of an upgraded connection that wait for their reader. */
export const maxUnreadUpgradedBytes = 256 * 1024;
/** Certificates of one client, its own and its issuers', that are looked at. */
export const maxChainLength = 8;
/** How long a TLS handshake may take before the socket is dropped. */
export const handshakeTimeoutMs = 10_000;
/** How long a closing HTTP listener waits for handlers that have not answered yet. */
export const drainMs = 500;
/** How long a closing HTTP listener leaves the last answers to reach the wire. */
export const lingerMs = 20;
/**
 * Requests that one pooled HTTP connection carries at once. Deno.serve opens at most 200 HTTP/2 streams a connection,
 * and the client lets the 201st wait without an error, so a client opens another connection well before that.
 */
export const maxStreamsPerConnection = 100;
/** HTTP connections of one client to one origin; beyond them fetch rejects. */
export const maxConnectionsPerClient = 256;
/** Origins whose links one client remembers; a further one is looked up each time. */
export const maxKnownOrigins = 1024;
/**
 * How long the source of a closed back connection may not carry another identity: a request that the old
 * connection left in the server's buffer must not be taken for one of the new connection's.
 */
export const sourceQuarantineMs = 5000;
/** Tries to get a back connection from a source that is not in quarantine. */
export const maxBackDials = 64;
/** Bytes that a WebSocket channel holds back until its handshake is done. */
export const maxPendingWebSocketBytes = 1024 * 1024;
/** Distinct label sets that one metric keeps; later ones are counted together under `overflow="true"`. */
export const maxSeriesPerMetric = 2000;
/** Datagrams of one socket that the kernel has not taken yet; later ones are dropped. */
export const maxQueuedDatagrams = 256;
/** The longest payload of a datagram over IPv4, bytes. */
export const maxDatagramBytes = 65_507;
/** Streams that a client may have open on one HTTP/2 connection of an HTTP server; Go's and hyper's servers take as many. */
export const http2StreamsPerConnection = 200;
/** Streams that it may reset at once (CVE-2023-44487), twice what it may have open: all watches of a client may end together. */
export const http2ResetsAtOnce = 400;
/** A request body announced to be no longer is gathered before the handler sees the request. */
export const http2GatheredBytes = 64 * 1024;
/** Bytes of one answer that wait for its client before more are asked for. */
export const http2BufferedBytes = 64 * 1024;
/** HTTP/2 connections that one gRPC server has open; later ones are closed at once. */
export const maxHttp2Connections = 4_096;
/** Spans that wait for the disk; more are dropped and counted. And how many of them make a line. */
export const maxWaitingSpans = 4_096;
export const maxTraceBatchSpans = 512;
/** A file of traces that has grown beyond this is put aside, in the place of the one before it. */
export const maxTraceFileBytes = 32 * 1024 * 1024;
