import type { Clock, Metrics } from "../platform/mod.ts";
import { exponentialBuckets } from "../platform/metrics.ts";

export interface ProxyMetrics {
  serviceChanged(): void;
  endpointsChanged(): void;
  /** A table will be built soon. */
  queued(): void;
  /** A table is being built from all changes so far; call the result when it is in force. */
  syncs(): () => void;
}

/** Every table is of IPv4. */
const family = { ip_family: "IPv4" };

/**
 * kube-proxy's metrics, by its names, labels and bounds, as far as they are true of a proxy that has no rules in a
 * kernel. network_programming_duration_seconds is not there: no controller says when the change that it counts from was.
 */
export function proxyMetrics(metrics: Metrics, clock: Clock): ProxyMetrics {
  const name = (rest: string) => `kubeproxy_sync_proxy_rules_${rest}`;
  const seconds = metrics.histogram(
    name("duration_seconds"),
    "Seconds to build a table and to put it into force.",
    exponentialBuckets(0.001, 2, 15),
  ).with(family);
  const lastSynced = metrics.gauge(name("last_timestamp_seconds"), "When a table last came into force.").with(family);
  const lastQueued = metrics.gauge(name("last_queued_timestamp_seconds"), "When a table was last asked for.")
    .with(family);
  const services = changes(metrics, name("service_changes"), "Services");
  const endpoints = changes(metrics, name("endpoint_changes"), "EndpointSlices");
  return {
    serviceChanged: services.add,
    endpointsChanged: endpoints.add,
    queued: () => lastQueued.set(clock.now() / 1000),
    syncs() {
      const startedAt = clock.monotonic();
      services.taken();
      endpoints.taken();
      return () => {
        seconds.observe((clock.monotonic() - startedAt) / 1000);
        lastSynced.set(clock.now() / 1000);
      };
    },
  };
}

/** Changes of one kind: all that were, and those that no table has yet. */
function changes(metrics: Metrics, name: string, what: string): { add(): void; taken(): void } {
  const total = metrics.counter(`${name}_total`, `Changes of ${what}.`);
  const pending = metrics.gauge(`${name}_pending`, `Changes of ${what} that the table does not have yet.`);
  let waiting = 0;
  total.add(0);
  metrics.onCollect(() => pending.set(waiting));
  return {
    add() {
      total.add();
      waiting++;
    },
    taken: () => void (waiting = 0),
  };
}
