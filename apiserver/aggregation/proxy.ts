import type { APIService } from "../../api/gen/types.ts";
import { apiServices } from "../../api/resources.ts";
import { ApiError } from "../../api/status.ts";
import type { UpgradeAnswer } from "../../platform/mod.ts";
import type { Exchange } from "../exchange.ts";
import { isLongRunning } from "../exchange.ts";
import { holdLongRunning } from "../long_running.ts";
import type { Registry } from "../registry/context.ts";
import { respondText } from "../respond.ts";
import { callRemote, type HeaderLines, identityLines, NoPlaceError } from "./call.ts";
import { apiServiceName } from "./local.ts";
import { isAvailable, type RemoteSpec, remoteSpec, type RemoteVersion } from "./remote.ts";
import { passUpgradeToRemote } from "./upgrade.ts";

/** Headers of one connection, not of a message (RFC 9110, 7.6.1). */
const hopByHop = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
] as const;

/**
 * Hands a request that was authenticated and authorized here to the server that serves its group version, with who asks
 * in headers; its answer is passed on as it comes. @see kube-aggregator pkg/apiserver/handler_proxy.go
 */
export async function proxyToRemote(registry: Registry, exchange: Exchange, remote: RemoteVersion): Promise<Response> {
  const cached = registry.strategy(apiServices).cache.get("", apiServiceName(remote));
  // Kept parsed: every request to the group version asks for it.
  const service = cached?.parsed as APIService | undefined;
  const spec = remoteSpec(service);
  if (service === undefined || spec === null || !isAvailable(service)) return unavailable("service unavailable");
  try {
    if (!asksForUpgrade(exchange)) return await forward(registry, exchange, spec);
    const answer = await passUpgradeToRemote(registry, exchange, spec, forwarded(exchange));
    return "switched" in answer ? answer.switched : passedOn(refused(answer.refusal), () => {});
  } catch (error) {
    if (error instanceof ApiError) throw error;
    if (error instanceof NoPlaceError) {
      registry.log.warn("Cannot resolve an extension apiserver", {
        service: apiServiceName(remote),
        error: error.message,
      });
      return unavailable("service unavailable");
    }
    return unavailable(`error trying to reach service: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function forward(registry: Registry, exchange: Exchange, spec: RemoteSpec): Promise<Response> {
  const { request, url, body } = exchange;
  const hold = isLongRunning(exchange.info) ? holdLongRunning(registry) : null;
  const abort = new AbortController();
  try {
    const response = await callRemote(registry, spec, {
      method: request.method,
      path: `${url.pathname}${url.search}`,
      headers: forwarded(exchange),
      body: body.length === 0 && !request.headers.has("content-length") ? null : body,
      signal: abort.signal,
    });
    return passedOn(response, () => hold?.release());
  } catch (error) {
    hold?.release();
    throw error;
  }
}

function asksForUpgrade({ request, context }: Exchange): boolean {
  return context.upgradeBytes !== undefined || /\bupgrade\b/i.test(request.headers.get("connection") ?? "");
}

/** What is kept of an answer that switches no protocols. */
function refused({ status, headers, text }: UpgradeAnswer): Response {
  if (status < 200 || status > 599) return new Response("bad answer to an upgrade", { status: 502 });
  const kept = new Headers(headers);
  kept.delete("content-length");
  return new Response(status === 204 || status === 205 || status === 304 ? null : text, { status, headers: kept });
}

/** Proven here: the client's credentials are nobody else's business, and what it says of its identity is not believed. */
const withheld: ReadonlySet<string> = new Set(["authorization", "cookie", "host", "content-length", ...hopByHop]);

function forwarded({ request, user, context }: Exchange): HeaderLines {
  const own = [...request.headers].filter(([name]) =>
    !withheld.has(name) && !name.startsWith("impersonate-") && !name.startsWith("x-remote-")
  );
  return [...own, ["x-forwarded-for", context.remoteAddress], ...identityLines(user)];
}

function passedOn(response: Response, done: () => void): Response {
  const { status } = response;
  if (status >= 300 && status <= 399 && response.headers.has("location")) {
    response.body?.cancel().catch(() => {});
    done();
    return respondText(502, "the backend attempted to redirect this request, which is not permitted");
  }
  const headers = new Headers(response.headers);
  for (const name of hopByHop) headers.delete(name);
  if (response.body === null) {
    done();
    return new Response(null, { status, headers });
  }
  return new Response(ending(response.body, done), { status, headers });
}

/** The same bytes; `done` runs once, when they have ended or nobody wants more. */
function ending(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  done: () => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      try {
        const next = await reader.read();
        if (!next.done) return controller.enqueue(next.value);
        done();
        controller.close();
      } catch (error) {
        done();
        controller.error(error);
      }
    },
    async cancel(reason) {
      done();
      await reader.cancel(reason);
    },
  }, { highWaterMark: 0 });
}

/** As Go's http.Error says it. */
function unavailable(message: string): Response {
  const response = respondText(503, `${message}\n`);
  response.headers.set("x-content-type-options", "nosniff");
  return response;
}
