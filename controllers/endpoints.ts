import type { Pod, Service } from "../api/gen/types.ts";
import { matchesSelector, selectorFromLabels } from "../api/labels.ts";
import { keyOf } from "../client/mod.ts";
import { reconcileEndpoints } from "./core/endpoints.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller } from "./runner.ts";

/** Keeps the Endpoints object of each Service that has a selector. */
export function endpointsController(informers: Informers): Controller {
  const { endpoints, pods, services } = informers;

  function selects(service: Readonly<Service>, pod: Readonly<Pod>): boolean {
    const selector = service.spec?.selector ?? {};
    return Object.keys(selector).length > 0 && matchesSelector(selectorFromLabels(selector), pod.metadata?.labels);
  }

  return {
    name: "endpoints",
    queueName: "endpoint",
    // Those of Services that went while nobody led, too.
    keys: () => new Set([...services.list().map(keyOf), ...endpoints.list().map(keyOf)]),
    subscribe(enqueue) {
      function enqueueFor(pod: Readonly<Pod>): void {
        for (const service of services.byIndex(index.namespace, pod.metadata?.namespace ?? "")) {
          if (selects(service, pod)) enqueue(keyOf(service), limits.gatherMs);
        }
      }
      services.subscribe({
        added: (object) => enqueue(keyOf(object)),
        updated: (_, object) => enqueue(keyOf(object)),
        deleted: (object) => enqueue(keyOf(object)),
      });
      pods.subscribe({
        added: enqueueFor,
        updated(old, pod) {
          if (old.metadata?.labels !== pod.metadata?.labels) enqueueFor(old);
          enqueueFor(pod);
        },
        deleted: enqueueFor,
      });
      endpoints.subscribe({
        updated: (_, object) => enqueue(keyOf(object)),
        deleted: (object) => enqueue(keyOf(object)),
      });
    },
    async sync(key, turn) {
      const service = services.get(key);
      const found = service === undefined
        ? []
        : pods.byIndex(index.namespace, service.metadata?.namespace ?? "").filter((pod) => selects(service, pod));
      await turn.carryOut(reconcileEndpoints({ service, pods: found, current: endpoints.get(key) }));
    },
  };
}
