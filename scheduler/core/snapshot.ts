import { invariant, must } from "../../base/assert.ts";
import type { Node } from "../../api/gen/types.ts";
import { account, allocatableOf, type NodeInfo, nodeInfo, type PodInfo } from "./node_info.ts";

interface Placed {
  readonly info: PodInfo;
  readonly nodeName: string;
  /** Decided here, not yet seen from the API server. */
  readonly assumed: boolean;
}

/**
 * What the scheduler knows of the cluster: nodes and the pods on them, among them the assumed ones, whose bind is on its
 * way. One object, changed in place: a cycle is synchronous, so nothing changes under it.
 * Invariants: `nodes` is dense, `nodes[i].index === i`; every pod counts on one node at most.
 */
export class Snapshot {
  readonly #nodes: NodeInfo[] = [];
  readonly #byName = new Map<string, NodeInfo>();
  readonly #pods = new Map<string, Placed>();
  /** Pods on nodes that are not known (yet), by node name. */
  readonly #waiting = new Map<string, Set<string>>();
  /** How many pods on nodes have each priority; for "is there anything of lower priority at all?". */
  readonly #priorities = new Map<number, number>();
  readonly #dirty = new Set<number>();
  #assumed = 0;
  #version = 0;
  #staticVersion = 0;

  get nodes(): readonly NodeInfo[] {
    return this.#nodes;
  }

  /** Raised by every change. */
  get version(): number {
    return this.#version;
  }

  /** Raised when a node comes, goes, or changes in labels, taints or `unschedulable`. */
  get staticVersion(): number {
    return this.#staticVersion;
  }

  get podCount(): number {
    return this.#pods.size;
  }

  get assumedCount(): number {
    return this.#assumed;
  }

  node(name: string): NodeInfo | undefined {
    return this.#byName.get(name);
  }

  /** The node a pod counts on, seen or assumed. */
  placement(uid: string): { readonly nodeName: string; readonly assumed: boolean } | undefined {
    return this.#pods.get(uid);
  }

  pod(uid: string): PodInfo | undefined {
    return this.#pods.get(uid)?.info;
  }

  /** Whether some pod on some node has a lower priority. */
  hasBelow(priority: number): boolean {
    for (const [other, count] of this.#priorities) if (other < priority && count > 0) return true;
    return false;
  }

  /** Indexes whose numbers changed since the last call; indexes beyond the nodes are gone. For one consumer. */
  takeDirty(): number[] {
    const dirty = [...this.#dirty];
    this.#dirty.clear();
    return dirty;
  }

  setNode(node: Readonly<Node>): void {
    const name = node.metadata?.name ?? "";
    const known = this.#byName.get(name);
    if (known === undefined) return this.#addNode(node, name);
    if (staticsDiffer(known.node, node)) known.staticVersion = ++this.#staticVersion;
    known.node = node;
    known.allocatable = allocatableOf(node);
    this.#touch(known);
  }

  #addNode(node: Readonly<Node>, name: string): void {
    const info = nodeInfo(node, this.#nodes.length, ++this.#staticVersion);
    this.#nodes.push(info);
    this.#byName.set(name, info);
    for (const uid of this.#waiting.get(name) ?? []) {
      account(info, must(this.#pods.get(uid), "a waiting pod is known").info, 1);
    }
    this.#waiting.delete(name);
    this.#touch(info);
  }

  removeNode(name: string): void {
    const gone = this.#byName.get(name);
    if (gone === undefined) return;
    this.#byName.delete(name);
    if (gone.pods.size > 0) this.#waiting.set(name, new Set(gone.pods.keys()));
    const last = must(this.#nodes.pop(), "a known node is in the list");
    this.#staticVersion++;
    this.#version++;
    this.#dirty.add(gone.index);
    if (last === gone) return;
    // The last node moves into the gap, so that columns stay dense.
    last.index = gone.index;
    last.staticVersion = this.#staticVersion;
    this.#nodes[gone.index] = last;
  }

  /** A pod that the API server says is on `nodeName`: replaces what was known or assumed of it. */
  setPod(info: PodInfo, nodeName: string): void {
    this.removePod(info.uid);
    this.#place(info, nodeName, false);
  }

  /** Counts `info` on the node it was decided for, until the API server tells, or {@linkcode forget}. */
  assume(info: PodInfo, nodeName: string): void {
    invariant(!this.#pods.has(info.uid), `Pod ${info.key} is assumed or bound already`);
    this.#place(info, nodeName, true);
  }

  /** Takes an assumption back. False when the pod is not assumed (any more). */
  forget(uid: string): boolean {
    if (this.#pods.get(uid)?.assumed !== true) return false;
    this.removePod(uid);
    return true;
  }

  removePod(uid: string): PodInfo | undefined {
    const placed = this.#pods.get(uid);
    if (placed === undefined) return undefined;
    this.#pods.delete(uid);
    if (placed.assumed) this.#assumed--;
    const { info, nodeName } = placed;
    this.#priorities.set(info.priority, (this.#priorities.get(info.priority) ?? 0) - 1);
    if (this.#priorities.get(info.priority) === 0) this.#priorities.delete(info.priority);
    const node = this.#byName.get(nodeName);
    if (node === undefined) {
      const waiting = this.#waiting.get(nodeName);
      waiting?.delete(uid);
      if (waiting?.size === 0) this.#waiting.delete(nodeName);
    } else {
      account(node, info, -1);
      this.#touch(node);
    }
    return info;
  }

  #place(info: PodInfo, nodeName: string, assumed: boolean): void {
    this.#pods.set(info.uid, { info, nodeName, assumed });
    if (assumed) this.#assumed++;
    this.#priorities.set(info.priority, (this.#priorities.get(info.priority) ?? 0) + 1);
    const node = this.#byName.get(nodeName);
    if (node !== undefined) {
      account(node, info, 1);
      this.#touch(node);
      return;
    }
    const waiting = this.#waiting.get(nodeName);
    if (waiting === undefined) this.#waiting.set(nodeName, new Set([info.uid]));
    else waiting.add(info.uid);
  }

  #touch(node: NodeInfo): void {
    this.#version++;
    this.#dirty.add(node.index);
  }
}

/** Whether what NodeUnschedulable, TaintToleration and NodeAffinity read differs. Heartbeats change none of it. */
function staticsDiffer(a: Readonly<Node>, b: Readonly<Node>): boolean {
  return (a.spec?.unschedulable ?? false) !== (b.spec?.unschedulable ?? false) ||
    JSON.stringify(a.spec?.taints ?? []) !== JSON.stringify(b.spec?.taints ?? []) ||
    !sameLabels(a.metadata?.labels, b.metadata?.labels);
}

function sameLabels(a: Readonly<Record<string, string>> = {}, b: Readonly<Record<string, string>> = {}): boolean {
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key]);
}
