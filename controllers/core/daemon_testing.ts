/** A world for tests of the DaemonSet's core: applies what it decides, and lets scheduler and kubelets take random turns. */
import type { ControllerRevision, DaemonSet, DaemonSetSpec, Node, Pod, Taint } from "../../api/gen/types.ts";
import { isPodActive, isPodAvailable } from "../../api/pods.ts";
import { formatTime } from "../../api/time.ts";
import type { Prng } from "../../base/prng.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { Action } from "./action.ts";
import { failedAgain, type FailedPod } from "./daemon_nodes.ts";
import { targetNode } from "./daemon_pods.ts";
import { type DaemonSetDecision, reconcileDaemonSet } from "./daemon_set.ts";

export function node(name: string, more: { labels?: Record<string, string>; taints?: Taint[] } = {}): Node {
  return {
    metadata: { name, labels: more.labels ?? {} },
    spec: more.taints === undefined ? {} : { taints: more.taints },
  };
}

export function daemonSet(more: Partial<DaemonSetSpec> = {}): DaemonSet {
  const labels = { app: "log" };
  return {
    metadata: { name: "log", namespace: "d", uid: "ds", generation: 1, resourceVersion: "1" },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "v1" }] } },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      revisionHistoryLimit: 10,
      ...more,
    },
  };
}

export class DaemonWorld {
  daemonSet: DaemonSet;
  readonly nodes = new Map<string, Node>();
  readonly pods = new Map<string, Pod>();
  readonly revisions = new Map<string, ControllerRevision>();
  readonly failed = new Map<string, FailedPod>();
  /** `reason message` of what was announced. */
  readonly events: string[] = [];
  now = Date.UTC(2026, 0, 1);
  #made = 0;

  constructor(object: DaemonSet, nodes: readonly Node[]) {
    this.daemonSet = object;
    for (const each of nodes) this.nodes.set(each.metadata?.name ?? "", each);
  }

  edit(change: (spec: DaemonSetSpec) => void): void {
    const next = structuredClone(this.daemonSet);
    if (next.spec !== undefined) change(next.spec);
    next.metadata = { ...next.metadata, generation: (next.metadata?.generation ?? 0) + 1 };
    this.daemonSet = next;
  }

  setImage(image: string): void {
    this.edit((spec) => spec.template.spec = { containers: [{ name: "c", image }] });
  }

  /** Decides, and does what was decided. */
  reconcile(): DaemonSetDecision {
    const decision = reconcileDaemonSet({
      daemonSet: this.daemonSet,
      nodes: [...this.nodes.values()],
      pods: [...this.pods.values()],
      revisions: [...this.revisions.values()],
      revisionNamed: (name) => this.revisions.get(name),
      failed: this.failed,
      burst: 250,
    }, this.now);
    for (const name of decision.failedOn) this.failed.set(name, failedAgain(this.failed.get(name), this.now));
    for (const action of decision.actions) this.#apply(action);
    return decision;
  }

  #apply(action: Action): void {
    switch (action.kind) {
      case "announce":
        this.events.push(`${action.event.reason} ${action.event.message}`);
        return;
      case "create":
        this.revisions.set(action.object.metadata?.name ?? "", action.object as ControllerRevision);
        return;
      case "createMany":
        for (const object of action.objects) this.#add(object);
        return;
      case "updateStatus":
        this.daemonSet = { ...this.daemonSet, status: (action.object as DaemonSet).status ?? this.#noStatus };
        return;
      case "patch": {
        const name = action.object.metadata?.name ?? "";
        const { metadata, ...rest } = action.patch as KubeObject;
        const labels = { ...action.object.metadata?.labels, ...metadata?.labels };
        const next = { ...action.object, ...rest, metadata: { ...action.object.metadata, ...metadata, labels } };
        if (this.revisions.has(name)) this.revisions.set(name, next as unknown as ControllerRevision);
        else this.pods.set(name, next as Pod);
        return;
      }
      case "delete":
        for (const { metadata } of action.objects) this.#delete(metadata?.name ?? "");
    }
  }

