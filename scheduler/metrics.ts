import type { Metrics } from "../platform/mod.ts";
import type { QueuePlace } from "./core/queue.ts";

/** Outcome of one attempt, as upstream labels it. */
export type AttemptResult = "scheduled" | "unschedulable" | "error";

export interface SchedulerMetrics {
  /** @param seconds of the decision, and of the bind when there was one */
  attempt(result: AttemptResult, seconds: number): void;
  algorithm(seconds: number): void;
  /** A pod got its node. @param seconds since it was first tried */
  scheduled(attempts: number, seconds: number): void;
  pending(counts: Readonly<Record<QueuePlace, number>>): void;
  queued(event: string, count: number): void;
  cache(counts: { readonly nodes: number; readonly pods: number; readonly assumed: number }): void;
}

/** `count` bounds, each `factor` times the one before. */
function exponential(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i);
}

/** kube-scheduler's metrics, by its names. @see k8s.io/kubernetes pkg/scheduler/metrics/metrics.go */
export function schedulerMetrics(metrics: Metrics, profile: string): SchedulerMetrics {
  const attempts = metrics.counter(
    "scheduler_schedule_attempts_total",
    "Attempts to schedule pods, by result: 'unschedulable' for pods that fit nowhere, 'error' for failures of the scheduler.",
  );
  const seconds = exponential(0.001, 2, 15);
  const attemptDuration = metrics.histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "Latency of an attempt, decision and binding.",
    seconds,
  );
  const algorithmDuration = metrics.histogram(
    "scheduler_scheduling_algorithm_duration_seconds",
    "Latency of a decision.",
    exponential(0.00001, 2, 20),
  );
  const sli = metrics.histogram(
    "scheduler_pod_scheduling_sli_duration_seconds",
    "Time from a pod's first attempt to its binding.",
    exponential(0.01, 2, 20),
  );
  const podAttempts = metrics.histogram(
    "scheduler_pod_scheduling_attempts",
    "Attempts that a pod needed to get its node.",
    exponential(1, 2, 5),
  );
  const pending = metrics.gauge("scheduler_pending_pods", "Waiting pods, by queue.");
  const incoming = metrics.counter("scheduler_queue_incoming_pods_total", "Pods added to queues, by event.");
  const cache = metrics.gauge("scheduler_cache_size", "Nodes, pods and assumed pods in the scheduler's cache.");
  return {
    attempt(result, took) {
      attempts.add(1, { result, profile });
      attemptDuration.observe(took, { result, profile });
    },
    algorithm: (took) => algorithmDuration.observe(took),
    scheduled(count, took) {
      sli.observe(took, { attempts: count >= 15 ? "15+" : `${count}` });
      podAttempts.observe(count);
    },
    pending(counts) {
      for (const queue of ["active", "backoff", "unschedulable", "gated"] as const) {
        pending.set(counts[queue], { queue });
      }
    },
    queued: (event, count) => incoming.add(count, { event }),
    cache({ nodes, pods, assumed }) {
      cache.set(nodes, { type: "nodes" });
      cache.set(pods, { type: "pods" });
      cache.set(assumed, { type: "assumed_pods" });
    },
  };
}
