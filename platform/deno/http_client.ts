import { tcpAddress } from "../address.ts";
import { maxConnectionsPerClient, maxKnownOrigins, maxStreamsPerConnection } from "../limits.ts";
import type { Link, LinkFaults } from "../faults/links.ts";
import { roundTrip } from "../faults/network.ts";
import { type HttpClient, NetworkError, type TlsIdentity, type WebSocketChannel } from "../mod.ts";
import { webSocketChannel } from "./web_socket.ts";

interface ClientOptions {
  readonly tls?: Partial<TlsIdentity>;
  readonly http2?: boolean;
}

/** One HTTP/2 connection per host, and how many requests it carries now. */
interface Slot {
  readonly client: Deno.HttpClient;
  active: number;
}

/** Deno says in words alone, and in the cause's, that it never got as far as a connection. */
function noResponse(url: string, error: unknown): NetworkError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const why = cause instanceof Error ? cause.message : String(cause);
  return new NetworkError(`No response from ${url}: ${why}`, {
    cause: error,
    notSent: why.includes("client error (Connect)"),
  });
}

function createClient(tls: Partial<TlsIdentity> | undefined, http2: boolean): Deno.HttpClient {
  const options: Deno.CreateHttpClientOptions = {
    http1: true,
    http2,
    ...(tls?.ca === undefined ? {} : { caCerts: [tls.ca] }),
  };
  if (tls?.cert === undefined || tls.key === undefined) return Deno.createHttpClient(options);
  return Deno.createHttpClient({ ...options, cert: tls.cert, key: tls.key });
}

