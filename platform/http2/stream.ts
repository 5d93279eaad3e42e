import { errorCode } from "./frames.ts";
import type { Field } from "./hpack_table.ts";

/** What a stream asks of its connection. */
export interface StreamPort {
  writeHeaders(stream: Http2Stream, fields: readonly Field[], end: boolean): void;
  /** There is something to send. */
  ready(stream: Http2Stream): void;
  reset(stream: Http2Stream, code: number): void;
  /** The owner has taken `bytes` of what was received. */
  taken(stream: Http2Stream, bytes: number): void;
  /** Both sides have ended. */
  done(stream: Http2Stream): void;
}

/**
 * One request and its answer. Set the callbacks in the turn in which the stream was handed over; they run synchronously,
 * and `onReset` is the last when the stream does not end in order on both sides.
 */
export class Http2Stream {
  readonly id: number;
  /** Header lists after the first of a server's stream: a client's answer, and trailers of either. */
  onHeaders: (fields: readonly Field[], ended: boolean) => void = () => {};
  /** `bytes` is a view, valid until the callback returns. Say {@linkcode taken} when they no longer take memory. */
  onData: (bytes: Uint8Array, ended: boolean) => void = () => {};
  /** @param code of RST_STREAM; `refusedStream`: the peer has not looked at it @param reason for people */
  onReset: (code: number, reason: string) => void = () => {};
  /** The queue has been handed over whole. */
  onDrained: () => void = () => {};

  readonly #port: StreamPort;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #trailers: readonly Field[] | null = null;
  #sendEnded = false;
  /** Everything up to the end was handed over. */
  localEnded = false;
  remoteEnded = false;
  /** Nothing is sent or delivered any more. */
  closed = false;

  /** Kept by the connection. */
  sendWindow: number;
  receiveWindow: number;
  /** Received and not yet {@linkcode taken}. */
  held = 0;
  /** Taken, and not yet told the peer. */
  credit = 0;
  /** The body's announced length, and what came of it. */
  expectedBytes: number | undefined;
  receivedBytes = 0;
  headersSeen = false;
  /** In the connection's list of streams with something to send. */
  queued = false;

  constructor(id: number, port: StreamPort, windows: { send: number; receive: number }) {
    this.id = id;
    this.#port = port;
    this.sendWindow = windows.send;
    this.receiveWindow = windows.receive;
  }

  /** Bytes that wait for the peer's window or the transport. The caller bounds it. */
  get bufferedBytes(): number {
    return this.#queuedBytes;
  }

  sendHeaders(fields: readonly Field[], end = false): void {
    if (this.closed || this.#sendEnded) return;
    this.#sendEnded = end;
    this.localEnded = end;
    this.#port.writeHeaders(this, fields, end);
    if (end) this.#finish();
  }

  /** Takes the bytes over: the caller changes them no more. */
  sendData(bytes: Uint8Array, end = false): void {
    if (this.closed || this.#sendEnded) return;
    this.#sendEnded = end;
    if (bytes.length > 0) this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    this.#port.ready(this);
  }

  /** Ends the stream with trailers, behind all data. */
  sendTrailers(fields: readonly Field[]): void {
    if (this.closed || this.#sendEnded) return;
    this.#sendEnded = true;
    this.#trailers = fields;
    this.#port.ready(this);
  }

  reset(code: number = errorCode.cancel): void {
    if (!this.closed) this.#port.reset(this, code);
  }

  taken(bytes: number): void {
    if (bytes > 0) this.#port.taken(this, bytes);
  }

  /**
   * For the connection: the next piece to send, at most `bytesMax`, as a view; `end` when it is the last. Null: nothing
   * that may go now. Trailers are written by the way.
   */
  next(bytesMax: number): { bytes: Uint8Array; end: boolean } | null {
    const head = this.#queue[0];
    if (head === undefined) {
      if (!this.#sendEnded || this.localEnded) return null;
      return this.#writeTrailers() ? null : this.#last(new Uint8Array(0));
    }
    if (bytesMax <= 0) return null;
    const bytes = head.length <= bytesMax ? head : head.subarray(0, bytesMax);
    if (bytes.length === head.length) this.#queue.shift();
    else this.#queue[0] = head.subarray(bytes.length);
    this.#queuedBytes -= bytes.length;
    if (this.#queue.length > 0) return { bytes, end: false };
    if (!this.#sendEnded) queueMicrotask(() => this.closed || this.onDrained());
    return this.#sendEnded && this.#trailers === null ? this.#last(bytes) : { bytes, end: false };
  }

  /** For the connection: a frame without data is to be sent, trailers or the end, whatever the window. */
  get endsNow(): boolean {
    return this.#sendEnded && !this.localEnded && this.#queue.length === 0;
  }

  /** For the connection: the stream is over. */
  close(): void {
    this.closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
  }

  #last(bytes: Uint8Array): { bytes: Uint8Array; end: boolean } {
    this.localEnded = true;
    // After the caller has written the frame.
    queueMicrotask(() => this.#finish());
    return { bytes, end: true };
  }

  #writeTrailers(): boolean {
    if (this.#trailers === null) return false;
    this.localEnded = true;
    this.#port.writeHeaders(this, this.#trailers, true);
    this.#finish();
    return true;
  }

  #finish(): void {
    if (!this.closed) this.#port.done(this);
  }
}
