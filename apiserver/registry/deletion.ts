import type { KubeObject, ObjectMeta } from "../../api/meta.ts";
import { formatTime } from "../../api/time.ts";
import { dig, text, whole } from "../dig.ts";

export interface DeleteOptions {
  /** Undefined: the kind's default. */
  readonly gracePeriodSeconds: number | undefined;
  readonly propagationPolicy: "Orphan" | "Background" | "Foreground" | undefined;
  readonly uid: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly dryRun: boolean;
}

const orphan = "orphan";
const foreground = "foregroundDeletion";

/** The finalizers that the propagation policy asks for, in place of those that an earlier delete asked for. */
export function deletionFinalizers(existing: readonly string[], policy: DeleteOptions["propagationPolicy"]): string[] {
  if (policy === undefined) return [...existing];
  const others = existing.filter((it) => it !== orphan && it !== foreground);
  if (policy === "Orphan") return [...others, orphan];
  if (policy === "Foreground") return [...others, foreground];
  return others;
}

/**
 * How long the kubelet gets for a pod: 0 when there is no kubelet to wait for. `grace` undefined: the pod's own choice.
 * @see kubernetes pkg/registry/core/pod/strategy.go CheckGracefulDelete
 */
export function podGraceSeconds(pod: KubeObject, grace: number | undefined): number {
  let seconds = grace ??
    (dig(pod, "spec", "terminationGracePeriodSeconds") === undefined
      ? 30
      : whole(dig(pod, "spec", "terminationGracePeriodSeconds")));
  if (text(dig(pod, "spec", "nodeName")) === "") seconds = 0;
  const phase = dig(pod, "status", "phase");
  if (phase === "Failed" || phase === "Succeeded") seconds = 0;
  return seconds < 0 ? 1 : seconds;
}

export type DeletionStep =
  /** Remove the key. */
  | { readonly kind: "remove" }
  /** Write the object with its deletion marked. */
  | { readonly kind: "mark"; readonly object: KubeObject }
  /** It is already being deleted, and this request changes nothing. */
  | { readonly kind: "pending" };

/**
 * What a DELETE does to the object as it is now. The object is not changed; `mark` carries a new one.
 * @param graceSeconds of the kind: 0 for all but pods
 * @param now wall clock, ms
 */
export function deletionStep(
  object: KubeObject,
  options: DeleteOptions,
  graceSeconds: number,
  now: number,
): DeletionStep {
  const meta: ObjectMeta = { ...object.metadata };
  const finalizers = deletionFinalizers(meta.finalizers ?? [], options.propagationPolicy);
  if (meta.deletionTimestamp !== undefined) return againStep(object, meta, finalizers, options, graceSeconds);
  if (graceSeconds === 0 && finalizers.length === 0) return { kind: "remove" };
  meta.deletionTimestamp = formatTime(now + graceSeconds * 1000);
  meta.deletionGracePeriodSeconds = graceSeconds;
  // Deletion is a change of what is wanted.
  if (meta.generation !== undefined && meta.generation > 0) meta.generation += 1;
  setFinalizers(meta, finalizers);
  return { kind: "mark", object: { ...object, metadata: meta } };
}

/** A delete of what is already being deleted: may only shorten the grace period. */
function againStep(
  object: KubeObject,
  meta: ObjectMeta,
  finalizers: readonly string[],
  options: DeleteOptions,
  graceSeconds: number,
): DeletionStep {
  const before = meta.deletionGracePeriodSeconds ?? 0;
  const shorter = before > 0 && graceSeconds < before &&
    (options.gracePeriodSeconds !== undefined || graceSeconds === 0);
  const after = shorter ? graceSeconds : before;
  if (after === 0 && finalizers.length === 0) return { kind: "remove" };
  const changed = finalizers.join() !== (meta.finalizers ?? []).join();
  if (!shorter && !changed) return { kind: "pending" };
  if (shorter) {
    const deadline = Date.parse(meta.deletionTimestamp ?? "") - (before - after) * 1000;
    meta.deletionTimestamp = formatTime(deadline);
    meta.deletionGracePeriodSeconds = after;
  }
  setFinalizers(meta, finalizers);
  return { kind: "mark", object: { ...object, metadata: meta } };
}

function setFinalizers(meta: ObjectMeta, finalizers: readonly string[]): void {
  if (finalizers.length > 0) meta.finalizers = [...finalizers];
  else delete meta.finalizers;
}

/** Whether an update leaves nothing to wait for: the last finalizer has gone and the grace period is over. */
export function isFinished(object: KubeObject): boolean {
  const meta = object.metadata ?? {};
  if (meta.deletionTimestamp === undefined || (meta.finalizers?.length ?? 0) > 0) return false;
  if (object.kind === "Namespace") {
    const left = dig(object, "spec", "finalizers");
    if (Array.isArray(left) && left.length > 0) return false;
  }
  return (meta.deletionGracePeriodSeconds ?? 0) === 0;
}
