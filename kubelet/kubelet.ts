import type { KubeObject } from "../api/meta.ts";
import type { Node, Pod, Service } from "../api/gen/types.ts";
import { nodes, pods, services } from "../api/resources.ts";
import { createDelegatedAuth, createInformer, type Informer, type RestClient } from "../client/mod.ts";
import type { Component, Platform, Timer, TlsIdentity } from "../platform/mod.ts";
import type { NodeDescription } from "./core/node.ts";
import type { LifecycleTimings } from "./core/types.ts";
import { readHostFacts } from "./host_facts.ts";
import * as limits from "./limits.ts";
import { kubeletMetrics } from "./metrics.ts";
import { NodeAgent, type PodObject } from "./node_agent.ts";
import { HollowRuntime } from "./runtime/hollow.ts";
import { ProcessRuntime } from "./runtime/process/runtime.ts";
import type { ContainerRuntime } from "./runtime/types.ts";
import { createKubeletHandler } from "./server/server.ts";
import { createVolumes } from "./volumes/volumes.ts";

/** Milliseconds. What is absent is upstream's. */
export interface KubeletTimers {
  /** Of the node's Lease. */
  readonly heartbeatMs: number;
  /** How long others wait for a heartbeat; the lease states four fifths of it. */
  readonly monitorGraceMs: number;
  readonly restartBackoffMs?: number;
  readonly restartBackoffMaxMs?: number;
  readonly configRetryMs?: number;
}

export interface KubeletConfig {
  readonly nodeName: string;
  /** The node's InternalIP; the server listens there. */
  readonly nodeAddress: string;
  /** Of the server; 0: any. */
  readonly port: number;
  readonly runtime: "process" | "hollow";
  /** Absolute. */
  readonly dataDirectory: string;
  readonly podCidr: string;
  /** Server certificate of this node; `ca` signs the clients that may ask it. */
  readonly tls: TlsIdentity;
  readonly timers: KubeletTimers;
  /** Absolute path of the Deno executable, for the built-in images. Needed by the process runtime only. */
  readonly denoPath?: string;
  /** Put into the environment of every container as SAUROPOD_CONTAINER_OF; default: `dataDirectory`. */
  readonly owner?: string;
  /** Beside what the host has; `cpu`, `memory`, `pods`. */
  readonly capacity?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Common names of clients; default: kube-apiserver. */
  readonly allowedPeers?: readonly string[];
  /** Of the hollow runtime: how long a container takes to start. */
  readonly hollowStartDelayMs?: number;
}

export type KubeletDeps =
  & Pick<
    Platform,
    "clock" | "timers" | "random" | "disk" | "network" | "processes" | "log" | "metrics"
  >
  & { readonly client: RestClient };

export const defaultAllowedPeers: readonly string[] = ["kube-apiserver"];
const defaultHollowStartDelayMs = 50;

export function timingsOf(timers: KubeletTimers): LifecycleTimings {
  return {
    restartBackoffMs: timers.restartBackoffMs ?? limits.restartBackoffMs,
    restartBackoffMaxMs: timers.restartBackoffMaxMs ?? limits.restartBackoffMaxMs,
    configRetryMs: timers.configRetryMs ?? limits.configRetryMs,
  };
}

export function keeperTimersOf(timers: KubeletTimers): { heartbeatMs: number; leaseDurationMs: number } {
  return { heartbeatMs: timers.heartbeatMs, leaseDurationMs: timers.monitorGraceMs * 0.8 };
}

function createRuntime(config: KubeletConfig, deps: KubeletDeps): ContainerRuntime {
  const { podCidr, nodeAddress, dataDirectory } = config;
  if (config.runtime === "hollow") {
    const startDelayMs = config.hollowStartDelayMs ?? defaultHollowStartDelayMs;
    return new HollowRuntime({ podCidr, nodeAddress, startDelayMs }, deps);
  }
  if (config.denoPath === undefined) throw new TypeError("the process runtime needs denoPath");
  const { denoPath, owner = dataDirectory } = config;
  return new ProcessRuntime({ dataDirectory, denoPath, podCidr, nodeAddress, owner }, deps);
}

/** One kubelet: registers its node, keeps its pods true, serves logs and exec. Containers outlive `stop`. */
export function startKubelet(config: KubeletConfig, deps: KubeletDeps): Component {
  const kubelet = new Kubelet(config, deps);
  return { ready: kubelet.start(), stop: () => kubelet.stop() };
}

class Kubelet {
  readonly #config: KubeletConfig;
  readonly #deps: KubeletDeps;
  readonly #runtime: ContainerRuntime;
  readonly #closers: (() => void | Promise<void>)[] = [];
  #stopped = false;

  constructor(config: KubeletConfig, deps: KubeletDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#runtime = createRuntime(config, deps);
  }

