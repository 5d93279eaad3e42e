import type { Clock, Counter, Histogram, Metrics } from "../platform/mod.ts";
import { exponentialBuckets } from "../platform/metrics.ts";

/** Upstream's bounds: a microsecond to a quarter of an hour. */
const buckets = exponentialBuckets(1e-6, 10, 10);

/** What is read off a queue when somebody asks. */
export interface QueueState {
  readonly length: number;
  /** When the work under way was taken; milliseconds, monotonic. */
  startedAt(): Iterable<number>;
}

/** The workqueue_* series of one name. A queue that takes another's place (a new leadership) goes on with them. */
export interface WorkQueueMetrics {
  readonly adds: Pick<Counter, "add">;
  readonly retries: Pick<Counter, "add">;
  /** Seconds from being added to being taken. */
  readonly queued: Pick<Histogram, "observe">;
  /** Seconds from being taken to being done. */
  readonly worked: Pick<Histogram, "observe">;
  /** From now on this queue is shown. */
  show(state: QueueState): void;
}

/** @param name the label, client-go's name of the queue; one call a name and process */
export function createWorkQueueMetrics(name: string, deps: { metrics: Metrics; clock: Clock }): WorkQueueMetrics {
  const { metrics, clock } = deps;
  const labels = { name };
  const gauge = (metric: string, help: string) => metrics.gauge(`workqueue_${metric}`, help).with(labels);
  const counter = (metric: string, help: string) => metrics.counter(`workqueue_${metric}`, help).with(labels);
  const histogram = (metric: string, help: string) =>
    metrics.histogram(`workqueue_${metric}`, help, buckets).with(labels);
  const depth = gauge("depth", "Keys that wait to be taken.");
  const unfinished = gauge("unfinished_work_seconds", "Seconds of work under way that work_duration has not seen yet.");
  const longest = gauge("longest_running_processor_seconds", "Seconds that the longest work under way has taken.");
  let shown: QueueState | null = null;
  metrics.onCollect(() => {
    const now = clock.monotonic();
    let sum = 0;
    let max = 0;
    for (const startedAt of shown?.startedAt() ?? []) {
      sum += now - startedAt;
      max = Math.max(max, now - startedAt);
    }
    depth.set(shown?.length ?? 0);
    unfinished.set(sum / 1000);
    longest.set(max / 1000);
  });
  return {
    adds: counter("adds_total", "Keys that were added."),
    retries: counter("retries_total", "Keys that were added again after a failure."),
    queued: histogram("queue_duration_seconds", "Seconds that keys waited to be taken."),
    worked: histogram("work_duration_seconds", "Seconds that the work on keys took."),
    show: (state) => void (shown = state),
  };
}
