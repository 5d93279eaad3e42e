import type { Field } from "./hpack_table.ts";
import { HpackDecoder, HpackEncoder } from "./hpack.ts";
import { Http2Connection, type Http2Options } from "./connection.ts";
import { encodeFrame, type Frame, FrameReader } from "./frames.ts";

/** For tests: the two ends of a connection in one process, each chunk delivered in a microtask of its own. */
export function connectedPair(
  server: Pick<Http2Options, "onStream" | "onClose" | "concurrentStreamsMax">,
  client: Pick<Http2Options, "onClose" | "onGoAway"> = {},
): { server: Http2Connection; client: Http2Connection } {
  const ends: { server?: Http2Connection; client?: Http2Connection } = {};
  const wire = (to: "server" | "client") => ({
    write: (bytes: Uint8Array) => Promise.resolve().then(() => ends[to]?.receive(bytes)),
    end: () => queueMicrotask(() => ends[to]?.ended()),
    now: () => 0,
  });
  ends.server = new Http2Connection({ role: "server", ...wire("client"), ...server });
  ends.client = new Http2Connection({ role: "client", ...wire("server"), ...client });
  return { server: ends.server, client: ends.client };
}

/** Lets everything that waits in microtasks happen. */
export async function settle(rounds = 50): Promise<void> {
  for (let i = 0; i < rounds; i++) await Promise.resolve();
}

/** For tests: a client that sends any frames, sound or not, to a server's end, and reads what comes back. */
export class RawClient {
  readonly connection: Http2Connection;
  readonly frames: { type: number; flags: number; streamId: number; payload: Uint8Array }[] = [];
  closed = false;
  error: Error | null = null;
  now = 0;
  readonly #encoder = new HpackEncoder(4096);
  readonly #decoder = new HpackDecoder(4096);
  readonly #reader = new FrameReader();

  constructor(options: Pick<Http2Options, "onStream" | "concurrentStreamsMax"> = {}) {
    this.connection = new Http2Connection({
      role: "server",
      now: () => this.now,
      write: (bytes) => {
        this.#reader.push(bytes, (frame: Frame) => this.frames.push({ ...frame, payload: frame.payload.slice() }));
        return Promise.resolve();
      },
      end: () => {},
      onClose: (error) => {
        this.closed = true;
        this.error = error;
      },
      ...options,
    });
  }

  /** The preface and empty SETTINGS. */
  greet(): this {
    this.raw(new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    return this.frame(4, 0, 0, []);
  }

  raw(bytes: Uint8Array): this {
    this.connection.receive(bytes);
    return this;
  }

  frame(type: number, flags: number, streamId: number, payload: Iterable<number>): this {
    return this.raw(encodeFrame(type, flags, streamId, Uint8Array.from(payload)));
  }

  block(fields: readonly Field[]): Uint8Array {
    return this.#encoder.encode(fields);
  }

  /** HEADERS of a request; `end`: without a body. */
  request(streamId: number, options: { end?: boolean; fields?: readonly Field[] } = {}): this {
    const fields = options.fields ?? requestFields;
    return this.frame(1, 0x4 | (options.end === false ? 0 : 0x1), streamId, this.block(fields));
  }

  headers(payload: Uint8Array): readonly Field[] | null {
    return this.#decoder.decode(payload, 1e6);
  }

  /** `GOAWAY 1`, `RST 5 8`, `HEADERS 1`...: what the server said, but for its SETTINGS and windows. */
  async heard(): Promise<string[]> {
    await settle();
    const names = ["DATA", "HEADERS", "", "RST", "", "", "PING", "GOAWAY"];
    return this.frames.filter(({ type }) => type !== 4 && type !== 8).map(({ type, streamId, payload }) => {
      if (type === 3) return `RST ${streamId} ${payload[3]}`;
      if (type === 7) return `GOAWAY ${payload[7]}`;
      return `${names[type]} ${streamId}`;
    });
  }
}

export const requestFields: readonly Field[] = [
  [":method", "POST"],
  [":scheme", "https"],
  [":path", "/"],
  [":authority", "here"],
];
