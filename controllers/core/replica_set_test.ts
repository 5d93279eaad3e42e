import assert from "node:assert/strict";
import type { Pod, ReplicaSet } from "../../api/gen/types.ts";
import type { Action } from "./action.ts";
import { podsToDelete } from "./pod_ranking.ts";
import { reconcileReplicaSet, type ReplicaSetView } from "./replica_set.ts";

const now = Date.UTC(2026, 0, 1, 12);
const at = (secondsAgo: number) => new Date(now - secondsAgo * 1000).toISOString().replace(".000Z", "Z");

function replicaSet(replicas: number, more: Partial<ReplicaSet> = {}): ReplicaSet {
  const labels = { app: "web" };
  return {
    metadata: { name: "web", namespace: "d", uid: "rs", generation: 1, resourceVersion: "5" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: { metadata: { labels: { ...labels, tier: "x" } }, spec: { containers: [] } },
    },
    ...more,
  };
}

interface PodOptions {
  node?: string;
  phase?: string;
  readyFor?: number;
  age?: number;
  restarts?: number;
  cost?: string;
  owner?: string | null;
  deleted?: boolean;
  labels?: Record<string, string>;
}

function pod(name: string, options: PodOptions = {}): Pod {
  const { node = "n", phase = "Running", readyFor, age = 100, restarts = 0, cost, owner = "rs" } = options;
  return {
    metadata: {
      name,
      namespace: "d",
      uid: name,
      resourceVersion: "1",
      creationTimestamp: at(age),
      labels: options.labels ?? { app: "web" },
      ...(cost === undefined ? {} : { annotations: { "controller.kubernetes.io/pod-deletion-cost": cost } }),
      ...(owner === null ? {} : {
        ownerReferences: [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: "web", uid: owner, controller: true }],
      }),
      ...(options.deleted === true ? { deletionTimestamp: at(1) } : {}),
    },
    spec: { containers: [], ...(node === "" ? {} : { nodeName: node }) },
    status: {
      phase,
      conditions: readyFor === undefined ? [] : [{ type: "Ready", status: "True", lastTransitionTime: at(readyFor) }],
      containerStatuses: [{ name: "c", image: "i", imageID: "", ready: true, restartCount: restarts }],
    },
  };
}

function reconcile(view: Partial<ReplicaSetView> & Pick<ReplicaSetView, "replicaSet">) {
  return reconcileReplicaSet({ pods: [], neighbours: new Map(), failure: null, burst: 500, ...view }, now);
}

const summary = (actions: readonly Action[]) =>
  actions.map((action) => {
    switch (action.kind) {
      case "createMany":
        return `create ${action.objects.length}`;
      case "delete":
        return `delete ${action.objects.map((each) => each.metadata?.name).join()}`;
      case "patch":
        return `patch ${action.object.metadata?.name} ${JSON.stringify(action.patch)}`;
      default:
        return action.kind;
    }
  });

Deno.test("podsToDelete() ranks as upstream: each criterion decides before the next", () => {
  const pods = [
    pod("old-ready", { readyFor: 90 }),
    pod("crowded", { readyFor: 90, node: "busy" }),
    pod("restarted", { readyFor: 90, restarts: 3 }),
    pod("young", { readyFor: 90, age: 3 }),
    pod("cheap", { readyFor: 90, cost: "-5" }),
    pod("just-ready", { readyFor: 2 }),
    pod("not-ready"),
    pod("pending", { phase: "Pending" }),
    pod("unassigned", { node: "", phase: "Pending" }),
  ];
  const neighbours = new Map([["busy", 4], ["n", 1]]);
  const order = podsToDelete(pods, 9, neighbours, now).map((each) => each.metadata?.name);
  assert.deepEqual(order, [
    "unassigned",
    "pending",
    "not-ready",
    "cheap",
    "crowded",
    "just-ready",
    "restarted",
    "young",
    "old-ready",
  ]);
});

