import type { Node, NodeCondition, NodeStatus, NodeSystemInfo } from "../../api/gen/types.ts";
import { formatTime } from "../../api/time.ts";
import { sameJson } from "./status_patch.ts";

export interface NodeDescription {
  readonly name: string;
  readonly address: string;
  /** Of the kubelet's server. */
  readonly port: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity: Readonly<Record<string, string>>;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly info: NodeSystemInfo;
  readonly podCidr: string;
}

/** The Node object that a kubelet registers. */
export function nodeObject(node: NodeDescription, now: number): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: node.name, labels: nodeLabels(node) },
    spec: node.podCidr === "" ? {} : { podCIDR: node.podCidr, podCIDRs: [node.podCidr] },
    status: nodeStatus(node, undefined, now),
  };
}

export function nodeLabels(node: NodeDescription): Record<string, string> {
  const { architecture, operatingSystem } = node.info;
  return {
    "beta.kubernetes.io/arch": architecture,
    "beta.kubernetes.io/os": operatingSystem,
    "kubernetes.io/arch": architecture,
    "kubernetes.io/hostname": node.name,
    "kubernetes.io/os": operatingSystem,
    ...node.labels,
  };
}

/** Conditions in the kubelet's words; transition times stay while the status does. */
function conditions(before: readonly NodeCondition[], now: number): NodeCondition[] {
  const facts: readonly [type: string, status: string, reason: string, message: string][] = [
    ["MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"],
    ["DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"],
    ["PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"],
    ["Ready", "True", "KubeletReady", "kubelet is posting ready status"],
  ];
  return facts.map(([type, status, reason, message]) => {
    const old = before.find((each) => each.type === type);
    const kept = old?.status === status ? old.lastTransitionTime : undefined;
    return {
      type,
      status,
      reason,
      message,
      lastHeartbeatTime: formatTime(now),
      lastTransitionTime: kept ?? formatTime(now),
    };
  });
}

export function nodeStatus(node: NodeDescription, before: Readonly<NodeStatus> | undefined, now: number): NodeStatus {
  return {
    addresses: [{ type: "InternalIP", address: node.address }, { type: "Hostname", address: node.name }],
    capacity: { ...node.capacity },
    allocatable: { ...node.allocatable },
    conditions: conditions(before?.conditions ?? [], now),
    daemonEndpoints: { kubeletEndpoint: { Port: node.port } },
    nodeInfo: { ...node.info },
  };
}

/** Whether what the API has differs from `wanted` in more than heartbeat times. */
export function nodeStatusDiffers(current: Readonly<NodeStatus> | undefined, wanted: Readonly<NodeStatus>): boolean {
  if (current === undefined) return true;
  const plain = (list: readonly NodeCondition[] | undefined, type: string) => {
    const found = list?.find((each) => each.type === type);
    return found === undefined ? undefined : [found.status, found.reason, found.message];
  };
  for (const { type } of wanted.conditions ?? []) {
    if (!sameJson(plain(current.conditions, type), plain(wanted.conditions, type))) return true;
  }
  const fields = ["addresses", "capacity", "allocatable", "daemonEndpoints", "nodeInfo"] as const;
  return fields.some((field) => !sameJson(current[field], wanted[field]));
}
