import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Timers, WebSocketChannel } from "../../platform/mod.ts";
import { opcodes, type ServerWebSocket } from "../../platform/websocket/mod.ts";
import * as limits from "../limits.ts";

/** Channels of v5.channel.k8s.io (KEP-4006): the first byte of every message. */
export const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** An exec or attach session's way to its client, whatever is spoken there: messages of v5.channel.k8s.io. */
export interface StreamLink {
  /** Whoever carries messages waits for what this returns before it takes the next. */
  onMessage: (message: Uint8Array) => Promise<void> | void;
  onClose: () => void;
  /** Resolves when there is room for more; drops what comes after the end. */
  send(message: Uint8Array): Promise<void>;
  /** After the last message. @param code of RFC 6455 */
  close(code: number, reason?: string): Promise<void>;
}

/** Over the web's own WebSocket, which cannot hold its client back. */
export function channelLink(channel: WebSocketChannel, timers: Timers): StreamLink {
  let open = true;
  const link: StreamLink = {
    onMessage: () => {},
    onClose: () => {},
    async send(message) {
      while (open && channel.bufferedBytes > limits.maxSessionBufferedBytes) await timers.sleep(10);
      if (open) channel.send(message);
    },
    close: (code, reason) => Promise.resolve(channel.close(code, reason)),
  };
  channel.onMessage = (data) => void link.onMessage(typeof data === "string" ? utf8(data) : data);
  channel.onClose = () => {
    open = false;
    link.onClose();
  };
  return link;
}

/** What of a WebSocket's sub-protocol makes a difference. */
export interface ChannelProtocol {
  readonly name: string;
  readonly base64: boolean;
  /** Before v4 the last word is a text, and there is none for success. */
  readonly textStatus: boolean;
}

/** Newest first; a client that names none speaks the oldest. @see kubernetes pkg/kubelet/cri/streaming/remotecommand */
export const channelProtocols: readonly ChannelProtocol[] = [
  { name: "v5.channel.k8s.io", base64: false, textStatus: false },
  { name: "v4.channel.k8s.io", base64: false, textStatus: false },
  { name: "v4.base64.channel.k8s.io", base64: true, textStatus: false },
  { name: "channel.k8s.io", base64: false, textStatus: true },
  { name: "base64.channel.k8s.io", base64: true, textStatus: true },
  { name: "", base64: false, textStatus: true },
];

/** Over a WebSocket that is read message by message. Nothing is read before the turn after this one. */
export function webSocketLink(socket: ServerWebSocket, protocol: ChannelProtocol): StreamLink {
  const link: StreamLink = {
    onMessage: () => {},
    onClose: () => {},
    async send(message) {
      const wanted = protocol.textStatus ? withTextStatus(message) : message;
      if (wanted !== null) await socket.send(protocol.base64 ? toBase64(wanted) : wanted);
    },
    close: (code, reason) => socket.close(code, reason),
  };
  async function run(): Promise<void> {
    for (let message = await socket.read(); message !== null; message = await socket.read()) {
      const data = protocol.base64 && message.opcode === opcodes.text ? fromBase64(message.data) : message.data;
      if (data !== null && data.length > 0) await link.onMessage(data);
    }
    link.onClose();
  }
  queueMicrotask(() => void run());
  return link;
}

/** A final Status as old clients read it; null where there is nothing to say. */
export function withTextStatus(message: Uint8Array): Uint8Array | null {
  if (message[0] !== channels.error) return message;
  const status = JSON.parse(fromUtf8(message.subarray(1))) as { status?: string; message?: string }; // our own
  if (status.status === "Success") return null;
  return concatBytes([Uint8Array.of(channels.error), utf8(status.message ?? "")]);
}

function toBase64(message: Uint8Array): string {
  return `${message[0] ?? 0}${message.subarray(1).toBase64()}`;
}

/** Null for what is not base64 after the channel's digit. */
function fromBase64(text: Uint8Array): Uint8Array | null {
  try {
    return concatBytes([Uint8Array.of((text[0] ?? 48) - 48), Uint8Array.fromBase64(fromUtf8(text.subarray(1)))]);
  } catch {
    return null;
  }
}
