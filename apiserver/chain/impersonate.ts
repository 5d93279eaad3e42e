import { badRequest, internal } from "../../api/status.ts";
import { hasNameWith } from "../../platform/header_lines.ts";
import { textOfHeader, unescapeKey } from "../authn/header_text.ts";
import {
  anonymousName,
  authenticatedGroup,
  serviceAccountGroups,
  unauthenticatedGroup,
  type User,
} from "../authn/user.ts";
import type { Attributes } from "../authz/attributes.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { Filter } from "../exchange.ts";
import { decideLoaded, denied } from "./authorize.ts";

/**
 * `kubectl --as`: a user with the right to impersonate becomes another for this request. Every part of the wanted
 * identity is a right of its own.
 * @see kubernetes staging/src/k8s.io/apiserver/pkg/endpoints/filters/impersonation
 */
export function impersonate(authorizer: Authorizer): Filter {
  return async (exchange, next) => {
    const wanted = wantedIdentity(exchange.request.headers);
    if (wanted === null) return await next(exchange);
    for (const right of rightsFor(wanted)) {
      const { allowed, reason } = await decideLoaded(authorizer, exchange.user, right);
      if (!allowed) throw denied(exchange.user, right, reason);
    }
    exchange.user = { name: wanted.user, uid: wanted.uid, groups: groupsOf(wanted), extra: wanted.extra };
    if (exchange.audit !== undefined) exchange.audit.impersonated = exchange.user;
    // Its own headers are still there; nothing after this filter reads them.
    return await next(exchange);
  };
}

interface Identity {
  readonly user: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

const prefix = "impersonate-";
const extraPrefix = "impersonate-extra-";

/** Null when nothing is asked for. @throws ApiError 400, 500 */
function wantedIdentity(headers: Headers): Identity | null {
  if (!hasNameWith(headers, prefix)) return null;
  const extra: Record<string, string[]> = Object.create(null);
  for (const [name, value] of headers) {
    if (!name.startsWith(prefix)) continue;
    if (name.startsWith(extraPrefix)) extra[unescapeKey(name.slice(extraPrefix.length))] = valuesOf(value);
    else if (!known.has(name)) throw internal(`unknown impersonation header ${name}`);
  }
  const identity = {
    user: textOf(headers.get("impersonate-user") ?? ""),
    uid: textOf(headers.get("impersonate-uid") ?? ""),
    groups: valuesOf(headers.get("impersonate-group") ?? ""),
    extra,
  };
  if (identity.user === "") throw internal(`requested ${referencesText(identity)} without impersonating a user`);
  return identity;
}

const known: ReadonlySet<string> = new Set(["impersonate-user", "impersonate-group", "impersonate-uid"]);

/**
 * A header that is sent several times arrives as one list. A value with a comma in it is taken apart: each part is then
 * a right of its own, so that nothing is gained by it.
 */
function valuesOf(header: string): string[] {
  return textOf(header).split(",").map((value) => value.replace(/^[ \t]+|[ \t]+$/g, "")).filter((value) =>
    value !== ""
  );
}

function textOf(header: string): string {
  const text = textOfHeader(header);
  if (text === null) throw badRequest("impersonation headers must be UTF-8");
  return text;
}

type ResourceAttributes = Extract<Attributes, { kind: "resource" }>;

function rightsFor(wanted: Identity): ResourceAttributes[] {
  const account = serviceAccountOf(wanted.user);
  const rights = account === null
    ? [right({ resource: "users", name: wanted.user })]
    : [right({ resource: "serviceaccounts", ...account })];
  for (const name of wanted.groups) rights.push(right({ resource: "groups", name }));
  for (const [key, values] of Object.entries(wanted.extra)) {
    for (const name of values) {
      rights.push(right({ group: "authentication.k8s.io", resource: "userextras", subresource: key, name }));
    }
  }
  if (wanted.uid !== "") rights.push(right({ group: "authentication.k8s.io", resource: "uids", name: wanted.uid }));
  return rights;
}

function right(of: Pick<ResourceAttributes, "resource" | "name"> & Partial<ResourceAttributes>): ResourceAttributes {
  return { kind: "resource", verb: "impersonate", group: "", subresource: "", namespace: "", fields: {}, ...of };
}

function serviceAccountOf(user: string): { namespace: string; name: string } | null {
  const match = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(user);
  return match === null ? null : { namespace: match[1] as string, name: match[2] as string };
}

function groupsOf({ user, groups }: Identity): User["groups"] {
  if (user === anonymousName) {
    return groups.includes(unauthenticatedGroup) ? groups : [...groups, unauthenticatedGroup];
  }
  const account = serviceAccountOf(user);
  if (groups.length === 0 && account !== null) return serviceAccountGroups(account.namespace);
  const isSaid = groups.includes(authenticatedGroup) || groups.includes(unauthenticatedGroup);
  return isSaid ? groups : [...groups, authenticatedGroup];
}

/** Object references as Go prints them. */
function referencesText({ groups, extra, uid }: Identity): string {
  const authentication = "authentication.k8s.io/v1";
  const references = [
    ...groups.map((group) => `{Group  ${group}    }`),
    ...Object.entries(extra).flatMap(([key, values]) =>
      values.map((value) => `{UserExtra  ${value}  ${authentication}  ${key}}`)
    ),
    ...(uid === "" ? [] : [`{UID  ${uid}  ${authentication}  }`]),
  ];
  return `[${references.join(" ")}]`;
}
