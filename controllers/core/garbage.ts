import type { KubeObject, OwnerReference } from "../../api/meta.ts";
import type { ResourceInfo } from "../../api/resources.ts";
import { type Action, decide, type Decision } from "./action.ts";

export const foregroundFinalizer = "foregroundDeletion";
export const orphanFinalizer = "orphan";

/**
 * What is known of an owner: `solid` exists, `waiting` exists but waits for its dependents to go (foreground), `absent`
 * was looked up live and is not there (or another object has its name), `unresolvable` cannot be told: its kind is not
 * served, or it is namespaced while the dependent is not.
 */
export type OwnerState = "solid" | "waiting" | "absent" | "unresolvable";

export interface Dependent {
  readonly info: ResourceInfo;
  readonly object: Readonly<KubeObject>;
}

export interface GarbageView {
  readonly info: ResourceInfo;
  readonly object: Readonly<KubeObject>;
  /** In the order of `metadata.ownerReferences`. */
  readonly owners: readonly { readonly reference: OwnerReference; readonly state: OwnerState }[];
  /** What refers to the object as an owner. */
  readonly dependents: readonly Dependent[];
}

/** One object's turn in garbage collection. Pure; who owns whom was looked up before. */
export function reconcileGarbage(view: GarbageView): Decision {
  const { info, object, owners, dependents } = view;
  const finalizers = object.metadata?.finalizers ?? [];
  if (object.metadata?.deletionTimestamp !== undefined) {
    if (finalizers.includes(orphanFinalizer)) return orphan(view);
    if (finalizers.includes(foregroundFinalizer)) return foreground(view);
    return decide([]);
  }
  if (owners.length === 0) return decide([]);
  const has = (state: OwnerState) => owners.some((owner) => owner.state === state);
  if (has("solid") || has("unresolvable")) {
    // Someone still wants it: only the references that no longer hold are dropped.
    const kept = owners.filter(({ state }) => state === "solid" || state === "unresolvable");
    if (kept.length === owners.length) return decide([]);
    return decide([setOwners(info, object, kept.map((owner) => owner.reference))]);
  }
  if (has("waiting") && dependents.length > 0) {
    // A cycle of foreground deletions would wait for itself: a dependent that is deleted in the foreground already must
    // not block this object.
    const circular = dependents.some(({ object: each }) =>
      each.metadata?.deletionTimestamp !== undefined &&
      (each.metadata.finalizers ?? []).includes(foregroundFinalizer)
    );
    const unblock = circular
      ? [setOwners(info, object, owners.map(({ reference }) => ({ ...reference, blockOwnerDeletion: false })))]
      : [];
    return decide(unblock.length > 0 ? unblock : [remove(info, object, "Foreground")]);
  }
  const policy = finalizers.includes(orphanFinalizer)
    ? "Orphan"
    : finalizers.includes(foregroundFinalizer)
    ? "Foreground"
    : "Background";
  return decide([remove(info, object, policy)]);
}

/** Takes the object out of its dependents' owners, then lets it go. */
function orphan({ info, object, dependents }: GarbageView): Decision {
  const uid = object.metadata?.uid;
  const actions = dependents.map(({ info: kind, object: each }) =>
    setOwners(kind, each, (each.metadata?.ownerReferences ?? []).filter((reference) => reference.uid !== uid))
  );
  // The finalizer goes in a later turn, when no dependent refers to it any more.
  return decide(actions.length > 0 ? actions : [dropFinalizer(info, object, orphanFinalizer)]);
}

/** Deletes the dependents that block the object; when none is left, lets it go. */
function foreground({ info, object, dependents }: GarbageView): Decision {
  const uid = object.metadata?.uid;
  const blocking = dependents.filter(({ object: each }) =>
    (each.metadata?.ownerReferences ?? []).some((reference) =>
      reference.uid === uid && reference.blockOwnerDeletion === true
    )
  );
  return decide(blocking.length === 0 ? [dropFinalizer(info, object, foregroundFinalizer)] : []);
}

function setOwners(info: ResourceInfo, object: Readonly<KubeObject>, references: readonly OwnerReference[]): Action {
  const ownerReferences = references.length === 0 ? null : references;
  return { kind: "patch", info, object, patch: { metadata: { ownerReferences } } };
}

function dropFinalizer(info: ResourceInfo, object: Readonly<KubeObject>, finalizer: string): Action {
  const finalizers = (object.metadata?.finalizers ?? []).filter((each) => each !== finalizer);
  return { kind: "patch", info, object, patch: { metadata: { finalizers } } };
}

function remove(
  info: ResourceInfo,
  object: Readonly<KubeObject>,
  propagationPolicy: "Foreground" | "Background" | "Orphan",
): Action {
  // The owners are part of the decision, hence the resourceVersion as precondition and not the uid alone.
  return { kind: "delete", info, objects: [object], propagationPolicy, sameVersion: true };
}
