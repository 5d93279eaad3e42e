import { ApiError, failure, internal } from "../../api/status.ts";
import type { ServerDeps } from "../config.ts";
import type { Exchange } from "../exchange.ts";
import { holdLongRunning } from "../long_running.ts";
import type { Registry } from "../registry/context.ts";
import type { ResourceRequest } from "../request_info.ts";
import type { Bytes } from "../respond.ts";
import { findBackend } from "./proxy_backend.ts";
import { canPassUpgrade, passUpgrade } from "./upgrade.ts";

/** Of one connection, never passed on (RFC 9110 7.6.1); and what proves who the caller is to this server alone. */
const dropped = new Set([
  ...["connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"],
  ...["upgrade", "host", "content-length", "authorization", "accept-encoding"],
]);

/**
 * `/proxy` of pods, services and nodes: the request, path and all, goes to the backend, its answer comes back. Upgrades
 * are passed on as bytes.
 * @see kubernetes staging/src/k8s.io/apimachinery/pkg/util/proxy/upgradeaware.go
 */
export async function handleProxy(
  registry: Registry,
  deps: ServerDeps,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  const { method, headers } = exchange.request;
  // So that relative links in what comes back lead below the proxy's own path.
  if (request.tail === "" && (method === "GET" || method === "HEAD")) {
    const location = `${exchange.url.pathname}/${exchange.url.search}`;
    return new Response(null, { status: 301, headers: { location } });
  }
  const backend = await findBackend(registry, deps, request);
  const path = request.tail === "" ? "/" : request.tail;
  const url = `${backend.base}${path}${exchange.url.search}`;
  const prefix = exchange.url.pathname.slice(0, exchange.url.pathname.length - request.tail.length);
  const sent = requestHeaders(exchange, prefix);
  if (headers.has("upgrade") && canPassUpgrade(exchange, backend.client)) {
    return await passUpgrade(registry, exchange, backend.client, url, sent);
  }
  const hold = holdLongRunning(registry);
  try {
    const answer = await backend.client.fetch(url, {
      method,
      headers: sent,
      redirect: "manual",
      ...(exchange.body.length === 0 ? {} : { body: exchange.body }),
    });
    return passOn(answer, prefix, hold.release);
  } catch (error) {
    hold.release();
    if (error instanceof ApiError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new ApiError(failure("ServiceUnavailable", `error trying to reach service: ${why}`));
  }
}

function requestHeaders({ request, context, url }: Exchange, prefix: string): Headers {
  const headers = new Headers();
  for (const [name, value] of request.headers) {
    if (
      !dropped.has(name) && !name.startsWith("impersonate-") && !name.startsWith("x-remote-") &&
      !name.startsWith("sec-websocket-")
    ) {
      headers.append(name, value);
    }
  }
  headers.set("x-forwarded-for", context.remoteAddress);
  headers.set("x-forwarded-host", request.headers.get("host") ?? url.host);
  headers.set("x-forwarded-proto", "https");
  headers.set("x-forwarded-uri", prefix + url.pathname.slice(prefix.length));
  return headers;
}

function passOn(answer: Response, prefix: string, ended: () => void): Response {
  const headers = new Headers();
  for (const [name, value] of answer.headers) if (!dropped.has(name)) headers.append(name, value);
  // fetch() has undone it.
  headers.delete("content-encoding");
  const location = headers.get("location");
  if (location !== null && location.startsWith("/")) headers.set("location", prefix + location);
  const empty = answer.body === null || answer.status === 204 || answer.status === 304;
  if (empty) ended();
  const body = answer.body === null || empty ? null : counted(answer.body, ended);
  if (answer.status < 200 || answer.status > 599) throw internal(`the backend answered ${answer.status}`);
  return new Response(body, { status: answer.status, headers });
}

/** The same stream; `ended` is called once, however it ends. */
export function counted(source: ReadableStream<Uint8Array>, ended: () => void): ReadableStream<Bytes> {
  const reader = source.getReader();
  return new ReadableStream<Bytes>({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(new Uint8Array(value));
        ended();
        controller.close();
      } catch (error) {
        ended();
        controller.error(error);
      }
    },
    async cancel(reason) {
      ended();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}
