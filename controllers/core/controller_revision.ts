/**
 * The history that DaemonSets and StatefulSets keep: one ControllerRevision for each template they had, which holds a
 * patch that brings it back. `kubectl rollout history` and `undo` read these objects and nothing else.
 */
import type { ControllerRevision, ObjectMeta, PodTemplateSpec } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { Selector } from "../../api/labels.ts";
import { nameHash } from "../../api/pods.ts";
import { controllerRevisions, type ResourceInfo } from "../../api/resources.ts";
import { type Action, byCreation, sameJson } from "./action.ts";
import { claim, controllerReference } from "./claim.ts";

/** An owner's name is cut to this many characters in its revisions' names (upstream's bound). */
const ownerNameMax = 223;

/** Whose history it is, and what its present revision has to hold. */
export interface RevisionedOwner {
  readonly info: ResourceInfo;
  readonly object: Readonly<KubeObject>;
  /** What the present revision holds: see {@linkcode templatePatch}. */
  readonly data: unknown;
  /** Labels of the present revision; {@linkcode hashLabel} is added. */
  readonly labels: Readonly<Record<string, string>> | undefined;
  /** Label of a revision that holds its hash: `controller-revision-hash` for DaemonSets, else `controller.kubernetes.io/hash`. */
  readonly hashLabel: string;
  /** `status.collisionCount`. */
  readonly collisionCount: number | undefined;
}

export interface History {
  /** The revision of the present template, as it will be when `actions` are done. It may not exist yet. */
  readonly current: Readonly<ControllerRevision>;
  /** The others, oldest first, without `duplicates`. */
  readonly olds: readonly Readonly<ControllerRevision>[];
  /** Others that hold the same as the current one. Upstream's DaemonSets move their pods and delete them. */
  readonly duplicates: readonly Readonly<ControllerRevision>[];
  /** What belongs into `status.collisionCount`. */
  readonly collisionCount: number | undefined;
  /** Creates the current revision, or gives it the newest number: a template that comes back is the newest again. */
  readonly actions: readonly Action[];
}

/** A strategic merge patch that makes the owner's pod template the present one, whatever it is by then. */
export function templatePatch(template: Readonly<PodTemplateSpec>): Record<string, unknown> {
  return { spec: { template: { ...template, $patch: "replace" } } };
}

/** The revision's hash; one that was made by hand, without the label, is known by its name. */
export function revisionHash(revision: Readonly<ControllerRevision>, hashLabel: string): string {
  return revision.metadata?.labels?.[hashLabel] ?? revision.metadata?.name ?? "";
}

/** By number; of equal numbers the older first. */
export function byRevision(a: Readonly<ControllerRevision>, b: Readonly<ControllerRevision>): number {
  return a.revision - b.revision || byCreation(a, b);
}

/**
 * Which of `revisions` are the owner's, oldest first, and the patches that adopt and release. Take that step before any
 * other: an adoption changes what the next one sees.
 * @param revisions of the namespace: what the owner controls and what nothing controls
 */
export function claimRevisions(
  owner: { readonly info: ResourceInfo; readonly object: Readonly<KubeObject> },
  selector: Selector,
  revisions: readonly Readonly<ControllerRevision>[],
): { owned: Readonly<ControllerRevision>[]; actions: Action[] } {
  const { owned, actions } = claim(owner, selector, controllerRevisions, revisions);
  return { owned: owned.sort(byRevision), actions };
}

/**
 * Finds or makes the revision of the owner's present template.
 * @param owned the owner's revisions
 * @param namesake what has this name in the owner's namespace, whoever owns it
 */
export function historyOf(
  owner: RevisionedOwner,
  owned: readonly Readonly<ControllerRevision>[],
  namesake: (name: string) => Readonly<ControllerRevision> | undefined,
): History {
  const ordered = [...owned].sort(byRevision);
  const equal = ordered.filter((each) => sameJson(each.data, owner.data));
  const olds = ordered.filter((each) => !equal.includes(each));
  const number = 1 + Math.max(0, ...olds.map((each) => each.revision));
  const present = equal.at(-1);
  if (present === undefined) return { ...created(owner, number, namesake), olds, duplicates: [] };
  const labels = present.metadata?.labels ?? {};
  const relabel = labels[owner.hashLabel] === undefined
    ? { metadata: { labels: { [owner.hashLabel]: revisionHash(present, owner.hashLabel) } } }
    : {};
  const renumber = present.revision < number ? { revision: number } : {};
  const patch = { ...relabel, ...renumber };
  return {
    current: { ...present, ...renumber, metadata: withLabels(present.metadata, relabel.metadata?.labels) },
    olds,
    duplicates: equal.slice(0, -1),
    collisionCount: owner.collisionCount,
    actions: Object.keys(patch).length === 0
      ? []
      : [{ kind: "patch", info: controllerRevisions, object: present, patch }],
  };
}

function withLabels(metadata: ObjectMeta | undefined, labels: Record<string, string> | undefined): ObjectMeta {
  return labels === undefined ? { ...metadata } : { ...metadata, labels: { ...metadata?.labels, ...labels } };
}

/** A name that another revision has is passed over by counting the collision into the hash. */
function created(
  owner: RevisionedOwner,
  revision: number,
  namesake: (name: string) => Readonly<ControllerRevision> | undefined,
): Pick<History, "current" | "collisionCount" | "actions"> {
  const prefix = (owner.object.metadata?.name ?? "").slice(0, ownerNameMax);
  let collisionCount = owner.collisionCount;
  for (;;) {
    const hash = nameHash(owner.data, collisionCount);
    if (namesake(`${prefix}-${hash}`) !== undefined) {
      collisionCount = (collisionCount ?? 0) + 1;
      continue;
    }
    const current = newRevision(owner, { name: `${prefix}-${hash}`, hash, revision });
    return { current, collisionCount, actions: [{ kind: "create", info: controllerRevisions, object: current }] };
  }
}

function newRevision(
  { info, object, data, labels, hashLabel }: RevisionedOwner,
  { name, hash, revision }: { name: string; hash: string; revision: number },
): ControllerRevision {
  const { namespace, annotations } = object.metadata ?? {};
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...labels, [hashLabel]: hash },
      // kubectl shows kubernetes.io/change-cause from here.
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerReference(info, object)],
    },
    data,
    revision,
  };
}

/**
 * Deletes the oldest of `olds` beyond `limit`, but none that is in use. All of `olds` count towards the limit: a
 * controller that does not count those in use leaves them out.
 * @param olds oldest first
 * @param inUse whether a pod still has this revision
 */
export function truncateHistory(
  olds: readonly Readonly<ControllerRevision>[],
  limit: number,
  inUse: (revision: Readonly<ControllerRevision>) => boolean,
): Action[] {
  const surplus = Math.max(0, olds.length - limit);
  const objects = olds.filter((each) => !inUse(each) && each.metadata?.deletionTimestamp === undefined)
    .slice(0, surplus);
  return objects.length === 0 ? [] : [{ kind: "delete", info: controllerRevisions, objects }];
}
