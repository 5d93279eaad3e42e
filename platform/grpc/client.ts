import { errorCode, type Field, type Http2Connection, type Http2Stream } from "../http2/mod.ts";
import { type Address, NetworkError, type Timer, type Timers, type TlsIdentity } from "../mod.ts";
import { frameMessage, MessageReader } from "./framing.ts";
import { grpcLimits } from "./limits.ts";
import { codeOfReset } from "./reset.ts";
import { decodeGrpcMessage, grpcCode, GrpcError } from "./status.ts";

/** Opens an HTTP/2 connection. @throws NetworkError */
export type DialHttp2 = (
  address: Address,
  options: { readonly tls?: Partial<TlsIdentity>; readonly onClose?: (error: Error | null) => void },
) => Promise<Http2Connection>;

export interface GrpcClientOptions {
  readonly address: Address;
  readonly tls?: Partial<TlsIdentity>;
  /** Sent with every call. */
  readonly metadata?: readonly Field[];
  /** The connection was lost; the next call dials again. */
  readonly onLost?: () => void;
}

/** What comes back on a call with streams. Callbacks run synchronously, in order. */
export interface GrpcAnswers {
  onMessage(message: Uint8Array): void;
  /** The last call. Null: the server ended the call with OK. */
  onEnd(error: GrpcError | null): void;
}

export interface GrpcClientCall {
  send(message: Uint8Array): void;
  /** Nothing more is sent. */
  end(): void;
  /** `onEnd` is not called any more. */
  cancel(): void;
}

/** A client of one server. It dials at the first call, and again at the first call after the connection was lost. */
export class GrpcClient {
  readonly #options: GrpcClientOptions;
  readonly #dial: DialHttp2;
  readonly #timers: Timers;
  #connection: Promise<Http2Connection> | null = null;
  #closed = false;

  constructor(options: GrpcClientOptions, deps: { dial: DialHttp2; timers: Timers }) {
    this.#options = options;
    this.#dial = deps.dial;
    this.#timers = deps.timers;
  }

  /** @throws GrpcError; `notSent` when the server has not looked at it */
  async unary(path: string, request: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const connection = await this.#connect(timeoutMs);
    return await new Promise((resolve, reject) => {
      let answer: Uint8Array | null = null;
      const call = new ClientCall(connection, this.#headers(path, timeoutMs), {
        onMessage: (message) => void (answer = message),
        onEnd(error) {
          timer.cancel();
          if (error !== null) reject(error);
          else if (answer === null) reject(new GrpcError(grpcCode.internal, "the answer is missing"));
          else resolve(answer);
        },
      });
      const timer: Timer = this.#timers.schedule(timeoutMs, () => {
        call.cancel();
        reject(new GrpcError(grpcCode.deadlineExceeded, `no answer within ${timeoutMs} ms`));
      });
      call.send(request);
      call.end();
    });
  }

  /** A call without a deadline. @throws GrpcError when it cannot begin */
  async stream(path: string, answers: GrpcAnswers, connectTimeoutMs: number): Promise<GrpcClientCall> {
    return new ClientCall(await this.#connect(connectTimeoutMs), this.#headers(path, null), answers);
  }

  close(): void {
    this.#closed = true;
    this.#connection?.then((connection) => connection.close(), () => {});
  }

  #headers(path: string, timeoutMs: number | null): Field[] {
    const { address, tls, metadata = [] } = this.#options;
    return [
      [":method", "POST"],
      [":scheme", tls === undefined ? "http" : "https"],
      [":path", path],
      [":authority", address.replace(/^tcp:/, "")],
      ["te", "trailers"],
      ["content-type", "application/grpc"],
      ...(timeoutMs === null ? [] : [["grpc-timeout", `${Math.min(99_999_999, Math.ceil(timeoutMs))}m`] as const]),
      ...metadata,
    ];
  }

  async #connect(timeoutMs: number): Promise<Http2Connection> {
    if (this.#closed) throw new GrpcError(grpcCode.cancelled, "the client is closed", { notSent: true });
    const known = await this.#connection?.catch(() => null) ?? null;
    if (known !== null && known.canOpen) return known;
    if (known !== null && !known.closed && known.streams > 0 && !known.goingAway) {
      throw new GrpcError(grpcCode.resourceExhausted, "the connection carries no more streams", { notSent: true });
    }
    const dialled = this.#dial(this.#options.address, {
      ...(this.#options.tls === undefined ? {} : { tls: this.#options.tls }),
      onClose: () => {
        if (this.#connection === dialled) this.#connection = null;
        this.#options.onLost?.();
      },
    });
    this.#connection = dialled;
    const timeout = Promise.withResolvers<never>();
    const timer = this.#timers.schedule(
      timeoutMs,
      () => timeout.reject(new NetworkError(`no connection in ${timeoutMs} ms`)),
    );
    try {
      return await Promise.race([dialled, timeout.promise]);
    } catch (error) {
      if (this.#connection === dialled) this.#connection = null;
      dialled.then((late) => late.close(), () => {});
      const text = error instanceof Error ? error.message : String(error);
      throw new GrpcError(grpcCode.unavailable, text, { cause: error, notSent: true });
    } finally {
      timer.cancel();
    }
  }
}

