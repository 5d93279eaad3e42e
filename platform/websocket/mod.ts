/** RFC 6455 over a connection that has been upgraded, the server's side. */
export { acceptKey, ServerWebSocket } from "./connection.ts";
export { type Message, opcodes, WebSocketError } from "./frames.ts";
