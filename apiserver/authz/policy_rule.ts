import { compareStrings, quote } from "../../api/go_text.ts";
import type { Attributes } from "./attributes.ts";

/** One PolicyRule of rbac.authorization.k8s.io/v1, absent lists empty. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  /** `pods`, `pods/log`, `*`, or a sub-resource of anything: `*` + `/scale`. */
  readonly resources: readonly string[];
  /** Empty: every name. */
  readonly resourceNames: readonly string[];
  /** `*`, a path, or a prefix that ends in `*`. */
  readonly nonResourceURLs: readonly string[];
}

/** Whether the rule grants what is asked. @see kubernetes pkg/apis/rbac/v1/evaluation_helpers.go */
export function ruleAllows(rule: PolicyRule, it: Attributes): boolean {
  if (!hasOrAll(rule.verbs, it.verb)) return false;
  if (it.kind === "path") return rule.nonResourceURLs.some((url) => urlCovers(url, it.path));
  return hasOrAll(rule.apiGroups, it.group) &&
    rule.resources.some((resource) => resourceMatches(resource, it.resource, it.subresource)) &&
    (rule.resourceNames.length === 0 || rule.resourceNames.includes(it.name));
}

function hasOrAll(list: readonly string[], wanted: string): boolean {
  return list.includes("*") || list.includes(wanted);
}

function resourceMatches(granted: string, resource: string, subresource: string): boolean {
  if (granted === "*") return true;
  if (subresource === "") return granted === resource;
  return granted === `${resource}/${subresource}` || granted === `*/${subresource}`;
}

function urlCovers(granted: string, path: string): boolean {
  if (granted === "*" || granted === path) return true;
  return granted.endsWith("*") && path.startsWith(granted.replace(/\*+$/, ""));
}

/**
 * What of `wanted` is not held by `held`, in single pieces; empty when all is.
 * @see kubernetes component-helpers/auth/rbac/validation/policy_comparator.go
 */
export function missingRules(held: readonly PolicyRule[], wanted: readonly PolicyRule[]): PolicyRule[] {
  return wanted.flatMap(pieces).filter((piece) => !held.some((rule) => covers(rule, piece)));
}

/** A rule as rules of one group, resource, verb and name, or of one URL and verb, each. */
function pieces(rule: PolicyRule): PolicyRule[] {
  const found: PolicyRule[] = [];
  const names = rule.resourceNames.length === 0 ? [[]] : rule.resourceNames.map((name) => [name]);
  for (const group of rule.apiGroups) {
    for (const resource of rule.resources) {
      for (const verb of rule.verbs) {
        for (const resourceNames of names) {
          found.push({ verbs: [verb], apiGroups: [group], resources: [resource], resourceNames, nonResourceURLs: [] });
        }
      }
    }
  }
  for (const url of rule.nonResourceURLs) {
    for (const verb of rule.verbs) {
      found.push({ verbs: [verb], apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [url] });
    }
  }
  return found;
}

/** Unlike a request, a piece may itself say `*`: then only `*` covers it. */
function covers(held: PolicyRule, piece: PolicyRule): boolean {
  return piece.verbs.every((verb) => hasOrAll(held.verbs, verb)) &&
    piece.apiGroups.every((group) => hasOrAll(held.apiGroups, group)) &&
    piece.resources.every((resource) => resourceCovers(held.resources, resource)) &&
    piece.nonResourceURLs.every((url) => held.nonResourceURLs.some((own) => urlCovers(own, url))) &&
    (held.resourceNames.length === 0 ||
      (piece.resourceNames.length > 0 && piece.resourceNames.every((name) => held.resourceNames.includes(name))));
}

function resourceCovers(held: readonly string[], resource: string): boolean {
  if (hasOrAll(held, resource)) return true;
  const slash = resource.indexOf("/");
  return slash >= 0 && held.includes(`*/${resource.slice(slash + 1)}`);
}

/** Pieces that differ in their verbs alone, put together again: what an error lists. */
export function compactRules(rules: readonly PolicyRule[]): PolicyRule[] {
  const simple = new Map<string, PolicyRule & { verbs: string[] }>();
  const found: PolicyRule[] = [];
  for (const rule of rules) {
    const isSimple = rule.apiGroups.length === 1 && rule.resources.length === 1 && rule.resourceNames.length <= 1 &&
      rule.nonResourceURLs.length === 0;
    if (!isSimple) {
      found.push(rule);
      continue;
    }
    const key = JSON.stringify([rule.apiGroups, rule.resources, rule.resourceNames]);
    const known = simple.get(key);
    if (known !== undefined) {
      for (const verb of rule.verbs) if (!known.verbs.includes(verb)) known.verbs.push(verb);
      continue;
    }
    const own = { ...rule, verbs: [...rule.verbs] };
    simple.set(key, own);
    found.push(own);
  }
  return found;
}

/** `{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}`, as upstream prints a rule. */
export function ruleText(rule: PolicyRule): string {
  const part = (name: string, list: readonly string[]) => list.length === 0 ? [] : [`${name}:${quotedList(list)}`];
  const parts = [
    ...part("APIGroups", rule.apiGroups),
    ...part("Resources", rule.resources),
    ...part("NonResourceURLs", rule.nonResourceURLs),
    ...part("ResourceNames", rule.resourceNames),
    ...part("Verbs", rule.verbs),
  ];
  return `{${parts.join(", ")}}`;
}

/** Go's `%q` of a list. */
export function quotedList(list: readonly string[]): string {
  return `[${list.map(quote).join(" ")}]`;
}

/** Upstream's sentence for a grant beyond the granter's own rights. @param missing not empty */
export function escalationText(user: string, groups: readonly string[], missing: readonly PolicyRule[]): string {
  const lines = [...new Set(compactRules(missing).map(ruleText))].sort(compareStrings);
  return `user ${quote(user)} (groups=${quotedList(groups)}) is attempting to grant RBAC permissions not currently ` +
    `held:\n${lines.join("\n")}`;
}
