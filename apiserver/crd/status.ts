import type { CustomResourceDefinition } from "../../api/gen/types.ts";
import { hasCondition } from "../../api/custom_resources.ts";
import { equalJson } from "../../api/json_value.ts";
import { customResourceDefinitions, resources } from "../../api/resources.ts";
import { loopbackUser } from "../bootstrap/objects.ts";
import type { Registry } from "../registry/context.ts";
import { modify } from "../registry/write.ts";
import { type Condition, withCondition } from "./conditions.ts";
import { decideNames, namesInUse } from "./names.ts";

/** What the status of `definition` should be. Pure. @param now unix ms */
export function statusOf(
  definition: CustomResourceDefinition,
  all: readonly CustomResourceDefinition[],
  now: number,
): NonNullable<CustomResourceDefinition["status"]> {
  const status = definition.status ?? {};
  const { accepted, conflict } = decideNames(
    definition.spec.names,
    status.acceptedNames,
    namesInUse(definition, all, resources),
  );
  const free = conflict === null;
  const conditions: Condition[] = [
    free
      ? { type: "NamesAccepted", status: "True", reason: "NoConflicts", message: "no conflicts found" }
      : { type: "NamesAccepted", status: "False", ...conflict },
  ];
  // What was once established stays so, whatever names it asks for later.
  if (free && !hasCondition(definition, "Established")) {
    const message = "the initial names have been accepted";
    conditions.push({ type: "Established", status: "True", reason: "InitialNamesAccepted", message });
  } else if (!free && !hasCondition(definition, "Established")) {
    const message = "not all names are accepted";
    conditions.push({ type: "Established", status: "False", reason: "NotAccepted", message });
  }
  return {
    ...status,
    acceptedNames: accepted,
    conditions: conditions.reduce((known, each) => withCondition(known, each, now), status.conditions ?? []),
  };
}

/** Writes the status where it is not what it should be. */
export async function publishStatus(
  registry: Registry,
  definition: CustomResourceDefinition,
  all: readonly CustomResourceDefinition[],
): Promise<void> {
  const now = registry.clock.now();
  if (definition.metadata?.deletionTimestamp !== undefined) return;
  if (equalJson(statusOf(definition, all, now), definition.status ?? {})) return;
  await changeDefinition(registry, definition, (current) => {
    const status = statusOf(current, all, now);
    return equalJson(status, current.status ?? {}) ? null : { ...current, status };
  });
}

/** Read, change, write. What is gone, or another object of that name by now, is left alone. */
export async function changeDefinition(
  registry: Registry,
  { metadata }: CustomResourceDefinition,
  next: (current: CustomResourceDefinition) => CustomResourceDefinition | null,
): Promise<void> {
  const strategy = registry.strategy(customResourceDefinitions);
  await modify(registry, { user: loopbackUser, dryRun: false, warnings: [] }, {
    strategy,
    namespace: "",
    name: metadata?.name ?? "",
    next: ({ object }) => {
      if (object === null || object.metadata?.uid !== metadata?.uid) return { kind: "keep" };
      // Objects under the definitions' keys were checked against their schema when they were written.
      const changed = next(object as CustomResourceDefinition);
      return changed === null ? { kind: "keep" } : { kind: "put", object: changed };
    },
  });
}
