import { must } from "../../base/assert.ts";
import {
  codeAbsent,
  createScoreEngine,
  extraPorts,
  extraResourceCount,
  extraResourceShift,
  nodeColumns,
  type ScoreEngine,
} from "../../asm/mod.ts";
import type { NodeInfo, PodInfo } from "../core/node_info.ts";
import { reasonCodes } from "../core/reasons.ts";
import type { Snapshot } from "../core/snapshot.ts";
import * as limits from "../limits.ts";
import { nodeAffinity } from "../plugins/node_affinity.ts";
import { preferredWeight } from "../../api/node_selector.ts";
import { nodeName } from "../plugins/node_name.ts";
import { nodePorts } from "../plugins/node_ports.ts";
import { balance } from "../plugins/node_resources_balanced_allocation.ts";
import { lacksExtended } from "../plugins/node_resources_fit.ts";
import { nodeUnschedulable } from "../plugins/node_unschedulable.ts";
import { softTaints, taintToleration } from "../plugins/taint_toleration.ts";

/** The static plugins' answers for one pod signature, up to date as of `staticVersion`. */
interface Slot {
  readonly index: number;
  staticVersion: number;
  usedAt: number;
}

/**
 * The snapshot as columns in the engine's memory. `sync` rewrites only the nodes that changed; `slot` re-evaluates the
 * static plugins only where labels, taints or `unschedulable` changed since that signature was last asked for.
 */
export class Columns {
  #engine: ScoreEngine;
  readonly #slots = new Map<string, Slot>();
  #clock = 0;
  #count = 0;

  constructor(nodes = 64) {
    this.#engine = createScoreEngine(nodes, limits.maxSignatures);
  }

  get engine(): ScoreEngine {
    return this.#engine;
  }

  /** Nodes held; the columns beyond, up to the next multiple of four, are marked absent. */
  get count(): number {
    return this.#count;
  }

  /** Takes over what changed. The only consumer of the snapshot's dirty set. */
  sync(snapshot: Snapshot): void {
    const { nodes } = snapshot;
    this.#count = nodes.length;
    const dirty = snapshot.takeDirty();
    if (nodes.length > this.#engine.capacity) {
      this.#engine = createScoreEngine(Math.max(nodes.length, this.#engine.capacity * 2), limits.maxSignatures);
      this.#slots.clear();
      for (const node of nodes) this.#write(node);
      return;
    }
    for (const index of dirty) {
      const node = nodes[index];
      if (node !== undefined) this.#write(node);
    }
  }

  #write(node: NodeInfo): void {
    const { index, allocatable, used, nonZero } = node;
    this.#set(nodeColumns.allocCpu, index, allocatable.cpu);
    this.#set(nodeColumns.allocMemory, index, allocatable.memory);
    this.#set(nodeColumns.allocEphemeral, index, allocatable.ephemeral);
    this.#set(nodeColumns.allocPods, index, allocatable.pods);
    this.#set(nodeColumns.usedCpu, index, used.cpu);
    this.#set(nodeColumns.usedMemory, index, used.memory);
    this.#set(nodeColumns.usedEphemeral, index, used.ephemeral);
    this.#set(nodeColumns.usedPods, index, node.pods.size);
    this.#set(nodeColumns.nonZeroCpu, index, nonZero.cpu);
    this.#set(nodeColumns.nonZeroMemory, index, nonZero.memory);
    this.#set(nodeColumns.balance, index, balance(used, allocatable));
  }

  #set(column: number, index: number, value: number): void {
    must(this.#engine.columns[column], "every column exists")[index] = value;
  }

  /** The slot that holds the pod's signature, evaluated anew where needed. */
  slot(snapshot: Snapshot, pod: PodInfo): number {
    let slot = this.#slots.get(pod.signature);
    if (slot === undefined) {
      slot = { index: this.#freeSlot(), staticVersion: -1, usedAt: 0 };
      this.#slots.set(pod.signature, slot);
    }
    slot.usedAt = ++this.#clock;
    if (slot.staticVersion !== snapshot.staticVersion) {
      this.#refresh(slot, snapshot, pod);
      slot.staticVersion = snapshot.staticVersion;
    }
    return slot.index;
  }

  /** An unused slot, else that of the signature not asked for the longest. */
  #freeSlot(): number {
    if (this.#slots.size < this.#engine.slots) return this.#slots.size;
    let oldest: [string, Slot] | undefined;
    for (const entry of this.#slots) if (oldest === undefined || entry[1].usedAt < oldest[1].usedAt) oldest = entry;
    const [signature, slot] = must(oldest, "there are slots");
    this.#slots.delete(signature);
    return slot.index;
  }

  #refresh(slot: Slot, snapshot: Snapshot, pod: PodInfo): void {
    const { code, taints, affinity } = this.#engine.slot(slot.index);
    const { nodes } = snapshot;
    for (const node of nodes) {
      if (node.staticVersion <= slot.staticVersion) continue;
      code[node.index] = staticCode(pod, node);
      taints[node.index] = softTaints(pod, node.node);
      affinity[node.index] = preferredWeight(pod.affinity, node.node);
    }
    // The kernels work on four nodes at a time: what lies behind the last node must not be feasible.
    code.fill(codeAbsent, nodes.length, Math.ceil(nodes.length / 4) * 4);
  }

  /**
   * Fills the `extra` column: what NodePorts and the extended resources say, which most pods need not ask.
   * @returns whether the pod needs it
   */
  extra(snapshot: Snapshot, pod: PodInfo): boolean {
    const { extended } = pod.request;
    if (pod.ports.length === 0 && extended.length === 0) return false;
    const { extra } = this.#engine;
    for (const node of snapshot.nodes) {
      let bits = nodePorts.filter(pod, node).length > 0 ? extraPorts : 0;
      for (const [index, [name, amount]] of extended.entries()) {
        if (!lacksExtended(node, name, amount)) continue;
        bits |= 1 << (extraResourceShift + Math.min(index, extraResourceCount - 1));
      }
      extra[node.index] = bits;
    }
    return true;
  }
}

/** The code of the first plugin before NodePorts that rejects the node; 0 when none does. */
function staticCode(pod: PodInfo, node: NodeInfo): number {
  const { nodeNames } = pod.affinity;
  if (nodeNames !== null && !nodeNames.has(node.name)) return reasonCodes.affinityNames;
  if (nodeUnschedulable.filter(pod, node).length > 0) return reasonCodes.unschedulable;
  if (nodeName.filter(pod, node).length > 0) return reasonCodes.nodeName;
  if (taintToleration.filter(pod, node).length > 0) return reasonCodes.taints;
  if (nodeAffinity.filter(pod, node).length > 0) return reasonCodes.affinity;
  return 0;
}
