import type { KubeObject } from "../../api/meta.ts";
import { dig, items, record } from "../dig.ts";

const notReady = "node.kubernetes.io/not-ready";

/**
 * A new node takes no pods until somebody has seen that it is ready: the node lifecycle controller takes the taint away
 * (TaintNodesByCondition).
 */
export function taintNewNode(node: KubeObject): void {
  const spec = record(dig(node, "spec"));
  const taints = items(spec["taints"]);
  if (taints.some((taint) => dig(taint, "key") === notReady && dig(taint, "effect") === "NoSchedule")) return;
  Object.assign(node, { spec: { ...spec, taints: [...taints, { key: notReady, effect: "NoSchedule" }] } });
}
