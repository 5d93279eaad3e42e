/** Every bound of the proxy. */

/** Services that the table holds; more are left out, with a line in the log. */
export const maxServices = 10_000;
/** Connections that one proxy carries at once; beyond them new ones are closed. */
export const maxConnections = 20_000;
/** Each direction's copy buffer. 256 KiB measured best on loopback; half of it costs little and is two a connection. */
export const spliceBufferBytes = 64 * 1024;
/** How long an endpoint may take to accept before another is tried. */
export const dialTimeoutMs = 2_000;
/** Endpoints tried for one connection. */
export const maxDialTries = 4;
/** Clients remembered for session affinity, per service port. */
export const maxAffinityEntries = 10_000;
/** Slice changes that come within this time make one new table. */
export const coalesceMs = 5;
/** Ports below 1024 are served here above when the process may not bind them. */
export const lowPortOffset = 20_000;
/** Between tries to bind an address that is in use by somebody else. */
export const bindRetryMs = 5_000;
/** UDP clients that one proxy serves at once, a socket each; beyond them the one idle for longest is forgotten. */
export const maxFlows = 1_000;
/** A UDP client that is silent, and gets no answer, for so long is forgotten. Linux's nf_conntrack_udp_timeout. */
export const flowIdleMs = 30_000;
/** Datagrams of a new client that wait for its socket; later ones are dropped. */
export const maxEarlyDatagrams = 16;
/** Between tries to bind a UDP address that another proxy has: how long a dead proxy's addresses stay unserved. */
export const electionRetryMs = 500;
