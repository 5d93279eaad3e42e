import type { DelegatedAuth } from "../client/mod.ts";
import type { HttpHandler, HttpListener, Metrics, Platform, RequestContext, TlsIdentity } from "../platform/mod.ts";

/** What a component that is no API server shows of itself over HTTP. */
export interface ComponentServerOptions {
  /** `https://127.64.0.10:10259/metrics`: the address to listen at. */
  readonly url: string;
  /** Both, for https; absent: plain HTTP, for everyone on this machine. */
  readonly secure?: { readonly tls: TlsIdentity; readonly auth: DelegatedAuth };
  readonly isReady: () => boolean;
}

/** Serves {@linkcode componentHandler}. */
export async function serveComponent(
  { url, secure, isReady }: ComponentServerOptions,
  { network, metrics }: Pick<Platform, "network" | "metrics">,
): Promise<HttpListener> {
  const { host } = new URL(url);
  return await network.http.serve({
    address: `tcp:${host}`,
    ...(secure === undefined ? {} : { tls: { ...secure.tls, clientCertificates: true } }),
    handler: componentHandler({ metrics, isReady, auth: secure?.auth ?? null }),
  });
}

/**
 * /healthz, /livez and /readyz for everyone, as upstream's `--authorization-always-allow-paths` has it, and /metrics for
 * whoever may get that path.
 * @param auth null: everyone who reaches the server may
 */
export function componentHandler(
  { metrics, isReady, auth }: { metrics: Metrics; isReady: () => boolean; auth: DelegatedAuth | null },
): HttpHandler {
  return async (request: Request, { peer }: RequestContext) => {
    const { pathname: path } = new URL(request.url);
    if (request.method !== "GET" && request.method !== "HEAD") return plain(405, "Method Not Allowed");
    switch (path) {
      case "/healthz":
      case "/livez":
        return plain(200, "ok");
      case "/readyz":
        return isReady() ? plain(200, "ok") : plain(503, "not ready");
    }
    const verb = request.method.toLowerCase();
    const access = await auth?.check(
      { request, peer },
      { nonResourceAttributes: { path, verb } },
      `${verb} path "${path}"`,
    ) ?? { allowed: true };
    if (!access.allowed) return plain(access.status, access.message);
    if (path !== "/metrics") return plain(404, "404 page not found");
    return new Response(metrics.text(), { headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" } });
  };
}

function plain(status: number, text: string): Response {
  return new Response(text, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  });
}
