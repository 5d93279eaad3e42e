import type { Clock, HttpClient, Log, Metrics, Network, Random, Timers, TlsIdentity } from "../platform/mod.ts";
import { NetworkError } from "../platform/mod.ts";
import { must } from "../base/assert.ts";
import { TransportError, wasNotSent } from "./errors.ts";
import * as limits from "./limits.ts";
import { type HostMetrics, hostMetrics } from "./request_metrics.ts";
import type { Transport } from "./types.ts";

export interface TransportOptions {
  /** Base URLs of equal apiservers, `https://host:port`. */
  readonly endpoints: readonly string[];
  readonly tls?: Partial<TlsIdentity>;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** Offer HTTP/2 (default true). */
  readonly http2?: boolean;
  /** Milliseconds for a unary request; default `limits.requestTimeoutMs`. */
  readonly requestTimeoutMs?: number;
}

export interface TransportDeps {
  readonly network: { readonly http: Pick<Network["http"], "client"> };
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Pick<Random, "int" | "next">;
  readonly log: Log;
  readonly metrics: Metrics;
}

export type ClosableTransport = Transport & {
  /** Gives up what is under way and closes every connection. */
  close(): void;
};

type RequestParts = Parameters<Transport>[1];

/** One HttpClient for watches and how many streams it carries. */
interface WatchClient {
  readonly client: HttpClient;
  open: number;
}

interface Endpoint {
  readonly url: string;
  readonly metrics: HostMetrics;
  /** Made on first use; dropped when the endpoint fails, so that no half-dead connection is used again. */
  unary: HttpClient | null;
  readonly watches: WatchClient[];
  /** Aborts everything under way at this endpoint. */
  readonly underWay: Set<AbortController>;
  /** Those of them that are watches. */
  readonly streams: Set<AbortController>;
  openWatches: number;
  deadUntil: number;
  lastHeard: number;
  probing: boolean;
}

/**
 * Requests to whichever apiserver answers. The last good endpoint is tried first; when its connection fails, the next
 * one at once. A GET is then repeated there; a write only if it was certainly not sent, else the call rejects with
 * {@linkcode TransportError} "unknown". Answers 429 and 503 that name a Retry-After are retried a bounded number of times.
 * Watches (`init.stream`) have connections of their own and are ended when their apiserver stops answering probes.
 */
export function createTransport(options: TransportOptions, deps: TransportDeps): ClosableTransport {
  const pool = new EndpointPool(options, deps);
  const transport: Transport = (path, init) => pool.request(path, init);
  return Object.assign(transport, { close: () => pool.close() });
}

class EndpointPool {
  readonly #options: TransportOptions;
  readonly #deps: TransportDeps;
  readonly #endpoints: Endpoint[];
  /** Where the last good answer came from. */
  #current: number;
  #closed = false;
  #probeTimer: { cancel(): void } | null = null;

