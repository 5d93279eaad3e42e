import { invariant } from "../../base/assert.ts";
import { tcpAddress } from "../address.ts";
import { type Address, type HttpClient, NetworkError, type TlsIdentity, type WebSocketChannel } from "../mod.ts";
import { Exchange } from "./http_body.ts";
import type { HttpMessage } from "./http_messages.ts";
import type { Life } from "./life.ts";
import type { Endpoint, SimNetwork } from "./network.ts";
import { SimWebSocket } from "./web_socket.ts";

function targetOf(url: string): { address: Address; secure: boolean } {
  const parsed = new URL(url);
  const secure = parsed.protocol === "https:" || parsed.protocol === "wss:";
  const port = parsed.port === "" ? (secure ? 443 : 80) : Number(parsed.port);
  return { address: tcpAddress(parsed.hostname.replace(/^\[|\]$/g, ""), port), secure };
}

function asHttpMessage(payload: unknown): HttpMessage {
  invariant(typeof payload === "object" && payload !== null && "kind" in payload, "http connections carry messages");
  return payload as HttpMessage; // only Exchange and SimWebSocket send on connections of kind http
}

function requestHead(request: Request, upgrade: boolean): HttpMessage {
  const { method, url, headers } = request;
  return { kind: "request", method, url, headers: [...headers], hasBody: request.body !== null, upgrade };
}

/** One request: resolves with the response's head; the body follows as a stream. */
function exchangeOnce(exchange: Exchange, request: Request, signal: AbortSignal | null): Promise<Response> {
  const { endpoint } = exchange;
  return new Promise((resolve, reject) => {
    function end(error: unknown): void {
      signal?.removeEventListener("abort", onAbort);
      exchange.broken(error);
      reject(error);
    }
    function onAbort(): void {
      endpoint.reset();
      end(signal?.reason);
    }
    signal?.addEventListener("abort", onAbort, { once: true });
    endpoint.onClose = (error) =>
      end(
        new NetworkError(`No response from ${request.url}: ${error?.message ?? "connection closed"}`, {
          cause: error,
          notSent: error?.notSent ?? false,
        }),
      );
    endpoint.onMessage = (payload) => {
      const message = asHttpMessage(payload);
      if (message.kind === "end") signal?.removeEventListener("abort", onAbort);
      if (exchange.receiveBody(message) || message.kind !== "response") return;
      const { status, statusText, headers } = message;
      const body = message.hasBody && request.method !== "HEAD" ? exchange.incoming(() => endpoint.reset()) : null;
      resolve(new Response(body, { status, statusText, headers }));
    };
    exchange.send(requestHead(request, false));
    if (request.body !== null) {
      exchange.pump(request.body).catch((error) => {
        endpoint.reset();
        end(error);
      });
    }
  });
}

function openWebSocket(exchange: Exchange, request: Request): Promise<WebSocketChannel> {
  const { endpoint } = exchange;
  return new Promise((resolve, reject) => {
    endpoint.onClose = (error) =>
      reject(new NetworkError(`Cannot open ${request.url}: ${error?.message ?? "closed"}`, { cause: error }));
    endpoint.onMessage = (payload) => {
      const message = asHttpMessage(payload);
      if (message.kind === "upgraded") {
        const channel = new SimWebSocket(endpoint, message.protocol);
        channel.open();
        // The server may speak at once: its messages wait until the channel has been handed over.
        endpoint.pause();
        endpoint.life.schedule(0, "opened", () => endpoint.resume());
        resolve(channel);
      } else if (message.kind === "response") {
        endpoint.reset();
        reject(new NetworkError(`Cannot open ${request.url}: status ${message.status}`));
      }
    };
    exchange.send(requestHead(request, true));
  });
}

export function createSimHttpClient(
  life: Life,
  network: SimNetwork,
  options: { tls?: Partial<TlsIdentity>; http2?: boolean },
): HttpClient {
  let closed = false;
  function open(url: string): Exchange {
    if (closed) throw new NetworkError("The HTTP client is closed");
    const { address, secure } = targetOf(url);
    const endpoint: Endpoint = network.open(life, address, { kind: "http", tls: secure ? options.tls ?? {} : null });
    return new Exchange(endpoint, network);
  }
  return {
    async fetch(url, init) {
      const signal = init?.signal ?? null;
      if (signal?.aborted) throw signal.reason;
      // The signal is ours to obey: a Request would follow it by means of its own.
      const { signal: _signal, ...rest } = init ?? {};
      const request = new Request(url, rest);
      return await exchangeOnce(open(url), request, signal);
    },
    async webSocket(url, socketOptions) {
      const { protocols, headers } = socketOptions;
      const request = new Request(url.replace(/^ws/, "http"), headers === undefined ? {} : { headers });
      request.headers.set("upgrade", "websocket");
      if (protocols.length > 0) request.headers.set("sec-websocket-protocol", protocols.join(", "));
      return await openWebSocket(open(url), request);
    },
    close() {
      closed = true;
    },
  };
}
