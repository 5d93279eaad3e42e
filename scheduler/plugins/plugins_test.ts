import assert from "node:assert/strict";
import type { Node, NodeSelectorTerm, Pod, PodSpec } from "../../api/gen/types.ts";
import { nodeInfo, podInfo } from "../core/node_info.ts";
import { normalized } from "../core/plugin.ts";
import { node, pod } from "../testing.ts";
import { nodeAffinity, nodeAffinityScore } from "./node_affinity.ts";
import { nodeName } from "./node_name.ts";
import { nodePorts } from "./node_ports.ts";
import { balance, nodeResourcesBalancedAllocation } from "./node_resources_balanced_allocation.ts";
import { leastRequested, nodeResourcesFit, nodeResourcesFitScore } from "./node_resources_fit.ts";
import { nodeUnschedulable } from "./node_unschedulable.ts";
import { gatesOf } from "./scheduling_gates.ts";
import { softTaints, taintToleration } from "./taint_toleration.ts";
import { Snapshot } from "../core/snapshot.ts";

function at(object: Node) {
  return nodeInfo(object, 0, 1);
}

function want(spec: Partial<PodSpec> = {}, requests?: Record<string, string>) {
  return podInfo(pod("p", { spec, ...(requests === undefined ? {} : { requests }) }));
}

function required(...nodeSelectorTerms: NodeSelectorTerm[]): Partial<PodSpec> {
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } };
}

/** A node with these pods on it. */
function occupied(object: Node, ...pods: Pod[]) {
  const snapshot = new Snapshot();
  snapshot.setNode(object);
  for (const each of pods) snapshot.setPod(podInfo(each), object.metadata?.name ?? "");
  const [only] = snapshot.nodes;
  assert.ok(only);
  return only;
}

Deno.test("NodeName rejects every node but the one named", () => {
  assert.deepEqual(nodeName.filter(want({ nodeName: "a" }), at(node("a"))), []);
  assert.deepEqual(nodeName.filter(want({ nodeName: "a" }), at(node("b"))), [
    "node(s) didn't match the requested node name",
  ]);
});

Deno.test("NodeUnschedulable lets only tolerating pods onto a cordoned node, and hints on uncordon", () => {
  const cordoned = node("a", { unschedulable: true });
  assert.deepEqual(nodeUnschedulable.filter(want(), at(cordoned)), ["node(s) were unschedulable"]);
  const tolerant = want({ tolerations: [{ key: "node.kubernetes.io/unschedulable", operator: "Exists" }] });
  assert.deepEqual(nodeUnschedulable.filter(tolerant, at(cordoned)), []);
  assert.equal(nodeUnschedulable.hint(want(), { kind: "NodeUpdate", old: cordoned, node: node("a") }), true);
  assert.equal(nodeUnschedulable.hint(want(), { kind: "NodeUpdate", old: node("a"), node: cordoned }), false);
  assert.equal(nodeUnschedulable.hint(want(), { kind: "NodeAdd", node: cordoned }), false);
});

Deno.test("TaintToleration rejects for NoSchedule and NoExecute, counts PreferNoSchedule, hints when a taint goes", () => {
  const tainted = node("a", {
    taints: [{ key: "k", value: "v", effect: "NoExecute" }, { key: "s", effect: "PreferNoSchedule" }],
  });
  assert.deepEqual(taintToleration.filter(want(), at(tainted)), ["node(s) had untolerated taint(s)"]);
  const tolerant = want({ tolerations: [{ key: "k", operator: "Equal", value: "v", effect: "NoExecute" }] });
  assert.deepEqual(taintToleration.filter(tolerant, at(tainted)), []);
  assert.equal(softTaints(tolerant, tainted), 1);
  assert.equal(softTaints(want({ tolerations: [{ operator: "Exists" }] }), tainted), 0);
  assert.equal(taintToleration.hint(want(), { kind: "NodeUpdate", old: tainted, node: node("a") }), true);
  assert.equal(taintToleration.hint(want(), { kind: "NodeUpdate", old: tainted, node: tainted }), false);
});

