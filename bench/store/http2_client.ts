import { concatBytes, utf8 } from "../../base/bytes.ts";

/**
 * As much HTTP/2 (RFC 9113) as a benchmark's gRPC client needs: requests without HPACK state, answers whose headers are
 * skipped unread. It costs less than any real gRPC client, which is in the other side's favour: about 25 us of CPU a call.
 * An answer that ends without data is an error; why is in headers that this client does not read.
 */
const frame = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const endStream = 0x1;
const endHeaders = 0x4;
const ack = 0x1;
const preface = utf8("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const maxWindow = 0x7fff_ffff;
const initialWindow = 65_535;
/** Peers' SETTINGS_MAX_FRAME_SIZE is at least this; no request here is larger. */
const maxFrameBytes = 16_384;
/** Received bytes after which the peer gets its window back. */
const windowReturnBytes = 1 << 24;

interface Stream {
  /** One gRPC message's bytes. */
  readonly onMessage: (message: Uint8Array) => void;
  readonly onEnd: (error: Error | null) => void;
  pending: Uint8Array;
  messages: number;
}

export class Http2Client {
  readonly #conn: Deno.TcpConn;
  readonly #authority: string;
  readonly #streams = new Map<number, Stream>();
  readonly #heads = new Map<string, Uint8Array>();
  #nextId = 1;
  #sendWindow = initialWindow;
  #received = 0;
  readonly #blocked: { id: number; body: Uint8Array; last: boolean }[] = [];
  #out: Uint8Array[] = [];
  #flushing = false;
  #closed = false;

  private constructor(conn: Deno.TcpConn, authority: string) {
    this.#conn = conn;
    this.#authority = authority;
    const settings = new Uint8Array(12);
    const view = new DataView(settings.buffer);
    view.setUint16(0, 0x4); // INITIAL_WINDOW_SIZE
    view.setUint32(2, maxWindow);
    view.setUint16(6, 0x1); // HEADER_TABLE_SIZE: our decoder, which is none, needs no table
    view.setUint32(8, 0);
    this.#write(preface);
    this.#writeFrame(frame.settings, 0, 0, settings);
    this.#giveWindow(maxWindow - initialWindow);
    void this.#read();
  }

  static async connect(port: number): Promise<Http2Client> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    conn.setNoDelay(true);
    return new Http2Client(conn, `127.0.0.1:${port}`);
  }

  get open(): boolean {
    return !this.#closed;
  }

  /** A unary call: one gRPC message each way. */
  unary(path: string, message: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let answer: Uint8Array | null = null;
      this.#request(path, message, true, {
        onMessage: (bytes) => void (answer = bytes),
        onEnd: (error) => {
          if (error === null && answer !== null) resolve(answer);
          else reject(error ?? new Error(`${path}: the call failed`));
        },
      });
    });
  }

  /** Sends one message and leaves the request open. */
  stream(path: string, message: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    this.#request(path, message, false, { onMessage, onEnd: () => {} });
  }

  close(): void {
    this.#end(new Error("closed"));
  }

  #request(path: string, message: Uint8Array, last: boolean, handlers: Pick<Stream, "onMessage" | "onEnd">): void {
    if (this.#closed) return handlers.onEnd(new Error("The connection has ended"));
    const id = this.#nextId;
    this.#nextId += 2;
    this.#streams.set(id, { ...handlers, pending: new Uint8Array(), messages: 0 });
    this.#writeFrame(frame.headers, endHeaders, id, this.#head(path));
    const body = new Uint8Array(5 + message.length); // gRPC: uncompressed, length
    new DataView(body.buffer).setUint32(1, message.length);
    body.set(message, 5);
    this.#blocked.push({ id, body, last });
    this.#sendBodies();
  }

  /** Literals without indexing (RFC 7541 section 6.2.2), so both tables stay empty. */
  #head(path: string): Uint8Array {
    let head = this.#heads.get(path);
    if (head === undefined) {
      const text = (value: string) => [value.length, ...utf8(value)];
      head = new Uint8Array([
        0x83, // :method POST
        0x86, // :scheme http
        ...[0x04, ...text(path)],
        ...[0x01, ...text(this.#authority)],
        ...[0x0f, 0x10, ...text("application/grpc")],
        ...[0x00, ...text("te"), ...text("trailers")],
      ]);
      this.#heads.set(path, head);
    }
    return head;
  }

  #sendBodies(): void {
    for (let next = this.#blocked[0]; next !== undefined; next = this.#blocked[0]) {
      if (next.body.length > this.#sendWindow) return;
      this.#blocked.shift();
      this.#sendWindow -= next.body.length;
      this.#writeFrame(frame.data, next.last ? endStream : 0, next.id, next.body);
    }
  }

  #giveWindow(bytes: number): void {
    const body = new Uint8Array(4);
    new DataView(body.buffer).setUint32(0, bytes);
    this.#writeFrame(frame.windowUpdate, 0, 0, body);
  }

  #writeFrame(type: number, flags: number, id: number, body: Uint8Array): void {
    if (body.length > maxFrameBytes) throw new RangeError(`A frame of ${body.length} bytes`);
    const bytes = new Uint8Array(9 + body.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, (body.length << 8) | type);
    bytes[4] = flags;
    view.setUint32(5, id);
    bytes.set(body, 9);
    this.#write(bytes);
  }

  #write(bytes: Uint8Array): void {
    this.#out.push(bytes);
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => void this.#flush());
  }

  async #flush(): Promise<void> {
    try {
      while (this.#out.length > 0) {
        const bytes = concatBytes(this.#out);
        this.#out = [];
        for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
      }
      this.#flushing = false;
    } catch (error) {
      this.#end(error);
    }
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(256 * 1024);
    let filled = 0;
    try {
      for (;;) {
        const count = await this.#conn.read(buffer.subarray(filled));
        if (count === null) break;
        filled += count;
        let at = 0;
        while (filled - at >= 9) {
          const view = new DataView(buffer.buffer, at, 9);
          const length = view.getUint32(0) >>> 8;
          if (filled - at < 9 + length) break;
          const body = buffer.slice(at + 9, at + 9 + length);
          this.#onFrame(buffer[at + 3] as number, buffer[at + 4] as number, view.getUint32(5) & maxWindow, body);
          at += 9 + length;
        }
        buffer.copyWithin(0, at, filled);
        filled -= at;
      }
      this.#end(new Error("The connection has ended"));
    } catch (error) {
      this.#end(error);
    }
  }

  #onFrame(type: number, flags: number, id: number, body: Uint8Array): void {
    const stream = this.#streams.get(id);
    switch (type) {
      case frame.data:
        this.#received += body.length;
        if (this.#received > windowReturnBytes) {
          this.#giveWindow(this.#received);
          this.#received = 0;
        }
        if (stream !== undefined) takeMessages(stream, body);
        break;
      case frame.settings:
        if ((flags & ack) === 0) this.#writeFrame(frame.settings, ack, 0, new Uint8Array());
        return;
      case frame.ping:
        if ((flags & ack) === 0) this.#writeFrame(frame.ping, ack, 0, body);
        return;
      case frame.windowUpdate:
        if (id === 0) this.#sendWindow += new DataView(body.buffer).getUint32(0);
        return this.#sendBodies();
      case frame.goAway:
        return this.#end(new Error("The server goes away"));
      case frame.reset:
        this.#streams.delete(id);
        return stream?.onEnd(new Error("The server reset the stream"));
    }
    if ((type === frame.data || type === frame.headers) && (flags & endStream) !== 0) {
      this.#streams.delete(id);
      stream?.onEnd(stream.messages > 0 ? null : new Error("The call failed"));
    }
  }

  #end(cause: unknown): void {
    if (this.#closed) return;
    this.#closed = true;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    try {
      this.#conn.close();
    } catch {
      // it has closed itself
    }
    for (const stream of [...this.#streams.values()]) stream.onEnd(error);
    this.#streams.clear();
  }
}

function takeMessages(stream: Stream, body: Uint8Array): void {
  const bytes = stream.pending.length === 0 ? body : concatBytes([stream.pending, body]);
  let at = 0;
  while (bytes.length - at >= 5) {
    const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(1);
    if (bytes.length - at < 5 + length) break;
    stream.messages++;
    stream.onMessage(bytes.subarray(at + 5, at + 5 + length));
    at += 5 + length;
  }
  stream.pending = bytes.slice(at);
}
