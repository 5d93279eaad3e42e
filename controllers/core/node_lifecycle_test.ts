import assert from "node:assert/strict";
import type { Node, Pod, Taint, Toleration } from "../../api/gen/types.ts";
import { type NodeView, reconcileNode, taintText } from "./node_lifecycle.ts";
import { collectPods } from "./pod_gc.ts";

const now = Date.UTC(2026, 0, 1, 12);
const timers = { graceMs: 4000, podEvictionMs: 2000 };
const unreachable = "node.kubernetes.io/unreachable";

function node(ready: string | undefined, taints: Taint[] = [], more: Partial<Node["spec"]> = {}): Node {
  const conditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map((type) => ({
    type,
    status: type === "Ready" ? ready ?? "" : ready === "Unknown" ? "Unknown" : "False",
    lastHeartbeatTime: "2026-01-01T11:00:00Z",
    lastTransitionTime: "2026-01-01T11:00:00Z",
  }));
  return {
    metadata: { name: "n", uid: "n", creationTimestamp: "2026-01-01T10:00:00Z" },
    spec: { ...(taints.length === 0 ? {} : { taints }), ...more },
    status: ready === undefined ? {} : { conditions },
  };
}

function pod(name: string, tolerations: Toleration[] = [], status: Pod["status"] = {}): Pod {
  return {
    metadata: { name, namespace: "d", uid: name },
    spec: { containers: [], nodeName: "n", tolerations },
    status,
  };
}

function reconcile(view: Partial<NodeView> & Pick<NodeView, "node">) {
  return reconcileNode(
    { pods: [], silentForMs: 0, taintedForMs: new Map(), evictionHeld: false, ...view },
    timers,
    now,
  );
}

const bothTaints: Taint[] = [{ key: unreachable, effect: "NoSchedule" }, { key: unreachable, effect: "NoExecute" }];
const taintedFor = (ms: number) => new Map(bothTaints.map((taint) => [taintText(taint), ms]));

function deleted(actions: ReturnType<typeof reconcile>["actions"]): string[] {
  return actions.flatMap((action) =>
    action.kind === "delete" ? action.objects.map((each) => each.metadata?.name ?? "") : []
  );
}

Deno.test("reconcileNode() leaves a node within its grace alone and wakes when it ends", () => {
  assert.deepEqual(reconcile({ node: node("True"), silentForMs: 1500 }), { actions: [], wakeAfterMs: 2501 });
});

Deno.test("reconcileNode() turns every heartbeat condition of a silent node Unknown, and keeps the last heartbeat", () => {
  const { actions } = reconcile({ node: node("True"), silentForMs: 4000 });
  assert.deepEqual(actions.map((action) => action.kind), ["updateStatus", "announce"]);
  assert.ok(actions[0]?.kind === "updateStatus");
  const { status } = actions[0].object as Node;
  assert.deepEqual(status?.conditions?.map((each) => each.status), ["Unknown", "Unknown", "Unknown", "Unknown"]);
  assert.deepEqual(status?.conditions?.[0], {
    type: "Ready",
    status: "Unknown",
    reason: "NodeStatusUnknown",
    message: "Kubelet stopped posting node status.",
    lastHeartbeatTime: "2026-01-01T11:00:00Z",
    lastTransitionTime: "2026-01-01T12:00:00Z",
  });
});

Deno.test("reconcileNode() says that a kubelet never posted when there is nothing to go Unknown", () => {
  const { actions } = reconcile({ node: node(undefined), silentForMs: 5000 });
  assert.ok(actions[0]?.kind === "updateStatus");
  const [ready] = (actions[0].object as Node).status?.conditions ?? [];
  assert.deepEqual([ready?.reason, ready?.message], ["NodeStatusNeverUpdated", "Kubelet never posted node status."]);
});

Deno.test("reconcileNode() taints by condition, keeps others' taints, and takes its own away again", () => {
  const foreign: Taint = { key: "gpu", effect: "NoSchedule", value: "yes" };
  const patchOf = (decision: ReturnType<typeof reconcile>) => {
    const [action] = decision.actions;
    assert.ok(action?.kind === "patch");
    const { taints } = action.patch["spec"] as { taints: Taint[] | null };
    return taints?.map(taintText) ?? null;
  };
  const silent = { silentForMs: 5000 };
  assert.deepEqual(patchOf(reconcile({ node: node("Unknown", [foreign]), ...silent })), [
    "gpu=yes:NoSchedule",
    `${unreachable}=:NoSchedule`,
    `${unreachable}=:NoExecute`,
  ]);
  assert.deepEqual(patchOf(reconcile({ node: node("False") })), [
    "node.kubernetes.io/not-ready=:NoSchedule",
    "node.kubernetes.io/not-ready=:NoExecute",
  ]);
  assert.deepEqual(patchOf(reconcile({ node: node("True", [foreign, ...bothTaints]) })), ["gpu=yes:NoSchedule"]);
  assert.deepEqual(patchOf(reconcile({ node: node("True", bothTaints) })), null);
  assert.deepEqual(patchOf(reconcile({ node: node("True", [], { unschedulable: true }) })), [
    "node.kubernetes.io/unschedulable=:NoSchedule",
  ]);
  assert.deepEqual(patchOf(reconcile({ node: node("Unknown"), ...silent, evictionHeld: true })), [
    `${unreachable}=:NoSchedule`,
  ]);
});

