import { matchesRequired, preferredWeight } from "../../api/node_selector.ts";
import type { FilterPlugin, ScorePlugin } from "../core/plugin.ts";

export const nodeAffinityReason = "node(s) didn't match Pod's node affinity/selector";
/** Given to nodes outside the names that the required terms allow: they are not even filtered. */
export const nodeAffinityNameReason = "node(s) didn't satisfy plugin(s) [NodeAffinity]";
/** No name satisfies all fields of any term: the pod can run nowhere. */
export const affinityConflictReason = "pod affinity terms conflict";

/** `spec.nodeSelector` and required node affinity. */
export const nodeAffinity: FilterPlugin = {
  name: "NodeAffinity",
  filter: (pod, node) => matchesRequired(pod.affinity, node.node) ? [] : [nodeAffinityReason],
  preemptible: () => false,
  hint(pod, event) {
    switch (event.kind) {
      case "NodeAdd":
        return matchesRequired(pod.affinity, event.node);
      case "NodeUpdate":
        return !matchesRequired(pod.affinity, event.old) && matchesRequired(pod.affinity, event.node);
      default:
        return false;
    }
  },
};

/** The summed weights of the preferred terms that the node fulfils. */
export const nodeAffinityScore: ScorePlugin = {
  name: "NodeAffinity",
  weight: 2,
  score: (pod, node) => preferredWeight(pod.affinity, node.node),
  normalize: "most",
  applies: (pod) => pod.affinity.preferred.length > 0,
};
