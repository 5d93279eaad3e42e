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

/** The payload of one DATA frame. */
export interface Piece {
  readonly parts: readonly Uint8Array[];
  readonly length: number;
  readonly end: boolean;
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
  /** Where in the queue the next piece is: a long one is not moved up for each. */
  #head = 0;
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
    this.sendParts([bytes], end);
  }

  /** The same for bytes in several places, which share frames. */
  sendParts(parts: readonly Uint8Array[], end = false): void {
    if (this.closed || this.#sendEnded) return;
    this.#sendEnded = end;
    for (const bytes of parts) {
      if (bytes.length > 0) this.#queue.push(bytes);
      this.#queuedBytes += bytes.length;
    }
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
   * For the connection: what goes into the next frame, at most `bytesMax`, as views; `end` when it is the last. Null:
   * nothing that may go now. Trailers are written by the way.
   */
  next(bytesMax: number): Piece | null {
    if (this.#queuedBytes === 0) {
      if (!this.#sendEnded || this.localEnded) return null;
      return this.#writeTrailers() ? null : this.#last({ parts: [], length: 0, end: true });
    }
    if (bytesMax <= 0) return null;
    const piece = this.#take(bytesMax);
    if (this.#queuedBytes > 0) return piece;
    if (!this.#sendEnded) queueMicrotask(() => this.closed || this.onDrained());
    return this.#sendEnded && this.#trailers === null ? this.#last({ ...piece, end: true }) : piece;
  }

  #take(bytesMax: number): Piece {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (; this.#head < this.#queue.length && length < bytesMax;) {
      const part = this.#queue[this.#head] as Uint8Array;
      const room = bytesMax - length;
      parts.push(part.length <= room ? part : part.subarray(0, room));
      length += Math.min(part.length, room);
      if (part.length <= room) this.#head++;
      else this.#queue[this.#head] = part.subarray(room);
    }
    this.#queuedBytes -= length;
    if (this.#queuedBytes === 0) {
      this.#queue = [];
      this.#head = 0;
    }
    return { parts, length, end: false };
  }

  /** For the connection: a frame without data is to be sent, trailers or the end, whatever the window. */
  get endsNow(): boolean {
    return this.#sendEnded && !this.localEnded && this.#queuedBytes === 0;
  }

  /** For the connection: the stream is over. */
  close(): void {
    this.closed = true;
    this.#queue = [];
    this.#head = 0;
    this.#queuedBytes = 0;
  }

  #last(piece: Piece): Piece {
    this.localEnded = true;
    // After the caller has written the frame.
    queueMicrotask(() => this.#finish());
    return piece;
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
