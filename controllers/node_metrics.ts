import type { Node } from "../api/gen/types.ts";
import type { Metrics } from "../platform/mod.ts";
import { exponentialBuckets } from "../platform/metrics.ts";

export interface NodeMetrics {
  /** A node was looked at. */
  updated(seconds: number): void;
  /** A node was given the taint for which its pods leave. */
  condemned(node: Readonly<Node>): void;
}

/** The node_collector_* of upstream's node lifecycle controller. @param nodes those that are counted, by zone */
export function nodeMetrics(
  metrics: Metrics,
  nodes: { list(): readonly Readonly<Node>[]; isReady(node: Readonly<Node>): boolean },
): NodeMetrics {
  const name = (rest: string) => `node_collector_${rest}`;
  const size = metrics.gauge(name("zone_size"), "Nodes, by zone.");
  const unhealthy = metrics.gauge(name("unhealthy_nodes_in_zone"), "Nodes that are not ready, by zone.");
  const health = metrics.gauge(name("zone_health"), "Ready nodes of a hundred, by zone.");
  const evictions = metrics.counter(name("evictions_total"), "Nodes whose pods were told to leave, by zone.");
  const seconds = metrics.histogram(
    name("update_node_health_duration_seconds"),
    "Time to look at one node and to write what follows, in seconds.",
    exponentialBuckets(0.001, 4, 8),
  );
  metrics.onCollect(() => {
    const zones = new Map<string, { all: number; ready: number }>();
    for (const node of nodes.list()) {
      const zone = zoneOf(node);
      const counts = zones.get(zone) ?? { all: 0, ready: 0 };
      zones.set(zone, counts);
      counts.all++;
      if (nodes.isReady(node)) counts.ready++;
    }
    // Zones go with their last node.
    for (const gauge of [size, unhealthy, health]) gauge.clear();
    for (const [zone, { all, ready }] of zones) {
      size.set(all, { zone });
      unhealthy.set(all - ready, { zone });
      health.set(100 * ready / all, { zone });
    }
  });
  return {
    updated: (took) => seconds.observe(took),
    condemned: (node) => evictions.add(1, { zone: zoneOf(node) }),
  };
}

/** As upstream joins them: a NUL keeps a region's name apart from its zone's. "" where the node says neither. */
function zoneOf({ metadata }: Readonly<Node>): string {
  const region = metadata?.labels?.["topology.kubernetes.io/region"] ?? "";
  const zone = metadata?.labels?.["topology.kubernetes.io/zone"] ?? "";
  return region === "" && zone === "" ? "" : `${region}:\u0000:${zone}`;
}
