import type { KubeObject } from "../../api/meta.ts";
import { services } from "../../api/resources.ts";
import { formatTime } from "../../api/time.ts";
import type { SideWrite } from "../store_access.ts";
import { parseCached } from "../watchcache/cached.ts";
import type { Registry } from "./context.ts";
import { addressesOf, allocate, nodePortsOf, released } from "./service_allocation.ts";
import type { Strategy } from "./strategy.ts";

export interface Allocation {
  readonly side: readonly SideWrite[];
  /** Called when keys of `side` were taken by others: throws where the client had asked for just those. */
  onTaken(indexes: readonly number[]): void;
}

const nothing: Allocation = { side: [], onTaken: () => {} };

/** What writing `object` takes or frees beside it: for Services addresses and ports, for everything else nothing. */
export function sideWritesFor(
  registry: Registry,
  strategy: Strategy,
  object: KubeObject,
  old: KubeObject | null,
): Allocation {
  if (strategy.info !== services) return nothing;
  const inUse = servicesInUse(strategy);
  const allocation = allocate(object, old, {
    cidr: registry.cidr,
    random: registry.random,
    addressTaken: (address) => inUse().addresses.has(address),
    portTaken: (port) => inUse().ports.has(port),
    uuid: () => registry.random.uuid(),
    now: formatTime(registry.clock.now()),
  });
  return {
    side: allocation.side,
    onTaken: (indexes) => {
      for (const index of indexes) {
        const refusal = allocation.refusals[index];
        if (refusal !== null && refusal !== undefined) throw refusal;
      }
    },
  };
}

/** What goes with an object that is removed. */
export function sideWritesForRemoval(strategy: Strategy, old: KubeObject): readonly SideWrite[] {
  return strategy.info === services ? released(old, null) : [];
}

/** Collected at first use: most updates of a Service need no new address. */
function servicesInUse(strategy: Strategy): () => { addresses: Set<string>; ports: Set<number> } {
  let found: { addresses: Set<string>; ports: Set<number> } | undefined;
  return () => {
    if (found === undefined) {
      found = { addresses: new Set(), ports: new Set() };
      for (const cached of strategy.cache.list("")) {
        const service = parseCached(cached);
        for (const address of addressesOf(service)) found.addresses.add(address);
        for (const port of nodePortsOf(service)) found.ports.add(port);
      }
    }
    return found;
  };
}
