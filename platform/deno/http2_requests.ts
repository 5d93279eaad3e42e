import { BytesResponse, PartsResponse } from "../bytes_response.ts";
import { errorCode, type Field, Http2Connection, type Http2Stream } from "../http2/mod.ts";
import {
  closeFlushMs,
  http2BufferedBytes,
  http2GatheredBytes,
  http2ResetsAtOnce,
  http2StreamsPerConnection,
} from "../limits.ts";
import { NetworkError } from "../mod.ts";
import { StreamTimes } from "./stream_times.ts";
import type { Time } from "./request_times.ts";
import type { Wire } from "./wire.ts";

/** Answers; never rejects. */
export type Answer = (request: Request) => Promise<Response>;

/**
 * Serves one HTTP/2 connection with our own protocol code, on the TLS socket itself: no second hop, and what all
 * streams of a connection have to say in one turn of the event loop leaves in one TLS write. Everything a peer can send
 * is bounded by `platform/http2`.
 */
export function serveRequests(wire: Wire, answer: Answer, time: Time): Http2Connection {
  let deadline: ReturnType<typeof setTimeout> | undefined;
  const connection = new Http2Connection({
    role: "server",
    concurrentStreamsMax: http2StreamsPerConnection,
    nuisanceBurst: http2ResetsAtOnce,
    write: (bytes) => wire.write(bytes),
    end: () => wire.close(),
    now: () => performance.now(),
    onStream: (stream, fields, ended) => {
      times.begun();
      receive(stream, fields, ended, { answer, times });
    },
    onClose: () => {
      times.release();
      deadline = setTimeout(() => wire.destroy(), closeFlushMs);
    },
  });
  const times = new StreamTimes(time, connection);
  wire.start((chunk) => connection.receive(chunk), (error) => {
    connection.ended(error);
    clearTimeout(deadline);
    wire.destroy();
  });
  return connection;
}

/** `stream` outlives this call; what it refers to afterwards is kept small: there may be thousands of watches. */
function receive(
  stream: Http2Stream,
  fields: readonly Field[],
  ended: boolean,
  { answer, times }: { readonly answer: Answer; readonly times: StreamTimes },
): void {
  const reply = new Reply(stream);
  const expected = stream.expectedBytes;
  if (!ended && expected !== undefined && expected <= http2GatheredBytes) {
    const done = times.gathering(stream);
    reply.onBroken = done;
    return gather(stream, expected, (body) => {
      done();
      void reply.send(fields, body, answer);
    });
  }
  void reply.send(fields, ended ? null : streamed(stream, reply), answer);
}

/** A short body whole: a Request of bytes is a good deal cheaper than one of a stream. */
function gather(stream: Http2Stream, expected: number, then: (body: Uint8Array<ArrayBuffer>) => void): void {
  const body = new Uint8Array(expected);
  let length = 0;
  // The connection holds the peer to what it announced.
  stream.onData = (bytes, ended) => {
    body.set(bytes, length);
    length += bytes.length;
    if (!ended) return;
    stream.taken(length);
    then(body);
  };
}

/** A body as it comes; the peer's window opens as it is read. */
function streamed(stream: Http2Stream, reply: Reply): ReadableStream<Uint8Array<ArrayBuffer>> {
  const queue: Uint8Array<ArrayBuffer>[] = [];
  let ended = false;
  let wanted: (() => void) | null = null;
  stream.onData = (bytes, last) => {
    if (bytes.length > 0) queue.push(bytes.slice());
    ended = last;
    wanted?.();
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      reply.onBroken = () => controller.error(new NetworkError("The client has gone"));
    },
    async pull(controller) {
      if (queue.length === 0 && !ended) await new Promise<void>((resolve) => wanted = resolve);
      wanted = null;
      const bytes = queue.shift();
      if (bytes !== undefined) {
        stream.taken(bytes.length);
        controller.enqueue(bytes);
      } else {
        reply.onBroken = () => {};
        controller.close();
      }
    },
  }, { highWaterMark: 0 });
}

/** The answer to one request. */
class Reply {
  /** The request's body hears that it will not be finished. */
  onBroken: () => void = () => {};
  readonly #stream: Http2Stream;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;

  constructor(stream: Http2Stream) {
    this.#stream = stream;
    stream.onReset = () => this.#broken();
  }

