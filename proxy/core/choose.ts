import type { Endpoint, Route } from "./table.ts";

/** Who was sent where, for services with affinity. Least recently used entries go first. */
export interface AffinityMap {
  readonly entries: Map<string, { readonly key: string; readonly untilMs: number }>;
  readonly bound: number;
}

export function createAffinityMap(bound: number): AffinityMap {
  return { entries: new Map(), bound };
}

export interface Choice {
  readonly route: Route;
  readonly endpoints: readonly Endpoint[];
  readonly clientIP: string;
  /** Endpoints that did not answer for this very connection, as `ip:port`. */
  readonly tried: ReadonlySet<string>;
}

export function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.ip}:${endpoint.port}`;
}

/**
 * Picks an endpoint: the client's own when the service has affinity and that endpoint is still there, otherwise any.
 * @param random in [0, 1) @param now milliseconds, monotonic
 * @returns null when there is none left to try
 */
export function choose(choice: Choice, affinity: AffinityMap, random: number, now: number): Endpoint | null {
  const { route, clientIP, tried } = choice;
  const candidates = choice.endpoints.filter((each) => !tried.has(endpointKey(each)));
  if (candidates.length === 0) return null;
  const key = `${clientIP} ${route.clusterIP}:${route.port}`;
  if (route.affinityMs > 0) {
    const known = affinity.entries.get(key);
    const same = known !== undefined && known.untilMs > now
      ? candidates.find((each) => endpointKey(each) === known.key)
      : undefined;
    if (same !== undefined) {
      remember(affinity, key, same, now + route.affinityMs);
      return same;
    }
  }
  const chosen = candidates[Math.floor(random * candidates.length)] ?? null;
  if (chosen !== null && route.affinityMs > 0) remember(affinity, key, chosen, now + route.affinityMs);
  return chosen;
}

function remember(affinity: AffinityMap, key: string, endpoint: Endpoint, untilMs: number): void {
  affinity.entries.delete(key);
  affinity.entries.set(key, { key: endpointKey(endpoint), untilMs });
  if (affinity.entries.size <= affinity.bound) return;
  for (const oldest of affinity.entries.keys()) {
    affinity.entries.delete(oldest);
    return;
  }
}
