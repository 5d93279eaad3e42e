import { concatBytes } from "../../base/bytes.ts";
import {
  ConnectionError,
  encodeFrame,
  encodeHead,
  errorCode,
  flag,
  type Frame,
  FrameReader,
  frameType,
  readUint32,
  setting,
  StreamFault,
  writeUint32,
} from "./frames.ts";
import { HpackDecoder, HpackEncoder, HpackError } from "./hpack.ts";
import type { Field } from "./hpack_table.ts";
import { http2Limits } from "./limits.ts";
import { contentLength, malformed, type MessageKind } from "./messages.ts";
import { Allowance } from "./allowance.ts";
import { Outbox } from "./outbox.ts";
import { Http2Stream, type StreamPort } from "./stream.ts";

export interface Http2Options {
  readonly role: "server" | "client";
  /** Takes bytes to the other end, in order; resolves when the kernel has them. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Ends the transport, behind what was written. */
  readonly end: () => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** Server: a request has come; `ended`: without a body. */
  readonly onStream?: (stream: Http2Stream, fields: readonly Field[], ended: boolean) => void;
  /** Once, after every stream's `onReset`. Null: both sides ended in order. */
  readonly onClose?: (error: Error | null) => void;
  /** Client: the peer takes no more streams on this connection. */
  readonly onGoAway?: () => void;
  /** Server: streams a client may have open. */
  readonly concurrentStreamsMax?: number;
  /** Resets and the like that the peer may send at once; `http2Limits.nuisanceBurst` when left out. */
  readonly nuisanceBurst?: number;
}

const preface = new TextEncoder().encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
const nothing = new Uint8Array(0);

/**
 * One HTTP/2 connection (RFC 9113), either end. It owns no socket and no timer: bytes come by `receive`, leave by
 * `options.write`. Everything a peer can send is bounded (limits.ts) or ends the connection with GOAWAY.
 */
export class Http2Connection {
  readonly #options: Http2Options;
  readonly #server: boolean;
  readonly #reader = new FrameReader();
  readonly #decoder = new HpackDecoder(http2Limits.headerTableBytes);
  readonly #encoder = new HpackEncoder(http2Limits.headerTableBytes);
  readonly #outbox: Outbox;
  readonly #streams = new Map<number, Http2Stream>();
  /** Streams with something to send, served in turn. */
  #ready: Http2Stream[] = [];
  readonly #resetByUs = new Set<number>();
  readonly #nuisance: Allowance;
  readonly #port: StreamPort;
  #prefaceLeft: number;
  #settingsSeen = false;
  /** A header block whose CONTINUATIONs are due: nothing else may come before them. */
  #block: { streamId: number; parts: Uint8Array[]; bytes: number; end: boolean } | null = null;
  #lastPeerStream = 0;
  #nextStream: number;
  #peerFrameBytesMax: number = http2Limits.frameBytesMax;
  #peerInitialWindow = 65_535;
  #peerStreamsMax = Infinity;
  #sendWindow = 65_535;
  #receiveWindow: number = http2Limits.connectionWindowBytes;
  #credit = 0;
  #heldBytes = 0;
  /** The highest of our streams that the peer will answer, once it said so. */
  #goAwayAt: number | null = null;
  #draining = false;
  #closed = false;

