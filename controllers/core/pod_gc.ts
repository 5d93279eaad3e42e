import type { Node, Pod } from "../../api/gen/types.ts";
import { isPodReady, isPodTerminal } from "../../api/pods.ts";
import { pods } from "../../api/resources.ts";
import { formatTime } from "../../api/time.ts";
import { type Action, byCreation, decide, type Decision } from "./action.ts";
import { outOfServiceTaint } from "./node_lifecycle.ts";

export interface PodGcView {
  readonly nodes: readonly Readonly<Node>[];
  readonly pods: readonly Readonly<Pod>[];
  /** Names of nodes that were looked up live, after a while, and are not there. */
  readonly absentNodes: ReadonlySet<string>;
  /** Finished pods that may stay. */
  readonly threshold: number;
}

/**
 * Removes pods that no kubelet will ever remove: of nodes that are gone, of nodes declared out of service, deleted before
 * they were assigned; and the oldest finished ones beyond the threshold. @param now ms since the epoch
 */
export function collectPods(view: PodGcView, now: number): Decision {
  const actions: Action[] = [];
  const outOfService = new Set(view.nodes.filter(isOutOfService).map((node) => node.metadata?.name ?? ""));
  const finished: Readonly<Pod>[] = [];
  for (const pod of [...view.pods].sort(byCreation)) {
    const node = pod.spec?.nodeName ?? "";
    const terminating = pod.metadata?.deletionTimestamp !== undefined;
    if (view.absentNodes.has(node)) actions.push(...remove(pod, "PodGC: node no longer exists", now));
    else if (node === "" && terminating) actions.push(...remove(pod, null, now));
    else if (terminating && outOfService.has(node)) {
      actions.push(...remove(pod, "PodGC: node out-of-service", now));
    } else if (isPodTerminal(pod) && !terminating) finished.push(pod);
  }
  for (const pod of finished.slice(0, Math.max(0, finished.length - view.threshold))) {
    actions.push(...remove(pod, null, now));
  }
  return decide(actions);
}

/** Declared so by an administrator, and indeed not ready. */
function isOutOfService(node: Readonly<Node>): boolean {
  const declared = node.spec?.taints?.some((taint) => taint.key === outOfServiceTaint) ?? false;
  const ready = node.status?.conditions?.find((condition) => condition.type === "Ready");
  return declared && ready?.status !== "True";
}

/** Without grace, for nobody is left to use it. @param why a disruption to note on a pod that had not finished */
function remove(pod: Readonly<Pod>, why: string | null, now: number): Action[] {
  const gone: Action = { kind: "delete", info: pods, objects: [pod], gracePeriodSeconds: 0 };
  if (why === null || isPodTerminal(pod)) return [gone];
  const time = formatTime(now);
  const others = (pod.status?.conditions ?? []).filter((each) => each.type !== "DisruptionTarget")
    .map((each) =>
      each.type === "Ready" && isPodReady(pod) ? { ...each, status: "False", lastTransitionTime: time } : each
    );
  const conditions = [...others, {
    type: "DisruptionTarget",
    status: "True",
    reason: "DeletionByPodGC",
    message: why,
    lastTransitionTime: time,
  }];
  const status = { phase: "Failed", conditions };
  return [{ kind: "patch", info: pods, object: pod, patch: { status }, subresource: "status" }, gone];
}