Deno.test("reconcileReplicaSet() makes what is missing, from the template, bounded by the burst", () => {
  const { actions } = reconcile({ replicaSet: replicaSet(7), pods: [pod("a", { readyFor: 5 })], burst: 4 });
  assert.deepEqual(summary(actions), ["updateStatus", "create 4"]);
  const create = actions[1];
  assert.ok(create?.kind === "createMany");
  assert.deepEqual(create.objects[0]?.metadata, {
    generateName: "web-",
    namespace: "d",
    labels: { app: "web", tier: "x" },
    ownerReferences: [{
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      name: "web",
      uid: "rs",
      controller: true,
      blockOwnerDeletion: true,
    }],
  });
});

Deno.test("reconcileReplicaSet() counts neither finished nor terminating pods, and reports the latter", () => {
  const pods = [
    pod("a", { readyFor: 5, labels: { app: "web", tier: "x" } }),
    pod("b", { phase: "Failed" }),
    pod("c", { deleted: true, readyFor: 5 }),
  ];
  const { actions } = reconcile({ replicaSet: replicaSet(2), pods });
  assert.deepEqual(summary(actions), ["updateStatus", "create 1"]);
  assert.ok(actions[0]?.kind === "updateStatus");
  assert.deepEqual((actions[0].object as ReplicaSet).status, {
    replicas: 1,
    fullyLabeledReplicas: 1,
    readyReplicas: 1,
    availableReplicas: 1,
    terminatingReplicas: 1,
    observedGeneration: 1,
  });
});

Deno.test("reconcileReplicaSet() adopts matching orphans, releases what no longer matches, leaves others' pods alone", () => {
  const pods = [
    pod("orphan", { owner: null }),
    pod("strayed", { labels: { app: "other" } }),
    pod("foreign", { owner: "another" }),
  ];
  const { actions } = reconcile({ replicaSet: replicaSet(1), pods });
  assert.deepEqual(summary(actions).filter((each) => each.startsWith("patch")), [
    'patch orphan {"metadata":{"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web",' +
    '"uid":"rs","controller":true,"blockOwnerDeletion":true}]}}',
    'patch strayed {"metadata":{"ownerReferences":[]}}',
  ]);
  assert.ok(!summary(actions).some((each) => each.startsWith("create")), "the orphan counts");
});

Deno.test("reconcileReplicaSet() in deletion neither makes nor adopts pods", () => {
  const deleted = replicaSet(3);
  deleted.metadata = { ...deleted.metadata, deletionTimestamp: at(1) };
  const { actions } = reconcile({ replicaSet: deleted, pods: [pod("orphan", { owner: null })] });
  assert.deepEqual(summary(actions), ["updateStatus"]);
});

Deno.test("reconcileReplicaSet() shows a failure to create as ReplicaFailure until it is over", () => {
  const failure = { verb: "create", message: "quota exceeded" } as const;
  const { actions } = reconcile({ replicaSet: replicaSet(1), failure });
  assert.ok(actions[0]?.kind === "updateStatus");
  const { status } = actions[0].object as ReplicaSet;
  assert.deepEqual(status?.conditions, [{
    type: "ReplicaFailure",
    status: "True",
    lastTransitionTime: at(0),
    reason: "FailedCreate",
    message: "quota exceeded",
  }]);
  const after = reconcile({ replicaSet: replicaSet(1, { status: status ?? { replicas: 0 } }), pods: [pod("a")] });
  assert.ok(after.actions[0]?.kind === "updateStatus");
  assert.equal((after.actions[0].object as ReplicaSet).status?.conditions, undefined);
});

Deno.test("reconcileReplicaSet() wakes when a ready pod becomes available", () => {
  const set = replicaSet(1);
  if (set.spec !== undefined) set.spec.minReadySeconds = 30;
  const { wakeAfterMs, actions } = reconcile({ replicaSet: set, pods: [pod("a", { readyFor: 12 })] });
  assert.equal(wakeAfterMs, 18_000);
  assert.ok(actions[0]?.kind === "updateStatus");
  assert.equal((actions[0].object as ReplicaSet).status?.availableReplicas, undefined);
});
