import { controlFrame, dataFrame, flagFin, FrameReader, frameTypes, type RawFrame, SpdyError } from "./frames.ts";
import { HeaderDecoder, HeaderEncoder, type SpdyHeaders } from "./header_block.ts";
import { maxDataBytes, maxStreams, maxUnreadBytes } from "./limits.ts";

/** What carries a connection: a socket, or a WebSocket's binary messages. */
export interface SpdyCarrier {
  /** The next bytes; null at the end. */
  read(): Promise<Uint8Array | null>;
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>;
  close(): void;
}

const statusProtocolError = 1;
const statusRefused = 3;
const statusCancel = 5;

/** The server's end of one stream that the client opened. */
export class SpdyStream {
  readonly id: number;
  readonly headers: SpdyHeaders;
  readonly #connection: SpdyConnection;
  readonly #chunks: Uint8Array[] = [];
  #ended = false;
  #reset = false;
  #writeEnded = false;
  #wake: () => void = () => {};

  constructor(connection: SpdyConnection, id: number, headers: SpdyHeaders) {
    this.#connection = connection;
    this.id = id;
    this.headers = headers;
  }

  /** The peer gave the stream up, or the connection ended. */
  get isReset(): boolean {
    return this.#reset;
  }

  /** The next data; null when the client has ended its half, or the stream was reset. */
  async read(): Promise<Uint8Array | null> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#connection.consumed(chunk.length);
        return chunk;
      }
      if (this.#ended) return null;
      await new Promise<void>((resolve) => void (this.#wake = resolve));
    }
  }

  /** Silently drops what a reset stream can no longer carry. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += maxDataBytes) {
      if (this.#reset || this.#writeEnded) return;
      await this.#connection.send(dataFrame(this.id, 0, bytes.subarray(at, at + maxDataBytes)));
    }
  }

  /** Ends the server's half. Idempotent. */
  async end(): Promise<void> {
    if (this.#writeEnded || this.#reset) return;
    this.#writeEnded = true;
    await this.#connection.send(dataFrame(this.id, flagFin, new Uint8Array(0)));
    this.#forgetWhenDone();
  }

  /** Of the connection. */
  take(bytes: Uint8Array, fin: boolean): void {
    if (this.#ended) return this.#connection.consumed(bytes.length);
    if (bytes.length > 0) this.#chunks.push(bytes);
    if (fin) this.#ended = true;
    this.#wake();
    this.#forgetWhenDone();
  }

  /** Of the connection. */
  breakOff(): void {
    this.#reset = true;
    this.#ended = true;
    for (const chunk of this.#chunks.splice(0)) this.#connection.consumed(chunk.length);
    this.#wake();
  }

  #forgetWhenDone(): void {
    if (this.#ended && this.#writeEnded) this.#connection.forget(this.id);
  }
}

/**
 * A server of SPDY/3.1, as far as Kubernetes uses it: streams that the client opens, with data both ways. There are no
 * windows, because Go's peer neither opens nor minds them: who reads too slowly stops the whole connection.
 * @see SPDY Protocol Draft 3.1; kubernetes staging/src/k8s.io/streaming/pkg/httpstream/spdy
 */
export class SpdyConnection {
  readonly #carrier: SpdyCarrier;
  readonly #accept: (stream: SpdyStream) => boolean;
  readonly #reader = new FrameReader();
  readonly #decoder = new HeaderDecoder();
  readonly #encoder = new HeaderEncoder();
  readonly #streams = new Map<number, SpdyStream>();
  #lastStream = 0;
  #unread = 0;
  #room: () => void = () => {};
  #closed = false;

  /** @param accept takes a new stream, or refuses it */
  constructor(carrier: SpdyCarrier, accept: (stream: SpdyStream) => boolean) {
    this.#carrier = carrier;
    this.#accept = accept;
  }

  /** Reads until the client has gone or breaks the protocol. Never rejects. */
  async run(): Promise<void> {
    try {
      for (let bytes = await this.#carrier.read(); bytes !== null; bytes = await this.#carrier.read()) {
        for (const frame of this.#reader.push(bytes)) await this.#take(frame);
        while (this.#unread > maxUnreadBytes && !this.#closed) {
          await new Promise<void>((resolve) => void (this.#room = resolve));
        }
      }
    } catch (error) {
      if (error instanceof SpdyError) {
        await this.send(controlFrame(frameTypes.goaway, 0, this.#lastStream, statusProtocolError));
      }
    }
    this.close();
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of this.#streams.values()) stream.breakOff();
    this.#streams.clear();
    this.#room();
    this.#carrier.close();
  }

  /** Of streams. */
  async send(frame: Uint8Array): Promise<void> {
    if (this.#closed) return;
    try {
      await this.#carrier.write(frame);
    } catch {
      this.close();
    }
  }

  /** Of streams. */
  consumed(bytes: number): void {
    this.#unread -= bytes;
    if (this.#unread <= maxUnreadBytes) this.#room();
  }

  /** Of streams. */
  forget(id: number): void {
    this.#streams.delete(id);
  }

  async #take(frame: RawFrame): Promise<void> {
    if (frame.kind === "data") {
      const stream = this.#streams.get(frame.stream);
      if (stream === undefined) return; // it was reset while this was on its way
      this.#unread += frame.payload.length;
      return stream.take(frame.payload, (frame.flags & flagFin) !== 0);
    }
    switch (frame.type) {
      case frameTypes.synStream:
        return await this.#open(frame.payload, frame.flags);
      case frameTypes.rstStream: {
        const id = wordAt(frame.payload, 0);
        const stream = this.#streams.get(id);
        this.#streams.delete(id);
        return stream?.breakOff();
      }
      case frameTypes.headers:
        this.#decoder.decode(frame.payload.subarray(4)); // for the state of the inflater alone
        return;
      case frameTypes.ping:
        return await this.send(controlFrame(frameTypes.ping, 0, wordAt(frame.payload, 0)));
      default: // SETTINGS, WINDOW_UPDATE and GOAWAY ask for nothing; the end of the bytes says the rest.
    }
  }

  async #open(payload: Uint8Array, flags: number): Promise<void> {
    const id = wordAt(payload, 0) & 0x7fff_ffff;
    if (payload.length < 10) throw new SpdyError("SYN_STREAM ends early");
    const headers = this.#decoder.decode(payload.subarray(10));
    if (id % 2 === 0 || id <= this.#lastStream) throw new SpdyError(`stream ${id} cannot be opened`);
    this.#lastStream = id;
    const stream = new SpdyStream(this, id, headers);
    if (this.#streams.size >= maxStreams) return await this.#refuse(id, statusRefused);
    this.#streams.set(id, stream);
    await this.send(controlFrame(frameTypes.synReply, 0, id, this.#encoder.encode(new Map())));
    if ((flags & flagFin) !== 0) stream.take(new Uint8Array(0), true);
    if (this.#accept(stream)) return;
    this.#streams.delete(id);
    await this.#refuse(id, statusCancel);
  }

  async #refuse(id: number, status: number): Promise<void> {
    await this.send(controlFrame(frameTypes.rstStream, 0, id, status));
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  if (bytes.length < at + 4) throw new SpdyError("control frame ends early");
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(at);
}
