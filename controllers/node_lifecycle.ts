import type { Lease, Node } from "../api/gen/types.ts";
import type { Clock, Metrics } from "../platform/mod.ts";
import { keyOf } from "../client/mod.ts";
import { condemns, type NodeTimers, reconcileNode, taintText } from "./core/node_lifecycle.ts";
import { index, type Informers } from "./informers.ts";
import { nodeMetrics } from "./node_metrics.ts";
import type { Controller } from "./runner.ts";

export const leaseNamespace = "kube-node-lease";

/** What this process saw of one node, in its own monotonic time. Kept by standbys too: a new leader knows at once. */
interface Memory {
  /** The Lease's renewTime and the status's last heartbeat: changes whenever the kubelet said something. */
  sign: string;
  seenAt: number;
  taintedAt: Map<string, number>;
}

/** @param timers `periodMs`: how often each node is looked at besides */
export function nodeLifecycleController(
  informers: Informers,
  timers: NodeTimers & { readonly periodMs: number },
  { clock, metrics }: { readonly clock: Clock; readonly metrics: Metrics },
): Controller {
  const { leases, nodes, pods } = informers;
  const memories = new Map<string, Memory>();
  const shown = nodeMetrics(metrics, { list: () => nodes.list(), isReady });
  /** When any node said anything. */
  let heardAt = clock.monotonic();

  function notice(name: string): void {
    const node = nodes.get(name);
    if (node === undefined) return;
    const now = clock.monotonic();
    const sign = signOf(node, leases.get(`${leaseNamespace}/${name}`));
    const memory = memories.get(name) ?? { sign: "", seenAt: now, taintedAt: new Map<string, number>() };
    memories.set(name, memory);
    if (memory.sign !== sign) {
      // After a time in which nobody was heard the fault was probably ours: the others get time to be heard as well.
      if (now - heardAt > timers.graceMs / 2) { for (const each of memories.values()) each.seenAt = now; }
      heardAt = now;
      memory.sign = sign;
      memory.seenAt = now;
    }
    const taints = new Set((node.spec?.taints ?? []).filter((each) => each.effect === "NoExecute").map(taintText));
    for (const taint of taints) if (!memory.taintedAt.has(taint)) memory.taintedAt.set(taint, now);
    for (const taint of [...memory.taintedAt.keys()]) if (!taints.has(taint)) memory.taintedAt.delete(taint);
  }

  /** Every node is silent or not ready: more likely this process is cut off than all of them at once. */
  function isNobodyWell(now: number): boolean {
    return nodes.list().every((node) => {
      const memory = memories.get(node.metadata?.name ?? "");
      return memory === undefined || now - memory.seenAt >= timers.graceMs || !isReady(node);
    });
  }

  return {
    name: "nodelifecycle",
    queueName: "node_lifecycle_controller",
    keys: () => nodes.list().map(keyOf),
    subscribe(enqueue) {
      nodes.subscribe({
        added(node) {
          notice(keyOf(node));
          enqueue(keyOf(node));
        },
        updated(_, node) {
          notice(keyOf(node));
          enqueue(keyOf(node));
        },
        deleted: (node) => memories.delete(keyOf(node)),
      });
      const noticeLease = (lease: Readonly<Lease>) => {
        if (lease.metadata?.namespace === leaseNamespace) notice(lease.metadata.name ?? "");
      };
      leases.subscribe({ added: noticeLease, updated: (_, lease) => noticeLease(lease) });
      // A pod bound to a node that is lost already must be evicted in its turn.
      pods.subscribe({
        added: (pod) => pod.spec?.nodeName && enqueue(pod.spec.nodeName, timers.periodMs),
        updated: (old, pod) =>
          pod.spec?.nodeName && old.spec?.nodeName !== pod.spec.nodeName && enqueue(pod.spec.nodeName, timers.periodMs),
      });
    },
    async sync(key, turn) {
      const node = nodes.get(key);
      if (node === undefined) return;
      notice(key);
      const memory = memories.get(key);
      if (memory === undefined) return;
      const now = clock.monotonic();
      // With every node silent, this process may be the one that is cut off: wait twice as long before saying so.
      const evictionHeld = isNobodyWell(now);
      const silentForMs = now - memory.seenAt;
      const decision = reconcileNode(
        {
          node,
          pods: pods.byIndex(index.node, key),
          silentForMs: evictionHeld ? silentForMs / 2 : silentForMs,
          taintedForMs: new Map([...memory.taintedAt].map(([taint, at]) => [taint, now - at])),
          evictionHeld,
        },
        timers,
        turn.now,
      );
      await turn.carryOut({ ...decision, wakeAfterMs: Math.min(decision.wakeAfterMs ?? Infinity, timers.periodMs) });
      if (decision.actions.some((action) => condemns(node, action))) shown.condemned(node);
      shown.updated((clock.monotonic() - now) / 1000);
    },
  };
}

function isReady(node: Readonly<Node>): boolean {
  return node.status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false;
}

function signOf(node: Readonly<Node>, lease: Readonly<Lease> | undefined): string {
  // Not the whole status: this controller's own changes are no sign of life.
  const heartbeats = (node.status?.conditions ?? []).map((each) => each.lastHeartbeatTime ?? "").sort();
  return `${lease?.spec?.renewTime ?? ""} ${heartbeats.at(-1) ?? ""} ${node.metadata?.uid ?? ""}`;
}
