import { isSidecar } from "../../api/pods.ts";
import type { Pod } from "../../api/gen/types.ts";

export interface HostPort {
  readonly protocol: string;
  readonly ip: string;
  readonly port: number;
}

const anyAddress = "0.0.0.0";

/** The host ports that a pod takes: those of its containers and sidecars. */
export function hostPortsOf(pod: Readonly<Pod>): readonly HostPort[] {
  const ports: HostPort[] = [];
  const spec = pod.spec;
  if (spec === undefined) return ports;
  for (const container of [...spec.containers, ...(spec.initContainers ?? []).filter(isSidecar)]) {
    for (const { hostPort, hostIP, protocol } of container.ports ?? []) {
      if (hostPort === undefined || hostPort <= 0) continue;
      ports.push({ protocol: protocol || "TCP", ip: hostIP || anyAddress, port: hostPort });
    }
  }
  return ports;
}

/** Whether two pods with these ports cannot share a node. */
export function portsConflict(a: readonly HostPort[], b: readonly HostPort[]): boolean {
  return a.some((one) => b.some((other) => conflict(one, other)));
}

function conflict(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false;
  return a.ip === b.ip || a.ip === anyAddress || b.ip === anyAddress;
}