class ClientCall implements GrpcClientCall {
  readonly #stream: Http2Stream;
  readonly #answers: GrpcAnswers;
  readonly #reader = new MessageReader(grpcLimits.responseBytesMax);
  #status = "";
  #ended = false;
  #over = false;

  constructor(connection: Http2Connection, headers: readonly Field[], answers: GrpcAnswers) {
    this.#answers = answers;
    this.#stream = connection.open(headers, false);
    this.#stream.onHeaders = (fields, ended) => this.#onHeaders(fields, ended);
    this.#stream.onData = (bytes, ended) => this.#onData(bytes, ended);
    this.#stream.onReset = (code, reason) => {
      const notSent = code === errorCode.refusedStream;
      // A lost connection resets with `cancel` too; then it is not we who cancelled.
      const status = code === errorCode.cancel ? grpcCode.unavailable : codeOfReset(code);
      this.#finish(new GrpcError(status, reason, { notSent }));
    };
  }

  send(message: Uint8Array): void {
    if (!this.#over) this.#stream.sendData(frameMessage(message));
  }

  end(): void {
    if (this.#over || this.#ended) return;
    this.#ended = true;
    this.#stream.sendData(new Uint8Array(0), true);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.reset(errorCode.cancel);
  }

  #onHeaders(fields: readonly Field[], ended: boolean): void {
    const map = new Map(fields);
    const httpStatus = map.get(":status");
    if (httpStatus !== undefined && httpStatus !== "200") {
      return this.#finish(new GrpcError(grpcCode.unavailable, `the server answered with HTTP status ${httpStatus}`));
    }
    this.#status = map.get("grpc-status") ?? "";
    if (!ended) return;
    if (!/^[0-9]{1,4}$/.test(this.#status)) {
      return this.#finish(new GrpcError(grpcCode.internal, "the answer ended without a status"));
    }
    const code = Number(this.#status);
    if (code === grpcCode.ok) return this.#finish(null);
    this.#finish(new GrpcError(code, decodeGrpcMessage(map.get("grpc-message") ?? "")));
  }

  #onData(bytes: Uint8Array, ended: boolean): void {
    try {
      this.#reader.push(bytes, (message) => this.#over || this.#answers.onMessage(message));
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error;
      return this.#finish(error);
    }
    this.#stream.taken(bytes.length);
    if (ended) this.#finish(new GrpcError(grpcCode.internal, "the answer ended without a status"));
  }

  #finish(error: GrpcError | null): void {
    if (this.#over) return;
    this.#over = true;
    if (!this.#stream.localEnded || error !== null) this.#stream.reset(errorCode.cancel);
    this.#answers.onEnd(error);
  }
}
