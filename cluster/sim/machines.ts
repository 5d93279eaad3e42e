import { startApiServer } from "../../apiserver/mod.ts";
import { createBatchingTransport, createRestClient, createTransport, type RestClient } from "../../client/mod.ts";
import { startControllerManager } from "../../controllers/mod.ts";
import { startKubelet } from "../../kubelet/mod.ts";
import type { Component, Platform, TlsIdentity } from "../../platform/mod.ts";
import type { SimAuthority } from "../../platform/sim/mod.ts";
import { startScheduler } from "../../scheduler/mod.ts";
import { connectStore, type Member, startMember } from "../../store/mod.ts";
import type { ClusterTimers } from "../timers.ts";

/** What runs on a machine of its own. A worker is a kubelet with hollow containers: records, no processes. */
export type SimKind = "store" | "apiserver" | "controller-manager" | "scheduler" | "worker";

export interface SimPlan {
  readonly controlPlanes: number;
  readonly workers: number;
  readonly timers: ClusterTimers;
  /** Of every worker. */
  readonly capacity: Readonly<Record<string, string>>;
  readonly authority: SimAuthority;
}

/** A component that was started. */
export interface Running {
  readonly component: Component;
  /** Of a store member. */
  readonly member?: Member;
  /** Absent for what has no leader. */
  readonly leads?: () => boolean;
}

/** Small: the simulated disk holds every byte of every member twice. */
const walSegmentBytes = 256 * 1024;
const peerPort = 2380;
const storePort = 2379;
const apiPort = 6443;
const kubeletPort = 10_250;

function each<T>(count: number, of: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => of(index));
}

/** Every machine of the plan, in the order in which it is started. Workers count from 1, as in a live cluster. */
export function machinesOf(plan: SimPlan): { kind: SimKind; index: number; name: string }[] {
  const { controlPlanes, workers } = plan;
  return [
    ...(["store", "apiserver", "controller-manager", "scheduler"] as const).flatMap((kind) =>
      each(controlPlanes, (index) => ({ kind, index, name: `${kind}-${index}` }))
    ),
    ...each(workers, (i) => ({ kind: "worker" as const, index: i + 1, name: `worker-${i + 1}` })),
  ];
}

export function apiServerUrl(index: number): string {
  return `https://apiserver-${index}:${apiPort}`;
}

/** A client of all apiservers, or of those named. */
export function clientOf(
  plan: SimPlan,
  tls: TlsIdentity,
  platform: Platform,
  userAgent: string,
  endpoints = each(plan.controlPlanes, apiServerUrl),
): RestClient {
  // JSON for all: the msgpack codec is loaded on first use by the event loop, at a moment that no seed decides.
  return createRestClient(createTransport({ endpoints, tls }, platform), { encoding: "json", userAgent });
}

/** As {@linkcode clientOf}, but what is written at the same time leaves together. */
function batchingClientOf(plan: SimPlan, tls: TlsIdentity, platform: Platform, userAgent: string): RestClient {
  const transport = createTransport({ endpoints: each(plan.controlPlanes, apiServerUrl), tls }, platform);
  return createRestClient(createBatchingTransport(transport), { encoding: "json", userAgent });
}

/** Starts what belongs on the machine: the live cluster's factory with the live cluster's configuration. */
export function startOn(kind: SimKind, index: number, plan: SimPlan, platform: Platform): Promise<Running> {
  switch (kind) {
    case "store":
      return store(index, plan, platform);
    case "apiserver":
      return apiServer(index, plan, platform);
    case "controller-manager":
      return controllerManager(index, plan, platform);
    case "scheduler":
      return scheduler(index, plan, platform);
    case "worker":
      return worker(index, plan, platform);
  }
}

async function store(index: number, plan: SimPlan, platform: Platform): Promise<Running> {
  const id = `store-${index}`;
  const member = await startMember({
    clusterId: "sim",
    id,
    members: each(plan.controlPlanes, (i) => ({
      id: `store-${i}`,
      peerAddress: `tcp:store-${i}:${peerPort}`,
      clientAddress: `tcp:store-${i}:${storePort}`,
    })),
    dataDirectory: "/data/store",
    timers: plan.timers.store,
    segmentBytes: walSegmentBytes,
  }, platform);
  return { component: member, member, leads: () => member.status().leaderId === id };
}

async function apiServer(index: number, plan: SimPlan, platform: Platform): Promise<Running> {
  const { authority, controlPlanes, timers } = plan;
  const store = connectStore({
    endpoints: each(controlPlanes, (i) => `tcp:store-${(index + i) % controlPlanes}:${storePort}`),
  }, platform);
  const component = await startApiServer(
    {
      name: `apiserver-${index}`,
      address: `tcp:apiserver-${index}:${apiPort}`,
      advertise: { address: `10.1.0.${index + 1}`, port: apiPort },
      tls: authority.issue("kube-apiserver"),
      kubeletClient: authority.issue("kube-apiserver", ["system:masters"]),
      // Signatures end in an order that no seed decides: here, who asks for a token gets an error.
      serviceAccount: { privateKeyPem: "", publicKeyPem: "", issuer: "https://kubernetes.default.svc.cluster.local" },
      serviceCidr: "10.96.0.0/16",
      allowLoopbackEndpoints: false,
      timers: {
        endpointReconcileMs: timers.apiServer.endpointReconcileMs,
        podTolerationSeconds: timers.node.podEvictionMs / 1000,
      },
    },
    platform,
    store,
  );
  return { component };
}

async function controllerManager(index: number, plan: SimPlan, platform: Platform): Promise<Running> {
  const { authority, timers } = plan;
  const tls = authority.issue("system:kube-controller-manager");
  let role = "";
  const component = startControllerManager({
    identity: `controller-manager-${index}`,
    timers: {
      ...timers.leaderElection,
      nodeMonitorPeriodMs: timers.node.monitorPeriodMs,
      nodeMonitorGraceMs: timers.node.monitorGraceMs,
      podEvictionMs: timers.node.podEvictionMs,
    },
    clusterCaPem: authority.ca,
    onRole: (next) => void (role = next),
  }, {
    client: clientOf(plan, tls, platform, "sauropod-controller-manager"),
    electionClient: clientOf(plan, tls, platform, "sauropod-controller-manager"),
    platform,
  });
  return { component, leads: () => role === "leader" };
}

async function scheduler(index: number, plan: SimPlan, platform: Platform): Promise<Running> {
  const tls = plan.authority.issue("system:kube-scheduler");
  const component = startScheduler({
    identity: `scheduler-${index}`,
    schedulerName: "default-scheduler",
    seed: platform.random.int(2 ** 31),
    timers: plan.timers.leaderElection,
  }, {
    client: batchingClientOf(plan, tls, platform, "sauropod-scheduler"),
    electionClient: clientOf(plan, tls, platform, "sauropod-scheduler"),
    ...platform,
  });
  return { component, leads: () => component.isLeader };
}

async function worker(index: number, plan: SimPlan, platform: Platform): Promise<Running> {
  const nodeName = `worker-${index}`;
  const tls = plan.authority.issue(`system:node:${nodeName}`, ["system:nodes"]);
  const component = startKubelet({
    nodeName,
    nodeAddress: `10.2.0.${index}`,
    runtime: "hollow",
    dataDirectory: "/data/kubelet",
    podCidr: `10.244.${index}.0/24`,
    tls,
    port: kubeletPort,
    capacity: plan.capacity,
    timers: plan.timers.node,
  }, { client: clientOf(plan, tls, platform, "sauropod-kubelet"), ...platform });
  return { component };
}
