import { portsConflict } from "../core/host_ports.ts";
import type { FilterPlugin } from "../core/plugin.ts";

export const nodePortsReason = "node(s) didn't have free ports for the requested pod ports";

/** A host port is taken once on a node; 0.0.0.0 takes it on all addresses. */
export const nodePorts: FilterPlugin = {
  name: "NodePorts",
  filter(pod, node) {
    if (pod.ports.length === 0) return [];
    for (const other of node.pods.values()) {
      if (other.ports.length > 0 && portsConflict(pod.ports, other.ports)) return [nodePortsReason];
    }
    return [];
  },
  preemptible: () => true,
  hint(pod, event) {
    if (event.kind === "NodeAdd") return true;
    return event.kind === "AssignedPodDelete" && portsConflict(pod.ports, event.pod.ports);
  },
};
