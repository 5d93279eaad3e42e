import type { Pod, Service } from "../api/gen/types.ts";
import { matchesSelector, selectorFromLabels } from "../api/labels.ts";
import { keyOf } from "../client/mod.ts";
import { managedByLabel, managedByUs, reconcileEndpointSlices, serviceNameLabel } from "./core/endpoint_slice.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller } from "./runner.ts";

const zoneLabel = "topology.kubernetes.io/zone";

export function endpointSliceController(informers: Informers): Controller {
  const { endpointSlices, nodes, pods, services } = informers;

  function selects(service: Readonly<Service>, pod: Readonly<Pod>): boolean {
    const selector = service.spec?.selector ?? {};
    return Object.keys(selector).length > 0 && matchesSelector(selectorFromLabels(selector), pod.metadata?.labels);
  }

  return {
    name: "endpointslice",
    queueName: "endpoint_slice",
    keys: () => services.list().map(keyOf),
    subscribe(enqueue) {
      function enqueueFor(pod: Readonly<Pod>): void {
        for (const service of services.byIndex(index.namespace, pod.metadata?.namespace ?? "")) {
          if (selects(service, pod)) enqueue(keyOf(service), limits.gatherMs);
        }
      }
      services.subscribe({
        added: (object) => enqueue(keyOf(object)),
        updated: (_, object) => enqueue(keyOf(object)),
      });
      pods.subscribe({
        added: enqueueFor,
        updated(old, pod) {
          if (old.metadata?.labels !== pod.metadata?.labels) enqueueFor(old);
          enqueueFor(pod);
        },
        deleted: enqueueFor,
      });
      const enqueueService = (slice: { metadata?: { namespace?: string; labels?: Record<string, string> } }) => {
        const name = slice.metadata?.labels?.[serviceNameLabel];
        if (name !== undefined) enqueue(`${slice.metadata?.namespace ?? ""}/${name}`);
      };
      endpointSlices.subscribe({ updated: (_, slice) => enqueueService(slice), deleted: enqueueService });
    },
    async sync(key, turn) {
      const service = services.get(key);
      if (service === undefined) return;
      const zones = new Map<string, string>();
      for (const node of nodes.list()) {
        const zone = node.metadata?.labels?.[zoneLabel];
        if (zone !== undefined) zones.set(node.metadata?.name ?? "", zone);
      }
      await turn.carryOut(reconcileEndpointSlices({
        service,
        pods: pods.byIndex(index.namespace, service.metadata?.namespace ?? "").filter((pod) => selects(service, pod)),
        slices: endpointSlices.byIndex(index.service, key)
          .filter((slice) => slice.metadata?.labels?.[managedByLabel] === managedByUs),
        zones,
      }));
    },
  };
}
