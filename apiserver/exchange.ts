import type { RequestContext } from "../platform/mod.ts";
import type { Span } from "../platform/tracing/mod.ts";
import type { AuditRecord } from "./audit/record.ts";
import type { User } from "./authn/user.ts";
import type { RequestInfo } from "./request_info.ts";

/** One request on its way through the chain. Filters fill in `user` and `body`; the rest is fixed at the start. */
export interface Exchange {
  readonly request: Request;
  readonly context: RequestContext;
  readonly url: URL;
  readonly info: RequestInfo;
  readonly auditId: string;
  user: User;
  /** Read once, bounded. Empty when there is none. */
  body: Uint8Array<ArrayBuffer>;
  /** Texts for Warning headers. */
  readonly warnings: string[];
  /** What the audit log is to have of it; absent: nothing. */
  audit?: AuditRecord;
  /** The request's own span; absent: it is not traced. */
  span?: Span;
  /** Which FlowSchema and priority level it went through; "" for one that is not stored yet. */
  flow?: { readonly schemaUid: string; readonly levelUid: string };
}

export type Handler = (exchange: Exchange) => Promise<Response>;
/** A step of the chain: answers itself, or hands on to `next`. */
export type Filter = (exchange: Exchange, next: Handler) => Promise<Response>;

/** Upstream's list. */
const longRunning: ReadonlySet<string> = new Set(["attach", "exec", "log", "portforward", "proxy"]);

export function isLongRunning(info: RequestInfo): boolean {
  if (info.kind === "remote") return info.verb === "watch";
  if (info.kind !== "resource") return false;
  if (info.verb === "watch") return true;
  return longRunning.has(info.subresource);
}

export function isReadOnly(method: string): boolean {
  return method === "GET" || method === "HEAD" || method === "OPTIONS";
}
