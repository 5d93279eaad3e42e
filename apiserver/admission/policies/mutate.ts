import { applyTypeOf, atomicPaths, mergeValues } from "../../../api/apply/mod.ts";
import type { MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, Mutation } from "../../../api/gen/types.ts";
import { clone, equalJson } from "../../../api/json_value.ts";
import type { KubeObject } from "../../../api/meta.ts";
import { applyJsonPatch, PatchError } from "../../../api/patch/mod.ts";
import { mutatingAdmissionPolicies, mutatingAdmissionPolicyBindings } from "../../../api/resources.ts";
import { ApiError, forbidden } from "../../../api/status.ts";
import type { ExpressionEngine } from "../../cel/expressions.ts";
import { isList, Message, toJson, typeName, type Value } from "../../cel/values.ts";
import type { Registry, WriteContext } from "../../registry/context.ts";
import type { Strategy } from "../../registry/strategy.ts";
import { replaceWith } from "../webhooks/call.ts";
import type { Admission } from "../webhooks/match.ts";
import type { Rounds } from "../webhooks/rounds.ts";
import { evaluator, failureOf, type Sources, sourcesOf } from "./scope.ts";
import { choose, type Chosen } from "./select.ts";

const kinds = { policies: mutatingAdmissionPolicies, bindings: mutatingAdmissionPolicyBindings };

type Bound = Chosen<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding>;

/** Something that a mutation's expression made and that cannot be applied. */
class MutationError extends Error {
  override readonly name = "MutationError";
}

/**
 * MutatingAdmissionPolicies (KEP-3962), by the names of their bindings; each mutation sees what those before it made.
 * Changes `it.object` in place. @throws ApiError 403 with what every policy that fails has to say
 */
export async function mutateByPolicies(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  it: Admission,
  rounds: Rounds,
): Promise<void> {
  if (it.object === null) return;
  const problems: string[] = [];
  for (const bound of await choose<MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding>(registry, kinds, it)) {
    const { policy, binding, owner, params, problem } = bound;
    if (problem !== "") complain(problems, bound, `failed to configure binding: ${problem}`);
    const engine = await registry.expressions.of(owner);
    for (const [index, each] of params.entries()) {
      const key = `policy ${policy.metadata?.name ?? ""}/${binding.metadata?.name ?? ""}/${index}`;
      if (!rounds.isDue(key, policy.spec?.reinvocationPolicy)) continue;
      const before = clone(it.object);
      const sources = () => sourcesOf(registry, context, it);
      if (!mutateOnce(bound, strategy, it, each, sources, engine, problems)) continue;
      rounds.note(key, !equalJson(before, it.object));
    }
  }
  if (problems.length > 0) throw refused(it, problems);
}

/** False: its match conditions are not met. */
function mutateOnce(
  bound: Bound,
  strategy: Strategy,
  it: Admission,
  params: unknown,
  sources: () => Sources,
  engine: ExpressionEngine,
  problems: string[],
): boolean {
  const { spec } = bound.policy;
  const run = evaluator(spec?.variables, sources(), params, engine);
  for (const { expression } of spec?.matchConditions ?? []) {
    try {
      if (run(expression) !== true) return false;
    } catch (error) {
      complain(problems, bound, failureOf(error, expression));
      return false;
    }
  }
  for (const mutation of spec?.mutations ?? []) {
    const expression = mutation.applyConfiguration?.expression ?? mutation.jsonPatch?.expression ?? "";
    try {
      const value = evaluator(spec?.variables, sources(), params, engine)(expression);
      applyMutation(mutation, value, strategy, it.object ?? {});
    } catch (error) {
      if (error instanceof MutationError || error instanceof ApiError) complain(problems, bound, error.message);
      else complain(problems, bound, failureOf(error, expression));
    }
  }
  return true;
}

function complain(problems: string[], { policy, binding }: Bound, message: string): void {
  if (policy.spec?.failurePolicy === "Ignore") return;
  const who = `policy '${policy.metadata?.name ?? ""}' with binding '${binding.metadata?.name ?? ""}'`;
  problems.push(`${who} denied request: ${message}`);
}

function refused(it: Admission, problems: readonly string[]): ApiError {
  const [first = ""] = problems;
  const { status } = forbidden(it.info, it.name, first, problems.map((message) => ({ message })));
  return new ApiError({ ...status, message: first, reason: "Invalid" });
}

function applyMutation(mutation: Mutation, value: Value, strategy: Strategy, object: KubeObject): void {
  const present = clone(object);
  const wanted = mutation.patchType === "JSONPatch" ? patched(present, value) : merged(present, value, strategy);
  const { object: next } = strategy.codec.decodeValue(wanted, "Ignore");
  replaceWith(object, next);
  strategy.setDefaults(object);
}

function merged(present: KubeObject, value: Value, strategy: Strategy): unknown {
  if (!(value instanceof Message)) throw new MutationError(`unsupported return type: ${typeName(value)}`);
  checkTypeNames(value, "Object");
  const type = strategy.applyType ?? applyTypeOf(strategy.info.type);
  const config = toJson(value);
  const atomic = atomicPaths(config, type);
  if (atomic.length > 0) {
    const text = "may not mutate atomic arrays, maps or structs";
    throw new MutationError(`error applying patch: invalid ApplyConfiguration: ${text}: ${atomic.join(", ")}`);
  }
  return mergeValues(present, config, type);
}

/** A literal's type says where it stands: what stands elsewhere is a mistake. */
function checkTypeNames(value: Value, expected: string): void {
  if (isList(value)) {
    for (const item of value) checkTypeNames(item, expected);
    return;
  }
  if (!(value instanceof Message)) return;
  if (value.type !== expected) {
    const text = `unexpected type name ${JSON.stringify(value.type)}, expected ${JSON.stringify(expected)}`;
    throw new MutationError(`type mismatch: ${text}, which matches field name path from root Object type`);
  }
  for (const [name, inner] of value.fields) checkTypeNames(inner, `${expected}.${name}`);
}

function patched(present: KubeObject, value: Value): unknown {
  if (!isList(value)) throw new MutationError(`type mismatch: JSONPatch should be a list, but is ${typeName(value)}`);
  const operations = value.map((item) => {
    if (!(item instanceof Message) || item.type !== "JSONPatch") {
      throw new MutationError(`type mismatch: expected JSONPatch but got ${typeName(item)}`);
    }
    return toJson(item);
  });
  try {
    return applyJsonPatch(present, operations);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    // A test that fails is the patch's own way to do nothing.
    if (error.message.includes("test failed")) return present;
    throw new MutationError(`JSON Patch: ${error.message}`);
  }
}
