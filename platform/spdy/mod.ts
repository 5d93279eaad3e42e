/** SPDY/3.1 without a socket, the server's side: what kubectl's exec, attach and port-forward speak. */
export { type SpdyCarrier, SpdyConnection, type SpdyStream } from "./connection.ts";
export { SpdyError } from "./frames.ts";
export type { SpdyHeaders } from "./header_block.ts";
