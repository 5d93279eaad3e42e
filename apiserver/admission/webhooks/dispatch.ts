import type { MutatingWebhook, MutatingWebhookConfiguration } from "../../../api/gen/types.ts";
import type { KubeObject } from "../../../api/meta.ts";
import { applyJsonPatch, PatchError } from "../../../api/patch/mod.ts";
import {
  mutatingAdmissionPolicyBindings,
  mutatingWebhookConfigurations,
  namespaces,
  type ResourceInfo,
  validatingAdmissionPolicyBindings,
  validatingWebhookConfigurations,
} from "../../../api/resources.ts";
import { ApiError } from "../../../api/status.ts";
import { clone, equalJson } from "../../../api/json_value.ts";
import { Budget } from "../../cel/budget.ts";
import { evaluate, scopeOf } from "../../cel/evaluate.ts";
import { CelError, fromJson } from "../../cel/values.ts";
import { PatternError } from "../../crd/patterns.ts";
import { limits } from "../../limits.ts";
import type { Registry, WriteContext } from "../../registry/context.ts";
import { keyOf, readCurrent } from "../../registry/write.ts";
import type { Strategy } from "../../registry/strategy.ts";
import type { CachedObject } from "../../watchcache/cached.ts";
import { checkPolicies } from "../policies/check.ts";
import { mutateByPolicies } from "../policies/mutate.ts";
import { authorizerOf } from "../policies/scope.ts";
import { admissionRequest, CallError, callFailure, callWebhook, denial, replaceWith, type Verdict } from "./call.ts";
import { equivalentsOf, shownAs, takeBack } from "./equivalents.ts";
import { type Admission, isExempt, matchedAs } from "./match.ts";
import { Rounds } from "./rounds.ts";

const dynamicKinds = [
  mutatingAdmissionPolicyBindings,
  mutatingWebhookConfigurations,
  validatingAdmissionPolicyBindings,
  validatingWebhookConfigurations,
];

/** Whether anyone asked to be asked: a write costs one comparison where no one did. */
export function hasDynamicAdmission(registry: Registry): boolean {
  return dynamicKinds.some((info) => registry.strategy(info).cache.size > 0);
}

interface Hook {
  readonly hook: MutatingWebhook;
  /** Its name among all. */
  readonly key: string;
  /** The write as it is shown to the webhook. */
  readonly it: Admission;
}

/** Every webhook of `info`'s configurations that is to be asked, by the configurations' names. */
async function hooksFor(
  registry: Registry,
  info: ResourceInfo,
  it: Admission,
  context: WriteContext,
): Promise<Hook[]> {
  const { cache } = registry.strategy(info);
  if (cache.size === 0 || isExempt(it.info)) return [];
  const labelsOf = (name: string) => registry.strategy(namespaces).cache.get("", name)?.labels ?? {};
  const asked: Hook[] = [];
  for (const cached of cache.list("")) {
    // Validating webhooks have the same fields but one.
    const { webhooks = [] } = cached.parsed as MutatingWebhookConfiguration;
    for (const hook of webhooks) {
      const as = matchedAs(hook, it, labelsOf, (info) => equivalentsOf(registry, info));
      if (as === null) continue;
      const shown = as === it.info ? it : await shownAs(registry, it, as);
      if (!(await meetsConditions(registry, cached, hook, shown, context))) continue;
      asked.push({ hook, key: `webhook ${cached.name}/${hook.name}`, it: shown });
    }
  }
  return asked;
}

/** A false condition spares the webhook; one that fails is the webhook's failure, if no other is false. */
async function meetsConditions(
  registry: Registry,
  owner: CachedObject,
  hook: MutatingWebhook,
  it: Admission,
  context: WriteContext,
): Promise<boolean> {
  const conditions = hook.matchConditions ?? [];
  if (conditions.length === 0) return true;
  const engine = await registry.expressions.of(owner);
  const scope = scopeOf({
    object: fromJson(it.object),
    oldObject: fromJson(it.old),
    request: fromJson(admissionRequest({ ...it, object: null, old: null }, context, "")),
    authorizer: authorizerOf(registry, context, it),
  });
  const budget = new Budget(limits.celMatchBudget);
  let failure: string | undefined;
  for (const { expression } of conditions) {
    try {
      if (evaluate(engine.parse(expression), scope, budget, engine) !== true) return false;
    } catch (error) {
      if (!(error instanceof CelError || error instanceof PatternError)) throw error;
      failure ??= error.message;
    }
  }
  if (failure === undefined) return true;
  if (hook.failurePolicy === "Ignore") return false;
  throw callFailure(hook, new CallError(`failed to evaluate match conditions: ${failure}`));
}