  constructor(options: Http2Options) {
    this.#options = options;
    this.#server = options.role === "server";
    this.#prefaceLeft = this.#server ? preface.length : 0;
    this.#nextStream = this.#server ? 2 : 1;
    this.#nuisance = new Allowance(
      options.nuisanceBurst ?? http2Limits.nuisanceBurst,
      http2Limits.nuisancePerSecond,
      options.now,
    );
    this.#outbox = new Outbox(options.write, () => this.#pump(), (error) => this.#shut(error));
    this.#port = {
      writeHeaders: (stream, fields, end) => this.#writeHeaders(stream.id, fields, end),
      ready: (stream) => this.#enqueue(stream),
      reset: (stream, code) => this.#reset(stream.id, code),
      taken: (stream, bytes) => this.#taken(stream, bytes),
      done: (stream) => this.#done(stream),
    };
    if (!this.#server) this.#outbox.push(preface);
    this.#writeSettings();
  }

  get closed(): boolean {
    return this.#closed;
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** The peer has said that it takes no more streams, or we have. */
  get goingAway(): boolean {
    return this.#draining || this.#goAwayAt !== null;
  }

  /** Whether a client may open another stream now. */
  get canOpen(): boolean {
    return !this.#closed && !this.goingAway && this.#streams.size < this.#peerStreamsMax &&
      this.#nextStream <= http2Limits.windowMax;
  }

  /** Client: begins a request. Check {@linkcode canOpen} first. */
  open(fields: readonly Field[], end: boolean): Http2Stream {
    const stream = this.#makeStream(this.#nextStream);
    this.#nextStream += 2;
    stream.sendHeaders(fields, end);
    return stream;
  }

  /** What the transport read. Never throws. */
  receive(chunk: Uint8Array): void {
    if (this.#closed) return;
    try {
      const rest = this.#prefaceLeft > 0 ? this.#checkPreface(chunk) : chunk;
      this.#reader.push(rest, (frame) => {
        if (!this.#closed) this.#onFrame(frame);
      });
      if (this.#outbox.bytes > http2Limits.transportBytesMax) {
        throw new ConnectionError(errorCode.enhanceYourCalm, "The peer does not read what it makes us answer");
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The transport has ended. */
  ended(error?: Error): void {
    this.#shut(error ?? (this.#streams.size > 0 ? new Error("The connection ended") : null));
  }

  /** Takes no new streams, and ends when those there are done. */
  drain(): void {
    if (this.#closed || this.#draining) return;
    this.announceEnd();
    if (this.#streams.size === 0) this.#finish(null);
  }

  /**
   * Takes no new streams and says which still count. With none there it stays open until the caller closes it: a peer that
   * is just opening a stream hears that nobody has looked at it, and may ask elsewhere.
   */
  announceEnd(): void {
    if (this.#closed || this.#draining) return;
    this.#draining = true;
    this.#writeGoAway(errorCode.noError, "");
  }

  /** Ends now; open streams hear of it. */
  close(): void {
    if (this.#closed) return;
    if (!this.#draining) this.#writeGoAway(errorCode.noError, "");
    this.#finish(null);
  }

  #checkPreface(chunk: Uint8Array): Uint8Array {
    const from = preface.length - this.#prefaceLeft;
    const taken = Math.min(this.#prefaceLeft, chunk.length);
    for (let i = 0; i < taken; i++) {
      if (chunk[i] !== preface[from + i]) throw new ConnectionError(errorCode.protocolError, "This is not HTTP/2");
    }
    this.#prefaceLeft -= taken;
    return chunk.subarray(taken);
  }

  #onFrame(frame: Frame): void {
    if (!this.#settingsSeen && frame.type !== frameType.settings) {
      throw new ConnectionError(errorCode.protocolError, "The first frame is not SETTINGS");
    }
    if (this.#block !== null && (frame.type !== frameType.continuation || frame.streamId !== this.#block.streamId)) {
      throw new ConnectionError(errorCode.protocolError, "A header block is interrupted");
    }
    try {
      this.#dispatch(frame);
    } catch (error) {
      if (!(error instanceof StreamFault)) throw error;
      this.#nuisance.spend();
      this.#reset(error.streamId, error.code, error.message);
    }
  }

  #dispatch(frame: Frame): void {
    switch (frame.type) {
      case frameType.data:
        return this.#onData(frame);
      case frameType.headers:
        return this.#onHeaders(frame);
      case frameType.priority:
        return this.#onPriority(frame);
      case frameType.rstStream:
        return this.#onReset(frame);
      case frameType.settings:
        return this.#onSettings(frame);
      case frameType.pushPromise:
        throw new ConnectionError(errorCode.protocolError, "PUSH_PROMISE was not allowed");
      case frameType.ping:
        return this.#onPing(frame);
      case frameType.goAway:
        return this.#onGoAway(frame);
      case frameType.windowUpdate:
        return this.#onWindowUpdate(frame);
      case frameType.continuation:
        return this.#onContinuation(frame);
    }
  }

  #onData(frame: Frame): void {
    const { streamId, payload } = frame;
    this.#receiveWindow -= payload.length;
    if (this.#receiveWindow < 0) {
      throw new ConnectionError(errorCode.flowControlError, "The connection's window is used up");
    }
    this.#creditConnection(payload.length);
    const data = unpadded(frame, 0);
    const stream = this.#live(streamId, "DATA");
    if (stream === null) return;
    if (stream.remoteEnded) throw new StreamFault(streamId, errorCode.streamClosed, "DATA after the end");
    if (!stream.headersSeen) throw new StreamFault(streamId, errorCode.protocolError, "DATA before HEADERS");
    const ended = (frame.flags & flag.endStream) !== 0;
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) throw new StreamFault(streamId, errorCode.flowControlError, "The window is used up");
    if (data.length === 0 && !ended) this.#nuisance.spend();
    stream.receivedBytes += data.length;
    this.#checkLength(stream, ended);
    this.#heldBytes += data.length;
    stream.held += data.length;
    if (this.#heldBytes > http2Limits.heldBytesMax) {
      throw new StreamFault(streamId, errorCode.enhanceYourCalm, "Too much is unread on this connection");
    }
    this.#taken(stream, payload.length - data.length, 0);
    stream.remoteEnded = ended;
    stream.onData(data, ended);
    if (ended) this.#done(stream);
  }

  #checkLength(stream: Http2Stream, ended: boolean): void {
    const { expectedBytes, receivedBytes } = stream;
    if (expectedBytes === undefined || (ended ? receivedBytes === expectedBytes : receivedBytes <= expectedBytes)) {
      return;
    }
    throw new StreamFault(stream.id, errorCode.protocolError, "The body is not as long as announced");
  }

  #onHeaders(frame: Frame): void {
    const priorityBytes = (frame.flags & flag.priority) !== 0 ? 5 : 0;
    const payload = unpadded(frame, priorityBytes);
    if (frame.streamId === 0) throw new ConnectionError(errorCode.protocolError, "HEADERS on stream 0");
    if (priorityBytes > 0 && dependency(frame) === frame.streamId) {
      throw new StreamFault(frame.streamId, errorCode.protocolError, "A stream depends on itself");
    }
    const end = (frame.flags & flag.endStream) !== 0;
    if ((frame.flags & flag.endHeaders) !== 0) return this.#onBlock(frame.streamId, payload, end);
    this.#block = { streamId: frame.streamId, parts: [payload.slice()], bytes: payload.length, end };
  }

  #onContinuation(frame: Frame): void {
    const block = this.#block;
    if (block === null) throw new ConnectionError(errorCode.protocolError, "CONTINUATION without HEADERS");
    block.parts.push(frame.payload.slice());
    block.bytes += frame.payload.length;
    if (block.parts.length > http2Limits.continuationsMax || block.bytes > http2Limits.headerBlockBytesMax) {
      throw new ConnectionError(errorCode.enhanceYourCalm, "A header block is too large");
    }
    if ((frame.flags & flag.endHeaders) === 0) return;
    this.#block = null;
    this.#onBlock(block.streamId, concatBytes(block.parts), block.end);
  }

  /** The block is decoded whatever becomes of it: the tables of both ends must stay in step. */
  #onBlock(streamId: number, block: Uint8Array, end: boolean): void {
    const fields = this.#decoder.decode(block, http2Limits.headerListBytesMax);
    const known = this.#streams.get(streamId);
    if (known === undefined) return this.#onNewStream(streamId, fields, end);
    if (known.remoteEnded) throw new StreamFault(streamId, errorCode.streamClosed, "HEADERS after the end");
    const informational = !known.headersSeen && fields?.some(([name, value]) => name === ":status" && value[0] === "1");
    const trailers = known.headersSeen;
    if (trailers && !end) throw new StreamFault(streamId, errorCode.protocolError, "Trailers without an end");
    this.#checkFields(streamId, fields, trailers ? "trailers" : "response");
    if (informational === true) return;
    known.headersSeen = true;
    known.remoteEnded = end;
    if (!trailers) known.expectedBytes = contentLength(fields ?? []);
    if (end) this.#checkLength(known, true);
    known.onHeaders(fields ?? [], end);
    if (end) this.#done(known);
  }

  #onNewStream(streamId: number, fields: Field[] | null, end: boolean): void {
    if (!this.#server || streamId % 2 === 0 || streamId <= this.#lastPeerStream) {
      return void this.#live(streamId, "HEADERS");
    }
    this.#lastPeerStream = streamId;
    if (this.#draining) return; // it has been told which streams count
    if (this.#streams.size >= (this.#options.concurrentStreamsMax ?? http2Limits.concurrentStreamsMax)) {
      throw new StreamFault(streamId, errorCode.refusedStream, "Too many streams");
    }
    this.#checkFields(streamId, fields, "request");
    const stream = this.#makeStream(streamId);
    stream.headersSeen = true;
    stream.remoteEnded = end;
    stream.expectedBytes = contentLength(fields ?? []);
    if (end || Number.isNaN(stream.expectedBytes)) this.#checkLength(stream, true);
    this.#options.onStream?.(stream, fields ?? [], end);
    if (end) this.#done(stream);
  }

  #checkFields(streamId: number, fields: Field[] | null, kind: MessageKind): void {
    if (fields === null) throw new StreamFault(streamId, errorCode.enhanceYourCalm, "The header list is too large");
    const fault = malformed(fields, kind);
    if (fault !== null) throw new StreamFault(streamId, errorCode.protocolError, fault);
  }

  /** The open stream; null for one that is over, whose late frames are dropped. Throws when there never was one. */
  #live(streamId: number, what: string): Http2Stream | null {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) return stream;
    if (this.#isIdle(streamId)) {
      throw new ConnectionError(errorCode.protocolError, `${what} on idle stream ${streamId}`);
    }
    if (this.#resetByUs.has(streamId) || this.#draining) return null;
    throw new ConnectionError(errorCode.streamClosed, `${what} on closed stream ${streamId}`);
  }

  #isIdle(streamId: number): boolean {
    const ours = (streamId % 2 === 0) === this.#server;
    return streamId === 0 || (ours ? streamId >= this.#nextStream : streamId > this.#lastPeerStream);
  }

  #onPriority(frame: Frame): void {
    if (frame.streamId === 0) throw new ConnectionError(errorCode.protocolError, "PRIORITY on stream 0");
    if (frame.payload.length !== 5) {
      throw new StreamFault(frame.streamId, errorCode.frameSizeError, "PRIORITY has 5 bytes");
    }
    if ((readUint32(frame.payload, 0) & 0x7fff_ffff) === frame.streamId) {
      throw new StreamFault(frame.streamId, errorCode.protocolError, "A stream depends on itself");
    }
  }

  #onReset(frame: Frame): void {
    sized(frame, 4);
    if (this.#isIdle(frame.streamId)) {
      throw new ConnectionError(errorCode.protocolError, "RST_STREAM on an idle stream");
    }
    this.#nuisance.spend();
    const stream = this.#streams.get(frame.streamId);
    if (stream === undefined) return;
    this.#remove(stream);
    stream.onReset(readUint32(frame.payload, 0), "The peer has reset the stream");
    this.#afterRemoval();
  }

  #onSettings(frame: Frame): void {
    if (frame.streamId !== 0) throw new ConnectionError(errorCode.protocolError, "SETTINGS on a stream");
    this.#settingsSeen = true;
    if ((frame.flags & flag.ack) !== 0) return sized(frame, 0);
    if (frame.payload.length % 6 !== 0) throw new ConnectionError(errorCode.frameSizeError, "SETTINGS are cut off");
    for (let at = 0; at < frame.payload.length; at += 6) {
      this.#onSetting(readUint32(frame.payload, at) >>> 16, readUint32(frame.payload, at + 2));
    }
    this.#write(frameType.settings, flag.ack, 0, nothing);
    this.#pump();
  }

  #onSetting(id: number, value: number): void {
    switch (id) {
      case setting.headerTableSize:
        return this.#encoder.allow(value);
      case setting.enablePush:
        if (value > 1) throw new ConnectionError(errorCode.protocolError, "ENABLE_PUSH is 0 or 1");
        return;
      case setting.maxConcurrentStreams:
        this.#peerStreamsMax = value;
        return;
      case setting.initialWindowSize:
        if (value > http2Limits.windowMax) {
          throw new ConnectionError(errorCode.flowControlError, "A window is over 2^31-1");
        }
        for (const stream of this.#streams.values()) {
          this.#widen(stream, value - this.#peerInitialWindow);
        }
        this.#peerInitialWindow = value;
        return;
      case setting.maxFrameSize:
        if (value < http2Limits.frameBytesMax || value > http2Limits.frameBytesCeiling) {
          throw new ConnectionError(errorCode.protocolError, "MAX_FRAME_SIZE is out of range");
        }
        this.#peerFrameBytesMax = value;
    }
  }

  #onPing(frame: Frame): void {
    if (frame.streamId !== 0) throw new ConnectionError(errorCode.protocolError, "PING on a stream");
    sized(frame, 8);
    if ((frame.flags & flag.ack) === 0) this.#write(frameType.ping, flag.ack, 0, frame.payload);
  }

  #onGoAway(frame: Frame): void {
    if (frame.streamId !== 0) throw new ConnectionError(errorCode.protocolError, "GOAWAY on a stream");
    if (frame.payload.length < 8) throw new ConnectionError(errorCode.frameSizeError, "GOAWAY is cut off");
    this.#goAwayAt = readUint32(frame.payload, 0) & 0x7fff_ffff;
    if (!this.#server) {
      for (const stream of [...this.#streams.values()]) {
        if (stream.id <= this.#goAwayAt) continue;
        this.#remove(stream);
        stream.onReset(errorCode.refusedStream, "The peer is going away");
      }
    }
    this.#options.onGoAway?.();
    if (this.#streams.size === 0) this.#finish(null);
  }

  #onWindowUpdate(frame: Frame): void {
    sized(frame, 4);
    const increment = readUint32(frame.payload, 0) & 0x7fff_ffff;
    if (frame.streamId === 0) {
      if (increment === 0) throw new ConnectionError(errorCode.protocolError, "A window grows by 0");
      this.#sendWindow += increment;
      if (this.#sendWindow > http2Limits.windowMax) {
        throw new ConnectionError(errorCode.flowControlError, "A window is over 2^31-1");
      }
      return this.#pump();
    }
    if (this.#isIdle(frame.streamId)) {
      throw new ConnectionError(errorCode.protocolError, "WINDOW_UPDATE on an idle stream");
    }
    const stream = this.#streams.get(frame.streamId);
    if (stream === undefined) return;
    if (increment === 0) throw new StreamFault(stream.id, errorCode.protocolError, "A window grows by 0");
    if (stream.sendWindow + increment > http2Limits.windowMax) {
      throw new StreamFault(stream.id, errorCode.flowControlError, "A window is over 2^31-1");
    }
    this.#widen(stream, increment);
    this.#pump();
  }

  #widen(stream: Http2Stream, by: number): void {
    stream.sendWindow += by;
    if (stream.sendWindow > http2Limits.windowMax) {
      throw new ConnectionError(errorCode.flowControlError, "A window is over 2^31-1");
    }
    if (stream.bufferedBytes > 0) this.#enqueue(stream, false);
  }

  #makeStream(id: number): Http2Stream {
    const windows = { send: this.#peerInitialWindow, receive: http2Limits.streamWindowBytes };
    const stream = new Http2Stream(id, this.#port, windows);
    this.#streams.set(id, stream);
    return stream;
  }

  #enqueue(stream: Http2Stream, pump = true): void {
    if (!stream.queued) {
      stream.queued = true;
      this.#ready.push(stream);
    }
    if (pump) this.#pump();
  }

  /** Sends one frame of each ready stream in turn, as far as windows and transport allow. */
  #pump(): void {
    while (this.#ready.length > 0 && this.#outbox.bytes < http2Limits.transportHighWaterBytes) {
      const round = this.#ready;
      this.#ready = [];
      let sent = false;
      for (const stream of round) {
        stream.queued = false;
        if (stream.closed) continue;
        if (this.#sendOne(stream)) sent = true;
        const more = stream.bufferedBytes > 0 || stream.endsNow;
        // Without a window of its own it comes back by WINDOW_UPDATE.
        if (more && (stream.sendWindow > 0 || stream.endsNow)) this.#enqueue(stream, false);
      }
      if (!sent) return;
    }
  }

  #sendOne(stream: Http2Stream): boolean {
    const room = Math.min(this.#peerFrameBytesMax, this.#sendWindow, stream.sendWindow);
    const endsNow = stream.endsNow;
    const piece = stream.next(room);
    if (piece === null) return endsNow;
    this.#sendWindow -= piece.length;
    stream.sendWindow -= piece.length;
    // The stream's owner has given the bytes away: they are copied once, into the transport's buffer.
    this.#outbox.push(encodeHead(frameType.data, piece.end ? flag.endStream : 0, stream.id, piece.length));
    for (const part of piece.parts) this.#outbox.push(part);
    return true;
  }

  #taken(stream: Http2Stream, bytes: number, held = bytes): void {
    this.#heldBytes -= held;
    stream.held -= held;
    stream.receiveWindow += bytes;
    stream.credit += bytes;
    if (stream.closed || stream.remoteEnded || stream.credit < http2Limits.streamWindowBytes / 4) return;
    this.#writeWindowUpdate(stream.id, stream.credit);
    stream.credit = 0;
  }

  /** The connection's window only keeps the peer from overrunning the reader: what streams hold has its own bound. */
  #creditConnection(bytes: number): void {
    this.#credit += bytes;
    if (this.#credit < http2Limits.connectionWindowBytes / 4) return;
    this.#receiveWindow += this.#credit;
    this.#writeWindowUpdate(0, this.#credit);
    this.#credit = 0;
  }

  /** One side has ended; with both, the stream is over. */
  #done(stream: Http2Stream): void {
    if (stream.closed || !stream.localEnded) return;
    if (!stream.remoteEnded) {
      if (!this.#server) return;
      // The whole answer is out: the client need not go on with its request (RFC 9113 8.1).
      this.#write(frameType.rstStream, 0, stream.id, uint32(errorCode.noError));
      this.#remember(stream.id);
    }
    this.#remove(stream);
    this.#afterRemoval();
  }

  #reset(streamId: number, code: number, reason = "The stream was reset"): void {
    this.#write(frameType.rstStream, 0, streamId, uint32(code));
    this.#remember(streamId);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    this.#remove(stream);
    stream.onReset(code, reason);
    this.#afterRemoval();
  }

  #remember(streamId: number): void {
    this.#resetByUs.add(streamId);
    if (this.#resetByUs.size <= http2Limits.resetMemory) return;
    for (const oldest of this.#resetByUs) {
      this.#resetByUs.delete(oldest);
      return;
    }
  }

  #remove(stream: Http2Stream): void {
    stream.close();
    this.#heldBytes -= stream.held;
    stream.held = 0;
    this.#streams.delete(stream.id);
  }

  #afterRemoval(): void {
    if (this.#streams.size === 0 && (this.#draining || this.#goAwayAt !== null)) this.#finish(null);
  }

  #writeSettings(): void {
    const settings: [number, number][] = [
      [setting.initialWindowSize, http2Limits.streamWindowBytes],
      [setting.maxHeaderListSize, http2Limits.headerListBytesMax],
      this.#server
        ? [setting.maxConcurrentStreams, this.#options.concurrentStreamsMax ?? http2Limits.concurrentStreamsMax]
        : [setting.enablePush, 0],
    ];
    const payload = new Uint8Array(settings.length * 6);
    settings.forEach(([id, value], i) => {
      payload[i * 6 + 1] = id;
      writeUint32(payload, i * 6 + 2, value);
    });
    this.#write(frameType.settings, 0, 0, payload);
    this.#writeWindowUpdate(0, http2Limits.connectionWindowBytes - 65_535);
  }

  #writeHeaders(streamId: number, fields: readonly Field[], end: boolean): void {
    const block = this.#encoder.encode(fields);
    const last = block.length <= this.#peerFrameBytesMax;
    const flags = (end ? flag.endStream : 0) | (last ? flag.endHeaders : 0);
    this.#write(frameType.headers, flags, streamId, last ? block : block.subarray(0, this.#peerFrameBytesMax));
    for (let at = this.#peerFrameBytesMax; at < block.length; at += this.#peerFrameBytesMax) {
      const part = block.subarray(at, at + this.#peerFrameBytesMax);
      const done = at + part.length === block.length;
      this.#write(frameType.continuation, done ? flag.endHeaders : 0, streamId, part);
    }
  }

  #writeWindowUpdate(streamId: number, by: number): void {
    this.#write(frameType.windowUpdate, 0, streamId, uint32(by));
  }

  #writeGoAway(code: number, reason: string): void {
    const text = new TextEncoder().encode(reason);
    const payload = new Uint8Array(8 + text.length);
    writeUint32(payload, 0, this.#lastPeerStream);
    writeUint32(payload, 4, code);
    payload.set(text, 8);
    this.#write(frameType.goAway, 0, 0, payload);
  }

  #write(type: number, flags: number, streamId: number, payload: Uint8Array): void {
    if (!this.#closed) this.#outbox.push(encodeFrame(type, flags, streamId, payload));
  }

  /** What `receive` caught: GOAWAY says why, then the connection ends. */
  #fail(error: unknown): void {
    if (this.#closed) return;
    if (error instanceof ConnectionError) this.#writeGoAway(error.code, error.message);
    else if (error instanceof HpackError) this.#writeGoAway(errorCode.compressionError, error.message);
    else this.#writeGoAway(errorCode.internalError, "");
    this.#finish(error instanceof Error ? error : new Error(String(error)));
  }

  #finish(error: Error | null): void {
    if (this.#closed) return;
    this.#outbox.end(this.#options.end);
    this.#shut(error);
  }

  #shut(error: Error | null): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#outbox.close(this.#options.end);
    this.#ready = [];
    const reason = error?.message ?? "The connection was closed";
    for (const stream of [...this.#streams.values()]) {
      this.#remove(stream);
      stream.onReset(errorCode.cancel, reason);
    }
    this.#options.onClose?.(error);
  }
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  writeUint32(bytes, 0, value);
  return bytes;
}

function sized(frame: Frame, bytes: number): void {
  if (frame.payload.length === bytes) return;
  throw new ConnectionError(errorCode.frameSizeError, `A frame of type ${frame.type} has ${bytes} bytes`);
}

function dependency(frame: Frame): number {
  const at = (frame.flags & flag.padded) !== 0 ? 1 : 0;
  return readUint32(frame.payload, at) & 0x7fff_ffff;
}

/** The payload without padding and without `skip` bytes in front. */
function unpadded({ flags, payload }: Frame, skip: number): Uint8Array {
  const padded = (flags & flag.padded) !== 0;
  const from = (padded ? 1 : 0) + skip;
  if (payload.length < from) throw new ConnectionError(errorCode.frameSizeError, "A frame is cut off");
  const end = payload.length - (padded ? (payload[0] as number) : 0);
  if (end < from) throw new ConnectionError(errorCode.protocolError, "Padding is longer than its frame");
  return payload.subarray(from, end);
}
