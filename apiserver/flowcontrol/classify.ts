import type { FlowcontrolV1Subject, FlowSchemaSpec } from "../../api/gen/types.ts";
import type { User } from "../authn/user.ts";
import type { RequestInfo } from "../request_info.ts";

/** A FlowSchema as requests are held against it. */
export interface Flow {
  readonly name: string;
  /** "" for one that is not stored yet. */
  readonly uid: string;
  readonly spec: FlowSchemaSpec;
}

/** In the order in which they are tried: by precedence, then by name. */
export function inOrder(flows: readonly Flow[]): Flow[] {
  const precedence = ({ spec }: Flow) => spec.matchingPrecedence ?? 1000;
  return [...flows].sort((a, b) => precedence(a) - precedence(b) || (a.name < b.name ? -1 : 1));
}

type Rules = NonNullable<FlowSchemaSpec["rules"]>[number];

/** The rules of a schema that are about this user; none: the schema is not. */
export function rulesAbout({ spec }: Flow, user: User): Rules[] {
  return (spec.rules ?? []).filter(({ subjects }) => subjects.some((subject) => fitsSubject(subject, user)));
}

/** @param rules those about the user */
export function fits(rules: readonly Rules[], info: RequestInfo): boolean {
  for (const { resourceRules, nonResourceRules } of rules) {
    if (info.kind === "resource") {
      for (const rule of resourceRules ?? []) if (fitsResource(rule, info)) return true;
    } else {
      const verb = info.method.toLowerCase();
      for (const { verbs, nonResourceURLs } of nonResourceRules ?? []) {
        if (has(verbs, verb) && nonResourceURLs.some((pattern) => fitsPath(pattern, info.path))) return true;
      }
    }
  }
  return false;
}

const accountPrefix = "system:serviceaccount:";

function fitsSubject({ kind, user: named, group, serviceAccount }: FlowcontrolV1Subject, user: User): boolean {
  switch (kind) {
    case "User":
      return named?.name === "*" || named?.name === user.name;
    case "Group":
      return group?.name === "*" || user.groups.includes(group?.name ?? "");
    case "ServiceAccount": {
      if (serviceAccount === undefined || !user.name.startsWith(accountPrefix)) return false;
      const own = `${accountPrefix}${serviceAccount.namespace}:`;
      return user.name.startsWith(own) &&
        (serviceAccount.name === "*" || user.name.length === own.length + serviceAccount.name.length &&
            user.name.endsWith(serviceAccount.name));
    }
    default:
      return false;
  }
}

function has(list: readonly string[], value: string): boolean {
  return list.includes(value) || list.includes("*");
}

type ResourceRule = NonNullable<Rules["resourceRules"]>[number];

function fitsResource(rule: ResourceRule, info: Extract<RequestInfo, { kind: "resource" }>): boolean {
  if (!has(rule.verbs, info.verb) || !has(rule.apiGroups, info.info.group)) return false;
  const name = info.subresource === "" ? info.info.resource : `${info.info.resource}/${info.subresource}`;
  if (!has(rule.resources, name)) return false;
  const namespace = info.info.namespaced ? info.namespace : "";
  return namespace === "" ? rule.clusterScope === true : has(rule.namespaces ?? [], namespace);
}

/** `*`, `/healthz`, `/healthz/*`. */
function fitsPath(pattern: string, path: string): boolean {
  if (pattern === "*" || pattern === path) return true;
  return pattern.endsWith("/*") && path.startsWith(pattern.slice(0, -1));
}

/** Whose flow a request is part of, within its schema. */
export function distinguisher({ spec }: Flow, user: User, info: RequestInfo): string {
  switch (spec.distinguisherMethod?.type) {
    case "ByUser":
      return user.name;
    case "ByNamespace":
      return info.kind === "resource" ? info.namespace : "";
    default:
      return "";
  }
}
