import type { KubeObject } from "../../api/meta.ts";
import { dig, items, record } from "../dig.ts";

const taints = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] as const;

/** A pod stays for a while on a node that is lost, unless it says otherwise. @param seconds 0: add nothing */
export function addTolerations(pod: KubeObject, seconds: number): void {
  if (seconds <= 0) return;
  const spec = record(dig(pod, "spec"));
  const tolerations = [...items(spec["tolerations"])];
  for (const key of taints) {
    const tolerated = tolerations.map(record).some((it) =>
      (it["key"] === key || (it["key"] ?? "") === "") &&
      (it["effect"] === "NoExecute" || (it["effect"] ?? "") === "")
    );
    if (!tolerated) tolerations.push({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: seconds });
  }
  spec["tolerations"] = tolerations;
}
