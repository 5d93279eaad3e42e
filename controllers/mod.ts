import type { Component, Platform } from "../platform/mod.ts";
import { createEventRecorder, type RestClient, runLeaderElection } from "../client/mod.ts";
import { bootstrapSigner, tokenCleaner } from "./bootstrap_tokens.ts";
import { certificateRequestController, type Signing } from "./certificate_requests.ts";
import { clusterRoleAggregationController } from "./cluster_role_aggregation.ts";
import { cronJobController } from "./cron_job.ts";
import { daemonSetController } from "./daemon_set.ts";
import { deploymentController } from "./deployment.ts";
import { disruptionController } from "./disruption.ts";
import { endpointsController } from "./endpoints.ts";
import { endpointSliceMirroringController } from "./endpoint_slice_mirroring.ts";
import { endpointSliceController } from "./endpoint_slice.ts";
import { garbageCollector } from "./garbage_collector.ts";
import { createInformers } from "./informers.ts";
import { jobController } from "./job.ts";
import { namespaceController } from "./namespace.ts";
import { nodeLifecycleController } from "./node_lifecycle.ts";
import { podGarbageCollector } from "./pod_gc.ts";
import { replicaSetController, replicationController } from "./replica_set.ts";
import { resourceQuotaController } from "./resource_quota.ts";
import { createRunner } from "./runner.ts";
import { serviceAccountController } from "./service_account.ts";
import { statefulSetController } from "./stateful_set.ts";
import { ttlAfterFinishedController } from "./ttl_after_finished.ts";

export interface ControllerManagerTimers {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
  /** How often each node is looked at. */
  readonly nodeMonitorPeriodMs: number;
  /** A node silent for longer is marked Unknown. */
  readonly nodeMonitorGraceMs: number;
  /** Pods without a toleration of a lost node stay on it this long. */
  readonly podEvictionMs: number;
}

export interface ControllerManagerConfig {
  /** Unique among the candidates. */
  readonly identity: string;
  readonly timers: ControllerManagerTimers;
  /** False leaves nodes and their pods alone whatever their heartbeats (upstream: `--controllers=*,-node-lifecycle-controller`). */
  readonly nodeLifecycle?: boolean;
  /** Given to every namespace as `kube-root-ca.crt`. */
  readonly clusterCaPem: string;
  /** Signs certificate requests with the cluster's authority; absent: nobody does. */
  readonly signing?: Signing;
  /** Told "leader" and "standby". */
  readonly onRole?: (role: string) => void;
}

export interface ControllerManagerDeps {
  readonly client: RestClient;
  /** For the Lease alone, so that a renewal never waits behind other work; `client` when left out. */
  readonly electionClient?: RestClient;
  readonly platform: Pick<Platform, "clock" | "timers" | "random" | "log" | "metrics">;
}

/** The Lease that the candidates compete for. */
export const controllerManagerLease = { namespace: "kube-system", name: "kube-controller-manager" } as const;

/**
 * All controllers. A standby watches its Lease and nothing else: copies of everything in each of them would cost every
 * apiserver a delivery, and them the memory, of every change. A new leader lists first, which also shows it all that
 * its predecessor wrote. `ready` resolves when somebody leads, and, where it is this one, when its informers have synced.
 */
