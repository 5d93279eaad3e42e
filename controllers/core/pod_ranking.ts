import type { Pod } from "../../api/gen/types.ts";
import { isPodReady, podCondition } from "../../api/pods.ts";
import { parseTime } from "../../api/time.ts";

const deletionCostAnnotation = "controller.kubernetes.io/pod-deletion-cost";
const phaseRank: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/**
 * The `count` pods to delete first, as upstream ranks them: not assigned before assigned, pending before running, not
 * ready before ready, cheaper deletion cost, more neighbours on the node, ready for a shorter time (in powers of two),
 * more restarts, younger. @param neighbours active pods of the same workload, by node @param now ms since the epoch
 */
export function podsToDelete(
  pods: readonly Readonly<Pod>[],
  count: number,
  neighbours: ReadonlyMap<string, number>,
  now: number,
): Readonly<Pod>[] {
  const ranked = pods.map((pod) => ({ pod, rank: rankOf(pod, neighbours, now) }));
  ranked.sort((a, b) => {
    for (const [i, value] of a.rank.entries()) {
      const difference = value - (b.rank[i] ?? 0);
      if (difference !== 0) return difference;
    }
    const [x, y] = [a.pod.metadata?.name ?? "", b.pod.metadata?.name ?? ""];
    return x < y ? -1 : x > y ? 1 : 0;
  });
  return ranked.slice(0, Math.max(0, count)).map(({ pod }) => pod);
}

/** Lower goes first, compared place by place. */
function rankOf(pod: Readonly<Pod>, neighbours: ReadonlyMap<string, number>, now: number): number[] {
  const node = pod.spec?.nodeName ?? "";
  const ready = isPodReady(pod);
  const restarts = Math.max(0, ...(pod.status?.containerStatuses ?? []).map((each) => each.restartCount));
  return [
    node === "" ? 0 : 1,
    phaseRank[pod.status?.phase ?? "Unknown"] ?? 1,
    ready ? 1 : 0,
    Number.parseInt(pod.metadata?.annotations?.[deletionCostAnnotation] ?? "0", 10) || 0,
    -(neighbours.get(node) ?? 0),
    ready ? magnitude(now, podCondition(pod, "Ready")?.lastTransitionTime) : 0,
    -restarts,
    magnitude(now, pod.metadata?.creationTimestamp),
  ];
}

/** The power of two of an age in seconds: a longer age is to be kept, small differences do not count. */
function magnitude(now: number, since: string | undefined): number {
  const time = since === undefined ? undefined : parseTime(since);
  if (time === undefined) return -1;
  const seconds = Math.floor((now - time) / 1000);
  return seconds <= 0 ? 0 : 1 + Math.floor(Math.log2(seconds));
}
