import type { KubeObject } from "../../api/meta.ts";
import { pods } from "../../api/resources.ts";
import { forbidden } from "../../api/status.ts";
import { dig, record, text } from "../dig.ts";

/** The two classes that every cluster has; PriorityClass objects are not served. */
const builtIn: Readonly<Record<string, number>> = {
  "system-node-critical": 2_000_001_000,
  "system-cluster-critical": 2_000_000_000,
};

/** Turns spec.priorityClassName into spec.priority and the default preemption policy. */
export function setPriority(pod: KubeObject): void {
  const spec = record(dig(pod, "spec"));
  const className = text(spec["priorityClassName"]);
  let priority = 0;
  if (className !== "") {
    const known = Object.hasOwn(builtIn, className) ? builtIn[className] : undefined;
    const name = pod.metadata?.name ?? "";
    if (known === undefined) throw forbidden(pods, name, `no PriorityClass with name ${className} was found`);
    priority = known;
  }
  const given = spec["priority"];
  if (given !== undefined && given !== priority) {
    const why = `the integer value of priority (${given}) must not be provided in pod spec; ` +
      `priority admission controller computed ${priority} from the given PriorityClass name`;
    throw forbidden(pods, pod.metadata?.name ?? "", why);
  }
  spec["priority"] = priority;
  spec["preemptionPolicy"] ??= "PreemptLowerPriority";
}
