import { nodes as nodesInfo } from "../api/resources.ts";
import type { Clock } from "../platform/mod.ts";
import { isNotFound, type RestClient } from "../client/mod.ts";
import { collectPods } from "./core/pod_gc.ts";
import type { Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller } from "./runner.ts";

const onlyKey = "all";

/** @param timers `quarantineMs`: how long a node must be missed before its pods are taken for lost */
export function podGarbageCollector(
  informers: Informers,
  client: RestClient,
  timers: { readonly periodMs: number; readonly quarantineMs: number },
  clock: Clock,
): Controller {
  const { nodes, pods } = informers;
  /** When each node was first missed, monotonic. */
  const missedAt = new Map<string, number>();

  async function absentNodes(): Promise<Set<string>> {
    const now = clock.monotonic();
    const named = new Set(pods.list().map((pod) => pod.spec?.nodeName ?? "").filter((name) => name !== ""));
    for (const name of [...missedAt.keys()]) {
      if (!named.has(name) || nodes.get(name) !== undefined) missedAt.delete(name);
    }
    const absent = new Set<string>();
    for (const name of named) {
      if (nodes.get(name) !== undefined) continue;
      const since = missedAt.get(name) ?? now;
      missedAt.set(name, since);
      if (now - since >= timers.quarantineMs && await isGone(name)) absent.add(name);
    }
    return absent;
  }

  async function isGone(name: string): Promise<boolean> {
    try {
      await client.get(nodesInfo, name);
      return false;
    } catch (error) {
      if (isNotFound(error)) return true;
      throw error;
    }
  }

  return {
    name: "podgc",
    workers: 1,
    keys: () => [onlyKey],
    subscribe(enqueue) {
      nodes.subscribe({ deleted: () => enqueue(onlyKey, timers.quarantineMs + 1) });
    },
    async sync(_key, turn) {
      const decision = collectPods({
        nodes: nodes.list(),
        pods: pods.list(),
        absentNodes: await absentNodes(),
        threshold: limits.terminatedPodThreshold,
      }, turn.now);
      await turn.carryOut({ ...decision, wakeAfterMs: timers.periodMs });
    },
  };
}
