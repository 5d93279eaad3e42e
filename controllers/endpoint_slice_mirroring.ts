import type { KubeObject } from "../api/meta.ts";
import { keyOf } from "../client/mod.ts";
import { managedByLabel, serviceNameLabel } from "./core/endpoint_slice.ts";
import { mirroredBy, reconcileMirroring } from "./core/endpoint_slice_mirroring.ts";
import { index, type Informers } from "./informers.ts";
import type { Controller } from "./runner.ts";

/** Mirrors Endpoints that people keep by hand into slices. Keys are those of the Endpoints, and of their Service. */
export function endpointSliceMirroringController(informers: Informers): Controller {
  const { endpoints, endpointSlices, services } = informers;
  return {
    name: "endpointslicemirroring",
    queueName: "endpoint_slice_mirroring",
    keys: () => endpoints.list().map(keyOf),
    subscribe(enqueue) {
      const own = (object: Readonly<KubeObject>) => enqueue(keyOf(object));
      endpoints.subscribe({ added: own, updated: (_, object) => own(object), deleted: own });
      // Whether a Service has a selector decides whose its slices are.
      services.subscribe({ added: own, updated: (_, object) => own(object), deleted: own });
      const ofSlice = ({ metadata }: Readonly<KubeObject>) => {
        const name = metadata?.labels?.[serviceNameLabel];
        if (name === undefined || metadata?.labels?.[managedByLabel] !== mirroredBy) return;
        enqueue(`${metadata.namespace ?? ""}/${name}`);
      };
      endpointSlices.subscribe({ updated: (_, object) => ofSlice(object), deleted: ofSlice });
    },
    async sync(key, turn) {
      const slices = endpointSlices.byIndex(index.service, key)
        .filter(({ metadata }) => metadata?.labels?.[managedByLabel] === mirroredBy);
      const service = services.get(key);
      await turn.carryOut(reconcileMirroring({ endpoints: endpoints.get(key), service, slices }));
    },
  };
}
