import type { KubeObject, OwnerReference } from "../../api/meta.ts";
import { matchesSelector, type Selector } from "../../api/labels.ts";
import { apiVersionOf, type ResourceInfo } from "../../api/resources.ts";
import type { Action } from "./action.ts";

/** The owner reference of a controller to what it makes. */
export function controllerReference(info: ResourceInfo, owner: Readonly<KubeObject>): OwnerReference {
  return {
    apiVersion: apiVersionOf(info),
    kind: info.kind,
    name: owner.metadata?.name ?? "",
    uid: owner.metadata?.uid ?? "",
    controller: true,
    blockOwnerDeletion: true,
  };
}

/**
 * Which of `children` are `owner`'s, with the patches that make it so: an orphan that matches the selector is adopted,
 * what is owned but no longer matches is released. What another controls is left alone. A patch's precondition is the
 * child's resourceVersion, so that two controllers cannot adopt one child.
 * @param isEligible what a child must be beside what the selector asks
 */
export function claim<T extends KubeObject>(
  owner: {
    readonly info: ResourceInfo;
    readonly object: Readonly<KubeObject>;
    /** What an adopted child is held by from then on. */
    readonly finalizer?: string;
  },
  selector: Selector,
  child: ResourceInfo,
  children: readonly Readonly<T>[],
  isEligible: (child: Readonly<T>) => boolean = () => true,
): { owned: Readonly<T>[]; actions: Action[] } {
  const owned: Readonly<T>[] = [];
  const actions: Action[] = [];
  const uid = owner.object.metadata?.uid;
  const deleting = owner.object.metadata?.deletionTimestamp !== undefined;
  for (const object of children) {
    const references = object.metadata?.ownerReferences ?? [];
    const controller = references.find((reference) => reference.controller === true);
    const matches = matchesSelector(selector, object.metadata?.labels) && isEligible(object);
    if (controller !== undefined) {
      if (controller.uid !== uid) continue;
      if (matches) owned.push(object);
      else if (!deleting) actions.push(setOwners(child, object, references.filter((each) => each.uid !== uid)));
    } else if (matches && !deleting && object.metadata?.deletionTimestamp === undefined) {
      owned.push(object);
      const adopted = [...references, controllerReference(owner.info, owner.object)];
      const held = object.metadata?.finalizers ?? [];
      const finalizer = owner.finalizer === undefined || held.includes(owner.finalizer) ? [] : [owner.finalizer];
      actions.push(
        setOwners(child, object, adopted, finalizer.length === 0 ? {} : { finalizers: [...held, ...finalizer] }),
      );
    }
  }
  return { owned, actions };
}

function setOwners(
  info: ResourceInfo,
  object: Readonly<KubeObject>,
  ownerReferences: OwnerReference[],
  more: { readonly finalizers?: readonly string[] } = {},
): Action {
  return { kind: "patch", info, object, patch: { metadata: { ownerReferences, ...more } } };
}