Deno.test("NodeAffinity: terms are alternatives, requirements of a term all hold, an empty term holds nowhere", () => {
  const small = at(node("a", { labels: { zone: "x", size: "3" } }));
  const passes = (spec: Partial<PodSpec>) => nodeAffinity.filter(want(spec), small).length === 0;
  assert.equal(passes({ nodeSelector: { zone: "x" } }), true);
  assert.equal(passes({ nodeSelector: { zone: "x", size: "4" } }), false);
  assert.equal(passes(required()), false);
  assert.equal(passes(required({})), false);
  const inX = { key: "zone", operator: "In", values: ["x", "y"] };
  const big = { key: "size", operator: "Gt", values: ["3"] };
  assert.equal(passes(required({ matchExpressions: [inX, big] })), false);
  assert.equal(passes(required({ matchExpressions: [big] }, { matchExpressions: [inX] })), true);
  assert.equal(passes(required({ matchExpressions: [{ key: "no", operator: "NotIn", values: ["z"] }] })), true);
  assert.equal(passes(required({ matchExpressions: [{ key: "size", operator: "Lt", values: ["x"] }] })), false);
  assert.equal(passes(required({ matchExpressions: [{ key: "size", operator: "Odd", values: [] }] })), false);
  const byName = { key: "metadata.name", operator: "In", values: ["a"] };
  assert.equal(passes(required({ matchFields: [byName] })), true);
  assert.equal(passes(required({ matchFields: [{ ...byName, operator: "NotIn" }] })), false);
  assert.equal(passes({ ...required({ matchFields: [byName] }), nodeSelector: { zone: "y" } }), false);
});

Deno.test("compileAffinity() finds the only names that required terms allow", () => {
  const names = (...terms: NodeSelectorTerm[]) => want(required(...terms)).affinity.nodeNames;
  const field = (...values: string[]) => ({ key: "metadata.name", operator: "In", values });
  assert.deepEqual(names({ matchFields: [field("a")] }, { matchFields: [field("b")] }), new Set(["a", "b"]));
  assert.deepEqual(names({ matchFields: [field("a"), field("b")] }), new Set());
  assert.equal(names({ matchFields: [field("a")] }, { matchExpressions: [{ key: "x", operator: "Exists" }] }), null);
  assert.equal(want().affinity.nodeNames, null);
});

Deno.test("NodeAffinity's score sums the weights of preferred terms that hold", () => {
  const preference = (zone: string) => ({ matchExpressions: [{ key: "zone", operator: "In", values: [zone] }] });
  const info = want({
    affinity: {
      nodeAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 10, preference: preference("x") },
          { weight: 5, preference: preference("y") },
          { weight: 7, preference: {} },
        ],
      },
    },
  });
  assert.equal(nodeAffinityScore.score(info, at(node("a", { labels: { zone: "x" } }))), 10);
  assert.deepEqual([normalized(10, 30, "most"), normalized(0, 0, "most"), normalized(0, 0, "least")], [33, 0, 100]);
  assert.equal(normalized(1, 3, "least"), 67);
});

Deno.test("NodePorts: same port and protocol conflict on the same or on any address", () => {
  const porting = (hostIP: string | undefined, protocol: string, name = "q") => {
    const built = pod(name);
    const container = built.spec?.containers[0];
    assert.ok(container);
    container.ports = [{ containerPort: 1, hostPort: 80, protocol, ...(hostIP === undefined ? {} : { hostIP }) }];
    return built;
  };
  const onNode = occupied(node("a"), porting("127.0.0.1", "TCP"));
  const reason = ["node(s) didn't have free ports for the requested pod ports"];
  assert.deepEqual(nodePorts.filter(podInfo(porting("127.0.0.1", "TCP", "p")), onNode), reason);
  assert.deepEqual(nodePorts.filter(podInfo(porting(undefined, "TCP", "p")), onNode), reason);
  assert.deepEqual(nodePorts.filter(podInfo(porting("127.0.0.2", "TCP", "p")), onNode), []);
  assert.deepEqual(nodePorts.filter(podInfo(porting("127.0.0.1", "UDP", "p")), onNode), []);
});