/** Asks one webhook; null where it could not be asked and that is to be ignored. @throws ApiError */
async function ask(
  registry: Registry,
  hook: MutatingWebhook,
  it: Admission,
  context: WriteContext,
): Promise<Verdict | null> {
  const begun = registry.clock.monotonic();
  let outcome = "admitted";
  try {
    const verdict = await callWebhook(registry, hook, it, context);
    for (const warning of verdict.warnings) context.warnings.push(warning);
    for (const [key, value] of Object.entries(verdict.auditAnnotations)) {
      if (typeof value === "string") context.annotate?.(`${hook.name}/${key}`, value);
    }
    if (verdict.allowed) return verdict;
    outcome = "denied";
    throw denial(hook, verdict);
  } catch (error) {
    if (!(error instanceof CallError)) throw error;
    outcome = "failed";
    registry.log.warn("Failed calling webhook", { webhook: hook.name, error: error.message });
    if (hook.failurePolicy === "Ignore") return null;
    throw callFailure(hook, error);
  } finally {
    registry.webhookSeconds.observe((registry.clock.monotonic() - begun) / 1000, { name: hook.name, outcome });
  }
}

/**
 * Mutating policies, then mutating webhooks, one after another, each seeing what those before it made. Those that ask for
 * it are asked once more when a later one has changed the object. Changes `it.object` in place.
 */
export async function mutate(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  it: Admission,
): Promise<void> {
  const rounds = new Rounds();
  do {
    await mutateByPolicies(registry, context, strategy, it, rounds);
    for (const { hook, key, it: first } of await hooksFor(registry, mutatingWebhookConfigurations, it, context)) {
      if (!rounds.isDue(key, hook.reinvocationPolicy)) continue;
      const shown = first.info === it.info ? it : await shownAs(registry, it, first.info);
      const verdict = await ask(registry, hook, shown, context);
      const changed = verdict !== null && verdict.patch !== null &&
        applyVerdict(hook, verdict, registry.strategy(shown.info), shown);
      if (changed && shown !== it) await takeBack(registry, strategy, it, shown);
      rounds.note(key, changed);
    }
  } while (!rounds.isSecond && rounds.again());
}

function applyVerdict(hook: MutatingWebhook, { patch }: Verdict, strategy: Strategy, it: Admission): boolean {
  const { object } = it;
  if (object === null) return false;
  const before = clone(object);
  try {
    const patched = applyJsonPatch(clone(object), patch);
    const { object: next } = strategy.codec.decodeValue(patched, "Ignore");
    replaceWith(object, next);
    strategy.setDefaults(object);
  } catch (error) {
    if (!(error instanceof PatchError || error instanceof ApiError)) throw error;
    throw callFailure(hook, new CallError(`failed to apply the patch: ${error.message}`));
  }
  return !equalJson(before, object);
}

/** Policies, then validating webhooks, all at once; the first refusal in their order is told. */
export async function askValidators(registry: Registry, context: WriteContext, it: Admission): Promise<void> {
  await checkPolicies(registry, context, it);
  const hooks = await hooksFor(registry, validatingWebhookConfigurations, it, context);
  if (hooks.length === 0) return;
  const results = await Promise.allSettled(hooks.map(({ hook, it }) => ask(registry, hook, it, context)));
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

/** Both kinds of webhooks about an object that is to go. One that is not there is the delete's own business. */
export async function askAboutDelete(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  namespace: string,
  name: string,
): Promise<void> {
  const { object } = await readCurrent(registry, keyOf(strategy, namespace, name), strategy.cache.resource);
  if (object === null) return;
  const it = admissionOf(strategy, { operation: "DELETE", namespace, subresource: "" }, null, object);
  await mutate(registry, context, strategy, it);
  await askValidators(registry, context, it);
}

/** What admission is told of an object that comes or changes. */
export function admissionOf(
  strategy: Strategy,
  write: { operation: Admission["operation"]; namespace: string; subresource: string },
  object: KubeObject | null,
  old: KubeObject | null,
): Admission {
  const name = (object ?? old)?.metadata?.name ?? "";
  return { info: strategy.info, name, object, old, ...write };
}
