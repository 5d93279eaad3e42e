import { request as plainRequest } from "node:http";
import { Agent, request as secureRequest, type RequestOptions } from "node:https";
import { randomBytes, randomInt, randomUUID } from "node:crypto";
import process from "node:process";
import { setTimeout as after } from "node:timers";
import type { IncomingMessage } from "node:http";
import { createLog, type LogLevel } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import {
  type Clock,
  type HttpClient,
  type Log,
  type Metrics,
  type Network,
  NetworkError,
  type Random,
  type Timers,
  type TlsIdentity,
} from "../mod.ts";

/** What a client of the API needs of the world, on Node: no disk, no server, no process. */
export interface NodePlatform {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly network: { readonly http: Pick<Network["http"], "client"> };
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Sockets of one client; a watch has one to itself for as long as it is open. */
const maxSockets = 256;

/** HTTP/1.1 over node:https. Whether HTTP/2 is offered makes no difference: node:https does not speak it. */
function createHttpClient({ tls }: { tls?: Partial<TlsIdentity> }): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets });
  const identity = tls === undefined ? {} : { ca: tls.ca, cert: tls.cert, key: tls.key };
  let closed = false;
  return {
    fetch(url, init = {}) {
      if (closed) return Promise.reject(new NetworkError("The HTTP client is closed"));
      return send(url, init, { agent, ...identity });
    },
    webSocket: (url) => Promise.reject(new NetworkError(`Cannot open ${url}: WebSockets are not spoken on Node`)),
    close() {
      closed = true;
      agent.destroy();
    },
  };
}

async function send(url: string, init: RequestInit, secure: RequestOptions): Promise<Response> {
  const { signal } = init;
  signal?.throwIfAborted();
  const body = init.body === undefined || init.body === null
    ? null
    : new Uint8Array(await new Response(init.body).arrayBuffer());
  const headers: Record<string, string> = Object.fromEntries(new Headers(init.headers));
  if (body !== null) headers["content-length"] = String(body.length);
  const isSecure = url.startsWith("https:");
  return await new Promise((resolve, reject) => {
    const options = { method: init.method ?? "GET", headers, ...(isSecure ? secure : {}) };
    let connected = false;
    const request = (isSecure ? secureRequest : plainRequest)(url, options, (answer) => {
      const { statusCode: status = 0, headers } = answer;
      const empty = status === 204 || status === 304 || init.method === "HEAD";
      if (empty) answer.resume();
      resolve(
        new Response(empty ? null : streamOf(answer, signal ?? null, onAbort), { status, headers: flat(headers) }),
      );
    });
    function onAbort(): void {
      request.destroy(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
    }
    signal?.addEventListener("abort", onAbort, { once: true });
    request.on("socket", (socket) => {
      connected = !socket.connecting;
      socket.once(isSecure ? "secureConnect" : "connect", () => void (connected = true));
    });
    request.on("error", (cause) => {
      signal?.removeEventListener("abort", onAbort);
      if (signal?.aborted) return reject(signal.reason);
      reject(new NetworkError(`No response from ${url}: ${cause.message}`, { cause, notSent: !connected }));
    });
    request.end(body ?? undefined);
  });
}

function flat(headers: IncomingMessage["headers"]): Headers {
  const all = new Headers();
  for (const [name, value] of Object.entries(headers)) {
    for (const each of Array.isArray(value) ? value : [value ?? ""]) all.append(name, each);
  }
  return all;
}

/** The body, read as fast as it is taken; cancelling it ends the connection. */
function streamOf(
  answer: IncomingMessage,
  signal: AbortSignal | null,
  onAbort: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const chunks = answer[Symbol.asyncIterator]();
  const end = (): void => signal?.removeEventListener("abort", onAbort);
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const next = await chunks.next();
        if (!next.done) return controller.enqueue(new Uint8Array(next.value));
        end();
        controller.close();
      } catch (error) {
        end();
        controller.error(
          signal?.aborted
            ? signal.reason
            : new NetworkError(`The response broke off: ${String(error)}`, { cause: error }),
        );
      }
    },
    cancel() {
      end();
      answer.destroy();
    },
  }, { highWaterMark: 0 });
}

function createTimers(): Timers {
  return {
    schedule(delayMs, fn) {
      const timer = after(fn, delayMs);
      return { cancel: () => clearTimeout(timer) };
    },
    sleep(delayMs, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const timer = after(() => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        }, delayMs);
        const onAbort = (): void => {
          clearTimeout(timer);
          reject(signal?.reason);
        };
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
  };
}

function createRandom(): Random {
  return {
    next: () => randomInt(2 ** 47) / 2 ** 47,
    int: (bound) => randomInt(bound),
    bytes: (length) => new Uint8Array(randomBytes(length)),
    uuid: () => randomUUID(),
  };
}

/** @param options.component named on every log line, which goes to standard error */
export function createNodePlatform(
  options: { readonly component: string; readonly logLevel?: LogLevel },
): NodePlatform {
  const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };
  return {
    clock,
    timers: createTimers(),
    random: createRandom(),
    network: { http: { client: createHttpClient } },
    log: createLog({
      component: options.component,
      level: options.logLevel ?? "info",
      now: clock.now,
      sink: (line) => void process.stderr.write(`${line}\n`),
    }),
    metrics: createMetrics(),
  };
}
