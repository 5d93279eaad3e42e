import { formatTraceparent, parseTraceparent } from "../../base/trace_context.ts";
import { ApiError } from "../../api/status.ts";
import type { HttpsPost, Random } from "../../platform/mod.ts";
import type { Span, Tracer } from "../../platform/tracing/mod.ts";
import type { User } from "../authn/user.ts";
import type { Exchange, Filter, Handler } from "../exchange.ts";
import type { Registry } from "../registry/context.ts";
import type { RequestInfo } from "../request_info.ts";

export interface TraceDeps {
  readonly tracer: Tracer;
  readonly random: Pick<Random, "int">;
  /** Of requests that nobody has decided about. */
  readonly perMillion: number;
}

const million = 1_000_000;
/** Whose `traceparent` decides; upstream's notSystemPrivilegedGroup. */
const deciders: ReadonlySet<string> = new Set(["system:masters", "system:monitoring"]);

/**
 * A span for each traced request, from after its authentication until its answer begins; a request that is not traced
 * costs a look at one header. A `traceparent` of somebody who may decide is followed, whichever way it says; anybody
 * else's is one request among all, and its trace is only linked to.
 * @see upstream's endpoints/filters/traces.go and KEP-647; W3C Trace Context
 */
export function trace({ tracer, random, perMillion }: TraceDeps): Filter {
  const chosen = () => perMillion > 0 && random.int(million) < perMillion;

  function begin({ request, user, info }: Exchange): Span | null {
    const header = request.headers.get("traceparent");
    const remote = header === null ? null : parseTraceparent(header);
    if (remote === null) return chosen() ? tracer.start(spanName(info), "server") : null;
    if (mayDecide(user)) return remote.sampled ? tracer.start(spanName(info), "server", { parent: remote }) : null;
    return chosen() ? tracer.start(spanName(info), "server", { link: remote }) : null;
  }

  return (exchange, next) => {
    const span = begin(exchange);
    return span === null ? next(exchange) : follow(span, exchange, next);
  };
}

function mayDecide({ groups }: User): boolean {
  return groups.some((group) => deciders.has(group));
}

async function follow(span: Span, exchange: Exchange, next: Handler): Promise<Response> {
  exchange.span = span;
  const { request, url, info, context } = exchange;
  span.set("http.request.method", request.method);
  span.set("url.path", url.pathname);
  const route = routeOf(info);
  if (route !== null) span.set("http.route", route);
  span.set("client.address", context.remoteAddress);
  const agent = request.headers.get("user-agent");
  if (agent !== null) span.set("user_agent.original", agent);
  span.set("audit-id", exchange.auditId);
  try {
    const response = await next(exchange);
    answered(span, response.status);
    return response;
  } catch (error) {
    answered(span, error instanceof ApiError ? error.code : 500);
    throw error;
  } finally {
    span.end();
  }
}

/** What the client did wrong is no failure of the server's (semantic conventions for HTTP spans). */
function answered(span: Span, code: number): void {
  span.set("http.response.status_code", code);
  if (code >= 500) span.fail(String(code));
}

/** Upstream's: there is no end of paths, of names neither. */
function spanName(info: RequestInfo): string {
  const route = routeOf(info);
  return route === null ? info.method : `${info.method} ${route}`;
}

function routeOf(info: RequestInfo): string | null {
  if (info.kind !== "resource") return null;
  const { info: { group, version, resource }, namespace, name, subresource } = info;
  const base = group === "" ? `/api/${version}` : `/apis/${group}/${version}`;
  return base + (namespace === "" ? "" : "/namespaces/{:namespace}") + `/${resource}` +
    (name === "" ? "" : "/{:name}") + (subresource === "" ? "" : `/${subresource}`);
}

/** What a traced request works with: its store calls are spans under its own, and webhooks hear of the trace. */
export function traced(registry: Registry, span: Span): Registry {
  const { postHttps } = registry;
  const traceparent = formatTraceparent(span.context);
  return {
    ...registry,
    store: registry.store.under(span),
    ...(postHttps === undefined ? {} : { postHttps: (post: HttpsPost) => postHttps({ ...post, traceparent }) }),
  };
}
