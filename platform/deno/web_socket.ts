import { maxPendingWebSocketBytes } from "../limits.ts";
import type { WebSocketChannel } from "../mod.ts";

function sizeOf(data: Uint8Array | string): number {
  return typeof data === "string" ? data.length : data.length;
}

/** The web's WebSocket as a channel. What is sent before the handshake ends waits, up to a bound; beyond it the socket closes. */
export function webSocketChannel(socket: WebSocket, protocol?: string): WebSocketChannel {
  socket.binaryType = "arraybuffer";
  let pending: (Uint8Array | string)[] = [];
  let pendingBytes = 0;
  let closed = false;
  let closeWhenOpen: { code: number; reason: string } | null = null;
  const channel: WebSocketChannel = {
    get protocol() {
      return protocol ?? socket.protocol;
    },
    onMessage: () => {},
    onClose: () => {},
    send(data) {
      if (closed || closeWhenOpen !== null) return;
      if (socket.readyState === WebSocket.OPEN) return transmit(data);
      if (socket.readyState !== WebSocket.CONNECTING) return;
      pendingBytes += sizeOf(data);
      if (pendingBytes > maxPendingWebSocketBytes) return channel.close(1009, "too much before the handshake");
      pending.push(data);
    },
    get bufferedBytes() {
      return socket.bufferedAmount + pendingBytes;
    },
    close(code = 1000, reason = "") {
      if (closed) return;
      if (socket.readyState === WebSocket.CONNECTING) closeWhenOpen = { code, reason };
      else if (socket.readyState === WebSocket.OPEN) socket.close(code, reason);
    },
  };
  function transmit(data: Uint8Array | string): void {
    // send() wants an ArrayBuffer behind the view; ours never stands on a SharedArrayBuffer.
    socket.send(typeof data === "string" ? data : data as Uint8Array<ArrayBuffer>);
  }
  socket.addEventListener("open", () => {
    for (const data of pending) transmit(data);
    pending = [];
    pendingBytes = 0;
    if (closeWhenOpen !== null) socket.close(closeWhenOpen.code, closeWhenOpen.reason);
  });
  socket.addEventListener("message", (event) => {
    const data: unknown = event.data;
    if (data instanceof ArrayBuffer) channel.onMessage(new Uint8Array(data));
    else if (typeof data === "string") channel.onMessage(data);
  });
  function finish(code: number, reason: string): void {
    if (closed) return;
    closed = true;
    pending = [];
    pendingBytes = 0;
    channel.onClose(code, reason);
  }
  socket.addEventListener("close", (event) => finish(event.code === 0 ? 1006 : event.code, event.reason));
  return channel;
}
