import type { MatchResources, ParamKind, ParamRef } from "../../../api/gen/types.ts";
import { matchesSelector, selectorFromObject } from "../../../api/labels.ts";
import { apiVersionOf, namespaces, type ResourceInfo } from "../../../api/resources.ts";
import type { Registry } from "../../registry/context.ts";
import { type CachedObject, parseCached } from "../../watchcache/cached.ts";
import { convertedAll } from "../../watchcache/conversion.ts";
import { type Admission, isExempt, isMatched, ruleMatches } from "../webhooks/match.ts";

/** What validating and mutating policies have in common. */
interface PolicyLike {
  readonly metadata?: { readonly name?: string };
  readonly spec?: { readonly matchConstraints?: MatchResources; readonly paramKind?: ParamKind };
}

interface BindingLike {
  readonly metadata?: { readonly name?: string };
  readonly spec?: {
    readonly policyName?: string;
    readonly matchResources?: MatchResources;
    readonly paramRef?: ParamRef;
  };
}

/** A policy through one of its bindings. */
export interface Chosen<P, B> {
  readonly policy: P;
  readonly binding: B;
  /** The policy as cached: its identity is that of this version of it. */
  readonly owner: CachedObject;
  /** Every object that the binding names as a parameter; null alone where the policy takes none. */
  readonly params: readonly unknown[];
  /** What is wrong with the binding; "" for nothing. */
  readonly problem: string;
}

/** The policies that have a say in a write, by the names of their bindings. Nothing is parsed that was parsed before. */
export async function choose<P extends PolicyLike, B extends BindingLike>(
  registry: Registry,
  kinds: { readonly policies: ResourceInfo; readonly bindings: ResourceInfo },
  it: Admission,
): Promise<Chosen<P, B>[]> {
  const { cache: bindings } = registry.strategy(kinds.bindings);
  if (bindings.size === 0 || isExempt(it.info)) return [];
  const { cache: policies } = registry.strategy(kinds.policies);
  const chosen: Chosen<P, B>[] = [];
  for (const cached of bindings.list("")) {
    // Objects under these keys were checked against their schemas when they were written; nobody changes them here.
    const binding = cached.parsed as unknown as B;
    const owner = policies.get("", binding.spec?.policyName ?? "");
    if (owner === undefined) continue;
    const policy = owner.parsed as unknown as P;
    if (!applies(registry, policy.spec?.matchConstraints, it)) continue;
    if (binding.spec?.matchResources !== undefined && !applies(registry, binding.spec.matchResources, it)) continue;
    const found = await paramsOf(registry, policy.spec?.paramKind, binding.spec?.paramRef, it);
    chosen.push({ policy, binding, owner, ...found });
  }
  return chosen;
}

function applies(registry: Registry, match: MatchResources | undefined, it: Admission): boolean {
  if (match === undefined) return false;
  const named = (names: readonly string[] | undefined) => names === undefined || names.includes(it.name);
  const rules = (match.resourceRules ?? []).filter((rule) => named(rule.resourceNames));
  // A binding without rules leaves them to its policy.
  if (match.resourceRules !== undefined && !rules.some((rule) => ruleMatches(rule, it))) return false;
  const excluded = (match.excludeResourceRules ?? []).some((rule) =>
    named(rule.resourceNames) && ruleMatches(rule, it)
  );
  if (excluded) return false;
  const everything = [{ apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*/*"] }];
  const labelsOf = (name: string) => registry.strategy(namespaces).cache.get("", name)?.labels ?? {};
  return isMatched({ ...match, rules: rules.length > 0 ? rules : everything }, it, labelsOf);
}

type Params = Pick<Chosen<unknown, unknown>, "params" | "problem">;

async function paramsOf(
  registry: Registry,
  kind: ParamKind | undefined,
  ref: ParamRef | undefined,
  it: Admission,
): Promise<Params> {
  if (kind === undefined || ref === undefined) return { params: [null], problem: "" };
  const missing: Params = ref.parameterNotFoundAction === "Allow"
    ? { params: [], problem: "" }
    : { params: [], problem: "no params found for policy binding with `Deny` parameterNotFoundAction" };
  const info = registry.catalog.resources.find((each) =>
    each.kind === kind.kind && apiVersionOf(each) === kind.apiVersion
  );
  if (info === undefined) return missing;
  const { cache } = registry.strategy(info);
  if (!info.namespaced && ref.namespace !== undefined) {
    return { params: [], problem: "paramRef.namespace must not be provided for a cluster-scoped `paramKind`" };
  }
  const namespace = info.namespaced ? ref.namespace ?? it.namespace : "";
  if (info.namespaced && namespace === "") {
    const problem = "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources";
    return { params: [], problem };
  }
  const selector = selectorFromObject(ref.selector ?? {}) ?? [];
  const found = ref.name !== undefined
    ? [cache.get(namespace, ref.name)].filter((each) => each !== undefined)
    : cache.list(namespace).filter((each) => matchesSelector(selector, each.labels));
  if (found.length === 0) return missing;
  return { params: (await convertedAll(cache.resource, found)).map((each) => parseCached(each)), problem: "" };
}
