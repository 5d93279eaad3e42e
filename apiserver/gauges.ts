import { buildLabels } from "../api/version.ts";
import type { Metrics } from "../platform/mod.ts";
import type { Drain } from "./drain.ts";
import type { Registry } from "./registry/context.ts";
import type { ResourceCache } from "./watchcache/resource_cache.ts";

interface Sources {
  readonly registry: Registry;
  readonly drain: Drain;
  readonly caches: () => readonly ResourceCache[];
}

/** What is read off the server when somebody asks for /metrics, and costs nothing until then; by upstream's names. */
export function showGauges(metrics: Metrics, { registry, drain, caches }: Sources): void {
  const flow = (name: string, help: string) => metrics.gauge(`apiserver_flowcontrol_${name}`, help);
  const flowTotal = (name: string, help: string) => metrics.counterView(`apiserver_flowcontrol_${name}`, help);
  const inFlight = metrics.gauge("apiserver_current_inflight_requests", "Requests under way, by request kind.");
  const longRunning = metrics.gauge("apiserver_longrunning_requests", "Watches, followed logs and sessions.");
  const objects = metrics.gauge("apiserver_storage_objects", "Objects stored, by resource.");
  const executing = flow("current_executing_requests", "Requests that have a seat, by priority level.");
  const queued = flow("current_inqueue_requests", "Requests that wait for a seat, by priority level.");
  const seats = flow("nominal_limit_seats", "Seats of each priority level.");
  const dispatched = flowTotal("dispatched_requests_total", "Requests that got a seat.");
  const rejected = flowTotal("rejected_requests_total", "Requests turned away, by reason.");
  metrics.gauge("kubernetes_build_info", "The version of Kubernetes that is spoken.").set(1, buildLabels);

  metrics.onCollect(() => {
    inFlight.set(drain.reading, { request_kind: "readOnly" });
    inFlight.set(drain.writing, { request_kind: "mutating" });
    longRunning.set(registry.counts.longRunning);
    // Custom resources come and go with their definitions.
    objects.clear();
    for (const { resource: { info }, size } of caches()) {
      objects.set(size, { resource: info.group === "" ? info.resource : `${info.resource}.${info.group}` });
    }
    for (const level of registry.flowControl.levels) {
      const labels = { priority_level: level.name };
      executing.set(level.executing, labels);
      queued.set(level.queue?.waiting ?? 0, labels);
      seats.set(level.seats ?? 0, labels);
      dispatched.set(level.dispatched, labels);
      for (const [reason, count] of level.rejected) rejected.set(count, { ...labels, reason });
    }
  });
}
