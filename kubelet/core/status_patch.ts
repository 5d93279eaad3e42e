import type { PodCondition, PodStatus } from "../../api/gen/types.ts";

/** Fields of the status that the kubelet owns: what it does not say is taken away. */
const owned = [
  "phase",
  "reason",
  "message",
  "observedGeneration",
  "hostIP",
  "podIP",
  "startTime",
  "qosClass",
  "initContainerStatuses",
  "containerStatuses",
] as const satisfies readonly (keyof PodStatus)[];

const conditionFields = ["status", "reason", "message", "observedGeneration", "lastTransitionTime"] as const;

/** Equal as JSON; an absent field and `undefined` are one, and so are absent and empty records. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return isEmpty(a) && isEmpty(b);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const left = a as Readonly<Record<string, unknown>>; // both are objects, checked above
  const right = b as Readonly<Record<string, unknown>>;
  const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
  for (const key of keys) if (!sameJson(left[key], right[key])) return false;
  return true;
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null ||
    (typeof value === "object" && Object.keys(value).length === 0);
}

/**
 * The strategic merge patch that turns `before` into `after` where the kubelet owns it; null when nothing differs.
 * Conditions merge by type, so those that others own stay; addresses merge by ip, so old ones are deleted by name.
 */
export function statusPatch(before: Readonly<PodStatus>, after: Readonly<PodStatus>): Record<string, unknown> | null {
  const patch: Record<string, unknown> = {};
  for (const field of owned) {
    if (!sameJson(before[field], after[field])) patch[field] = after[field] ?? null;
  }
  for (const field of ["podIPs", "hostIPs"] as const) {
    const old = (before[field] ?? []).map((each) => each.ip);
    const now = (after[field] ?? []).map((each) => each.ip);
    if (old.join() === now.join()) continue;
    patch[field] = [
      ...now.map((ip) => ({ ip })),
      ...old.filter((ip) => !now.includes(ip)).map((ip) => ({ $patch: "delete", ip })),
    ];
  }
  const conditions = (after.conditions ?? []).flatMap((condition) => {
    const old = before.conditions?.find((each) => each.type === condition.type);
    return old !== undefined && conditionFields.every((field) => sameJson(old[field], condition[field]))
      ? []
      : [conditionPatch(old, condition)];
  });
  if (conditions.length > 0) patch.conditions = conditions;
  return Object.keys(patch).length === 0 ? null : patch;
}

function conditionPatch(old: PodCondition | undefined, condition: PodCondition): Record<string, unknown> {
  const patch: Record<string, unknown> = { type: condition.type };
  for (const field of conditionFields) {
    if (condition[field] !== undefined) patch[field] = condition[field];
    else if (old?.[field] !== undefined) patch[field] = null;
  }
  return patch;
}
