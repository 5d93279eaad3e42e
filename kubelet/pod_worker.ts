import type { KubeObject } from "../api/meta.ts";
import type { Container, Pod, PodStatus } from "../api/gen/types.ts";
import { pods } from "../api/resources.ts";
import { atLeast, isConflict, isNotFound, referenceTo } from "../client/mod.ts";
import type { Timer } from "../platform/mod.ts";
import { startFailed, startSucceeded, step } from "./core/lifecycle.ts";
import { currentSandbox } from "./core/containers.ts";
import { sameJson, statusPatch } from "./core/status_patch.ts";
import { createPodMemory, type Effect, type ObservedPod, type PodMemory, type StepInput } from "./core/types.ts";
import * as limits from "./limits.ts";
import type { SyncType } from "./metrics.ts";
import type { NodeContext } from "./node_context.ts";
import { Prober } from "./prober.ts";
import { fieldPathOf, hostnameOf, runHook, startContainer } from "./start_container.ts";

type PodObject = Pod & KubeObject;

const probeNames = { startup: "Startup", liveness: "Liveness", readiness: "Readiness" } as const;

/**
 * Makes one pod true. Steps run one after the other; what takes time (starts, kills, status writes) runs beside them and
 * pokes when it ends. The runtime goes on without the API: only a finished deletion waits for its status to be written.
 */
export class PodWorker {
  readonly uid: string;
  readonly #node: NodeContext;
  readonly #onDone: (uid: string) => void;
  readonly #memory: PodMemory;
  readonly #prober: Prober;
  /** The newest of what the informer brought and what our own writes answered. */
  #pod: Readonly<PodObject>;
  #gone = false;
  #stepping = false;
  #again = false;
  #stopped = false;
  #wake: Timer | null = null;
  #desired: PodStatus | null = null;
  /** The last one that the API took. */
  #written: PodStatus | null = null;
  #writing = false;
  #finished = false;
  #observed: ObservedPod = { sandboxes: [], containers: [] };
  /** Why the next step is taken. */
  #syncType: SyncType = "create";
  /** When it was first seen; null once it runs, or when it did so before. Monotonic, as the next. */
  #startingSince: number | null;
  /** When what the API has began to differ; null: it does not. */
  #unwrittenSince: number | null = null;
  readonly #abort = new AbortController();

