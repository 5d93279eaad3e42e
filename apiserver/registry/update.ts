import { invalid as invalidField } from "../../api/field_errors.ts";
import type { KubeObject, ObjectMeta } from "../../api/meta.ts";
import { badRequest, conflict, invalid, notFound } from "../../api/status.ts";
import { admitUpdate } from "../admission/admit.ts";
import { admissionOf, askValidators, hasDynamicAdmission } from "../admission/webhooks/dispatch.ts";
import { dig } from "../dig.ts";
import { sideWritesFor, sideWritesForRemoval } from "./allocations.ts";
import type { Registry, WriteContext, Written } from "./context.ts";
import { checkNamespace, create } from "./create.ts";
import { isFinished } from "./deletion.ts";
import { trackChange } from "./managed_fields.ts";
import type { Strategy } from "./strategy.ts";
import { type Current, modify, type Next } from "./write.ts";

export interface UpdateTarget {
  readonly strategy: Strategy;
  readonly namespace: string;
  readonly name: string;
  /** "", `status`, `finalize` or `approval`. */
  readonly subresource: string;
  /** Under which sub-resource the fields are owned; by default `subresource`. */
  readonly ownedThrough?: string;
  /** True: the wanted object brings its managedFields, an apply's. */
  readonly applied?: boolean;
}

/** PUT. `object` is the decoded body. */
export async function update(
  registry: Registry,
  context: WriteContext,
  target: UpdateTarget,
  object: KubeObject,
): Promise<Written> {
  const { strategy, namespace, name } = target;
  checkNamespace(strategy, object, namespace);
  checkName(object, name);
  const creates = strategy.createsOnUpdate && target.subresource === "";
  if (creates && strategy.cache.get(namespace, name) === undefined) {
    const made = await createByUpdate(registry, context, target, object);
    if (made !== null) return made;
  }
  return await change(registry, context, target, () => structuredClone(object), undefined);
}

/** Null when the object turned out to exist. */
async function createByUpdate(
  registry: Registry,
  context: WriteContext,
  target: UpdateTarget,
  object: KubeObject,
): Promise<Written | null> {
  const { strategy, namespace, name } = target;
  if ((object.metadata?.resourceVersion ?? "") !== "") return null;
  const copy = structuredClone(object);
  const exists = await registry.store.get(new TextEncoder().encode(strategy.cache.keyOf(namespace, name)));
  return exists === null ? await create(registry, context, strategy, namespace, copy) : null;
}

/**
 * The shared part of PUT and PATCH.
 * @param desired the wanted object, from the present one; called again after every conflict
 */
export async function change(
  registry: Registry,
  context: WriteContext,
  target: UpdateTarget,
  desired: (current: KubeObject) => KubeObject | Promise<KubeObject>,
  attempts: number | undefined,
): Promise<Written> {
  const { strategy, namespace, name } = target;
  let onTaken: (indexes: readonly number[]) => void = () => {};
  return await modify(registry, context, {
    strategy,
    namespace,
    name,
    ...(attempts === undefined ? {} : { attempts }),
    onSideTaken: (indexes) => onTaken(indexes),
    next: async (current: Current): Promise<Next> => {
      const old = current.object;
      if (old === null) throw notFound(strategy.info, name);
      const object = await desired(old);
      checkVersion(strategy, object, old, name);
      await prepare(registry, context, target, object, old);
      if (isFinished(object)) {
        return { kind: "remove", object, side: sideWritesForRemoval(strategy, old) };
      }
      validate(target, object, old);
      if (hasDynamicAdmission(registry)) {
        const write = { operation: "UPDATE", namespace, subresource: target.subresource } as const;
        await askValidators(registry, context, admissionOf(strategy, write, object, old));
      }
      const allocation = target.subresource === ""
        ? sideWritesFor(registry, strategy, object, old)
        : { side: [], onTaken: () => {} };
      onTaken = allocation.onTaken;
      return { kind: "put", object, side: allocation.side };
    },
  });
}