/** The same body; `done` runs once, when it has ended, failed or been cancelled. A chunk waits while the link says so. */
function watched(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  link: Link | null,
  done: () => void,
  signal: AbortSignal | null | undefined,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  // fetch() holds its signal weakly: once its Response has been collected, and only the body is in use, an abort is lost.
  const onAbort = () => {
    done();
    void reader.cancel().catch(() => {});
  };
  if (signal?.aborted) onAbort();
  else signal?.addEventListener("abort", onAbort, { once: true });
  const end = () => {
    signal?.removeEventListener("abort", onAbort);
    done();
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const next = await reader.read();
        // A cancelled read ends in order; whoever aborted must not take the part for the whole.
        signal?.throwIfAborted();
        if (link !== null && link.in.condition !== null) await link.in.pass();
        if (!next.done) return controller.enqueue(next.value);
        end();
        controller.close();
      } catch (error) {
        end();
        controller.error(new NetworkError(`The response broke off: ${String(error)}`, { cause: error }));
      }
    },
    async cancel(reason) {
      end();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** A body whose length is known ends soon by itself and keeps Deno's fast paths; others are counted to their end. */
function isStreamed(response: Response): boolean {
  return response.body !== null && !response.headers.has("content-length");
}

/**
 * Spreads requests over HTTP/2 connections. A server opens at most 200 streams a connection, Deno's fetch keeps one
 * connection a host, and the stream over the limit waits for ever without an error.
 */
class Pool {
  readonly #slots: Slot[] = [];
  readonly #open: () => Deno.HttpClient;

  constructor(open: () => Deno.HttpClient) {
    this.#open = open;
  }

  take(): Slot {
    let slot = this.#slots.find((slot) => slot.active < maxStreamsPerConnection);
    if (slot === undefined) {
      if (this.#slots.length >= maxConnectionsPerClient) throw new NetworkError("Too many requests at once");
      slot = { client: this.#open(), active: 0 };
      this.#slots.push(slot);
    }
    slot.active++;
    return slot;
  }

  close(): void {
    for (const slot of this.#slots.splice(0)) slot.client.close();
  }
}

interface WebSocketExtras {
  readonly protocols: string[];
  readonly headers: Record<string, string>;
  readonly client: Deno.HttpClient;
}

/** The DOM's types do not know Deno's second argument. */
const DenoWebSocket = WebSocket as unknown as new (url: string, options: WebSocketExtras) => WebSocket;

function openSocket(
  url: string,
  options: { protocols: string[]; headers?: Record<string, string> },
  client: Deno.HttpClient,
): Promise<WebSocketChannel> {
  return new Promise((resolve, reject) => {
    const { protocols, headers = {} } = options;
    const socket = new DenoWebSocket(url.replace(/^http/, "ws"), { protocols, headers, client });
    const channel = webSocketChannel(socket);
    let reason = "closed during the handshake";
    socket.onerror = (event) => {
      if (event instanceof ErrorEvent) reason = event.message;
    };
    socket.onclose = () => reject(new NetworkError(`Cannot open ${url}: ${reason}`));
    socket.onopen = () => {
      socket.onclose = null;
      socket.onerror = null;
      resolve(channel);
    };
  });
}

/** The links to whoever serves a URL, remembered by origin: parsing one costs more than the rest of the question. */
function linksByUrl(faults: LinkFaults | null): (url: string) => Link | null {
  if (faults === null) return () => null;
  const known = new Map<string, Link | null>();
  return (url) => {
    const path = url.indexOf("/", "https://".length);
    const origin = path === -1 ? url : url.slice(0, path);
    const found = known.get(origin);
    if (found !== undefined) return found;
    const { protocol, hostname, port } = new URL(origin);
    const link = faults.to(tcpAddress(hostname, port === "" ? protocol === "https:" ? 443 : 80 : Number(port)));
    if (known.size < maxKnownOrigins) known.set(origin, link);
    return link;
  };
}

/**
 * As many connections as the requests at hand need; `tls.ca` is trusted beside the system's own roots.
 * @param faults of the links that requests and answers travel over
 */
export function createHttpClient(options: ClientOptions, faults: LinkFaults | null = null): HttpClient {
  const linkTo = linksByUrl(faults);
  const http2 = options.http2 ?? true;
  const pool = new Pool(() => createClient(options.tls, http2));
  // A WebSocket handshake is HTTP/1.1, and ALPN must not choose otherwise.
  const plain = new Pool(() => createClient(options.tls, false));
  let closed = false;
  function assertOpen(): void {
    if (closed) throw new NetworkError("The HTTP client is closed");
  }
  return {
    async fetch(url, init) {
      assertOpen();
      const link = linkTo(url);
      if (link !== null && link.out.condition !== null) await link.out.pass(init?.signal);
      const slot = pool.take();
      let released = false;
      function release(): void {
        if (!released) slot.active--;
        released = true;
      }
      try {
        const withClient: RequestInit & { client: Deno.HttpClient } = { ...init, client: slot.client };
        const response = await fetch(url, withClient);
        if (link !== null && link.in.condition !== null) await link.in.pass(init?.signal);
        if (!http2 || !isStreamed(response) || response.body === null) {
          release();
          return response;
        }
        const { status, statusText, headers } = response;
        return new Response(watched(response.body, link, release, init?.signal), { status, statusText, headers });
      } catch (error) {
        release();
        if (init?.signal?.aborted) throw init.signal.reason;
        throw noResponse(url, error);
      }
    },
    async webSocket(url, socketOptions) {
      assertOpen();
      const link = linkTo(url);
      if (link !== null) await roundTrip(link);
      const slot = plain.take();
      slot.active--; // one HTTP/1.1 connection each: nothing to count
      return await openSocket(url, socketOptions, slot.client);
    },
    async upgrade(url, upgradeOptions) {
      assertOpen();
      const link = linkTo(url);
      if (link !== null) await roundTrip(link);
      const { requestUpgrade } = await import("./upgrade_client.ts");
      return await requestUpgrade(new URL(url), options.tls, upgradeOptions);
    },
    close() {
      closed = true;
      pool.close();
      plain.close();
    },
  };
}
