import type { CustomResourceDefinitionCondition } from "../../api/gen/types.ts";
import { formatTime } from "../../api/time.ts";

export interface Condition {
  readonly type: "NamesAccepted" | "Established" | "Terminating" | "KubernetesAPIApprovalPolicyConformant";
  readonly status: "True" | "False";
  readonly reason: string;
  readonly message: string;
}

/** `conditions` with `condition` in it; the time of its last change moves only with its status. @param now unix ms */
export function withCondition(
  conditions: readonly CustomResourceDefinitionCondition[],
  condition: Condition,
  now: number,
): CustomResourceDefinitionCondition[] {
  const before = conditions.find((it) => it.type === condition.type);
  const kept = before?.status === condition.status ? before.lastTransitionTime : undefined;
  const next = { lastTransitionTime: kept ?? formatTime(now), ...condition };
  return before === undefined ? [...conditions, next] : conditions.map((it) => it.type === condition.type ? next : it);
}
