import type { Node, NodeCondition, Pod, Taint, Toleration } from "../../api/gen/types.ts";
import { isPodReady, isPodTerminal, tolerates } from "../../api/pods.ts";
import { nodes, pods } from "../../api/resources.ts";
import { formatTime } from "../../api/time.ts";
import { type Action, type Announcement, decide, type Decision, sooner } from "./action.ts";

export const unreachableTaint = "node.kubernetes.io/unreachable";
export const notReadyTaint = "node.kubernetes.io/not-ready";
export const outOfServiceTaint = "node.kubernetes.io/out-of-service";

/** Taints that this controller sets and takes away, by the node condition that asks for them. */
const pressureTaints: Readonly<Record<string, string>> = {
  MemoryPressure: "node.kubernetes.io/memory-pressure",
  DiskPressure: "node.kubernetes.io/disk-pressure",
  PIDPressure: "node.kubernetes.io/pid-pressure",
  NetworkUnavailable: "node.kubernetes.io/network-unavailable",
};
const unschedulableTaint = "node.kubernetes.io/unschedulable";
const managedKeys = new Set([unreachableTaint, notReadyTaint, unschedulableTaint, ...Object.values(pressureTaints)]);
/** Conditions that a silent node no longer answers for. */
const heartbeatConditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

export interface NodeView {
  readonly node: Readonly<Node>;
  readonly pods: readonly Readonly<Pod>[];
  /** Since the node's Lease or status last changed, by this process's own clock. */
  readonly silentForMs: number;
  /** Since each NoExecute taint was first seen, by this process's own clock; by {@linkcode taintText}. */
  readonly taintedForMs: ReadonlyMap<string, number>;
  /** No node at all is well: the fault is more likely here, so nothing is evicted. */
  readonly evictionHeld: boolean;
}

export interface NodeTimers {
  /** A node silent for longer is not ready. */
  readonly graceMs: number;
  /** Pods that say nothing about the taints of a node that is gone or not ready stay this long. */
  readonly podEvictionMs: number;
}

export function taintText(taint: Readonly<Taint>): string {
  return `${taint.key}=${taint.value ?? ""}:${taint.effect}`;
}

/**
 * One step for one node: first its conditions, then its taints, then its pods; each change is seen by the informers
 * before the next is decided. @param now ms since the epoch, for timestamps only
 */
export function reconcileNode(view: NodeView, timers: NodeTimers, now: number): Decision {
  const { node, silentForMs } = view;
  if (node.metadata?.deletionTimestamp !== undefined) return decide([]);
  const silent = silentForMs >= timers.graceMs;
  const untilSilent = silent ? undefined : timers.graceMs - silentForMs + 1;
  if (silent) {
    const conditions = silencedConditions(node, now);
    if (conditions !== null) {
      const object: Node = { ...node, status: { ...node.status, conditions } };
      const wasReady = condition(node, "Ready")?.status === "True";
      return decide([
        { kind: "updateStatus", info: nodes, object },
        ...(wasReady ? [statusEvent(node)] : []),
      ]);
    }
  }
  const taints = wantedTaints(view, now);
  if (taints !== null) {
    const patch = { spec: { taints: taints.length === 0 ? null : taints } };
    return decide([{ kind: "patch", info: nodes, object: node, patch }], untilSilent);
  }
  const unready = condition(node, "Ready")?.status === "Unknown" ? markNotReady(view.pods, now) : [];
  const eviction = view.evictionHeld ? decide([]) : evict(view, timers);
  return decide([...unready, ...eviction.actions], sooner(untilSilent, eviction.wakeAfterMs));
}

function condition(node: Readonly<Node>, type: string): NodeCondition | undefined {
  return node.status?.conditions?.find((each) => each.type === type);
}

/** The conditions of a node that stopped posting, or null when they say so already. */
function silencedConditions(node: Readonly<Node>, now: number): NodeCondition[] | null {
  const before = node.status?.conditions ?? [];
  const missing = heartbeatConditions.filter((type) => condition(node, type) === undefined);
  const answered = before.filter((each) => heartbeatConditions.includes(each.type) && each.status !== "Unknown");
  if (missing.length === 0 && answered.length === 0) return null;
  const time = formatTime(now);
  return [
    ...before.map((each): NodeCondition =>
      answered.includes(each)
        ? {
          ...each,
          status: "Unknown",
          reason: "NodeStatusUnknown",
          message: "Kubelet stopped posting node status.",
          lastTransitionTime: time,
        }
        : each
    ),
    ...missing.map((type): NodeCondition => ({
      type,
      status: "Unknown",
      reason: "NodeStatusNeverUpdated",
      message: "Kubelet never posted node status.",
      lastHeartbeatTime: node.metadata?.creationTimestamp ?? time,
      lastTransitionTime: time,
    })),
  ];
}

function statusEvent(node: Readonly<Node>): Action {
  const event: Announcement = {
    info: nodes,
    about: node,
    type: "Normal",
    reason: "NodeNotReady",
    message: `Node ${node.metadata?.name ?? ""} status is now: NodeNotReady`,
  };
  return { kind: "announce", event };
}

