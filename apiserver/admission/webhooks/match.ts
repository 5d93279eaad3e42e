import type { MutatingWebhook } from "../../../api/gen/types.ts";
import { matchesSelector, selectorFromObject } from "../../../api/labels.ts";
import type { KubeObject } from "../../../api/meta.ts";
import { namespaces, type ResourceInfo } from "../../../api/resources.ts";

export type Operation = "CONNECT" | "CREATE" | "DELETE" | "UPDATE";

/** One write, as admission sees it. */
export interface Admission {
  readonly operation: Operation;
  /** Under which the object is shown. */
  readonly info: ResourceInfo;
  /** Under which the client asked, where that is another version: the webhook asked for an equivalent one. */
  readonly requested?: ResourceInfo;
  /** The kind of `object` where it is not the resource's own: what a stream is opened with. */
  readonly kind?: string;
  readonly subresource: string;
  /** "" for what has none. */
  readonly namespace: string;
  readonly name: string;
  /** Null on DELETE. */
  readonly object: KubeObject | null;
  /** Null on CREATE and CONNECT. */
  readonly old: KubeObject | null;
}

type Labels = Readonly<Record<string, string>>;
type Rule = NonNullable<MutatingWebhook["rules"]>[number];
/** What webhooks and policies have in common. */
export type Matcher = Pick<MutatingWebhook, "matchPolicy" | "namespaceSelector" | "objectSelector"> & {
  readonly rules?: readonly Rule[];
};

/** Configurations of admission itself: a broken one must stay repairable. */
export function isExempt({ group, resource }: ResourceInfo): boolean {
  return group === "admissionregistration.k8s.io" &&
    /^(mutating|validating)(webhookconfigurations|admissionpolic)/.test(resource);
}

/** Whether it is to be asked about the write. @param labelsOf a namespace's labels */
export function isMatched(matcher: Matcher, it: Admission, labelsOf: (namespace: string) => Labels): boolean {
  return (matcher.rules ?? []).some((rule) => ruleMatches(rule, it)) && namespaceMatches(matcher, it, labelsOf) &&
    objectMatches(matcher, it);
}

/**
 * Under which of a resource's versions a webhook is to be asked: the one of the request where a rule names it, else,
 * unless its rules are to be taken exactly, one that is equivalent. Null: it is not to be asked.
 */
export function matchedAs(
  matcher: Matcher,
  it: Admission,
  labelsOf: (namespace: string) => Labels,
  equivalents: (info: ResourceInfo) => readonly ResourceInfo[],
): ResourceInfo | null {
  if (isMatched(matcher, it, labelsOf)) return it.info;
  if (matcher.matchPolicy === "Exact") return null;
  return equivalents(it.info).find((info) => isMatched(matcher, { ...it, info }, labelsOf)) ?? null;
}

function has(list: readonly string[] | undefined, value: string): boolean {
  return list?.some((each) => each === "*" || each === value) === true;
}

export function ruleMatches(rule: Rule, it: Admission): boolean {
  const { info, subresource } = it;
  const scope = rule.scope ?? "*";
  const ownScope = info.namespaced ? "Namespaced" : "Cluster";
  return has(rule.operations, it.operation) && has(rule.apiGroups, info.group) && has(rule.apiVersions, info.version) &&
    (scope === "*" || scope === ownScope) &&
    (rule.resources ?? []).some((each) => resourceMatches(each, info.resource, subresource));
}

/** `pods`, `pods/status`, `pods/*`, `*`, and with a star on either side of the slash. */
function resourceMatches(pattern: string, resource: string, subresource: string): boolean {
  const [name, sub = ""] = pattern.split("/");
  return (name === "*" || name === resource) && (sub === "*" || sub === subresource);
}

function namespaceMatches(matcher: Matcher, it: Admission, labelsOf: (namespace: string) => Labels): boolean {
  const selector = selectorFromObject(matcher.namespaceSelector ?? {});
  if (selector === undefined || selector.length === 0) return true;
  if (it.info === namespaces) return matchesSelector(selector, (it.object ?? it.old)?.metadata?.labels ?? {});
  return it.namespace === "" || matchesSelector(selector, labelsOf(it.namespace));
}

function objectMatches(matcher: Matcher, it: Admission): boolean {
  const selector = selectorFromObject(matcher.objectSelector ?? {});
  if (selector === undefined || selector.length === 0) return true;
  return [it.object, it.old].some((object) =>
    object !== null && matchesSelector(selector, object.metadata?.labels ?? {})
  );
}
