export { Http2Connection, type Http2Options } from "./connection.ts";
export { errorCode } from "./frames.ts";
export type { Field } from "./hpack_table.ts";
export { http2Limits } from "./limits.ts";
export { Http2Stream } from "./stream.ts";
