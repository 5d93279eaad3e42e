import type { Gauge, Metrics } from "../platform/mod.ts";
import type { Drain } from "./drain.ts";
import { kubernetesVersion } from "./plain_handler.ts";
import type { Registry } from "./registry/context.ts";
import type { ResourceCache } from "./watchcache/resource_cache.ts";

interface Sources {
  readonly registry: Registry;
  readonly drain: Drain;
  readonly caches: () => readonly ResourceCache[];
}

/** What is read off the server when somebody asks for /metrics, and costs nothing until then; by upstream's names. */
export class Gauges {
  readonly #sources: Sources;
  readonly #inFlight: Gauge;
  readonly #longRunning: Gauge;
  readonly #objects: Gauge;
  readonly #executing: Gauge;
  readonly #queued: Gauge;
  readonly #seats: Gauge;
  readonly #dispatched: Gauge;
  readonly #rejected: Gauge;

  constructor(metrics: Metrics, sources: Sources) {
    this.#sources = sources;
    const flow = (name: string, help: string) => metrics.gauge(`apiserver_flowcontrol_${name}`, help);
    this.#inFlight = metrics.gauge("apiserver_current_inflight_requests", "Requests under way, by request kind.");
    this.#longRunning = metrics.gauge("apiserver_longrunning_requests", "Watches, followed logs and sessions.");
    this.#objects = metrics.gauge("apiserver_storage_objects", "Objects stored, by resource.");
    this.#executing = flow("current_executing_requests", "Requests that have a seat, by priority level.");
    this.#queued = flow("current_inqueue_requests", "Requests that wait for a seat, by priority level.");
    this.#seats = flow("nominal_limit_seats", "Seats of each priority level.");
    this.#dispatched = metrics.counterView(
      "apiserver_flowcontrol_dispatched_requests_total",
      "Requests that got a seat.",
    );
    this.#rejected = metrics.counterView(
      "apiserver_flowcontrol_rejected_requests_total",
      "Requests turned away, by reason.",
    );
    const [major = "", minor = ""] = kubernetesVersion.slice(1).split(".");
    metrics.gauge("kubernetes_build_info", "The version of Kubernetes that is spoken.")
      .set(1, { git_version: kubernetesVersion, major, minor });
  }

  update(): void {
    const { registry, drain, caches } = this.#sources;
    this.#inFlight.set(drain.reading, { request_kind: "readOnly" });
    this.#inFlight.set(drain.writing, { request_kind: "mutating" });
    this.#longRunning.set(registry.counts.longRunning);
    for (const { resource: { info }, size } of caches()) {
      this.#objects.set(size, { resource: info.group === "" ? info.resource : `${info.resource}.${info.group}` });
    }
    for (const level of registry.flowControl.levels) {
      const labels = { priority_level: level.name };
      this.#executing.set(level.executing, labels);
      this.#queued.set(level.queue?.waiting ?? 0, labels);
      this.#seats.set(level.seats ?? 0, labels);
      this.#dispatched.set(level.dispatched, labels);
      for (const [reason, count] of level.rejected) this.#rejected.set(count, { ...labels, reason });
    }
  }
}
