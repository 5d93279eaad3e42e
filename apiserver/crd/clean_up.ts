import type { CustomResourceDefinition } from "../../api/gen/types.ts";
import { loopbackUser } from "../bootstrap/objects.ts";
import type { Registry } from "../registry/context.ts";
import { remove } from "../registry/delete.ts";
import type { DeleteOptions } from "../registry/deletion.ts";
import type { Strategy } from "../registry/strategy.ts";
import { ApiError } from "../../api/status.ts";
import { type Condition, withCondition } from "./conditions.ts";
import { changeDefinition } from "./status.ts";

/** A definition is not gone before its instances are. */
export const cleanUpFinalizer = "customresourcecleanup.apiextensions.k8s.io";

/** What the first DELETE of a definition does beside marking it. @param now unix ms */
export function beginDeletion(definition: CustomResourceDefinition, now: number): void {
  const metadata = definition.metadata ??= {};
  if (metadata.deletionTimestamp !== undefined) return;
  const finalizers = metadata.finalizers ?? [];
  if (!finalizers.includes(cleanUpFinalizer)) metadata.finalizers = [...finalizers, cleanUpFinalizer];
  setTerminating(definition, now, {
    status: "True",
    reason: "InstanceDeletionPending",
    message: "CustomResourceDefinition marked for deletion; CustomResource deletion will be initiated soon.",
  });
}

function setTerminating(definition: CustomResourceDefinition, now: number, told: Omit<Condition, "type">): void {
  const status = definition.status ?? {};
  const conditions = withCondition(status.conditions ?? [], { type: "Terminating", ...told }, now);
  definition.status = { ...status, conditions };
}

/**
 * Deletes the instances of a definition that is being deleted; when the last one is gone, lets the definition go.
 * @param strategyOf of a served version @returns false: some wait for their own finalizers, look again later
 */
export async function cleanUp(
  registry: Registry,
  definition: CustomResourceDefinition,
  strategyOf: (version: string) => Strategy | undefined,
): Promise<boolean> {
  if (!(definition.metadata?.finalizers ?? []).includes(cleanUpFinalizer)) return true;
  const now = registry.clock.now();
  const strategy = definition.spec.versions.map(({ name }) => strategyOf(name)).find((it) => it !== undefined);
  if (strategy !== undefined && await deleteAll(registry, strategy) > 0) {
    await changeDefinition(registry, definition, (current) => {
      const reason = "InstanceDeletionInProgress";
      if (current.status?.conditions?.some((it) => it.reason === reason) === true) return null;
      setTerminating(current, now, { status: "True", reason, message: "CustomResource deletion is in progress" });
      return current;
    });
    return false;
  }
  await changeDefinition(registry, definition, (current) => {
    const finalizers = (current.metadata?.finalizers ?? []).filter((it) => it !== cleanUpFinalizer);
    current.metadata = { ...current.metadata };
    if (finalizers.length > 0) current.metadata.finalizers = finalizers;
    else delete current.metadata.finalizers;
    const message = "removed all instances";
    setTerminating(current, now, { status: "False", reason: "InstanceDeletionCompleted", message });
    return current;
  });
  return true;
}

const deleteNow: DeleteOptions = {
  gracePeriodSeconds: undefined,
  propagationPolicy: undefined,
  uid: undefined,
  resourceVersion: undefined,
  dryRun: false,
};

/** How many are left when all that can go has been deleted. */
async function deleteAll(registry: Registry, strategy: Strategy): Promise<number> {
  const context = { user: loopbackUser, dryRun: false, warnings: [] };
  let left = 0;
  for (const { namespace, name } of strategy.cache.list("")) {
    try {
      const deleted = await remove(registry, context, strategy, namespace, name, deleteNow);
      if (deleted.kind === "object") left++;
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "NotFound") throw error;
    }
  }
  return left;
}
