import { affinityConflictReason, nodeAffinityNameReason, nodeAffinityReason } from "../plugins/node_affinity.ts";
import { nodeNameReason } from "../plugins/node_name.ts";
import { nodePortsReason } from "../plugins/node_ports.ts";
import { insufficient, nodeResourcesFit, tooManyPods } from "../plugins/node_resources_fit.ts";
import { nodeUnschedulableReason } from "../plugins/node_unschedulable.ts";
import { taintReason } from "../plugins/taint_toleration.ts";
import type { NodeInfo, PodInfo } from "./node_info.ts";

/**
 * Why a node cannot take a pod, as one int32: 0 when it can; one of these codes when a plugin before NodeResourcesFit
 * rejects it; else NodeResourcesFit's bits. asm/layout.ts has the same numbers (hot/hot_test.ts compares).
 */
export const reasonCodes = {
  unschedulable: 1,
  nodeName: 2,
  taints: 3,
  affinity: 4,
  affinityNames: 5,
  ports: 6,
} as const;
export const reasonBits = { pods: 1 << 8, cpu: 1 << 9, memory: 1 << 10, ephemeral: 1 << 11 } as const;
/** Bit of the i-th extended resource of the pod (in order of name) is 12 + i; from the sixteenth on they share one. */
export const extendedShift = 12;
export const extendedBitsMax = 16;

export function extendedBit(index: number): number {
  return 1 << (extendedShift + Math.min(index, extendedBitsMax - 1));
}

/** Whether a code stands for exactly the same texts on every node. */
export function isPreciseCode(code: number, pod: PodInfo): boolean {
  return code < reasonBits.pods || pod.request.extended.length <= extendedBitsMax;
}

/** The texts behind a code, in upstream's words. */
export function reasonTexts(code: number, pod: PodInfo, node: NodeInfo): readonly string[] {
  switch (code) {
    case 0:
      return [];
    case reasonCodes.unschedulable:
      return [nodeUnschedulableReason];
    case reasonCodes.nodeName:
      return [nodeNameReason];
    case reasonCodes.taints:
      return [taintReason];
    case reasonCodes.affinity:
      return [nodeAffinityReason];
    case reasonCodes.affinityNames:
      return [nodeAffinityNameReason];
    case reasonCodes.ports:
      return [nodePortsReason];
  }
  if (!isPreciseCode(code, pod)) return nodeResourcesFit.filter(pod, node);
  const texts: string[] = [];
  if ((code & reasonBits.pods) !== 0) texts.push(tooManyPods);
  if ((code & reasonBits.cpu) !== 0) texts.push(insufficient("cpu"));
  if ((code & reasonBits.memory) !== 0) texts.push(insufficient("memory"));
  if ((code & reasonBits.ephemeral) !== 0) texts.push(insufficient("ephemeral-storage"));
  pod.request.extended.forEach(([name], index) => {
    if ((code & extendedBit(index)) !== 0) texts.push(insufficient(name));
  });
  return texts;
}

/** The plugin behind a code. */
export function rejectingPlugin(code: number): string {
  switch (code) {
    case reasonCodes.unschedulable:
      return "NodeUnschedulable";
    case reasonCodes.nodeName:
      return "NodeName";
    case reasonCodes.taints:
      return "TaintToleration";
    case reasonCodes.affinity:
    case reasonCodes.affinityNames:
      return "NodeAffinity";
    case reasonCodes.ports:
      return "NodePorts";
    default:
      return "NodeResourcesFit";
  }
}

/** The reason that holds for all nodes before any is looked at, or null. */
export function preFilterReason(pod: PodInfo): string | null {
  return pod.affinity.nodeNames?.size === 0 ? affinityConflictReason : null;
}
