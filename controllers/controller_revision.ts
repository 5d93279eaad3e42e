import type { ControllerRevision } from "../api/gen/types.ts";
import type { KubeObject } from "../api/meta.ts";
import type { Informers } from "./informers.ts";
import { claimable } from "./owned.ts";

/** What a core needs of the revisions: see `historyOf` and `claimRevisions`. */
export interface RevisionsView {
  /** Of the owner's namespace: what the owner controls, and what nothing controls. */
  readonly revisions: readonly Readonly<ControllerRevision>[];
  readonly revisionNamed: (name: string) => Readonly<ControllerRevision> | undefined;
}

export function revisionsViewOf({ controllerRevisions }: Informers, owner: Readonly<KubeObject>): RevisionsView {
  const { namespace = "" } = owner.metadata ?? {};
  return {
    revisions: claimable(controllerRevisions, owner),
    revisionNamed: (name) => controllerRevisions.get(`${namespace}/${name}`),
  };
}