  async start(): Promise<void> {
    const { client, disk, network, clock, timers, metrics } = this.#deps;
    const runtime = this.#runtime;
    await disk.mkdir(this.#config.dataDirectory);
    await runtime.start();
    this.#closers.push(() => runtime.stop());
    const http = network.http.client({});
    this.#closers.push(() => http.close());
    const serviceInformer = this.#informer<Service & KubeObject>(services, {});
    const agents: NodeAgent[] = [];
    const server = await network.http.serve({
      address: `tcp:${this.#config.nodeAddress}:${this.#config.port}`,
      tls: { ...this.#config.tls, clientCertificates: true },
      handler: createKubeletHandler({
        clock,
        timers,
        metrics,
        nodeName: this.#config.nodeName,
        auth: createDelegatedAuth({ anonymous: false }, this.#deps),
        streams: network.streams,
        allowedPeers: this.#config.allowedPeers ?? defaultAllowedPeers,
        view: {
          find(namespace, name) {
            const pod = agents[0]?.findPod(namespace, name);
            return pod === undefined ? undefined : { pod, runtime };
          },
          list: () => agents[0]?.pods() ?? [],
        },
      }),
    });
    this.#closers.push(() => server.close());
    const agent = new NodeAgent({
      node: await this.#describe(Number(new URL(server.url).port || 443)),
      keeper: keeperTimersOf(this.#config.timers),
      timings: timingsOf(this.#config.timers),
      clusterDomain: "cluster.local",
    }, {
      ...this.#deps,
      metrics: kubeletMetrics(metrics, () => agents[0]?.observed() ?? []),
      streams: network.streams,
      http,
      runtime,
      volumes: runtime.reachable ? createVolumes(this.#config.dataDirectory, { client, disk, clock }) : null,
      services: () => runtime.reachable ? serviceInformer.list() : [],
    });
    agents.push(agent);
    metrics.gauge("kubelet_node_name", "1, by the node's name.").set(1, { node: agent.name });
    this.#closers.push(() => agent.stop());
    if (this.#stopped) return await this.stop();
    agent.start();
    await agent.registered;
    if (runtime.reachable) serviceInformer.start();
    this.#watchNode(agent);
    if (runtime.reachable) await serviceInformer.synced;
    const informer = this.#watchPods(agent);
    await informer.synced;
    if (this.#stopped) return;
    await agent.removeLeftovers();
    this.#refresh(agent);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    // Last opened, first closed: pods stop being worked on before the runtime lets go of them.
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  async #describe(port: number): Promise<NodeDescription> {
    const { nodeName, nodeAddress, labels = {}, podCidr } = this.#config;
    const facts = await readHostFacts(this.#deps.disk);
    const capacity = {
      cpu: facts.capacity.cpu,
      memory: facts.capacity.memory,
      pods: String(limits.maxPods),
      ...this.#config.capacity,
    };
    return {
      name: nodeName,
      address: nodeAddress,
      port,
      labels,
      capacity,
      allocatable: capacity,
      podCidr,
      info: { ...facts.info, containerRuntimeVersion: `${this.#runtime.name}://${this.#runtime.version}` },
    };
  }

  #informer<T extends KubeObject>(
    info: typeof pods,
    options: { fieldSelector?: string },
  ): Informer<T> {
    const informer = createInformer<T>(this.#deps.client, info, options, this.#deps);
    this.#closers.push(() => informer.stop());
    return informer;
  }

  #watchNode(agent: NodeAgent): void {
    const fieldSelector = `metadata.name=${this.#config.nodeName}`;
    const informer = this.#informer<Node & KubeObject>(nodes, { fieldSelector });
    informer.subscribe({
      added: (node) => agent.nodeChanged(node),
      updated: (_, node) => agent.nodeChanged(node),
      deleted: () => agent.nodeDeleted(),
    });
    informer.start();
  }

  #watchPods(agent: NodeAgent): Informer<PodObject> {
    const fieldSelector = `spec.nodeName=${this.#config.nodeName}`;
    const informer = this.#informer<Pod & KubeObject>(pods, { fieldSelector });
    informer.subscribe(podHandlers(() => agent));
    informer.start();
    return informer;
  }

  #refresh(agent: NodeAgent): void {
    let timer: Timer | null = null;
    const { timers } = this.#deps;
    const next = () => {
      timer = timers.schedule(limits.volumeRefreshMs, () => {
        void agent.refreshVolumes().finally(() => {
          if (!this.#stopped) next();
        });
      });
    };
    next();
    this.#closers.push(() => timer?.cancel());
  }
}

/** Brings pods to the agent of their node. A pod that was replaced by another of its name is one gone and one new. */
export function podHandlers(agentOf: (pod: Readonly<PodObject>) => NodeAgent | undefined) {
  function changed(pod: Readonly<PodObject>): void {
    const agent = agentOf(pod);
    if (agent === undefined) return;
    if (agent.runtime instanceof HollowRuntime) agent.runtime.restore(pod);
    agent.podChanged(pod);
  }
  return {
    added: changed,
    updated(old: Readonly<PodObject>, pod: Readonly<PodObject>): void {
      if (old.metadata?.uid !== pod.metadata?.uid) agentOf(old)?.podDeleted(old);
      changed(pod);
    },
    deleted: (pod: Readonly<PodObject>) => agentOf(pod)?.podDeleted(pod),
  };
}
