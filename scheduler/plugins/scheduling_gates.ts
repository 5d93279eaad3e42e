import type { Pod } from "../../api/gen/types.ts";

/** Why the pod may not even wait for a node, or null. PreEnqueue; KEP-3521. */
export function gatesOf(pod: Readonly<Pod>): string | null {
  const gates = pod.spec?.schedulingGates ?? [];
  return gates.length === 0 ? null : `waiting for scheduling gates: [${gates.map(({ name }) => name).join(" ")}]`;
}
