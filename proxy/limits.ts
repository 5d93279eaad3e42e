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
