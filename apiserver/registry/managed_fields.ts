import {
  type ApplyType,
  applyTypeOf,
  decodeManagers,
  encodeManagers,
  type FieldManager,
  isReset,
  trackNew,
  trackUpdate,
  type Writer,
} from "../../api/apply/mod.ts";
import type { KubeObject } from "../../api/meta.ts";
import { apiVersionOf } from "../../api/resources.ts";
import { formatTime } from "../../api/time.ts";
import type { Registry, WriteContext } from "./context.ts";
import type { Strategy } from "./strategy.ts";

export function applyTypeFor(strategy: Strategy): ApplyType {
  return strategy.applyType ?? applyTypeOf(strategy.info.type);
}

export function writerOf(registry: Registry, context: WriteContext, strategy: Strategy, subresource: string): Writer {
  return {
    manager: context.manager ?? "unknown",
    apiVersion: apiVersionOf(strategy.info),
    subresource,
    time: formatTime(registry.clock.now()),
  };
}

/**
 * Notes in metadata.managedFields who set which field of a new object. Before admission, as upstream does: what plugins
 * add belongs to no one. @param given managedFields of the request's body
 */
export function trackCreate(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  object: KubeObject,
  given: NonNullable<KubeObject["metadata"]>["managedFields"],
): void {
  if (context.manager === undefined || isReset(given)) return;
  const writer = writerOf(registry, context, strategy, "");
  const type = applyTypeFor(strategy);
  const before = decodeManagers(given) ?? [];
  if (before.length > 0) return setManagers(object, trackUpdate(before, writer, {}, object, type));
  const managedFields = trackNew(writer, object, type);
  if (managedFields.length > 0) object.metadata = { ...object.metadata, managedFields };
}

/**
 * The same for a changed object. A client may hand in managedFields of its own; what it leaves out or garbles stays as
 * it was. Objects that have none are not tracked until someone applies. @param object changed in place
 */
export function trackChange(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  subresource: string,
  object: KubeObject,
  old: KubeObject,
): void {
  const meta = object.metadata ??= {};
  const given = meta.managedFields;
  if (isReset(given)) {
    delete meta.managedFields;
    return;
  }
  const own = (given?.length ?? 0) > 0 ? decodeManagers(given) : null;
  if (own === null) {
    if (old.metadata?.managedFields === undefined) delete meta.managedFields;
    else meta.managedFields = old.metadata.managedFields;
  }
  const managers = own ?? decodeManagers(old.metadata?.managedFields) ?? [];
  if (managers.length === 0 || context.manager === undefined) return;
  const writer = writerOf(registry, context, strategy, subresource);
  const next = trackUpdate(managers, writer, old, object, applyTypeFor(strategy));
  if (next !== managers) setManagers(object, next);
}

export function setManagers(object: KubeObject, managers: readonly FieldManager[]): void {
  const entries = encodeManagers(managers);
  const meta = object.metadata ??= {};
  if (entries.length === 0) delete meta.managedFields;
  else meta.managedFields = entries;
}
