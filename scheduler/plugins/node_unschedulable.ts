import { tolerates } from "../../api/pods.ts";
import type { Taint } from "../../api/gen/types.ts";
import type { FilterPlugin } from "../core/plugin.ts";

export const nodeUnschedulableReason = "node(s) were unschedulable";

/** What `kubectl cordon` stands for, so that pods may tolerate it. */
const cordon: Taint = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

/** A cordoned node takes only pods that tolerate the cordon. */
export const nodeUnschedulable: FilterPlugin = {
  name: "NodeUnschedulable",
  filter(pod, node) {
    if (node.node.spec?.unschedulable !== true) return [];
    const tolerated = (pod.pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, cordon));
    return tolerated ? [] : [nodeUnschedulableReason];
  },
  preemptible: () => false,
  hint(_pod, event) {
    switch (event.kind) {
      case "NodeAdd":
        return event.node.spec?.unschedulable !== true;
      case "NodeUpdate":
        return event.old.spec?.unschedulable === true && event.node.spec?.unschedulable !== true;
      default:
        return event.kind === "PodUpdate";
    }
  },
};
