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
  /** What arrived before the channel can have been handed over; null once it has been. */
  let early: (() => void)[] | null = [];
  let handOver: ReturnType<typeof setTimeout> | undefined;
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
  function deliver(event: () => void): void {
    if (early === null) event();
    else early.push(event);
  }
  // A server may speak in the packet of its handshake: events wait for a turn in which the callbacks are set.
  socket.addEventListener("open", () => {
    handOver = setTimeout(() => {
      const events = early ?? [];
      early = null;
      for (const event of events) event();
    }, 0);
  });
  socket.addEventListener("message", (event) => {
    const data: unknown = event.data;
    if (data instanceof ArrayBuffer) deliver(() => channel.onMessage(new Uint8Array(data)));
    else if (typeof data === "string") deliver(() => channel.onMessage(data));
  });
  socket.addEventListener("close", (event) => {
    if (closed) return;
    closed = true;
    pending = [];
    pendingBytes = 0;
    const code = event.code === 0 ? 1006 : event.code;
    if (handOver === undefined) channel.onClose(code, event.reason); // never opened: nothing to wait for
    else deliver(() => channel.onClose(code, event.reason));
  });
  return channel;
}
