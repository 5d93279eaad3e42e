import { forbidden } from "../../api/status.ts";
import { hasNameWith, type HeaderLine, headerLines } from "../../platform/header_lines.ts";
import type { Exchange } from "../exchange.ts";
import { textOfHeader, unescapeKey } from "./header_text.ts";
import { anonymousName, authenticatedGroup, unauthenticatedGroup, type User } from "./user.ts";

const prefix = "x-remote-";
const extraPrefix = "x-remote-extra-";

/** The common names that a front proxy may have, unless others are configured. */
export const defaultProxyNames: readonly string[] = ["front-proxy-client"];

/** Whether a request says in headers who asks. */
export function saysWho(headers: Headers): boolean {
  return hasNameWith(headers, prefix);
}

/**
 * Who a front proxy says asks: `X-Remote-User`, `-Uid`, `-Group` and `-Extra-`, believed only of a client whose
 * certificate the front proxy's own authority signed and whose common name is among `names` (none: any name will do).
 * Null: nobody may say so, or nobody is named.
 * @throws ApiError 403 for headers of a proxy that can be read in two ways
 * @see kubernetes staging/src/k8s.io/apiserver/pkg/authentication/request/headerrequest
 */
export function userInHeaders({ request, context }: Exchange, names: readonly string[]): User | null {
  const proxy = context.proxyPeer ?? null;
  if (proxy === null || (names.length > 0 && !names.includes(proxy.commonName))) return null;
  if (!request.headers.has("x-remote-user")) return null;
  const lines = headerLines(request.headers);
  if (lines === null) throw ambiguous("cannot be told apart");
  const name = one(lines, "x-remote-user");
  if (name === "") return null;
  const said = valuesOf(lines, "x-remote-group").filter((group) => group !== "");
  const isSaid = name === anonymousName || said.includes(authenticatedGroup) || said.includes(unauthenticatedGroup);
  return {
    name,
    uid: one(lines, "x-remote-uid"),
    groups: isSaid ? said : [...said, authenticatedGroup],
    extra: extraOf(lines),
  };
}

function extraOf(lines: readonly HeaderLine[]): Record<string, string[]> {
  const extra: Record<string, string[]> = Object.create(null);
  for (const [header, value] of lines) {
    const name = header.toLowerCase();
    if (name.startsWith(extraPrefix)) (extra[unescapeKey(name.slice(extraPrefix.length))] ??= []).push(text(value));
  }
  return extra;
}

function valuesOf(lines: readonly HeaderLine[], wanted: string): string[] {
  return lines.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => text(value));
}

/** Two names are one too many: a proxy that adds its own to what a client sent would let the client choose. */
function one(lines: readonly HeaderLine[], wanted: string): string {
  const values = valuesOf(lines, wanted);
  if (values.length > 1) throw ambiguous(`come more than once (${wanted})`);
  return values[0] ?? "";
}

function text(value: string): string {
  const decoded = textOfHeader(value);
  if (decoded === null) throw ambiguous("are not UTF-8");
  return decoded;
}

function ambiguous(why: string): Error {
  return forbidden({ group: "", resource: "" }, "", `the front proxy's headers ${why}`);
}

/** For everyone else: refused rather than ignored, so that nobody acts with rights that it did not expect. */
export function refuseHeaders(): Error {
  const why = "X-Remote- headers are only taken from a front proxy, and this client is none";
  return forbidden({ group: "", resource: "" }, "", why);
}
