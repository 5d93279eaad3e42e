/** A Job, its pods, and what becomes of them: for tests of the Job controller's core. */
import { BugError, invariant } from "../../base/assert.ts";
import type { Job, JobSpec, Pod } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { isPodTerminal } from "../../api/pods.ts";
import { formatTime } from "../../api/time.ts";
import type { Action } from "./action.ts";
import { type JobDecision, reconcileJob } from "./job.ts";
import { noFailures } from "./job_failures.ts";
import { isTracked } from "./job_observation.ts";

export function makeJob(spec: Partial<JobSpec>): Job {
  const labels = { "batch.kubernetes.io/controller-uid": "job" };
  return {
    metadata: { name: "work", namespace: "d", uid: "job", generation: 1 },
    spec: {
      ...(spec.completions === undefined && spec.parallelism === undefined ? { completions: 1 } : {}),
      parallelism: 1,
      backoffLimit: 6,
      completionMode: "NonIndexed",
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { restartPolicy: "Never", containers: [{ name: "c", image: "i" }] },
      },
      ...spec,
    },
  };
}

export class JobWorld {
  job: Job;
  readonly pods = new Map<string, Pod>();
  readonly events: string[] = [];
  now = Date.UTC(2026, 0, 1);
  backoff = noFailures;
  uncountedMax = 500;
  #version = 1;
  #names = 0;

  constructor(spec: Partial<JobSpec>) {
    this.job = makeJob(spec);
    this.#stamp(this.job);
  }

  get running(): Pod[] {
    return [...this.pods.values()].filter((pod) => !isPodTerminal(pod));
  }

  conditions(): string[] {
    return (this.job.status?.conditions ?? []).map(({ type, status, reason }) => `${type}=${status} ${reason}`);
  }

  decide(): JobDecision {
    const pods = [...this.pods.values()];
    return reconcileJob(
      { job: this.job, pods, backoff: this.backoff, burst: 500, uncountedMax: this.uncountedMax },
      this.now,
    );
  }

  /** One turn of the controller. @param crashAfter actions carried out before it dies */
  turn(crashAfter = Infinity): JobDecision {
    const decision = this.decide();
    for (const action of decision.actions.slice(0, crashAfter)) this.#apply(action);
    this.backoff = crashAfter < decision.actions.length ? noFailures : decision.backoff;
    return decision;
  }

  /** Until nothing changes; what is deleted goes meanwhile. */
  rest(): void {
    for (let round = 0; round < 50; round++) {
      this.collect();
      const before = this.#version;
      this.turn();
      if (this.#version === before) return;
    }
    throw new BugError("the Job does not come to rest");
  }

  edit(change: (spec: JobSpec) => void): void {
    invariant(this.job.spec !== undefined, "a Job without a spec");
    this.job = structuredClone(this.job);
    change(this.job.spec as JobSpec);
    this.#stamp(this.job);
  }

  finish(pod: Pod, phase: "Succeeded" | "Failed", exitCode = phase === "Failed" ? 1 : 0): void {
    const finishedTime = formatTime(this.now);
    const state = { terminated: { exitCode, finishedAt: finishedTime } };
    const containerStatuses = [{ name: "c", image: "i", imageID: "", ready: false, restartCount: 0, state }];
    this.#put({ ...pod, status: { phase, containerStatuses } });
  }

  remove(pod: Pod): void {
    if (pod.metadata?.deletionTimestamp !== undefined) return;
    this.#put({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: formatTime(this.now) } });
  }

  /** The kubelet's part: what is being deleted and held by nothing goes. */
  collect(): void {
    for (const [name, pod] of this.pods) {
      if (pod.metadata?.deletionTimestamp !== undefined && (pod.metadata.finalizers ?? []).length === 0) {
        this.pods.delete(name);
      }
    }
  }

  isHeld(uid: string): boolean {
    return [...this.pods.values()].some((pod) => pod.metadata?.uid === uid && isTracked(pod));
  }

  #put(pod: Pod): void {
    const copy = structuredClone(pod);
    this.#stamp(copy);
    this.pods.set(copy.metadata?.name ?? "", copy);
  }

  #stamp(object: KubeObject): void {
    object.metadata = { ...object.metadata, resourceVersion: String(++this.#version) };
  }

  #apply(action: Action): void {
    switch (action.kind) {
      case "announce":
        return void this.events.push(`${action.event.type} ${action.event.reason}: ${action.event.message}`);
      case "createMany":
        for (const object of action.objects) {
          const name = `${object.metadata?.generateName ?? ""}${++this.#names}`;
          const creationTimestamp = formatTime(this.now);
          const metadata = { ...object.metadata, name, uid: `pod-${this.#names}`, creationTimestamp };
          this.#put({ ...object, metadata, status: { phase: "Pending" } } as Pod);
        }
        return;
      case "updateStatus":
        this.#expectFresh(action.object, this.job);
        this.job = structuredClone(action.object) as Job;
        return this.#stamp(this.job);
      case "patch": {
        const pod = this.pods.get(action.object.metadata?.name ?? "");
        this.#expectFresh(action.object, pod);
        const { metadata } = action.patch as { metadata: Pod["metadata"] };
        return this.#put({ ...pod, metadata: { ...pod?.metadata, ...metadata } });
      }
      case "delete":
        for (const object of action.objects) {
          const pod = this.pods.get(object.metadata?.name ?? "");
          if (pod !== undefined) this.remove(pod);
        }
        return;
      case "create":
        throw new BugError("a Job makes pods by the many");
    }
  }

  #expectFresh(object: Readonly<KubeObject>, current: Readonly<KubeObject> | undefined): void {
    invariant(object.metadata?.resourceVersion === current?.metadata?.resourceVersion, "a stale write");
  }
}
