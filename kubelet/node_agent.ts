import type { KubeObject } from "../api/meta.ts";
import type { Node, Pod, Service } from "../api/gen/types.ts";
import { isPodTerminal } from "../api/pods.ts";
import { createEventRecorder, type EventRecorder, type RestClient } from "../client/mod.ts";
import type { Clock, HttpClient, Log, Random, Streams, Timers } from "../platform/mod.ts";
import { admit } from "./core/resources.ts";
import type { NodeDescription } from "./core/node.ts";
import type { LifecycleTimings, ObservedPod } from "./core/types.ts";
import * as limits from "./limits.ts";
import type { KubeletMetrics } from "./metrics.ts";
import type { NodeContext } from "./node_context.ts";
import { NodeKeeper, type NodeKeeperTimers } from "./node_keeper.ts";
import { PodWorker } from "./pod_worker.ts";
import { createGate } from "./prober.ts";
import type { ContainerRuntime } from "./runtime/types.ts";
import type { Volumes } from "./volumes/volumes.ts";

export type PodObject = Pod & KubeObject;

export interface NodeAgentConfig {
  readonly node: NodeDescription;
  readonly keeper: NodeKeeperTimers;
  readonly timings: LifecycleTimings;
  readonly clusterDomain: string;
}

export interface NodeAgentDeps {
  readonly client: RestClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: KubeletMetrics;
  readonly streams: Streams;
  readonly http: HttpClient;
  readonly runtime: ContainerRuntime;
  readonly volumes: Volumes | null;
  /** Services whose variables this pod's containers get. */
  readonly services: (pod: Readonly<Pod>) => readonly Readonly<Service>[];
}

/**
 * One node: its object, its lease, its pods. Where pods come from (an informer of its own, or one that thousands of
 * hollow nodes share) and who serves logs is the caller's matter.
 */
export class NodeAgent {
  readonly name: string;
  readonly runtime: ContainerRuntime;
  readonly registered: Promise<void>;
  readonly #context: NodeContext;
  readonly #keeper: NodeKeeper;
  readonly #workers = new Map<string, PodWorker>();
  readonly #events: EventRecorder;

  constructor(config: NodeAgentConfig, deps: NodeAgentDeps) {
    const { node } = config;
    const { client, clock, timers, random, runtime, streams, http } = deps;
    const log = deps.log.with({ node: node.name });
    this.name = node.name;
    this.runtime = runtime;
    this.#events = createEventRecorder({ component: "kubelet", host: node.name }, {
      client,
      clock,
      timers,
      random,
      log,
    });
    this.#context = {
      nodeName: node.name,
      hostIP: node.address,
      clusterDomain: config.clusterDomain,
      allocatable: node.allocatable,
      runtime,
      volumes: deps.volumes,
      client,
      events: this.#events,
      clock,
      timers,
      random,
      log,
      metrics: deps.metrics,
      timings: config.timings,
      starts: createGate(limits.maxStartsAtOnce),
      prober: { clock, timers, log, streams, http, runtime, gate: createGate(limits.maxProbesAtOnce) },
      services: deps.services,
    };
    runtime.onChange = (podUid) => this.#workers.get(podUid)?.poke();
    this.#keeper = new NodeKeeper(node, config.keeper, { client, clock, timers, random, log });
    this.registered = this.#keeper.registered;
  }

  start(): void {
    this.#keeper.start();
  }

  /** Containers go on. */
  stop(): void {
    this.#keeper.stop();
    for (const worker of this.#workers.values()) worker.stop();
    this.#events.stop();
  }

  nodeChanged(node: Readonly<Node & KubeObject>): void {
    this.#keeper.nodeChanged(node);
  }

  nodeDeleted(): void {
    this.#keeper.nodeDeleted();
  }

  podChanged(pod: Readonly<PodObject>): void {
    const uid = pod.metadata?.uid ?? "";
    const known = this.#workers.get(uid);
    if (known !== undefined) return known.update(pod);
    const worker = new PodWorker(this.#context, pod, (done) => this.#workers.delete(done));
    const rejection = this.#isNew(pod) ? admit(pod, this.#admitted(), this.#context.allocatable) : null;
    this.#workers.set(uid, worker);
    if (rejection !== null) worker.reject(rejection.reason, rejection.message);
    worker.poke();
  }

  podDeleted(pod: Readonly<PodObject>): void {
    this.#workers.get(pod.metadata?.uid ?? "")?.remove();
  }

  /** Ends what an earlier kubelet left of pods that are no longer this node's. Call when all pods are known. */
  async removeLeftovers(): Promise<void> {
    for (const sandbox of await this.runtime.listPodSandboxes()) {
      if (this.#workers.has(sandbox.podUid)) continue;
      this.#context.log.info("removing what is left of a deleted pod", { pod: sandbox.name, uid: sandbox.podUid });
      await this.runtime.removePodSandbox(sandbox.id);
      await this.#context.volumes?.tearDown(sandbox.podUid);
    }
  }

  /** Brings volumes made from API objects up to date. */
  async refreshVolumes(): Promise<void> {
    const { volumes, nodeName, hostIP, allocatable } = this.#context;
    if (volumes === null) return;
    for (const { pod } of this.#workers.values()) {
      if (!volumes.isStale(pod) || pod.metadata?.deletionTimestamp !== undefined) continue;
      await volumes.setUp(pod, { podIP: pod.status?.podIP ?? "", nodeName, hostIP, allocatable }).catch((error) => {
        this.#context.log.warn("volume not refreshed", { pod: pod.metadata?.uid, error: String(error) });
      });
    }
  }

  pods(): Readonly<PodObject>[] {
    return [...this.#workers.values()].map((worker) => worker.pod);
  }

  /** What each pod's last step saw of it. */
  *observed(): Iterable<Readonly<ObservedPod>> {
    for (const worker of this.#workers.values()) yield worker.observed;
  }

  findPod(namespace: string, name: string): Readonly<PodObject> | undefined {
    return this.pods().find((pod) => pod.metadata?.namespace === namespace && pod.metadata.name === name);
  }

  /** Only a pod that nothing has been done for yet can be turned away. */
  #isNew(pod: Readonly<PodObject>): boolean {
    return (pod.status?.phase ?? "Pending") === "Pending" && pod.status?.podIP === undefined &&
      pod.metadata?.deletionTimestamp === undefined;
  }

  #admitted(): Readonly<PodObject>[] {
    return this.pods().filter((pod) => !isPodTerminal(pod));
  }
}
