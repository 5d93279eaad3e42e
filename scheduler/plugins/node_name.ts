import type { FilterPlugin } from "../core/plugin.ts";

export const nodeNameReason = "node(s) didn't match the requested node name";

/** A pod that names its node fits no other. */
export const nodeName: FilterPlugin = {
  name: "NodeName",
  filter(pod, node) {
    const wanted = pod.pod.spec?.nodeName ?? "";
    return wanted === "" || wanted === node.name ? [] : [nodeNameReason];
  },
  preemptible: () => false,
  hint: (_pod, event) => event.kind === "NodeAdd",
};