  constructor(options: TransportOptions, deps: TransportDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#endpoints = options.endpoints.map((url) => ({
      url: url.replace(/\/+$/, ""),
      metrics: hostMetrics(deps.metrics, URL.parse(url)?.host ?? url),
      unary: null,
      watches: [],
      underWay: new Set(),
      streams: new Set(),
      openWatches: 0,
      deadUntil: -Infinity,
      lastHeard: -Infinity,
      probing: false,
    }));
    // Components start on different apiservers, or all of them would lean on the first.
    this.#current = options.endpoints.length > 0 ? deps.random.int(options.endpoints.length) : 0;
  }

  close(): void {
    this.#closed = true;
    this.#probeTimer?.cancel();
    this.#probeTimer = null;
    for (const endpoint of this.#endpoints) this.#drop(endpoint, new NetworkError("The transport was closed"));
  }

  async request(path: string, init: RequestParts): Promise<Response> {
    for (let retries = 0;; retries++) {
      const response = await this.#fromAny(path, init);
      const waitMs = retryAfterMs(response);
      if (waitMs === null || retries >= limits.maxThrottleRetries) return response;
      await response.body?.cancel();
      // 503 is one apiserver's state (starting, or cut off from the store's leader): another may do better.
      if (response.status === 503) this.#advance();
      await this.#deps.timers.sleep(waitMs * (1 + 0.2 * this.#deps.random.next()), init.signal);
    }
  }

  /** The answer of the first endpoint that gives one. */
  async #fromAny(path: string, init: RequestParts): Promise<Response> {
    const repeatable = init.method === "GET" || init.method === "HEAD";
    let failure: unknown;
    let allNotSent = true;
    for (const index of this.#order()) {
      init.signal?.throwIfAborted();
      if (this.#closed) throw new TransportError("notSent", "The transport is closed");
      const endpoint = must(this.#endpoints[index], "endpoint index in range");
      try {
        const response = await this.#fromOne(endpoint, path, init);
        endpoint.deadUntil = -Infinity;
        endpoint.lastHeard = this.#deps.clock.monotonic();
        this.#current = index;
        return response;
      } catch (error) {
        if (init.signal?.aborted) throw error;
        failure = error;
        endpoint.deadUntil = this.#deps.clock.monotonic() + limits.deadEndpointMs;
        this.#endWatches(endpoint, error);
        const notSent = wasNotSent(error);
        allNotSent &&= notSent;
        this.#deps.log.debug("apiserver did not answer", { endpoint: endpoint.url, notSent, error: String(error) });
        if (!notSent && !repeatable) break;
      }
    }
    const outcome = allNotSent || repeatable ? "notSent" : "unknown";
    throw new TransportError(
      outcome,
      outcome === "unknown"
        ? `${init.method} ${path} may or may not have been carried out: the connection to the apiserver failed`
        : `${init.method} ${path} could not be sent: no apiserver answers`,
      { cause: failure },
    );
  }

  /** Endpoint indexes, the current one first, those that failed a moment ago last. */
  #order(): number[] {
    const now = this.#deps.clock.monotonic();
    const count = this.#endpoints.length;
    const all = Array.from({ length: count }, (_, i) => (this.#current + i) % count);
    const isDead = (index: number) => (this.#endpoints[index]?.deadUntil ?? 0) > now;
    return [...all.filter((index) => !isDead(index)), ...all.filter(isDead)];
  }

  #advance(): void {
    if (this.#endpoints.length > 0) this.#current = (this.#current + 1) % this.#endpoints.length;
  }

  async #fromOne(endpoint: Endpoint, path: string, init: RequestParts): Promise<Response> {
    const stream = init.stream === true;
    const watch = stream ? this.#watchClient(endpoint) : null;
    const client = watch?.client ?? (endpoint.unary ??= this.#client());
    const controller = new AbortController();
    const timeoutMs = stream ? limits.watchOpenTimeoutMs : this.#options.requestTimeoutMs ?? limits.requestTimeoutMs;
    const timer = this.#deps.timers.schedule(timeoutMs, () => {
      controller.abort(new NetworkError(`No answer from ${endpoint.url} within ${timeoutMs} ms`));
    });
    const onAbort = () => controller.abort(init.signal?.reason);
    init.signal?.addEventListener("abort", onAbort, { once: true });
    endpoint.underWay.add(controller);
    if (stream) endpoint.streams.add(controller);
    const release = () => {
      init.signal?.removeEventListener("abort", onAbort);
      endpoint.underWay.delete(controller);
      endpoint.streams.delete(controller);
      if (watch !== null) this.#closeWatch(endpoint, watch);
    };
    const startedAt = this.#deps.clock.monotonic();
    const seconds = () => stream ? null : (this.#deps.clock.monotonic() - startedAt) / 1000;
    let streaming = false;
    try {
      const response = await client.fetch(endpoint.url + path, this.#init(init, controller.signal));
      if (stream && response.ok && response.body !== null) {
        streaming = true;
        endpoint.metrics.answered(init.method, response.status, null);
        return this.#streamed(endpoint, response, response.body, controller, release);
      }
      // Read whole here, so that the time limit covers the body and a GET broken off half-way can be repeated.
      const body = response.body === null ? null : await response.arrayBuffer();
      endpoint.metrics.answered(init.method, response.status, seconds());
      const nullBody = response.status === 204 || response.status === 304;
      return new Response(nullBody ? null : body, { status: response.status, headers: response.headers });
    } catch (error) {
      endpoint.metrics.answered(init.method, null, seconds());
      // A time limit or a failed probe aborts with the NetworkError that says so.
      throw controller.signal.aborted && !init.signal?.aborted ? controller.signal.reason : error;
    } finally {
      timer.cancel();
      if (!streaming) release();
    }
  }

  #init(init: RequestParts, signal: AbortSignal): RequestInit {
    // On one machine a compressor costs more than the bytes that it saves; fetch() would ask for it by itself.
    const headers: Record<string, string> = { "accept-encoding": "identity", ...init.headers };
    if (this.#options.token !== undefined) headers["authorization"] = `Bearer ${this.#options.token}`;
    const base: RequestInit = { method: init.method, headers, signal };
    // A copy only when the bytes sit in shared memory, which fetch refuses.
    return init.body === undefined ? base : { ...base, body: ownBytes(init.body) };
  }

  /** The body of a watch, passed through chunk by chunk; notes life signs, and gives the stream's place back at its end. */
  #streamed(
    endpoint: Endpoint,
    response: Response,
    body: ReadableStream<Uint8Array>,
    controller: AbortController,
    release: () => void,
  ): Response {
    const reader = body.getReader();
    const clock = this.#deps.clock;
    // Cancelling settles the read under way. Racing each read against one promise for the abort would do as well, but
    // that promise would keep a reaction for every chunk of a watch that may last for hours.
    const onAbort = () => void reader.cancel(controller.signal.reason).catch(() => {});
    if (controller.signal.aborted) onAbort();
    else controller.signal.addEventListener("abort", onAbort, { once: true });
    let released = false;
    const end = () => {
      if (released) return;
      released = true;
      controller.signal.removeEventListener("abort", onAbort);
      release();
    };
    const passed = new ReadableStream<Uint8Array>({
      async pull(sink) {
        try {
          const { done, value } = await reader.read();
          // A cancelled read ends in order; the consumer must learn that it was cut short.
          controller.signal.throwIfAborted();
          if (done) {
            end();
            sink.close();
            return;
          }
          endpoint.lastHeard = clock.monotonic();
          sink.enqueue(value);
        } catch (error) {
          end();
          sink.error(error);
        }
      },
      async cancel(reason) {
        end();
        await reader.cancel(reason).catch(() => {});
      },
    }, { highWaterMark: 0 });
    return new Response(passed, { status: response.status, headers: response.headers });
  }

  #client(): HttpClient {
    const { tls, http2 } = this.#options;
    return this.#deps.network.http.client({ ...(tls === undefined ? {} : { tls }), http2: http2 ?? true });
  }

  #watchClient(endpoint: Endpoint): WatchClient {
    let watch = endpoint.watches.find((each) => each.open < limits.streamsPerWatchClient);
    if (watch === undefined) {
      watch = { client: this.#client(), open: 0 };
      endpoint.watches.push(watch);
    }
    watch.open++;
    endpoint.openWatches++;
    this.#scheduleProbe();
    return watch;
  }

  #closeWatch(endpoint: Endpoint, watch: WatchClient): void {
    watch.open--;
    endpoint.openWatches--;
    if (watch.open > 0) return;
    const at = endpoint.watches.indexOf(watch);
    // One idle client is kept: the next watch then needs no handshake.
    if (at > 0 || at === -1) {
      if (at > 0) endpoint.watches.splice(at, 1);
      watch.client.close();
    }
    if (this.#endpoints.every((each) => each.openWatches === 0)) {
      this.#probeTimer?.cancel();
      this.#probeTimer = null;
    }
  }

  /** A stopped process keeps its connections open: without a probe its watches would be silent for ever. */
  #scheduleProbe(): void {
    if (this.#probeTimer !== null || this.#closed) return;
    this.#probeTimer = this.#deps.timers.schedule(limits.watchProbePeriodMs, () => {
      this.#probeTimer = null;
      const now = this.#deps.clock.monotonic();
      for (const endpoint of this.#endpoints) {
        const silent = now - endpoint.lastHeard >= limits.watchProbePeriodMs;
        if (endpoint.openWatches > 0 && silent && !endpoint.probing) void this.#probe(endpoint);
      }
      if (this.#endpoints.some((each) => each.openWatches > 0)) this.#scheduleProbe();
    });
  }

  async #probe(endpoint: Endpoint): Promise<void> {
    endpoint.probing = true;
    const controller = new AbortController();
    endpoint.underWay.add(controller);
    const timer = this.#deps.timers.schedule(limits.watchProbeTimeoutMs, () => {
      controller.abort(new NetworkError(`${endpoint.url} does not answer`));
    });
    try {
      const client = endpoint.unary ??= this.#client();
      const response = await client.fetch(
        `${endpoint.url}/livez`,
        this.#init({ method: "GET", headers: {} }, controller.signal),
      );
      // Read, not cancelled, which would end an HTTP/1.1 connection.
      await response.arrayBuffer();
      endpoint.lastHeard = this.#deps.clock.monotonic();
    } catch (error) {
      if (this.#closed) return;
      // A life sign on a watch meanwhile outweighs a slow probe.
      if (this.#deps.clock.monotonic() - endpoint.lastHeard < limits.watchProbeTimeoutMs) return;
      this.#deps.log.warn("apiserver stopped answering; its watches move", {
        endpoint: endpoint.url,
        error: String(error),
      });
      endpoint.deadUntil = this.#deps.clock.monotonic() + limits.deadEndpointMs;
      if (this.#endpoints[this.#current] === endpoint) this.#advance();
      this.#drop(endpoint, new NetworkError(`${endpoint.url} stopped answering`, { cause: error }));
    } finally {
      timer.cancel();
      endpoint.underWay.delete(controller);
      endpoint.probing = false;
    }
  }

  /**
   * A machine that lost its power and came back says nothing on the connections of its former life, while new ones,
   * probes' among them, are answered. Where a request found nobody, the watches are opened again: they resume where
   * they were.
   */
  #endWatches(endpoint: Endpoint, cause: unknown): void {
    const reason = new NetworkError(`${endpoint.url} did not answer a request`, { cause });
    for (const controller of [...endpoint.streams]) controller.abort(reason);
  }

  #drop(endpoint: Endpoint, reason: Error): void {
    for (const controller of [...endpoint.underWay]) controller.abort(reason);
    endpoint.unary?.close();
    endpoint.unary = null;
    for (const watch of endpoint.watches.splice(0)) watch.client.close();
  }
}

/** Milliseconds to wait before asking again, or null when the answer stands. */
function retryAfterMs(response: Response): number | null {
  if (response.status !== 429 && response.status !== 503) return null;
  const seconds = Number(response.headers.get("retry-after") ?? "");
  if (!Number.isFinite(seconds) || seconds <= 0) return null;
  return Math.min(seconds, limits.maxRetryAfterSeconds) * 1000;
}

function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}
