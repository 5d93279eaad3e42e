/** The PersistentVolumeClaims of a StatefulSet's pods, and who owns them: what goes when the set or its pods go. */
import type { PersistentVolumeClaim, Pod, StatefulSet } from "../../api/gen/types.ts";
import type { OwnerReference } from "../../api/meta.ts";
import { apiVersionOf, pods, type ResourceInfo, statefulSets } from "../../api/resources.ts";
import { controllerReference } from "./claim.ts";

/** `template-set-ordinal`: how a pod finds its data again, whoever made the claim. */
export function claimName(set: Readonly<StatefulSet>, template: Readonly<PersistentVolumeClaim>, ordinal: number) {
  return `${template.metadata?.name ?? ""}-${set.metadata?.name ?? ""}-${ordinal}`;
}

export function claimNames(set: Readonly<StatefulSet>, ordinal: number): string[] {
  return (set.spec?.volumeClaimTemplates ?? []).map((template) => claimName(set, template, ordinal));
}

/** Whether a claim of this name may be one of the set's. */
export function isClaimOf(set: Readonly<StatefulSet>, name: string): boolean {
  return (set.spec?.volumeClaimTemplates ?? []).some((template) => {
    const prefix = claimName(set, template, 0).slice(0, -1);
    return name.startsWith(prefix) && /^[0-9]+$/.test(name.slice(prefix.length));
  });
}

/** The claim for a pod in the set's range, with the owner that the set's policy gives it. */
export function newClaim(
  set: Readonly<StatefulSet>,
  template: Readonly<PersistentVolumeClaim>,
  ordinal: number,
): PersistentVolumeClaim {
  const { metadata, spec } = template;
  const namespace = set.metadata?.namespace;
  return {
    metadata: {
      ...metadata,
      name: claimName(set, template, ordinal),
      ...(namespace === undefined ? {} : { namespace }),
      labels: { ...metadata?.labels, ...set.spec?.selector.matchLabels },
      ...(deletes(set).whenDeleted ? { ownerReferences: [controllerReference(statefulSets, set)] } : {}),
    },
    ...(spec === undefined ? {} : { spec }),
  };
}

function deletes({ spec }: Readonly<StatefulSet>): { readonly whenDeleted: boolean; readonly whenScaled: boolean } {
  const policy = spec?.persistentVolumeClaimRetentionPolicy;
  return { whenDeleted: policy?.whenDeleted === "Delete", whenScaled: policy?.whenScaled === "Delete" };
}

/** Whose claim it is: the set, and the pod of its ordinal. */
export interface ClaimOwners {
  readonly set: Readonly<StatefulSet>;
  readonly pod: Readonly<Pod>;
  /** The pod's ordinal is outside the set's range: it is about to go. */
  readonly scaledDown: boolean;
}

export interface Ownership {
  /** Owner references that the claim should have instead; undefined: leave them as they are. */
  readonly owners: OwnerReference[] | undefined;
  /** Another controller owns the claim: the policy does not apply to it. */
  readonly conflict: boolean;
}

/**
 * Which owners a claim should have by the set's policy. The set owns what goes with the set, a pod that is scaled down
 * what goes with it; then the garbage collector does the rest. What an earlier set or pod of the same name owns is left
 * to the garbage collector.
 */
export function ownershipOf(claim: Readonly<PersistentVolumeClaim>, { set, pod, scaledDown }: ClaimOwners): Ownership {
  const references = claim.metadata?.ownerReferences ?? [];
  const named = {
    set: references.filter((each) => names(each, statefulSets, set)),
    pod: references.filter((each) => names(each, pods, pod)),
  };
  const { whenDeleted, whenScaled } = deletes(set);
  const isStale = named.set.some((each) => each.uid !== set.metadata?.uid) || isStaleFor(claim, pod);
  const stranger = references.some((each) =>
    each.controller === true && !named.set.includes(each) && !named.pod.includes(each)
  );
  const conflict = (whenDeleted || whenScaled) && (isStale || stranger);
  if (isStale) return { owners: undefined, conflict };
  const others = references.filter((each) => !named.set.includes(each) && !named.pod.includes(each));
  const wanted = conflict ? [] : [
    ...(whenScaled && scaledDown ? [controllerReference(pods, pod)] : []),
    ...(whenDeleted && !(whenScaled && scaledDown) ? [controllerReference(statefulSets, set)] : []),
  ];
  const ours = [...named.set, ...named.pod];
  const same = ours.length === wanted.length &&
    wanted.every(({ uid }) => ours.some((each) => each.uid === uid && each.controller === true));
  return { owners: same ? undefined : [...others, ...wanted], conflict };
}

/** The claim still belongs to an earlier pod of the same name, with which it is going. */
export function isStaleFor(claim: Readonly<PersistentVolumeClaim>, pod: Readonly<Pod>): boolean {
  return (claim.metadata?.ownerReferences ?? []).some((each) =>
    names(each, pods, pod) && each.uid !== pod.metadata?.uid
  );
}

/** A pod that is to be made needs its claims to itself, where claims go with their pods. */
export function awaitsDeletion(
  set: Readonly<StatefulSet>,
  claim: Readonly<PersistentVolumeClaim>,
  name: string,
): boolean {
  return deletes(set).whenScaled && isStaleFor(claim, { metadata: { name } });
}

function names(reference: OwnerReference, info: ResourceInfo, object: Readonly<Pod | StatefulSet>): boolean {
  return reference.apiVersion === apiVersionOf(info) && reference.kind === info.kind &&
    reference.name === object.metadata?.name;
}
