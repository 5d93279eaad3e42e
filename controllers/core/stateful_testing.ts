/** A world for tests of the StatefulSet's core: applies what it decides, and lets kubelets and others take random turns. */
import type {
  ControllerRevision,
  PersistentVolumeClaim,
  Pod,
  StatefulSet,
  StatefulSetSpec,
} from "../../api/gen/types.ts";
import { isPodActive } from "../../api/pods.ts";
import { formatTime } from "../../api/time.ts";
import type { Prng } from "../../base/prng.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { Action, Decision } from "./action.ts";
import { reconcileStatefulSet } from "./stateful_set.ts";

export function statefulSet(more: Partial<StatefulSetSpec> = {}): StatefulSet {
  const labels = { app: "web" };
  return {
    metadata: { name: "web", namespace: "d", uid: "sts", generation: 1, resourceVersion: "1" },
    spec: {
      replicas: 3,
      serviceName: "headless",
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: "c", image: "v1" }] } },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { partition: 0 } },
      revisionHistoryLimit: 10,
      ...more,
    },
  };
}

export class StatefulWorld {
  set: StatefulSet;
  readonly pods = new Map<string, Pod>();
  readonly claims = new Map<string, PersistentVolumeClaim>();
  readonly revisions = new Map<string, ControllerRevision>();
  /** `reason message` of what was announced. */
  readonly events: string[] = [];
  /** Images whose pods never become ready. */
  readonly broken = new Set<string>();
  now = Date.UTC(2026, 0, 1);
  #made = 0;

  constructor(object: StatefulSet) {
    this.set = object;
  }

  edit(change: (spec: StatefulSetSpec) => void): void {
    const next = structuredClone(this.set);
    if (next.spec !== undefined) change(next.spec);
    next.metadata = { ...next.metadata, generation: (next.metadata?.generation ?? 0) + 1 };
    this.set = next;
  }

  setImage(image: string): void {
    this.edit((spec) => spec.template.spec = { containers: [{ name: "c", image }] });
  }

  decide(): Decision {
    return reconcileStatefulSet({
      statefulSet: this.set,
      pods: [...this.pods.values()],
      revisions: [...this.revisions.values()],
      revisionNamed: (name) => this.revisions.get(name),
      claimNamed: (name) => this.claims.get(name),
      burst: 500,
    }, this.now);
  }

  /** Decides, and does what was decided. */
  reconcile(): Decision {
    const decision = this.decide();
    for (const action of decision.actions) this.#apply(action);
    return decision;
  }

  #apply(action: Action): void {
    if (action.kind === "announce") {
      this.events.push(`${action.event.reason} ${action.event.message}`);
      return;
    }
    if (action.kind === "updateStatus") {
      this.set = { ...this.set, ...(action.object as StatefulSet) };
      return;
    }
    const objects = action.kind === "create" || action.kind === "patch" ? [action.object] : action.objects;
    for (const object of objects) {
      const name = object.metadata?.name ?? "";
      if (action.kind === "delete") this.delete(name);
      else if (action.kind === "patch") this.#patch(object, action.patch as KubeObject);
      else this.#create(action.info.kind, object);
      const done = "done" in action ? action.done : undefined;
      if (done !== undefined) this.events.push(`${done.reason} ${done.message.replace("{name}", name)}`);
    }
  }

  #storeOf(name: string): Map<string, KubeObject> {
    const stores: Map<string, KubeObject>[] = [this.pods, this.claims, this.revisions] as never;
    return stores.find((store) => store.has(name)) ?? new Map<string, KubeObject>();
  }

  #create(kind: string, object: KubeObject): void {
    const name = object.metadata?.name ?? "";
    if (this.#storeOf(name).has(name)) throw new Error(`${name} exists`);
    const metadata = { ...object.metadata, uid: `${name}#${++this.#made}`, creationTimestamp: formatTime(this.now) };
    if (kind === "Pod") this.pods.set(name, { ...object, metadata, status: { phase: "Pending" } });
    else if (kind === "PersistentVolumeClaim") this.claims.set(name, { ...object, metadata });
    else this.revisions.set(name, { ...object as ControllerRevision, metadata });
  }

  #patch(object: Readonly<KubeObject>, { metadata, ...rest }: KubeObject): void {
    const name = object.metadata?.name ?? "";
    const labels = { ...object.metadata?.labels, ...metadata?.labels };
    const next = { ...object, ...rest, metadata: { ...object.metadata, ...metadata, labels } };
    this.#storeOf(name).set(name, next);
  }

  /** A pod that has finished goes at once. */
  delete(name: string): void {
    this.revisions.delete(name);
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    if (!isPodActive(pod)) this.#gone(name);
    else this.pods.set(name, { ...pod, metadata: { ...pod.metadata, deletionTimestamp: formatTime(this.now) } });
  }

  /** The garbage collector takes what a pod owned. */
  #gone(name: string): void {
    const uid = this.pods.get(name)?.metadata?.uid;
    this.pods.delete(name);
    for (const [key, { metadata }] of this.claims) {
      if (metadata?.ownerReferences?.some((each) => each.uid === uid)) this.claims.delete(key);
    }
  }

  setPhase(name: string, phase: string): void {
    const pod = this.pods.get(name);
    if (pod === undefined) return;
    const isReady = phase === "Running" && !this.broken.has(pod.spec?.containers[0]?.image ?? "");
    const conditions = isReady ? [{ type: "Ready", status: "True", lastTransitionTime: formatTime(this.now) }] : [];
    this.pods.set(name, { ...pod, status: { phase, conditions } });
  }

  /** The next thing that happens to the pod, if anything does. */
  advance(name: string): void {
    const pod = this.pods.get(name);
    if (pod?.metadata?.deletionTimestamp !== undefined) this.#gone(name);
    else if (pod?.status?.phase === "Pending") this.setPhase(name, "Running");
  }

  step(random: Prng): void {
    this.now += 1_000;
    const names = [...this.pods.keys()];
    for (let i = random.int(3); i > 0 && names.length > 0; i--) this.advance(names[random.int(names.length)] ?? "");
    if (random.int(2) === 0) this.reconcile();
  }

  /** Until nothing happens any more. */
  settle(): void {
    for (let i = 0; i < 500; i++) {
      this.now += 1_000;
      for (const name of [...this.pods.keys()]) this.advance(name);
      const { actions, wakeAfterMs } = this.reconcile();
      const isMoving = [...this.pods.values()].some((pod) => !isPodActive(pod) || pod.status?.phase !== "Running");
      if (actions.length === 0 && wakeAfterMs === undefined && !isMoving) return;
    }
    throw new Error("does not settle");
  }

  /** `web-0: v1`; a pod that is not ready ends in `?`, one in deletion is in brackets. */
  show(): string[] {
    return [...this.pods].map(([name, pod]) => {
      const ready = pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
      const text = `${name}: ${pod.spec?.containers[0]?.image}${ready ? "" : "?"}`;
      return pod.metadata?.deletionTimestamp === undefined ? text : `(${text})`;
    }).sort((a, b) => Number(/-(\d+)/.exec(a)?.[1]) - Number(/-(\d+)/.exec(b)?.[1]));
  }
}