Deno.test("NodeResourcesFit names every short resource in upstream's order", () => {
  const full = occupied(
    node("a", { allocatable: { cpu: "2", memory: "1Gi", pods: "1" } }),
    pod("x", { requests: { cpu: "1500m" } }),
  );
  assert.deepEqual(
    nodeResourcesFit.filter(want({}, { cpu: "600m", memory: "2Gi", "ephemeral-storage": "1", "a.io/g": "1" }), full),
    [
      "Too many pods",
      "Insufficient cpu",
      "Insufficient memory",
      "Insufficient ephemeral-storage",
      "Insufficient a.io/g",
    ],
  );
  assert.deepEqual(nodeResourcesFit.filter(want({}, { cpu: "500m" }), full), ["Too many pods"]);
  assert.equal(nodeResourcesFit.preemptible(want({}, { cpu: "2" }), full), true);
  assert.equal(nodeResourcesFit.preemptible(want({}, { cpu: "2001m" }), full), false);
});

Deno.test("NodeResourcesFit lets a pod that asks for nothing onto an overcommitted node", () => {
  const over = occupied(node("a", { allocatable: { cpu: "1" } }), pod("x", { requests: { cpu: "3" } }));
  assert.deepEqual(nodeResourcesFit.filter(want(), over), []);
  assert.deepEqual(nodeResourcesFit.filter(want({}, { memory: "1" }), over), []);
});

Deno.test("NodeResourcesFit hints on room for the pod, not on any change", () => {
  const info = want({}, { cpu: "2" });
  const small = node("a", { allocatable: { cpu: "1" } });
  const big = node("a", { allocatable: { cpu: "4" } });
  assert.equal(nodeResourcesFit.hint(info, { kind: "NodeAdd", node: small }), false);
  assert.equal(nodeResourcesFit.hint(info, { kind: "NodeAdd", node: big }), true);
  assert.equal(nodeResourcesFit.hint(info, { kind: "NodeUpdate", old: small, node: big }), true);
  const moreMemory = node("a", { allocatable: { cpu: "4", memory: "16Gi" } });
  assert.equal(nodeResourcesFit.hint(info, { kind: "NodeUpdate", old: big, node: moreMemory }), false);
  assert.equal(nodeResourcesFit.hint(info, { kind: "AssignedPodDelete", pod: want() }), true);
});

Deno.test("leastRequested() is int64 arithmetic at any size", () => {
  const random = [[1, 3], [2, 3], [0, 7], [8, 7], [4_000_000_000_000_000, 9_007_199_254_740_991]] as const;
  for (const [requested, capacity] of random) {
    const exact = requested > capacity ? 0n : (BigInt(capacity) - BigInt(requested)) * 100n / BigInt(capacity);
    assert.equal(BigInt(leastRequested(requested, capacity)), exact);
  }
});

Deno.test("LeastAllocated and BalancedAllocation give upstream's numbers", () => {
  // 4 cores, 8 GiB, empty; the pod takes 1 core and 2 GiB: 75 % of both stay free, the balance stays perfect.
  const empty = at(node("a"));
  const even = want({}, { cpu: "1", memory: "2Gi" });
  assert.equal(nodeResourcesFitScore.score(even, empty), 75);
  assert.equal(nodeResourcesBalancedAllocation.score(even, empty), 75);
  // 3 of 4 cores and 0.1 of 8 GiB: deviation (0.75 - 0.0125) / 2, balance 63; 50 + (50 + 63 - 100) / 2 = 56.
  const lopsided = want({}, { cpu: "3", memory: "102.4Mi" });
  assert.equal(balance({ cpu: 3000, memory: 107374183 }, { cpu: 4000, memory: 8 * 2 ** 30 }), 63);
  assert.equal(nodeResourcesBalancedAllocation.score(lopsided, empty), 56);
  assert.equal(nodeResourcesFitScore.score(lopsided, empty), Math.floor((25 + 98) / 2));
  assert.equal(nodeResourcesBalancedAllocation.applies(want()), false);
});

Deno.test("gatesOf() names the gates that hold a pod back", () => {
  assert.equal(
    gatesOf(pod("p", { spec: { schedulingGates: [{ name: "a" }, { name: "b" }] } })),
    "waiting for scheduling gates: [a b]",
  );
  assert.equal(gatesOf(pod("p")), null);
});
