import type { Metrics } from "../platform/mod.ts";
import { exponentialBuckets } from "../platform/metrics.ts";
import type { IncomingCounts, QueuePlace } from "./core/queue.ts";

/** Outcome of one attempt, as upstream labels it. */
export type AttemptResult = "scheduled" | "unschedulable" | "error";

export interface SchedulerMetrics {
  /** @param seconds of the decision, and of the bind when there was one */
  attempt(result: AttemptResult, seconds: number): void;
  algorithm(seconds: number): void;
  filtered(seconds: number): void;
  scored(seconds: number): void;
  bound(ok: boolean, seconds: number): void;
  /** A pod got its node. @param seconds since it was first tried */
  scheduled(attempts: number, seconds: number): void;
}

/** What is read off the scheduler when somebody asks. */
export interface SchedulerState {
  readonly pending: Readonly<Record<QueuePlace, number>>;
  readonly incoming: IncomingCounts;
  readonly cache: { readonly nodes: number; readonly pods: number; readonly assumed: number };
}

const places = ["active", "backoff", "unschedulable", "gated"] as const;
/** Upstream's bounds from a millisecond on, and finer ones below: a decision takes microseconds here. */
const algorithmBuckets = exponentialBuckets(0.001 / 64, 2, 15 + 6);
/** Upstream counts this many attempts and more together. */
const manyAttempts = 15;

/**
 * kube-scheduler's metrics, by its names, labels and bounds. Nothing is allocated for an observation: every series is
 * bound to its labels here.
 */
export function schedulerMetrics(metrics: Metrics, profile: string, state: () => SchedulerState): SchedulerMetrics {
  const name = (rest: string) => `scheduler_${rest}`;
  const attempts = metrics.counter(
    name("schedule_attempts_total"),
    "Attempts to schedule pods, by result: 'unschedulable' for pods that fit nowhere, 'error' for failures of the scheduler.",
  );
  const attemptSeconds = metrics.histogram(
    name("scheduling_attempt_duration_seconds"),
    "Latency of an attempt, decision and binding.",
    exponentialBuckets(0.001, 2, 15),
  );
  const results = Object.fromEntries(
    (["scheduled", "unschedulable", "error"] as const).map((result) => {
      const labels = { result, profile };
      return [result, { total: attempts.with(labels), seconds: attemptSeconds.with(labels) }];
    }),
  );
  const algorithm = metrics.histogram(
    name("scheduling_algorithm_duration_seconds"),
    "Latency of a decision.",
    algorithmBuckets,
  ).with({});
  const pointSeconds = metrics.histogram(
    name("framework_extension_point_duration_seconds"),
    "Latency of all plugins of an extension point.",
    exponentialBuckets(0.0001, 2, 12),
  );
  const point = (extension_point: string, status: string) => pointSeconds.with({ extension_point, status, profile });
  const filter = point("Filter", "Success");
  const score = point("Score", "Success");
  const bind = { success: point("Bind", "Success"), error: point("Bind", "Error") };
  const sli = metrics.histogram(
    name("pod_scheduling_sli_duration_seconds"),
    "Time from a pod's first attempt to its binding.",
    exponentialBuckets(0.01, 2, 20),
  );
  const sliByAttempts = Array.from(
    { length: manyAttempts },
    (_, i) => sli.with({ attempts: i + 1 < manyAttempts ? `${i + 1}` : `${manyAttempts}+` }),
  );
  const podAttempts = metrics.histogram(
    name("pod_scheduling_attempts"),
    "Attempts that a pod needed to get its node.",
    exponentialBuckets(1, 2, 5),
  ).with({});
  showState(metrics, state);
  return {
    attempt(result, took) {
      results[result]?.total.add();
      results[result]?.seconds.observe(took);
    },
    algorithm: (took) => algorithm.observe(took),
    filtered: (took) => filter.observe(took),
    scored: (took) => score.observe(took),
    bound: (ok, took) => (ok ? bind.success : bind.error).observe(took),
    scheduled(count, took) {
      sliByAttempts[Math.min(count, manyAttempts) - 1]?.observe(took);
      podAttempts.observe(count);
    },
  };
}

function showState(metrics: Metrics, state: () => SchedulerState): void {
  const pending = metrics.gauge("scheduler_pending_pods", "Waiting pods, by queue.");
  const incoming = metrics.counterView(
    "scheduler_queue_incoming_pods_total",
    "Pods added to queues, by event and queue.",
  );
  const cache = metrics.gauge("scheduler_cache_size", "Nodes, pods and assumed pods in the scheduler's cache.");
  metrics.onCollect(() => {
    const now = state();
    for (const queue of places) pending.set(now.pending[queue], { queue });
    for (const [event, counts] of now.incoming) {
      for (const queue of places) if (counts[queue] > 0) incoming.set(counts[queue], { event, queue });
    }
    cache.set(now.cache.nodes, { type: "nodes" });
    cache.set(now.cache.pods, { type: "pods" });
    cache.set(now.cache.assumed, { type: "assumed_pods" });
  });
}