  readonly #noStatus = {
    currentNumberScheduled: 0,
    desiredNumberScheduled: 0,
    numberMisscheduled: 0,
    numberReady: 0,
  };

  #add(object: KubeObject): void {
    const name = `${object.metadata?.generateName}${++this.#made}`;
    const metadata = { ...object.metadata, name, uid: name, creationTimestamp: formatTime(this.now) };
    this.pods.set(name, { ...object, metadata, status: { phase: "Pending" } });
  }

  /** A pod that no kubelet has yet goes at once, as one that has finished. */
  #delete(name: string): void {
    this.revisions.delete(name);
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    if (!pod.spec?.nodeName || !isPodActive(pod)) this.pods.delete(name);
    else this.pods.set(name, { ...pod, metadata: { ...pod.metadata, deletionTimestamp: formatTime(this.now) } });
  }

  set(pod: Pod, phase: string): void {
    const conditions = phase === "Running"
      ? [{ type: "Ready", status: "True", lastTransitionTime: formatTime(this.now) }]
      : [];
    this.pods.set(pod.metadata?.name ?? "", { ...pod, status: { phase, conditions } });
  }

  /** The next thing that happens to the pod, if anything does. */
  advance(pod: Pod): void {
    const name = pod.metadata?.name ?? "";
    if (!pod.spec?.nodeName) {
      const target = targetNode(pod);
      if (target === undefined || !this.nodes.has(target)) return;
      this.pods.set(name, { ...pod, spec: { ...pod.spec ?? { containers: [] }, nodeName: target } });
    } else if (pod.metadata?.deletionTimestamp !== undefined) this.pods.delete(name);
    else if (pod.status?.phase === "Pending") this.set(pod, "Running");
  }

  step(random: Prng): void {
    this.now += 1_000;
    const pods = [...this.pods.values()];
    for (let i = random.int(3); i > 0 && pods.length > 0; i--) {
      const pod = pods[random.int(pods.length)];
      if (pod !== undefined && this.pods.get(pod.metadata?.name ?? "") === pod) this.advance(pod);
    }
    if (random.int(2) === 0) this.reconcile();
  }

  /** Until nothing happens any more. */
  settle(): void {
    for (let i = 0; i < 500; i++) {
      this.now += 1_000;
      for (const pod of [...this.pods.values()]) this.advance(pod);
      const { actions, wakeAfterMs } = this.reconcile();
      const isMoving = [...this.pods.values()].some((pod) => !isPodActive(pod) || pod.status?.phase !== "Running");
      if (actions.length === 0 && wakeAfterMs === undefined && !isMoving) return;
    }
    throw new Error("does not settle");
  }

  /** Pods by node: `n1: v1 v2`; a pod in deletion in brackets. */
  show(): string[] {
    const text = [...this.pods.values()].map((pod) => {
      const image = pod.spec?.containers[0]?.image ?? "";
      return `${targetNode(pod)}: ${pod.metadata?.deletionTimestamp === undefined ? image : `(${image})`}`;
    });
    return text.sort();
  }

  /** Nodes with an available pod that is not in deletion. */
  get available(): number {
    const minReadySeconds = this.daemonSet.spec?.minReadySeconds ?? 0;
    const on = [...this.pods.values()].filter((pod) =>
      isPodActive(pod) && isPodAvailable(pod, minReadySeconds, this.now)
    ).map(targetNode);
    return new Set(on).size;
  }

  /** The most pods of one node. @param which counts them */
  countOn(which: (pod: Pod) => boolean): Map<string, number> {
    const counts = new Map<string, number>();
    for (const pod of [...this.pods.values()].filter(which)) {
      const name = targetNode(pod) ?? "";
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    return counts;
  }
}
