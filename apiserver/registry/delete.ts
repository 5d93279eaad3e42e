import type { KubeObject } from "../../api/meta.ts";
import { namespaces, pods } from "../../api/resources.ts";
import { ApiError, conflict, deletedStatus, notFound, type Status } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import { admitDelete } from "../admission/admit.ts";
import { askAboutDelete, hasDynamicAdmission } from "../admission/webhooks/dispatch.ts";
import { dig, items } from "../dig.ts";
import { parseCached } from "../watchcache/cached.ts";
import { sideWritesForRemoval } from "./allocations.ts";
import type { Registry, WriteContext, Written } from "./context.ts";
import { type DeleteOptions, deletionStep, podGraceSeconds } from "./deletion.ts";
import { list } from "./list.ts";
import type { ListOptions } from "./list_options.ts";
import type { Selection } from "./selection.ts";
import type { Strategy } from "./strategy.ts";
import { modify, type Next } from "./write.ts";

export type Deleted =
  /** Still there, or the kind answers with what was deleted. */
  | { readonly kind: "object"; readonly written: Written }
  | { readonly kind: "status"; readonly status: Status };

/** DELETE of one object. */
export async function remove(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  namespace: string,
  name: string,
  options: DeleteOptions,
): Promise<Deleted> {
  await admitDelete(registry, context, strategy, namespace, name);
  if (hasDynamicAdmission(registry)) {
    const asked = options.dryRun ? { ...context, dryRun: true } : context;
    await askAboutDelete(registry, asked, strategy, namespace, name);
  }
  const dry = options.dryRun && !context.dryRun ? { ...context, dryRun: true } : context;
  let removed: KubeObject | null = null;
  const written = await modify(registry, dry, {
    strategy,
    namespace,
    name,
    next: ({ object }): Next => {
      if (object === null) throw notFound(strategy.info, name);
      checkPreconditions(strategy, object, options);
      const next = strategy.info === namespaces
        ? nextForNamespace(registry, object, options)
        : nextFor(registry, strategy, object, options);
      removed = next.kind === "remove" ? object : null;
      return next;
    },
  });
  if (removed === null || strategy.returnsDeleted) return { kind: "object", written };
  const uid = (removed as KubeObject).metadata?.uid ?? "";
  return { kind: "status", status: deletedStatus(strategy.info, name, uid) };
}

function nextFor(registry: Registry, strategy: Strategy, object: KubeObject, options: DeleteOptions): Next {
  strategy.prepareForDelete?.(object);
  const grace = strategy.info === pods ? podGraceSeconds(object, options.gracePeriodSeconds) : 0;
  const step = deletionStep(object, options, grace, registry.clock.now());
  switch (step.kind) {
    case "remove":
      return { kind: "remove", object, side: sideWritesForRemoval(strategy, object) };
    case "mark":
      return { kind: "put", object: step.object };
    case "pending":
      return { kind: "keep" };
  }
}

/**
 * A namespace first becomes Terminating; its controller empties it and takes the finalizer away, and with the last one
 * it is gone.
 */
function nextForNamespace(registry: Registry, object: KubeObject, options: DeleteOptions): Next {
  const finalizers = items(dig(object, "spec", "finalizers"));
  const step = deletionStep(object, options, 0, registry.clock.now());
  if (finalizers.length === 0) {
    if (step.kind === "remove") return { kind: "remove", object };
    return step.kind === "mark" ? { kind: "put", object: step.object } : { kind: "keep" };
  }
  if (object.metadata?.deletionTimestamp !== undefined) {
    throw conflict(
      namespaces,
      object.metadata.name ?? "",
      "The system is ensuring all content is removed from this namespace.  " +
        "Upon completion, this namespace will automatically be purged by the system.",
    );
  }
  const marked = step.kind === "mark" ? step.object : markNow(object, registry.clock.now());
  const status = { ...(dig(object, "status") as Record<string, unknown> | undefined), phase: "Terminating" };
  return { kind: "put", object: Object.assign({}, marked, { status }) };
}

function markNow(object: KubeObject, now: number): KubeObject {
  const metadata = { ...object.metadata, deletionTimestamp: formatTime(now), deletionGracePeriodSeconds: 0 };
  return { ...object, metadata };
}

function checkPreconditions(strategy: Strategy, object: KubeObject, options: DeleteOptions): void {
  const { name = "", uid = "", resourceVersion = "" } = object.metadata ?? {};
  if (options.uid !== undefined && options.uid !== uid) {
    const why = `Precondition failed: UID in precondition: ${options.uid}, UID in object meta: ${uid}`;
    throw conflict(strategy.info, name, why);
  }
  if (options.resourceVersion !== undefined && options.resourceVersion !== resourceVersion) {
    const why = `Precondition failed: ResourceVersion in precondition: ${options.resourceVersion}, ` +
      `ResourceVersion in object meta: ${resourceVersion}`;
    throw conflict(strategy.info, name, why);
  }
}

/** DELETE of a collection: each selected object by itself; what vanishes meanwhile counts as deleted. Answers what it deleted. */
export async function removeCollection(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  target: { namespace: string; selection: Selection; listOptions: ListOptions },
  options: DeleteOptions,
): Promise<{ revision: number; objects: KubeObject[] }> {
  const page = await list(registry, strategy.cache, target.namespace, target.selection, target.listOptions);
  const objects: KubeObject[] = [];
  for (const cached of page.objects) {
    try {
      await remove(registry, context, strategy, cached.namespace, cached.name, options);
      objects.push(parseCached(cached));
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "NotFound") throw error;
    }
  }
  return { revision: page.revision, objects };
}
