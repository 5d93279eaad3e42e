import type { Exchange, Handler } from "../exchange.ts";

/** Every answer names its request and may not be cached, unless the handler said otherwise. */
export async function addAuditId(exchange: Exchange, next: Handler): Promise<Response> {
  const response = await next(exchange);
  // The answer to an upgrade is the platform's own and takes no more headers.
  if (response.status === 101) return response;
  response.headers.set("audit-id", exchange.auditId);
  if (exchange.flow !== undefined) {
    response.headers.set("x-kubernetes-pf-flowschema-uid", exchange.flow.schemaUid);
    response.headers.set("x-kubernetes-pf-prioritylevel-uid", exchange.flow.levelUid);
  }
  if (!response.headers.has("cache-control")) response.headers.set("cache-control", "no-cache, private");
  for (const warning of exchange.warnings) response.headers.append("warning", `299 - ${quoted(warning)}`);
  return response;
}

/** RFC 7230 quoted-string; what is not printable ASCII cannot be in a header. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&").replace(/[^\x20-\x7e]/g, "?")}"`;
}
