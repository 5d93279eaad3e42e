import type { User } from "../authn/user.ts";
import type { Attributes } from "../authz/attributes.ts";
import { dig, items, record, text, texts } from "../dig.ts";

export const levels = ["None", "Metadata", "Request", "RequestResponse"] as const;
export type Level = typeof levels[number];
export const stages = ["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"] as const;
export type Stage = typeof stages[number];

interface GroupResources {
  readonly group: string;
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
}

interface Rule {
  readonly level: Level;
  readonly users: readonly string[];
  readonly userGroups: readonly string[];
  readonly verbs: readonly string[];
  readonly resources: readonly GroupResources[];
  readonly namespaces: readonly string[];
  readonly nonResourceUrls: readonly string[];
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

/** audit.k8s.io/v1 Policy: the first rule that fits says what is written of a request. */
export interface AuditPolicy {
  readonly rules: readonly Rule[];
}

/** What is written of one request. */
export interface Verdict {
  readonly level: Exclude<Level, "None">;
  readonly omitStages: ReadonlySet<Stage>;
  readonly omitManagedFields: boolean;
}

export class AuditPolicyError extends Error {
  override readonly name = "AuditPolicyError";
}

/** Decoded YAML or JSON. @throws AuditPolicyError */
export function parseAuditPolicy(value: unknown): AuditPolicy {
  const { apiVersion, kind } = record(value);
  if (apiVersion !== "audit.k8s.io/v1" || kind !== "Policy") {
    throw new AuditPolicyError(`no Policy of audit.k8s.io/v1 but ${String(kind)} of ${String(apiVersion)}`);
  }
  const omitStages = parseStages(dig(value, "omitStages"), "omitStages");
  const omitManagedFields = dig(value, "omitManagedFields") === true;
  const rules = items(dig(value, "rules")).map((rule, at) =>
    parseRule(rule, `rules[${at}]`, omitStages, omitManagedFields)
  );
  if (rules.length === 0) throw new AuditPolicyError("loaded illegal policy with 0 rules");
  return { rules };
}

function parseStages(value: unknown, path: string): Stage[] {
  return texts(value).map((name, at) => {
    const stage = stages.find((it) => it === name);
    if (stage === undefined) {
      throw new AuditPolicyError(
        `${path}[${at}]: Invalid value: "${name}": allowed stages are ${
          stages.filter((it) => it !== "Panic").join(",")
        },Panic`,
      );
    }
    return stage;
  });
}

function parseRule(rule: unknown, path: string, omitStages: readonly Stage[], omitManagedFields: boolean): Rule {
  const level = levels.find((it) => it === dig(rule, "level"));
  if (level === undefined) {
    throw new AuditPolicyError(`${path}.level: Unsupported value: "${String(dig(rule, "level") ?? "")}"`);
  }
  const resources = items(dig(rule, "resources")).map((it) => ({
    group: text(dig(it, "group")),
    resources: texts(dig(it, "resources")),
    resourceNames: texts(dig(it, "resourceNames")),
  }));
  const namespaces = texts(dig(rule, "namespaces"));
  const nonResourceUrls = texts(dig(rule, "nonResourceURLs"));
  if (nonResourceUrls.length > 0 && resources.length + namespaces.length > 0) {
    const what = "rules cannot apply to both regular resources and non-resource URLs";
    throw new AuditPolicyError(`${path}.nonResourceURLs: Invalid value: ${what}`);
  }
  for (const url of nonResourceUrls) {
    if (url !== "*" && !url.startsWith("/")) {
      throw new AuditPolicyError(
        `${path}.nonResourceURLs: Invalid value: "${url}": non-resource URL rules must begin with a '/' character`,
      );
    }
    if (url.slice(0, -1).includes("*")) {
      throw new AuditPolicyError(
        `${path}.nonResourceURLs: Invalid value: "${url}": non-resource URL wildcards '*' must be the final character of the rule`,
      );
    }
  }
  for (const [at, it] of resources.entries()) {
    if (it.resourceNames.length > 0 && it.resources.length === 0) {
      throw new AuditPolicyError(
        `${path}.resources[${at}].resourceNames: using resourceNames requires at least one resource`,
      );
    }
  }
  const own = dig(rule, "omitManagedFields");
  return {
    level,
    users: texts(dig(rule, "users")),
    userGroups: texts(dig(rule, "userGroups")),
    verbs: texts(dig(rule, "verbs")),
    resources,
    namespaces,
    nonResourceUrls,
    omitStages: new Set([...omitStages, ...parseStages(dig(rule, "omitStages"), `${path}.omitStages`)]),
    omitManagedFields: typeof own === "boolean" ? own : omitManagedFields,
  };
}

/** Null: nothing is written. @param user null when nobody was proven */
export function judge({ rules }: AuditPolicy, user: User | null, it: Attributes): Verdict | null {
  const rule = rules.find((each) => fits(each, user, it));
  if (rule === undefined || rule.level === "None") return null;
  return { level: rule.level, omitStages: rule.omitStages, omitManagedFields: rule.omitManagedFields };
}

function fits(rule: Rule, user: User | null, it: Attributes): boolean {
  if (rule.users.length > 0 && (user === null || !rule.users.includes(user.name))) return false;
  if (rule.userGroups.length > 0 && !(user?.groups.some((group) => rule.userGroups.includes(group)) ?? false)) {
    return false;
  }
  if (rule.verbs.length > 0 && !rule.verbs.includes(it.verb)) return false;
  if (rule.namespaces.length > 0 || rule.resources.length > 0) return it.kind === "resource" && fitsResource(rule, it);
  if (rule.nonResourceUrls.length > 0) {
    return it.kind === "path" && rule.nonResourceUrls.some((pattern) => fitsPath(pattern, it.path));
  }
  return true;
}

function fitsPath(pattern: string, path: string): boolean {
  return pattern.endsWith("*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}

function fitsResource(rule: Rule, it: Extract<Attributes, { kind: "resource" }>): boolean {
  if (rule.namespaces.length > 0 && !rule.namespaces.includes(it.namespace)) return false;
  if (rule.resources.length === 0) return true;
  const full = it.subresource === "" ? it.resource : `${it.resource}/${it.subresource}`;
  return rule.resources.some(({ group, resources, resourceNames }) => {
    if (group !== it.group) return false;
    if (resources.length === 0) return true;
    if (resourceNames.length > 0 && !resourceNames.includes(it.name)) return false;
    return resources.some((name) =>
      name === "*" || name === full || name === `${it.resource}/*` ||
      (it.subresource !== "" && name === `*/${it.subresource}`)
    );
  });
}
