import type { Histogram, Metrics } from "../platform/mod.ts";
import { defaultBuckets } from "../platform/metrics.ts";
import type { ObservedPod } from "./core/types.ts";

/** Why a pod was looked at, by upstream's names. */
export type SyncType = "create" | "update" | "sync" | "kill";
export type ContainerType = "container" | "init_container";

/** What the kubelet counts and times; all nodes of one process count together. */
export interface KubeletMetrics {
  synced(type: SyncType, seconds: number): void;
  /** A pod runs. @param seconds since it was first seen here */
  podRuns(seconds: number): void;
  /** The API has a status. @param seconds since it was first another */
  statusWritten(seconds: number): void;
  sandboxRun(ok: boolean, seconds: number): void;
  /** @param error the reason in the container's status; null: it was started */
  containerStart(type: ContainerType, error: string | null): void;
}

const podStartBuckets = [0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200]
  .concat([1800, 2700, 3600]);
const statusBuckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 20, 30, 45, 60];

/**
 * By upstream's names, labels and bounds. There is no PLEG, so nothing relists; probes are not counted, because their
 * labels name pods, of which there is no end.
 * @param pods what was observed of each pod, when somebody asks
 */
export function kubeletMetrics(metrics: Metrics, pods: () => Iterable<Readonly<ObservedPod>>): KubeletMetrics {
  const name = (rest: string) => `kubelet_${rest}`;
  const counter = (rest: string, help: string) => metrics.counter(name(rest), help);
  const histogram = (rest: string, help: string, buckets: readonly number[]) =>
    metrics.histogram(name(rest), help, buckets);
  const worker = histogram("pod_worker_duration_seconds", "Seconds to sync a pod, by why it was done.", defaultBuckets);
  const syncs = Object.fromEntries(
    (["create", "update", "sync", "kill"] as const).map((type) => [type, worker.with({ operation_type: type })]),
  ) as Record<SyncType, Pick<Histogram, "observe">>;
  const podStart = histogram(
    "pod_start_duration_seconds",
    "Seconds from a pod's first being seen to its running.",
    podStartBuckets,
  ).with({});
  const status = histogram(
    "pod_status_sync_duration_seconds",
    "Seconds from a change of a pod's status to its being written.",
    statusBuckets,
  ).with({});
  const noHandler = { runtime_handler: "" };
  const sandbox = histogram("run_podsandbox_duration_seconds", "Seconds to run a pod's sandbox.", defaultBuckets)
    .with(noHandler);
  const sandboxErrors = counter("run_podsandbox_errors_total", "Sandboxes that could not be run.").with(noHandler);
  const started = counter("started_pods_total", "Pods whose sandbox was run.").with({});
  const startErrors = counter("started_pods_errors_total", "Pods whose sandbox could not be run.").with({});
  for (const each of [sandboxErrors, started, startErrors]) each.add(0);
  const containers = counter("started_containers_total", "Containers that were started, by type.");
  const containerErrors = counter(
    "started_containers_errors_total",
    "Containers that did not start, by type and reason.",
  );
  showRunning(metrics, pods);
  return {
    synced: (type, seconds) => syncs[type].observe(seconds),
    podRuns: (seconds) => podStart.observe(seconds),
    statusWritten: (seconds) => status.observe(seconds),
    sandboxRun(ok, seconds) {
      if (ok) {
        started.add();
        sandbox.observe(seconds);
      } else {
        startErrors.add();
        sandboxErrors.add();
      }
    },
    containerStart(container_type, code) {
      if (code === null) containers.add(1, { container_type });
      else containerErrors.add(1, { container_type, code });
    },
  };
}

function showRunning(metrics: Metrics, pods: () => Iterable<Readonly<ObservedPod>>): void {
  const runningPods = metrics.gauge("kubelet_running_pods", "Pods whose sandbox runs.");
  const runningContainers = metrics.gauge("kubelet_running_containers", "Containers, by state.");
  metrics.onCollect(() => {
    let running = 0;
    const states = { created: 0, running: 0, exited: 0 };
    for (const { sandboxes, containers } of pods()) {
      if (sandboxes.some(({ state }) => state === "ready")) running++;
      for (const { state } of containers) states[state]++;
    }
    runningPods.set(running);
    for (const [container_state, count] of Object.entries(states)) runningContainers.set(count, { container_state });
  });
}
