import { forbidden } from "../../api/status.ts";
import { type Exchange, type Handler, isReadOnly } from "../exchange.ts";

/**
 * A browser that holds a client certificate would lend it to any page it shows. Pages of other sites may neither write
 * nor open WebSockets: browsers say where a request comes from, and programs, which need no such care, say nothing.
 */
export async function refuseCrossSite(exchange: Exchange, next: Handler): Promise<Response> {
  const { headers, method } = exchange.request;
  const upgrade = headers.get("upgrade") !== null;
  if (isReadOnly(method) && !upgrade) return await next(exchange);
  const site = headers.get("sec-fetch-site");
  const foreign = site !== null ? site === "cross-site" || site === "same-site" : !sameHost(exchange);
  if (foreign) throw forbidden({ group: "", resource: "" }, "", "the request comes from a page of another site");
  return await next(exchange);
}

function sameHost({ request, url }: Exchange): boolean {
  const origin = request.headers.get("origin");
  if (origin === null) return true;
  return URL.canParse(origin) && new URL(origin).host === (request.headers.get("host") ?? url.host);
}