  constructor(node: NodeContext, pod: Readonly<PodObject>, onDone: (uid: string) => void) {
    this.#node = node;
    this.#pod = pod;
    this.#onDone = onDone;
    this.uid = pod.metadata?.uid ?? "";
    this.#memory = createPodMemory(node.clock.now());
    const isNew = (pod.status?.phase ?? "Pending") === "Pending";
    this.#startingSince = isNew ? node.clock.monotonic() : null;
    this.#prober = new Prober(node.prober, () => this.poke(), (container, kind, output) => {
      this.#say(container, "Warning", "Unhealthy", `${probeNames[kind]} probe failed: ${output}`);
    });
  }

  get pod(): Readonly<PodObject> {
    return this.#pod;
  }

  get observed(): Readonly<ObservedPod> {
    return this.#observed;
  }

  /** Gives the pod up before anything of it is started: it becomes Failed. */
  reject(reason: string, message: string): void {
    this.#memory.failure = { reason, message };
    this.#node.events.event(referenceTo(pods, this.#pod), "Warning", reason, message);
  }

  update(pod: Readonly<PodObject>): void {
    const [known = "", seen = ""] = [this.#pod.metadata?.resourceVersion, pod.metadata?.resourceVersion];
    // The informer may be behind what our own write answered.
    if (known !== "" && seen !== "" && !atLeast(seen, known)) return;
    this.#pod = pod;
    if (this.#syncType === "sync") this.#syncType = pod.metadata?.deletionTimestamp === undefined ? "update" : "kill";
    this.poke();
  }

  /** The API no longer has it. */
  remove(): void {
    this.#gone = true;
    this.#syncType = "kill";
    if (this.#finished) return this.#end();
    this.poke();
  }

  /** Something may have changed: step soon. */
  poke(): void {
    if (this.#stopped) return;
    if (this.#stepping) {
      this.#again = true;
      return;
    }
    this.#stepping = true;
    void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    this.#wake?.cancel();
    this.#prober.stop();
    this.#abort.abort(new Error("the kubelet stops"));
  }

  #end(): void {
    this.stop();
    this.#onDone(this.uid);
  }

  async #run(): Promise<void> {
    try {
      do {
        this.#again = false;
        await this.#stepOnce();
      } while (this.#again && !this.#stopped);
    } catch (error) {
      this.#node.log.error("pod step failed", { pod: this.uid, error: String(error) });
      this.#wakeAfter(limits.apiRetryMaxMs);
    } finally {
      this.#stepping = false;
    }
  }

  #input(): StepInput {
    const { runtime, hostIP, timings, clock } = this.#node;
    return {
      pod: this.#pod,
      gone: this.#gone,
      observed: this.#observed,
      probes: this.#prober.results(),
      node: { hostIP, runtimeName: runtime.name },
      timings,
      now: clock.now(),
    };
  }

  async #stepOnce(): Promise<void> {
    if (this.#finished) return;
    const { runtime, clock, metrics } = this.#node;
    const startedAt = clock.monotonic();
    const type = this.#syncType;
    this.#syncType = "sync";
    const [sandboxes, containers] = await Promise.all([
      runtime.listPodSandboxes(this.uid),
      runtime.listContainers(this.uid),
    ]);
    if (this.#stopped) return;
    this.#observed = { sandboxes, containers };
    // Before the step: a container must not count as ready only because its probes were not set up yet.
    this.#prober.sync(this.#pod, containers, currentSandbox(this.#observed)?.ip ?? "");
    const { status, effects, wakeAtMs } = step(this.#input(), this.#memory);
    if (status !== null) {
      this.#desired = status;
      this.#unwrittenSince ??= startedAt;
      this.#noteRunning(status);
      void this.#writeStatus();
    }
    for (const effect of effects) this.#begin(effect);
    if (wakeAtMs !== Infinity) this.#wakeAfter(wakeAtMs - clock.now());
    metrics.synced(type, (clock.monotonic() - startedAt) / 1000);
  }

  #noteRunning({ phase }: PodStatus): void {
    if (this.#startingSince === null || phase === "Pending") return;
    const { clock, metrics } = this.#node;
    if (phase === "Running") metrics.podRuns((clock.monotonic() - this.#startingSince) / 1000);
    this.#startingSince = null;
  }

  #wakeAfter(ms: number): void {
    this.#wake?.cancel();
    if (!this.#stopped) this.#wake = this.#node.timers.schedule(Math.max(1, ms), () => this.poke());
  }

  #begin(effect: Effect): void {
    switch (effect.kind) {
      case "event":
        return this.#node.events.event(referenceTo(pods, this.#pod), effect.type, effect.reason, effect.message);
      case "runSandbox":
        return this.#task(() => this.#runSandbox(effect.attempt));
      case "startContainer":
        return this.#task(() => this.#startContainer(effect));
      case "killContainer":
        return this.#task(() => this.#killContainer(effect));
      case "removeContainer":
        return this.#task(() => this.#node.runtime.removeContainer(effect.id), false);
      case "stopSandbox":
        return this.#task(() => this.#node.runtime.stopPodSandbox(effect.id));
      case "finish":
        // The last word on the pod has to be with the API before its object goes.
        if (effect.deleteObject && !this.#statusWritten()) return;
        this.#finished = true;
        return this.#task(() => this.#finish(effect.deleteObject), false);
    }
  }

  /** @param poke step again afterwards */
  #task(work: () => Promise<void>, poke = true): void {
    work().catch((error) => {
      if (!this.#stopped) this.#node.log.warn("pod effect failed", { pod: this.uid, error: String(error) });
    }).finally(() => {
      if (poke) this.poke();
    });
  }

  #say(container: string, type: "Normal" | "Warning", reason: string, message: string): void {
    const reference = referenceTo(pods, this.#pod, fieldPathOf(this.#pod, container));
    this.#node.events.event(reference, type, reason, message);
  }

  #containerSpec(name: string): Container | undefined {
    const spec = this.#pod.spec;
    return [...spec?.initContainers ?? [], ...spec?.containers ?? []].find((each) => each.name === name);
  }

  async #runSandbox(attempt: number): Promise<void> {
    const { name = "", namespace = "" } = this.#pod.metadata ?? {};
    const { clock, metrics } = this.#node;
    const startedAt = clock.monotonic();
    const seconds = () => (clock.monotonic() - startedAt) / 1000;
    try {
      await this.#node.runtime.runPodSandbox({
        podUid: this.uid,
        namespace,
        name,
        attempt,
        hostname: hostnameOf(this.#pod, this.#node),
        hostNetwork: this.#pod.spec?.hostNetwork ?? false,
      });
      metrics.sandboxRun(true, seconds());
      startSucceeded(this.#memory, "");
    } catch (error) {
      metrics.sandboxRun(false, seconds());
      const message = error instanceof Error ? error.message : String(error);
      const text = `Failed to create pod sandbox: ${message}`;
      this.#node.events.event(referenceTo(pods, this.#pod), "Warning", "FailedCreatePodSandBox", text);
      startFailed(this.#input(), this.#memory, "", { kind: "create", reason: "CreatePodSandboxError", message });
    } finally {
      this.#memory.inFlight.delete("sandbox");
    }
  }

  async #startContainer(effect: Extract<Effect, { kind: "startContainer" }>): Promise<void> {
    const { name, attempt, sandboxId } = effect;
    try {
      const container = this.#containerSpec(name);
      const podIP = this.#observed.sandboxes.find((each) => each.id === sandboxId)?.ip ?? "";
      if (container === undefined) return;
      const request = { pod: this.#pod, container, attempt, sandboxId, podIP };
      const result = await this.#node.starts.run(() => startContainer(this.#node, request));
      const init = (this.#pod.spec?.initContainers ?? []).includes(container);
      const code = result.ok ? null : result.failure?.reason ?? "RunContainerError";
      this.#node.metrics.containerStart(init ? "init_container" : "container", code);
      if (result.ok || result.failure === null) startSucceeded(this.#memory, name);
      else startFailed(this.#input(), this.#memory, name, result.failure);
    } finally {
      this.#memory.inFlight.delete(`start:${name}`);
    }
  }

  async #killContainer(effect: Extract<Effect, { kind: "killContainer" }>): Promise<void> {
    const { id, name, graceSeconds, message } = effect;
    const { clock, runtime } = this.#node;
    this.#say(name, "Normal", "Killing", message);
    const deadline = clock.monotonic() + graceSeconds * 1000;
    const container = this.#containerSpec(name);
    const hook = container?.lifecycle?.preStop;
    if (container !== undefined && hook !== undefined && runtime.reachable) {
      const podIP = currentSandbox(this.#observed)?.ip ?? "";
      const outcome = await runHook(this.#node, { id, container, podIP }, hook, graceSeconds * 1000);
      if (!outcome.ok) this.#say(name, "Warning", "FailedPreStopHook", `PreStopHook failed: ${outcome.output}`);
    }
    // Even after a hook that took all the time, SIGTERM gets a moment.
    await runtime.stopContainer(id, Math.max(1000, deadline - clock.monotonic()));
  }

  async #finish(deleteObject: boolean): Promise<void> {
    const { runtime, volumes, client } = this.#node;
    const { name = "", namespace } = this.#pod.metadata ?? {};
    this.#prober.stop();
    await this.#retry(async () => {
      for (const sandbox of await runtime.listPodSandboxes(this.uid)) await runtime.removePodSandbox(sandbox.id);
      await volumes?.tearDown(this.uid);
    });
    if (deleteObject && !this.#gone) {
      await this.#retry(async () => {
        try {
          await client.delete(pods, name, namespace, { gracePeriodSeconds: 0, preconditions: { uid: this.uid } });
        } catch (error) {
          // Gone already, or the name is another pod's by now.
          if (!isNotFound(error) && !isConflict(error)) throw error;
        }
      });
    }
    if (this.#gone) this.#end();
  }

  #statusWritten(): boolean {
    const wanted = this.#desired;
    return wanted === null || this.#gone || sameJson(this.#written, wanted) ||
      statusPatch(this.#pod.status ?? {}, wanted) === null;
  }

  /** One writer at a time; it always writes the newest. */
  async #writeStatus(): Promise<void> {
    if (this.#writing) return;
    this.#writing = true;
    let wrote = false;
    try {
      await this.#retry(async () => {
        for (;;) {
          const wanted = this.#desired;
          if (wanted === null || this.#gone || this.#stopped) return;
          const patch = statusPatch(this.#pod.status ?? {}, wanted);
          if (patch === null) return this.#noteSettled(wrote);
          const { name = "", namespace } = this.#pod.metadata ?? {};
          const target = { name, ...(namespace === undefined ? {} : { namespace }), subresource: "status" };
          try {
            const body = { metadata: { uid: this.uid }, status: patch };
            const answer = await this.#node.client.patch<PodObject>(pods, target, "strategic", body);
            this.#written = wanted;
            wrote = true;
            this.update(answer);
          } catch (error) {
            // The object has gone: the informer will say so.
            if (isNotFound(error)) return;
            throw error;
          }
          // Only what was decided since is written next: an API that keeps a value its own way is not argued with.
          if (this.#desired === wanted) return this.#noteSettled(wrote);
        }
      });
    } finally {
      this.#writing = false;
    }
  }

  /** The API has all that was decided. @param wrote something had to be written for it */
  #noteSettled(wrote: boolean): void {
    const { clock, metrics } = this.#node;
    if (wrote && this.#unwrittenSince !== null) {
      metrics.statusWritten((clock.monotonic() - this.#unwrittenSince) / 1000);
    }
    this.#unwrittenSince = null;
  }

  /** Until it works or the kubelet stops: what the API must learn is not given up. */
  async #retry(work: () => Promise<void>): Promise<void> {
    const { timers, random, log } = this.#node;
    for (let waitMs = limits.apiRetryMs; !this.#stopped; waitMs = Math.min(waitMs * 2, limits.apiRetryMaxMs)) {
      try {
        return await work();
      } catch (error) {
        if (this.#stopped) return;
        log.warn("will try again", { pod: this.uid, waitMs, error: String(error) });
        await timers.sleep(waitMs * (0.5 + random.next()), this.#abort.signal).catch(() => {});
      }
    }
  }
}
