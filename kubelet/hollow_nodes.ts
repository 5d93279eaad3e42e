import type { KubeObject } from "../api/meta.ts";
import type { Node } from "../api/gen/types.ts";
import { nodes, pods } from "../api/resources.ts";
import { createDelegatedAuth, createInformer } from "../client/mod.ts";
import type { Component, TlsIdentity } from "../platform/mod.ts";
import { readHostFacts } from "./host_facts.ts";
import {
  defaultAllowedPeers,
  keeperTimersOf,
  type KubeletDeps,
  type KubeletTimers,
  podHandlers,
  timingsOf,
} from "./kubelet.ts";
import * as limits from "./limits.ts";
import { kubeletMetrics } from "./metrics.ts";
import { NodeAgent, type PodObject } from "./node_agent.ts";
import { HollowRuntime } from "./runtime/hollow.ts";
import { createKubeletHandler } from "./server/server.ts";

export interface HollowNodesConfig {
  readonly count: number;
  /** Nodes are called PREFIX-1, PREFIX-2, ... */
  readonly prefix: string;
  /** Where the one server for all of them listens; the InternalIP of each. */
  readonly address: string;
  readonly port: number;
  readonly tls: TlsIdentity;
  readonly timers: KubeletTimers;
  /** Of each node. Default: 32 CPUs, 256 GiB, 110 pods. */
  readonly capacity?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** The pod range of the `index`th node, from 0. Ranges may repeat: nothing dials simulated pods. */
  readonly podCidrOf: (index: number) => string;
  readonly startDelayMs?: number;
  readonly allowedPeers?: readonly string[];
}

const defaultCapacity = { cpu: "32", memory: "256Gi" };

/**
 * Thousands of simulated nodes in one process: each an agent with records for pods. They share one watch of all pods,
 * one of all nodes, and one server; their heartbeats are spread over the period.
 */
export function startHollowNodes(config: HollowNodesConfig, deps: KubeletDeps): Component {
  const closers: (() => void | Promise<void>)[] = [];
  let stopped = false;
  const agents = new Map<string, NodeAgent>();
  const { client, network, clock, timers, metrics } = deps;

  async function start(): Promise<void> {
    const http = network.http.client({});
    closers.push(() => http.close());
    const podInformer = createInformer<PodObject>(client, pods, {
      indexers: { name: (pod) => [`${pod.metadata?.namespace}/${pod.metadata?.name}`] },
    }, deps);
    const server = await network.http.serve({
      address: `tcp:${config.address}:${config.port}`,
      tls: { ...config.tls, clientCertificates: true },
      handler: createKubeletHandler({
        clock,
        timers,
        metrics,
        // Of all nodes at once: who asks must be allowed every node's.
        nodeName: "",
        auth: createDelegatedAuth({ anonymous: false }, deps),
        streams: network.streams,
        allowedPeers: config.allowedPeers ?? defaultAllowedPeers,
        view: {
          find(namespace, name) {
            const pod = podInformer.get(`${namespace}/${name}`);
            const agent = agents.get(pod?.spec?.nodeName ?? "");
            return pod === undefined || agent === undefined ? undefined : { pod, runtime: agent.runtime };
          },
          list: () => podInformer.list().filter((pod) => agents.has(pod.spec?.nodeName ?? "")),
        },
      }),
    });
    closers.push(() => server.close());
    const port = Number(new URL(server.url).port || 443);
    const shared = kubeletMetrics(metrics, function* () {
      for (const agent of agents.values()) yield* agent.observed();
    });
    const facts = await readHostFacts(deps.disk);
    const capacity = { ...defaultCapacity, pods: String(limits.maxPods), ...config.capacity };
    for (let i = 0; i < config.count; i++) {
      const name = `${config.prefix}-${i + 1}`;
      const podCidr = config.podCidrOf(i);
      const runtime = new HollowRuntime({
        podCidr,
        nodeAddress: config.address,
        startDelayMs: config.startDelayMs ?? 50,
      }, deps);
      agents.set(
        name,
        new NodeAgent({
          node: {
            name,
            address: config.address,
            port,
            labels: config.labels ?? {},
            capacity,
            allocatable: capacity,
            podCidr,
            info: { ...facts.info, containerRuntimeVersion: `${runtime.name}://${runtime.version}` },
          },
          keeper: keeperTimersOf(config.timers),
          timings: timingsOf(config.timers),
          clusterDomain: "cluster.local",
        }, { ...deps, metrics: shared, streams: network.streams, http, runtime, volumes: null, services: () => [] }),
      );
    }
    closers.push(stopAgents);
    if (stopped) return;
    await startAgents();
    const nodeInformer = createInformer<Node & KubeObject>(client, nodes, {}, deps);
    nodeInformer.subscribe({
      added: (node) => agents.get(node.metadata?.name ?? "")?.nodeChanged(node),
      updated: (_, node) => agents.get(node.metadata?.name ?? "")?.nodeChanged(node),
      deleted: (node) => agents.get(node.metadata?.name ?? "")?.nodeDeleted(),
    });
    podInformer.subscribe(podHandlers((pod) => agents.get(pod.spec?.nodeName ?? "")));
    closers.push(() => nodeInformer.stop(), () => podInformer.stop());
    nodeInformer.start();
    podInformer.start();
    await Promise.all([nodeInformer.synced, podInformer.synced]);
  }

  /** Spread over one heartbeat period, so that they go on beating apart; at most `batch` registrations at once. */
  async function startAgents(): Promise<void> {
    const batch = 50;
    const all = [...agents.values()];
    const pauseMs = config.timers.heartbeatMs / Math.ceil(all.length / batch);
    for (let at = 0; at < all.length && !stopped; at += batch) {
      const some = all.slice(at, at + batch);
      for (const agent of some) agent.start();
      await Promise.all([...some.map((agent) => agent.registered), timers.sleep(Math.min(pauseMs, 200))]);
    }
  }

  async function stopAgents(): Promise<void> {
    for (const agent of agents.values()) {
      agent.stop();
      await agent.runtime.stop();
    }
  }

  return {
    ready: start(),
    async stop() {
      stopped = true;
      for (const close of closers.splice(0).reverse()) await close();
    },
  };
}