export function startControllerManager(config: ControllerManagerConfig, deps: ControllerManagerDeps): Component {
  const { client, platform } = deps;
  const { clock, timers, random, log, metrics } = platform;
  const informers = createInformers(client, { clock, timers, random, log });
  const recorderDeps = { client, clock, timers, random, log };
  const record = (component: string) => createEventRecorder({ component }, recorderDeps);
  const recorders = {
    daemonSet: record("daemonset-controller"),
    job: record("job-controller"),
    cronJob: record("cronjob-controller"),
    deployment: record("deployment-controller"),
    replicaSet: record("replicaset-controller"),
    replication: record("replication-controller"),
    node: record("node-controller"),
    statefulSet: record("statefulset-controller"),
    other: record("kube-controller-manager"),
  };
  const { nodeMonitorPeriodMs, nodeMonitorGraceMs, podEvictionMs } = config.timers;
  const base = { client, informers, clock, timers, log, metrics };
  const nodeTimers = { periodMs: nodeMonitorPeriodMs, graceMs: nodeMonitorGraceMs, podEvictionMs };
  const gcTimers = { periodMs: 4 * nodeMonitorPeriodMs, quarantineMs: nodeMonitorGraceMs };
  const { deployment, replicaSet, node, other } = recorders;
  const runners = [
    createRunner(deploymentController(informers), { ...base, recorder: deployment }),
    createRunner(daemonSetController(informers), { ...base, recorder: recorders.daemonSet }),
    createRunner(jobController(informers), { ...base, recorder: recorders.job }),
    createRunner(cronJobController(informers), { ...base, recorder: recorders.cronJob }),
    createRunner(ttlAfterFinishedController(informers), { ...base, recorder: other }),
    createRunner(replicaSetController(informers), { ...base, recorder: replicaSet }),
    createRunner(replicationController(informers), { ...base, recorder: recorders.replication }),
    createRunner(statefulSetController(informers), { ...base, recorder: recorders.statefulSet }),
    createRunner(namespaceController(informers, client), { ...base, recorder: other }),
    createRunner(serviceAccountController(informers, config.clusterCaPem), { ...base, recorder: other }),
    createRunner(garbageCollector(informers, client, other), { ...base, recorder: other }),
    ...(config.nodeLifecycle === false
      ? []
      : [createRunner(nodeLifecycleController(informers, nodeTimers, platform), { ...base, recorder: node })]),
    ...(config.signing === undefined ? [] : [createRunner(
      certificateRequestController(informers, client, random, config.signing),
      { ...base, recorder: other },
    )]),
    createRunner(podGarbageCollector(informers, client, gcTimers, clock), { ...base, recorder: node }),
    createRunner(endpointSliceController(informers), { ...base, recorder: other }),
    createRunner(endpointSliceMirroringController(informers), { ...base, recorder: other }),
    createRunner(endpointsController(informers), { ...base, recorder: other }),
    createRunner(tokenCleaner(informers), { ...base, recorder: other }),
    createRunner(bootstrapSigner(informers), { ...base, recorder: other }),
    createRunner(clusterRoleAggregationController(informers), { ...base, recorder: other }),
    createRunner(disruptionController(informers), { ...base, recorder: other }),
    createRunner(resourceQuotaController(informers, client), { ...base, recorder: other }),
  ];
  const led = Promise.withResolvers<void>();
  const working = new Set<Promise<unknown>>();
  const election = runLeaderElection({
    ...controllerManagerLease,
    identity: config.identity,
    leaseDurationMs: config.timers.leaseDurationMs,
    renewDeadlineMs: config.timers.renewDeadlineMs,
    retryPeriodMs: config.timers.retryPeriodMs,
    onStartedLeading(leadership) {
      config.onRole?.("leader");
      informers.start();
      void informers.synced.then(led.resolve);
      const term = lead(leadership);
      working.add(term);
      void term.finally(() => working.delete(term));
    },
    onStoppedLeading: () => config.onRole?.("standby"),
    onNewLeader: (identity) => {
      if (identity !== config.identity) led.resolve();
    },
  }, { ...recorderDeps, metrics, client: deps.electionClient ?? client });
  config.onRole?.("standby");

  async function lead(leadership: AbortSignal): Promise<void> {
    const ended = new Promise<void>((resolve) => leadership.addEventListener("abort", () => resolve(), { once: true }));
    // A leader whose informers never fill must not decide on half a view.
    await Promise.race([informers.synced, ended]);
    if (leadership.aborted) return;
    await Promise.all(runners.map((runner) => runner.lead(leadership)));
  }

  let stopped: Promise<void> | null = null;
  async function stop(): Promise<void> {
    await election.stop();
    informers.stop();
    for (const recorder of Object.values(recorders)) recorder.stop();
    await Promise.all(working);
  }
  return { ready: led.promise, stop: () => stopped ??= stop() };
}