  /** The stream is over before its answer was. */
  #broken(): void {
    this.onBroken();
    this.onBroken = () => {};
    this.#stream.onDrained();
    this.#reader?.cancel().catch(() => {});
  }

  async send(fields: readonly Field[], body: BodyInit | null, answer: Answer): Promise<void> {
    const stream = this.#stream;
    const request = requestOf(fields, body);
    if (request === null) return stream.sendHeaders([[":status", "400"], ["content-length", "0"]], true);
    const response = await answer(request);
    // Nothing more of the request is wanted: a body that is not read to its end is cut off by the end of the answer.
    this.onBroken = () => {};
    if (stream.closed) return void response.body?.cancel().catch(() => {});
    const head = headOf(response);
    const whole = response instanceof BytesResponse ? response.whole : null;
    const length = whole?.length ?? (response instanceof PartsResponse ? response.length : undefined);
    if (length !== undefined) head.push(["content-length", String(length)]);
    const content = request.method === "HEAD" ? null : whole ?? response.body;
    if (content === null) {
      stream.sendHeaders(head, true);
      return void response.body?.cancel().catch(() => {});
    }
    stream.sendHeaders(head);
    if (content instanceof Uint8Array) stream.sendData(content, true);
    else if (response instanceof PartsResponse) void this.#passParts(response.parts);
    // Not waited for: a watch of hours would hold on to its request meanwhile.
    else void this.#pass(content);
  }

  /** As many as the peer takes, in frames as large as it takes. */
  async #passParts(parts: readonly Uint8Array[]): Promise<void> {
    const stream = this.#stream;
    for (let from = 0; from < parts.length && !stream.closed;) {
      let to = from;
      for (let length = 0; to < parts.length && length < http2BufferedBytes; to++) length += parts[to]?.length ?? 0;
      stream.sendParts(parts.slice(from, to), to === parts.length);
      from = to;
      if (stream.bufferedBytes > http2BufferedBytes) await drained(stream);
    }
  }

  /** Chunk by chunk, at the peer's pace. Never rejects. */
  async #pass(body: ReadableStream<Uint8Array>): Promise<void> {
    const stream = this.#stream;
    const reader = body.getReader();
    this.#reader = reader;
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return stream.sendData(nothing, true);
        stream.sendData(value);
        if (stream.bufferedBytes > http2BufferedBytes) await drained(stream);
        if (stream.closed) return void reader.cancel().catch(() => {});
      }
    } catch {
      // The source failed half-way: the peer must not take what it has for the whole.
      stream.reset(errorCode.internalError);
    }
  }
}

const nothing = new Uint8Array(0);

function drained(stream: Http2Stream): Promise<void> {
  if (stream.closed) return Promise.resolve();
  return new Promise((resolve) => {
    stream.onDrained = () => {
      stream.onDrained = () => {};
      resolve();
    };
  });
}

/** As a server behind TLS sees it: `http:` and the name that the client asked for. Null for what is no request. */
function requestOf(fields: readonly Field[], body: BodyInit | null): Request | null {
  const headers: [string, string][] = [];
  let method = "";
  let path = "";
  let authority = "";
  for (const [name, value] of fields) {
    if (!name.startsWith(":")) headers.push([name, value]);
    else if (name === ":method") method = value;
    else if (name === ":path") path = value;
    else if (name === ":authority") authority = value;
    // Extended CONNECT (RFC 8441) was not offered.
    else if (name === ":protocol") return null;
  }
  if (authority === "") authority = fields.find(([name]) => name === "host")?.[1] ?? "";
  else if (!headers.some(([name]) => name === "host")) headers.push(["host", authority]);
  if (!path.startsWith("/") || method === "CONNECT") return null;
  const readOnly = method === "GET" || method === "HEAD";
  try {
    return new Request(`http://${authority}${path}`, { method, headers, body: readOnly ? null : body });
  } catch {
    return null;
  }
}

/** Fields of HTTP/1.1's connections have no place here. */
const connectionFields: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "transfer-encoding",
  "upgrade",
]);

function headOf({ status, headers }: Response): Field[] {
  const fields: Field[] = [[":status", String(status)]];
  for (const [name, value] of headers) if (!connectionFields.has(name)) fields.push([name, value]);
  return fields;
}
