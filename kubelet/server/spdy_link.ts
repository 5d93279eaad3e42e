import { concatBytes, utf8 } from "../../base/bytes.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import type { ByteConnection, Timers } from "../../platform/mod.ts";
import { type SpdyCarrier, SpdyConnection, type SpdyStream } from "../../platform/spdy/mod.ts";
import { opcodes, type ServerWebSocket } from "../../platform/websocket/mod.ts";
import * as limits from "../limits.ts";
import type { StreamOptions } from "./exec.ts";
import { channels, type StreamLink, withTextStatus } from "./stream_link.ts";

/** Newest first. Resizing came with v3, the Status as JSON with v4. */
export const remoteCommandProtocols = [
  "v4.channel.k8s.io",
  "v3.channel.k8s.io",
  "v2.channel.k8s.io",
  "channel.k8s.io",
] as const;

/** SPDY on a connection of its own. */
export function bytesCarrier(connection: ByteConnection): SpdyCarrier {
  const buffer = new Uint8Array(limits.streamReadBytes);
  return {
    async read() {
      const count = await connection.read(buffer);
      return count === null ? null : buffer.slice(0, count);
    },
    write: (bytes) => connection.write(bytes),
    close: () => connection.close(),
  };
}

/** SPDY in the binary messages of a WebSocket (KEP-4006). */
export function webSocketCarrier(socket: ServerWebSocket): SpdyCarrier {
  return {
    async read() {
      for (let message = await socket.read(); message !== null; message = await socket.read()) {
        if (message.opcode === opcodes.binary) return message.data;
      }
      return null;
    },
    write: (bytes) => socket.send(bytes),
    close: () => void socket.close(),
  };
}

const byType: Readonly<Record<string, number>> = {
  stdin: channels.stdin,
  stdout: channels.stdout,
  stderr: channels.stderr,
  error: channels.error,
  resize: channels.resize,
};

/** An exec or attach session over SPDY: a stream for each channel, which the client opens first. */
class SpdyLink implements StreamLink {
  onMessage: StreamLink["onMessage"] = () => {};
  onClose: StreamLink["onClose"] = () => {};
  readonly connection: SpdyConnection;
  readonly complete: Promise<void>;
  readonly #streams = new Map<number, SpdyStream>();
  readonly #expected: ReadonlySet<number>;
  readonly #textStatus: boolean;
  readonly #timers: Timers;
  readonly #resolveComplete: () => void;

  constructor(carrier: SpdyCarrier, protocol: string, options: StreamOptions, timers: Timers) {
    this.#timers = timers;
    this.#textStatus = protocol !== remoteCommandProtocols[0];
    this.#expected = expectedChannels(protocol, options);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.complete = promise;
    this.#resolveComplete = resolve;
    this.connection = new SpdyConnection(carrier, (stream) => this.#accept(stream));
  }

  async send(message: Uint8Array): Promise<void> {
    const wanted = this.#textStatus ? withTextStatus(message) : message;
    if (wanted !== null) await this.#streams.get(wanted[0] ?? channels.close)?.write(wanted.subarray(1));
  }

  /** Ends every stream, and the connection when the client has, or takes too long to. */
  async close(): Promise<void> {
    for (const stream of this.#streams.values()) await stream.end();
    this.#timers.schedule(limits.streamLingerMs, () => this.connection.close());
  }

  /** Passes on what comes, once everybody listens. */
  start(): void {
    for (const [channel, stream] of this.#streams) void this.#read(channel, stream);
  }

  async #read(channel: number, stream: SpdyStream): Promise<void> {
    if (channel !== channels.stdin && channel !== channels.resize) return;
    for (let data = await stream.read(); data !== null; data = await stream.read()) {
      // A terminal's sizes follow each other as lines.
      const parts = channel === channels.resize
        ? fromUtf8(data).split("\n").filter((it) => it !== "").map(utf8)
        : [data];
      for (const part of parts) await this.onMessage(concatBytes([Uint8Array.of(channel), part]));
    }
    if (channel === channels.stdin && !stream.isReset) await this.onMessage(Uint8Array.of(channels.close, channel));
  }

  #accept(stream: SpdyStream): boolean {
    const channel = byType[stream.headers.get("streamtype") ?? ""];
    if (channel === undefined || !this.#expected.has(channel) || this.#streams.has(channel)) return false;
    this.#streams.set(channel, stream);
    if (this.#streams.size === this.#expected.size) this.#resolveComplete();
    return true;
  }
}

function expectedChannels(protocol: string, options: StreamOptions): ReadonlySet<number> {
  const expected = new Set<number>([channels.error]);
  if (options.stdin) expected.add(channels.stdin);
  if (options.stdout) expected.add(channels.stdout);
  if (options.stderr && !options.tty) expected.add(channels.stderr);
  if (options.tty && (protocol === "v4.channel.k8s.io" || protocol === "v3.channel.k8s.io")) {
    expected.add(channels.resize);
  }
  return expected;
}

/** Null when the client does not open its streams in time, or goes. */
export async function openSpdyLink(
  carrier: SpdyCarrier,
  protocol: string,
  options: StreamOptions,
  timers: Timers,
): Promise<StreamLink | null> {
  const link = new SpdyLink(carrier, protocol, options, timers);
  let gone = false;
  const ended = link.connection.run().then(() => {
    gone = true;
    link.onClose();
  });
  const timer = timers.schedule(limits.streamCreationMs, () => link.connection.close());
  await Promise.race([link.complete, ended]);
  timer.cancel();
  if (gone) return null;
  queueMicrotask(() => link.start());
  return link;
}
