import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding } from "../../../api/gen/types.ts";
import {
  type ResourceInfo,
  validatingAdmissionPolicies,
  validatingAdmissionPolicyBindings,
} from "../../../api/resources.ts";
import { ApiError, forbidden, statusCodes } from "../../../api/status.ts";
import type { Registry, WriteContext } from "../../registry/context.ts";
import type { Admission } from "../webhooks/match.ts";
import { type Complaint, judge } from "./evaluate.ts";
import { sourcesOf } from "./scope.ts";
import { choose } from "./select.ts";

const kinds = { policies: validatingAdmissionPolicies, bindings: validatingAdmissionPolicyBindings };

/** ValidatingAdmissionPolicies, each through each of its bindings, by name. @throws ApiError for the first that denies */
export async function checkPolicies(registry: Registry, context: WriteContext, it: Admission): Promise<void> {
  const chosen = await choose<ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding>(registry, kinds, it);
  if (chosen.length === 0) return;
  const sources = sourcesOf(registry, context, it);
  for (const { policy, binding, owner, params, problem } of chosen) {
    const { spec } = policy;
    if (spec === undefined) continue;
    if (problem !== "" && spec.failurePolicy !== "Ignore") {
      const message = `failed to configure binding: ${problem}`;
      act(context, policy, binding, it, { message, reason: "", index: -1 });
    }
    const engine = await registry.expressions.of(owner);
    for (const each of params) {
      const { complaints, annotations } = judge(spec, sources, each, engine);
      for (const [key, value] of annotations) context.annotate?.(`${policy.metadata?.name ?? ""}/${key}`, value);
      for (const complaint of complaints) act(context, policy, binding, it, complaint);
    }
  }
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
  if (actions.includes("Audit")) {
    const note = {
      message: complaint.message,
      policy: policy.metadata?.name ?? "",
      binding: binding.metadata?.name ?? "",
      expressionIndex: complaint.index,
      validationActions: actions,
    };
    context.annotate?.("validation.policy.admission.k8s.io/validation_failure", JSON.stringify([note]));
  }
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