/** uid and resourceVersion, where the client says them, must be those of the object. */
function checkVersion(strategy: Strategy, object: KubeObject, old: KubeObject, name: string): void {
  const meta = object.metadata ?? {};
  const version = meta.resourceVersion ?? "";
  if ((meta.uid ?? "") !== "" && meta.uid !== old.metadata?.uid) {
    const why = `Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${old.metadata?.uid ?? ""}`;
    throw conflict(strategy.info, name, why);
  }
  if (version === "" || version === "0") {
    if (strategy.updatesUnconditionally) return;
    const problem = invalidField("metadata.resourceVersion", 0, "must be specified for an update");
    throw invalid(strategy.info, name, [problem]);
  }
  if (version !== old.metadata?.resourceVersion) throw conflict(strategy.info, name);
}

async function prepare(
  registry: Registry,
  context: WriteContext,
  target: UpdateTarget,
  object: KubeObject,
  old: KubeObject,
): Promise<void> {
  const { strategy } = target;
  if (strategy.prepare !== undefined) await strategy.prepare();
  keepServerFields(object, old);
  strategy.setDefaults(object);
  switch (target.subresource) {
    case "status":
      strategy.prepareForStatusUpdate(object, old);
      break;
    case "finalize":
      keepAllButFinalizers(object, old);
      break;
    case "approval":
      strategy.prepareForApproval?.(object, old);
      break;
    case "":
      strategy.prepareForUpdate(object, old);
      break;
    default:
      strategy.views?.[target.subresource]?.prepare(object, old);
  }
  if (target.applied !== true) {
    trackChange(registry, context, strategy, target.ownedThrough ?? target.subresource, object, old);
  }
  await admitUpdate(registry, context, target, object, old);
}

/** What a client cannot change by an update, whatever it sent. */
function keepServerFields(object: KubeObject, old: KubeObject): void {
  const meta = object.metadata ??= {};
  const before: ObjectMeta = old.metadata ?? {};
  copyField(meta, before, "uid");
  copyField(meta, before, "creationTimestamp");
  copyField(meta, before, "deletionTimestamp");
  copyField(meta, before, "deletionGracePeriodSeconds");
  copyField(meta, before, "generation");
  copyField(meta, before, "resourceVersion");
}

function copyField<K extends keyof ObjectMeta>(to: ObjectMeta, from: ObjectMeta, key: K): void {
  const value = from[key];
  if (value === undefined) delete to[key];
  else to[key] = value;
}

/** PUT namespaces/NAME/finalize changes spec.finalizers and nothing else. */
function keepAllButFinalizers(object: KubeObject, old: KubeObject): void {
  const finalizers = dig(object, "spec", "finalizers");
  const target = object as Record<string, unknown>;
  for (const key of Object.keys(target)) delete target[key];
  Object.assign(target, structuredClone(old));
  const kept = Array.isArray(finalizers) && finalizers.length > 0 ? { finalizers } : {};
  target["spec"] = kept;
}

function validate(target: UpdateTarget, object: KubeObject, old: KubeObject): void {
  const { strategy, subresource } = target;
  if (subresource === "finalize") return;
  const problems = subresource === "status"
    ? strategy.validateStatusUpdate(object, old)
    : strategy.views?.[subresource] !== undefined
    ? strategy.views[subresource].validate(object, old)
    : subresource === "approval"
    ? strategy.validateApproval?.(object, old) ?? []
    : strategy.validateUpdate(object, old);
  if (problems.length > 0) throw invalid(strategy.info, target.name, problems);
}

function checkName(object: KubeObject, name: string): void {
  const given = object.metadata?.name ?? "";
  if (given === "") {
    throw badRequest("name must be provided");
  }
  if (given !== name) {
    throw badRequest(`the name of the object (${given}) does not match the name on the URL (${name})`);
  }
}
