import type { KubeObject } from "../api/meta.ts";
import type { EndpointSlice, Service } from "../api/gen/types.ts";
import { endpointSlices, services } from "../api/resources.ts";
import { createInformer, type RestClient } from "../client/mod.ts";
import type { Component, Platform, Timer } from "../platform/mod.ts";
import { buildTable } from "./core/table.ts";
import { createDatagramDataplane } from "./dataplane/datagrams.ts";
import { createUserspaceDataplane } from "./dataplane/userspace.ts";
import * as limits from "./limits.ts";
import { proxyMetrics } from "./metrics.ts";

export interface ProxyConfig {
  readonly nodeName: string;
  /** Where node ports are served. Absent: nowhere. */
  readonly nodeAddress?: string;
  readonly timers: { readonly coalesceMs?: number };
}

export type ProxyDeps =
  & Pick<Platform, "clock" | "timers" | "random" | "network" | "log" | "metrics">
  & { readonly client: RestClient };

/** Makes Services reachable: watches them and their EndpointSlices, and keeps the data plane at the newest table. */
export function startProxy(config: ProxyConfig, deps: ProxyDeps): Component {
  const { client, clock, timers, network, log, metrics } = deps;
  const serviceInformer = createInformer<Service & KubeObject>(client, services, {}, deps);
  const sliceInformer = createInformer<EndpointSlice & KubeObject>(client, endpointSlices, {}, deps);
  const nodeAddress = config.nodeAddress ?? null;
  const dataplanes = [
    createUserspaceDataplane(nodeAddress, { ...deps, streams: network.streams }),
    createDatagramDataplane(nodeAddress, { ...deps, datagrams: network.datagrams }),
  ];
  const shown = proxyMetrics(metrics, clock);
  const size = metrics.gauge("sauropod_proxy_routes", "Service ports in the table.");
  let timer: Timer | null = null;
  let stopped = false;

  async function sync(): Promise<void> {
    if (stopped) return;
    const done = shown.syncs();
    let all = serviceInformer.list();
    if (all.length > limits.maxServices) {
      log.warn("too many services", { count: all.length, bound: limits.maxServices });
      all = all.slice(0, limits.maxServices);
    }
    const table = buildTable(all, sliceInformer.list(), config.nodeName);
    size.set(table.size);
    await Promise.all(dataplanes.map((each) => each.apply(table)));
    done();
  }

  function changed(): void {
    if (timer !== null || stopped || !serviceInformer.hasSynced || !sliceInformer.hasSynced) return;
    shown.queued();
    timer = timers.schedule(config.timers.coalesceMs ?? limits.coalesceMs, () => {
      timer = null;
      sync().catch((error) => log.error("table not applied", { error: String(error) }));
    });
  }

  async function start(): Promise<void> {
    const noting = (note: () => void) => {
      const handler = () => {
        note();
        changed();
      };
      return { added: handler, updated: handler, deleted: handler };
    };
    serviceInformer.subscribe(noting(shown.serviceChanged));
    sliceInformer.subscribe(noting(shown.endpointsChanged));
    serviceInformer.start();
    sliceInformer.start();
    // A table made of half the facts would send connections nowhere: the first one waits for both.
    await Promise.all([serviceInformer.synced, sliceInformer.synced]);
    await sync();
  }

  return {
    ready: start(),
    async stop() {
      if (stopped) return;
      stopped = true;
      timer?.cancel();
      serviceInformer.stop();
      sliceInformer.stop();
      await Promise.all(dataplanes.map((each) => each.stop()));
    },
  };
}
