import { isPodTerminal } from "../../api/pods.ts";
import { QuantityError } from "../../api/quantity.ts";
import type { Node, Pod } from "../../api/gen/types.ts";
import { type PodInfo, podInfo } from "./node_info.ts";
import type { SchedulingQueue } from "./queue.ts";
import { Snapshot } from "./snapshot.ts";

/** What the view reports, for the log. */
export interface ViewNotes {
  /** An object with a quantity that cannot be read is left out. The API server's validation should not let it in. */
  unreadable(kind: "Node" | "Pod", name: string, message: string): void;
}

/** Turns what the API server says of nodes and pods into the snapshot and the queue. Level-triggered; `now` monotonic. */
export class ClusterView {
  readonly snapshot = new Snapshot();
  readonly #queue: SchedulingQueue;
  readonly #schedulerName: string;
  readonly #notes: ViewNotes;

  constructor(queue: SchedulingQueue, schedulerName: string, notes: ViewNotes) {
    this.#queue = queue;
    this.#schedulerName = schedulerName;
    this.#notes = notes;
  }

  setNode(old: Readonly<Node> | undefined, node: Readonly<Node>, now: number): void {
    const name = node.metadata?.name ?? "";
    try {
      this.snapshot.setNode(node);
    } catch (error) {
      if (!(error instanceof QuantityError)) throw error;
      this.#notes.unreadable("Node", name, error.message);
      this.snapshot.removeNode(name);
      return;
    }
    if (old === undefined) this.#queue.wakeFor({ kind: "NodeAdd", node }, now);
    else if (nodeChanged(old, node)) this.#queue.wakeFor({ kind: "NodeUpdate", old, node }, now);
  }

  removeNode(name: string): void {
    this.snapshot.removeNode(name);
  }

  setPod(old: Readonly<Pod> | undefined, pod: Readonly<Pod>, now: number): void {
    if (old !== undefined && old.metadata?.uid !== pod.metadata?.uid) {
      // Deleted and made anew under the same name between two looks.
      this.removePod(old, now);
      return this.setPod(undefined, pod, now);
    }
    if (isPodTerminal(pod)) return this.removePod(pod, now);
    const nodeName = pod.spec?.nodeName ?? "";
    if (nodeName === "") this.#setWaiting(pod, now);
    else this.#setAssigned(old, pod, nodeName, now);
  }

  removePod(pod: Readonly<Pod>, now: number): void {
    const uid = pod.metadata?.uid ?? "";
    this.#queue.delete(uid);
    const removed = this.snapshot.removePod(uid);
    if (removed !== undefined) this.#queue.wakeFor({ kind: "AssignedPodDelete", pod: removed }, now);
  }

  /** Takes back a decision whose bind failed; what it held is free again. */
  forget(info: PodInfo, now: number): void {
    if (this.snapshot.forget(info.uid)) this.#queue.wakeFor({ kind: "AssignedPodDelete", pod: info }, now);
  }

  #setWaiting(pod: Readonly<Pod>, now: number): void {
    const uid = pod.metadata?.uid ?? "";
    if (pod.spec?.schedulerName !== this.#schedulerName) return;
    // A pod on its way out needs no node any more.
    if (pod.metadata?.deletionTimestamp !== undefined) {
      this.#queue.delete(uid);
      return;
    }
    // Bound by us, and this is an older version on its way here.
    if (this.snapshot.placement(uid) !== undefined && this.#queue.get(uid) === undefined) return;
    const info = this.#read(pod);
    if (info === null) return;
    this.#queue.set(info, now);
  }

  #setAssigned(old: Readonly<Pod> | undefined, pod: Readonly<Pod>, nodeName: string, now: number): void {
    const uid = pod.metadata?.uid ?? "";
    this.#queue.delete(uid);
    const placed = this.snapshot.placement(uid);
    // Most changes of running pods are to their status.
    if (placed?.assumed === false && placed.nodeName === nodeName && old !== undefined && sameSpec(old, pod)) return;
    const before = this.snapshot.pod(uid);
    const info = this.#read(pod);
    if (info === null) return;
    this.snapshot.setPod(info, nodeName);
    if (before === undefined) return;
    if (placed?.nodeName !== nodeName) this.#queue.wakeFor({ kind: "AssignedPodDelete", pod: before }, now);
    else this.#queue.wakeFor({ kind: "AssignedPodUpdate", old: before, pod: info }, now);
  }

  #read(pod: Readonly<Pod>): PodInfo | null {
    try {
      return podInfo(pod);
    } catch (error) {
      if (!(error instanceof QuantityError)) throw error;
      this.#notes.unreadable("Pod", `${pod.metadata?.namespace}/${pod.metadata?.name}`, error.message);
      return null;
    }
  }
}

/** Whether anything that filters read differs; heartbeats and addresses do not count. */
function nodeChanged(old: Readonly<Node>, node: Readonly<Node>): boolean {
  return !same(old.spec, node.spec) || !same(old.metadata?.labels, node.metadata?.labels) ||
    !same(old.status?.allocatable, node.status?.allocatable);
}

function sameSpec(old: Readonly<Pod>, pod: Readonly<Pod>): boolean {
  return old.metadata?.generation !== undefined && old.metadata.generation === pod.metadata?.generation ||
    same(old.spec, pod.spec);
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}
