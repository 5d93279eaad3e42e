import type { Field, Http2Stream } from "../http2/mod.ts";
import type { Log, PeerIdentity, Timer, Timers } from "../mod.ts";
import { frameMessage, MessageReader } from "./framing.ts";
import { grpcLimits } from "./limits.ts";
import { encodeGrpcMessage, grpcCode, GrpcError, parseGrpcTimeout } from "./status.ts";

export interface GrpcContext {
  /** Request metadata; of a name that comes twice, the last value. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly peer: PeerIdentity | null;
  /** Aborts when the client cancelled, its deadline passed or its connection was lost. */
  readonly signal: AbortSignal;
}

/** A call with streams of messages. Set the callbacks in the turn in which it was handed over. */
export interface GrpcStream extends GrpcContext {
  /** The bytes are the owner's. */
  onMessage: (message: Uint8Array) => void;
  /** The client sends no more. */
  onEnd: () => void;
  /** The queue of answers has left. */
  onDrained: () => void;
  send(message: Uint8Array): void;
  /** Ends the call; without an error: OK. */
  end(error?: GrpcError): void;
  /** Answers that the client has not made room for. The handler bounds it. */
  readonly bufferedBytes: number;
}

export type GrpcMethod =
  | { readonly kind: "unary"; readonly handle: (request: Uint8Array, context: GrpcContext) => Promise<Uint8Array> }
  | { readonly kind: "stream"; readonly open: (call: GrpcStream) => void };

/** By path: `/package.Service/Method`. */
export type GrpcMethods = ReadonlyMap<string, GrpcMethod>;

export interface GrpcDeps {
  readonly timers: Timers;
  readonly log: Log;
}

/** What is to be done with each stream of an HTTP/2 server. */
export type StreamHandler = (
  stream: Http2Stream,
  fields: readonly Field[],
  ended: boolean,
  peer: PeerIdentity | null,
) => void;

/** Serves `methods` (gRPC over HTTP/2, as of the protocol's own description). */
export function grpcHandler(methods: GrpcMethods, deps: GrpcDeps): StreamHandler {
  const services = new Set([...methods.keys()].map(serviceOf));
  return (stream, fields, ended, peer) => {
    const metadata = new Map(fields);
    const type = metadata.get("content-type") ?? "";
    if (metadata.get(":method") !== "POST" || !/^application\/grpc(\+proto)?(;|$)/.test(type)) {
      stream.sendHeaders([[":status", "415"]], true);
      return;
    }
    const path = metadata.get(":path") ?? "";
    const method = methods.get(path);
    const call = new ServerCall({ stream, metadata, peer, deps });
    if (method === undefined) return call.end(unknownMethod(path, services));
    call.run(method, ended);
  };
}

function serviceOf(path: string): string {
  return path.slice(1, path.lastIndexOf("/"));
}

/** In grpc-go's words, which clients match on. */
function unknownMethod(path: string, services: ReadonlySet<string>): GrpcError {
  const service = serviceOf(path);
  const text = services.has(service)
    ? `unknown method ${path.slice(path.lastIndexOf("/") + 1)} for service ${service}`
    : `unknown service ${service}`;
  return new GrpcError(grpcCode.unimplemented, text);
}

class ServerCall implements GrpcStream {
  readonly metadata: ReadonlyMap<string, string>;
  readonly peer: PeerIdentity | null;
  onMessage: (message: Uint8Array) => void = () => {};
  onEnd: () => void = () => {};
  onDrained: () => void = () => {};
  readonly #stream: Http2Stream;
  readonly #deps: GrpcDeps;
  readonly #reader = new MessageReader(grpcLimits.requestBytesMax);
  readonly #abort = new AbortController();
  #deadline: Timer | null = null;
  #headersSent = false;
  #over = false;
  /** Of the one request of a unary call, which counts as held until it is answered. */
  #unary: Extract<GrpcMethod, { kind: "unary" }> | null = null;
  #request: Uint8Array | null = null;

  constructor(
    parts: { stream: Http2Stream; metadata: Map<string, string>; peer: PeerIdentity | null; deps: GrpcDeps },
  ) {
    this.#stream = parts.stream;
    this.metadata = parts.metadata;
    this.peer = parts.peer;
    this.#deps = parts.deps;
    parts.stream.onReset = () => this.#finish();
    parts.stream.onDrained = () => this.onDrained();
    parts.stream.onData = (bytes, ended) => this.#onData(bytes, ended);
    parts.stream.onHeaders = () => this.#onRequestEnd();
    const timeoutMs = parseGrpcTimeout(parts.metadata.get("grpc-timeout"));
    if (timeoutMs === undefined) return;
    this.#deadline = parts.deps.timers.schedule(timeoutMs, () => {
      this.end(new GrpcError(grpcCode.deadlineExceeded, "context deadline exceeded"));
    });
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get bufferedBytes(): number {
    return this.#stream.bufferedBytes;
  }

  run(method: GrpcMethod, ended: boolean): void {
    if (method.kind === "unary") this.#unary = method;
    else this.#guard(() => method.open(this));
    if (ended) this.#onRequestEnd();
  }

  send(message: Uint8Array): void {
    if (this.#over) return;
    this.#sendHeaders();
    this.#stream.sendData(frameMessage(message));
  }

  end(error?: GrpcError): void {
    if (this.#over) return;
    const status: Field[] = [["grpc-status", String(error?.code ?? grpcCode.ok)]];
    if (error !== undefined) status.push(["grpc-message", encodeGrpcMessage(error.message)]);
    if (this.#headersSent) this.#stream.sendTrailers(status);
    else this.#stream.sendHeaders([...answerFields, ...status], true);
    this.#finish();
  }

  #onData(bytes: Uint8Array, ended: boolean): void {
    this.#guard(() => {
      this.#reader.push(bytes, (message) => {
        if (this.#unary === null) return void (this.#over || this.onMessage(message));
        if (this.#request !== null) throw new GrpcError(grpcCode.internal, "a unary call takes one message");
        this.#request = message;
      });
      if (this.#unary === null) this.#stream.taken(bytes.length);
      if (ended) this.#onRequestEnd();
    });
  }

  #onRequestEnd(): void {
    if (this.#over) return;
    this.#guard(() => {
      if (!this.#reader.idle) throw new GrpcError(grpcCode.internal, "unexpected EOF");
      if (this.#unary === null) return this.onEnd();
      if (this.#request === null) throw new GrpcError(grpcCode.internal, "a unary call takes one message");
      const request = this.#request;
      this.#request = null;
      this.#unary.handle(request, this).then(
        (answer) => {
          this.send(answer);
          this.end();
        },
        (error) => this.#fail(error),
      );
    });
  }

  #guard(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (error instanceof GrpcError) return this.end(error);
    this.#deps.log.error("a gRPC call failed", { path: this.metadata.get(":path"), error });
    this.end(new GrpcError(grpcCode.internal, "internal error"));
  }

  #sendHeaders(): void {
    if (this.#headersSent) return;
    this.#headersSent = true;
    this.#stream.sendHeaders(answerFields);
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#deadline?.cancel();
    this.#abort.abort(abortReason);
  }
}

const answerFields: readonly Field[] = [[":status", "200"], ["content-type", "application/grpc"]];
/** One for all: making an error with its stack for every call would cost more than the call. */
const abortReason = new GrpcError(grpcCode.cancelled, "the call is over");