/** The node's taints as its conditions want them, or null when they are so. Taints of others are left alone. */
function wantedTaints({ node, evictionHeld }: NodeView, now: number): Taint[] | null {
  const before = node.spec?.taints ?? [];
  const wanted: Taint[] = [];
  const ready = condition(node, "Ready")?.status;
  const condemned = ready === "Unknown" ? unreachableTaint : ready === "False" ? notReadyTaint : undefined;
  if (condemned !== undefined) {
    wanted.push({ key: condemned, effect: "NoSchedule" });
    const evicting: Taint = { key: condemned, effect: "NoExecute" };
    if (!evictionHeld || find(before, evicting) !== undefined) wanted.push(evicting);
  } else if (ready === undefined) {
    // Not heard of yet: what the kubelet registered itself with stays until it reports.
    wanted.push(...before.filter((taint) => taint.key === notReadyTaint));
  }
  for (const [type, key] of Object.entries(pressureTaints)) {
    if (condition(node, type)?.status === "True") wanted.push({ key, effect: "NoSchedule" });
  }
  if (node.spec?.unschedulable === true) wanted.push({ key: unschedulableTaint, effect: "NoSchedule" });
  const managed = before.filter((taint) => managedKeys.has(taint.key));
  if (managed.length === wanted.length && wanted.every((taint) => find(managed, taint) !== undefined)) return null;
  return [
    ...before.filter((taint) => !managedKeys.has(taint.key)),
    ...wanted.map((taint) => find(before, taint) ?? { ...taint, timeAdded: formatTime(now) }),
  ];
}

/** Whether `action` gives the node the taint for which pods leave, which it did not have. */
export function condemns(node: Readonly<Node>, action: Action): boolean {
  if (action.kind !== "patch" || action.info !== nodes) return false;
  const { spec } = action.patch as { spec?: { taints?: readonly Taint[] | null } };
  const evicts = (taint: Readonly<Taint>) =>
    taint.effect === "NoExecute" && (taint.key === unreachableTaint || taint.key === notReadyTaint);
  return (spec?.taints ?? []).some(evicts) && !(node.spec?.taints ?? []).some(evicts);
}

function find(taints: readonly Taint[], wanted: Taint): Taint | undefined {
  return taints.find((taint) => taint.key === wanted.key && taint.effect === wanted.effect);
}

/** Nobody answers for the pods of an unreachable node: they must not get traffic. */
function markNotReady(all: readonly Readonly<Pod>[], now: number): Action[] {
  return all.filter(isPodReady).map((pod): Action => {
    const conditions = (pod.status?.conditions ?? []).map((each) =>
      each.type === "Ready" ? { ...each, status: "False", lastTransitionTime: formatTime(now) } : each
    );
    return {
      kind: "patch",
      info: pods,
      object: pod,
      patch: { status: { conditions } },
      subresource: "status",
      done: { info: pods, about: pod, type: "Warning", reason: "NodeNotReady", message: "Node is not ready" },
    };
  });
}

/** Deletes the pods whose toleration of the node's NoExecute taints has run out; the wait for the next otherwise. */
function evict({ node, pods: all, taintedForMs }: NodeView, timers: NodeTimers): Decision {
  const taints = (node.spec?.taints ?? []).filter((taint) => taint.effect === "NoExecute");
  if (taints.length === 0) return decide([]);
  const actions: Action[] = [];
  let wakeAfterMs: number | undefined;
  for (const pod of all) {
    if (pod.metadata?.deletionTimestamp !== undefined || isPodTerminal(pod)) continue;
    const left = Math.min(
      ...taints.map((taint) =>
        staysMs(taint, pod.spec?.tolerations ?? [], timers) - (taintedForMs.get(taintText(taint)) ?? 0)
      ),
    );
    if (left > 0) {
      if (Number.isFinite(left)) wakeAfterMs = sooner(wakeAfterMs, left);
      continue;
    }
    const { namespace = "", name = "" } = pod.metadata ?? {};
    actions.push({
      kind: "delete",
      info: pods,
      objects: [pod],
      done: {
        info: pods,
        about: pod,
        type: "Normal",
        reason: "TaintManagerEviction",
        message: `Marking for deletion Pod ${namespace}/${name}`,
      },
    });
  }
  return decide(actions, wakeAfterMs);
}

/** How long the tolerations let a pod stay under the taint: the shortest of those that match, Infinity for ever. */
function staysMs(taint: Readonly<Taint>, tolerations: readonly Toleration[], timers: NodeTimers): number {
  const matching = tolerations.filter((toleration) => tolerates(toleration, taint));
  if (matching.length === 0) {
    const lost = taint.key === unreachableTaint || taint.key === notReadyTaint;
    return lost ? timers.podEvictionMs : 0;
  }
  return Math.min(
    ...matching.map((each) =>
      each.tolerationSeconds === undefined ? Infinity : Math.max(0, each.tolerationSeconds) * 1000
    ),
  );
}
