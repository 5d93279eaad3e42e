import type { ReplicaSet, ReplicationController } from "../../api/gen/types.ts";

/** A ReplicationController is a ReplicaSet with a selector of plain labels. */
export function asReplicaSet(controller: Readonly<ReplicationController>): ReplicaSet {
  const { selector, ...spec } = controller.spec ?? {};
  const { metadata, status } = controller;
  const labels = selector ?? spec.template?.metadata?.labels;
  return {
    ...(metadata === undefined ? {} : { metadata }),
    spec: { ...spec, selector: labels === undefined ? {} : { matchLabels: labels } },
    ...(status === undefined ? {} : { status }),
  };
}