Deno.test("reconcileNode() evicts by toleration: none after podEvictionMs, with seconds after those, for ever never", () => {
  const pods = [
    pod("plain"),
    pod("short", [{ key: unreachable, operator: "Exists", effect: "NoExecute", tolerationSeconds: 1 }]),
    pod("long", [{ key: unreachable, operator: "Exists", effect: "NoExecute", tolerationSeconds: 300 }]),
    pod("forever", [{ operator: "Exists" }]),
    pod("finished", [], { phase: "Succeeded" }),
  ];
  const view = { node: node("Unknown", bothTaints), pods, silentForMs: 9000 };
  const after = (ms: number) => reconcile({ ...view, taintedForMs: taintedFor(ms) });
  assert.deepEqual(deleted(after(500).actions), []);
  assert.equal(after(500).wakeAfterMs, 500);
  assert.deepEqual(deleted(after(1000).actions), ["short"]);
  assert.deepEqual(deleted(after(2000).actions), ["plain", "short"]);
  assert.deepEqual(deleted(after(300_000).actions), ["plain", "short", "long"]);
  assert.deepEqual(deleted(reconcile({ ...view, taintedForMs: taintedFor(9e9), evictionHeld: true }).actions), []);
});

Deno.test("reconcileNode() evicts at once for a NoExecute taint that an administrator set", () => {
  const taint: Taint = { key: "maintenance", effect: "NoExecute" };
  assert.deepEqual(deleted(reconcile({ node: node("True", [taint]), pods: [pod("p")] }).actions), ["p"]);
});

Deno.test("reconcileNode() marks the ready pods of an unreachable node not ready, once", () => {
  const ready = pod("ready", [{ operator: "Exists" }], { conditions: [{ type: "Ready", status: "True" }] });
  const view = { node: node("Unknown", bothTaints), silentForMs: 9000 };
  const { actions } = reconcile({ ...view, pods: [ready, pod("unready", [{ operator: "Exists" }])] });
  assert.equal(actions.length, 1);
  assert.ok(actions[0]?.kind === "patch" && actions[0].subresource === "status");
  assert.deepEqual(actions[0].patch, {
    status: { conditions: [{ type: "Ready", status: "False", lastTransitionTime: "2026-01-01T12:00:00Z" }] },
  });
});

Deno.test("collectPods() removes pods of absent and out-of-service nodes, unassigned deleted ones, and old finished ones", () => {
  const terminating = (each: Pod): Pod => ({ ...each, metadata: { ...each.metadata, deletionTimestamp: "x" } });
  const on = (name: string, nodeName: string, phase = "Running"): Pod => ({
    metadata: { name, uid: name, creationTimestamp: `2026-01-01T00:00:0${name.length}Z` },
    spec: { containers: [], nodeName },
    status: { phase },
  });
  const out = node("Unknown", [{ key: "node.kubernetes.io/out-of-service", effect: "NoExecute" }]);
  const { actions } = collectPods({
    nodes: [out],
    absentNodes: new Set(["gone"]),
    threshold: 1,
    pods: [
      on("lost", "gone"),
      on("kept", "n"),
      terminating(on("stuck", "n")),
      terminating({ metadata: { name: "nowhere", uid: "nowhere" } }),
      on("done1", "other", "Succeeded"),
      on("done-22", "other", "Failed"),
    ],
  }, now);
  assert.deepEqual(deleted(actions).sort(), ["done1", "lost", "nowhere", "stuck"]);
  const failed = actions.flatMap((action) => action.kind === "patch" ? [action] : []);
  assert.deepEqual(failed.map((each) => each.object.metadata?.name), ["lost", "stuck"]);
  assert.deepEqual(failed[0]?.patch["status"], {
    phase: "Failed",
    conditions: [{
      type: "DisruptionTarget",
      status: "True",
      reason: "DeletionByPodGC",
      message: "PodGC: node no longer exists",
      lastTransitionTime: "2026-01-01T12:00:00Z",
    }],
  });
});
