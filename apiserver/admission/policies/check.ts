import type {
  MatchResources,
  ParamKind,
  ParamRef,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from "../../../api/gen/types.ts";
import { matchesSelector, selectorFromObject } from "../../../api/labels.ts";
import {
  apiVersionOf,
  namespaces,
  type ResourceInfo,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
} from "../../../api/resources.ts";
import { ApiError, forbidden, statusCodes } from "../../../api/status.ts";
import { loadParser } from "../../cel/parse.ts";
import { loadPatterns } from "../../crd/patterns.ts";
import type { Registry, WriteContext } from "../../registry/context.ts";
import { parseCached } from "../../watchcache/cached.ts";
import { admissionRequest } from "../webhooks/call.ts";
import { type Admission, isExempt, isMatched, ruleMatches } from "../webhooks/match.ts";
import { type Complaint, judge } from "./evaluate.ts";

/** ValidatingAdmissionPolicies, each through each of its bindings, by name. @throws ApiError for the first that denies */
export async function checkPolicies(registry: Registry, context: WriteContext, it: Admission): Promise<void> {
  const { cache: bindings } = registry.strategy(validatingAdmissionPolicyBindings);
  if (bindings.size === 0 || isExempt(it.info)) return;
  const policies = registry.strategy(validatingAdmissionPolicies).cache;
  for (const cached of bindings.list("")) {
    const binding = parseCached<ValidatingAdmissionPolicyBinding>(cached);
    const found = policies.get("", binding.spec?.policyName ?? "");
    if (found === undefined) continue;
    const policy = parseCached<ValidatingAdmissionPolicy>(found);
    if (!applies(registry, policy.spec?.matchConstraints, it)) continue;
    if (binding.spec?.matchResources !== undefined && !applies(registry, binding.spec.matchResources, it)) continue;
    await checkBinding(registry, context, policy, binding, it);
  }
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

async function checkBinding(
  registry: Registry,
  context: WriteContext,
  policy: ValidatingAdmissionPolicy,
  binding: ValidatingAdmissionPolicyBinding,
  it: Admission,
): Promise<void> {
  const { spec } = policy;
  if (spec === undefined) return;
  const engine = { parse: await loadParser(), patterns: await loadPatterns() };
  const request = admissionRequest({ ...it, object: null, old: null }, context, "");
  const namespace = it.namespace === "" ? undefined : registry.strategy(namespaces).cache.get("", it.namespace);
  const namespaceObject = namespace === undefined ? null : parseCached(namespace);
  for (const params of paramsOf(registry, spec.paramKind, binding.spec?.paramRef, it)) {
    const input = { object: it.object, oldObject: it.old, request, params, namespaceObject };
    const complaints = params === "missing"
      ? missingParams(spec.failurePolicy, binding.spec?.paramRef)
      : judge(spec, input, engine);
    for (const complaint of complaints) act(context, policy, binding, it, complaint);
  }
}

function missingParams(failurePolicy: string | undefined, ref: ParamRef | undefined): Complaint[] {
  if (ref?.parameterNotFoundAction === "Allow" || failurePolicy === "Ignore") return [];
  const message = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction";
  return [{ message, reason: "" }];
}

/** Every object that the binding names as a parameter; null alone where the policy takes none. */
function paramsOf(
  registry: Registry,
  kind: ParamKind | undefined,
  ref: ParamRef | undefined,
  it: Admission,
): readonly unknown[] {
  if (kind === undefined || ref === undefined) return [null];
  const info = registry.catalog.resources.find((each) =>
    each.kind === kind.kind && apiVersionOf(each) === kind.apiVersion
  );
  if (info === undefined) return ["missing"];
  const { cache } = registry.strategy(info);
  const namespace = info.namespaced ? ref.namespace ?? it.namespace : "";
  if (ref.name !== undefined) {
    const found = cache.get(namespace, ref.name);
    return found === undefined ? ["missing"] : [parseCached(found)];
  }
  const selector = selectorFromObject(ref.selector ?? {}) ?? [];
  const found = cache.list(namespace).filter((each) => matchesSelector(selector, each.labels));
  return found.length === 0 ? ["missing"] : found.map((each) => parseCached(each));
}

function act(
  context: WriteContext,
  policy: ValidatingAdmissionPolicy,
  binding: ValidatingAdmissionPolicyBinding,
  it: Admission,
  complaint: Complaint,
): void {
  const who = `ValidatingAdmissionPolicy '${policy.metadata?.name ?? ""}' with binding '${
    binding.metadata?.name ?? ""
  }'`;
  const actions = binding.spec?.validationActions ?? [];
  if (actions.includes("Warn")) context.warnings.push(`Validation failed for ${who}: ${complaint.message}`);
  if (actions.includes("Deny")) {
    throw denied(it.info, it.name, `${who} denied request: ${complaint.message}`, complaint);
  }
}

function denied(info: ResourceInfo, name: string, message: string, { reason }: Complaint): ApiError {
  const told = reason === "" ? "Invalid" : reason;
  const code = Object.entries(statusCodes).find(([each]) => each === told)?.[1] ?? 422;
  const { status } = forbidden(info, name, message, [{ message }]);
  return new ApiError({ ...status, reason: told, code });
}
