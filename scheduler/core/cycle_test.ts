import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import type { Node } from "../../api/gen/types.ts";
import { hotEvaluator } from "../hot/evaluator.ts";
import { node, pod, type PodOptions, randomNode, randomPod } from "../testing.ts";
import { decide, type Decision } from "./cycle.ts";
import { podInfo } from "./node_info.ts";
import { Snapshot } from "./snapshot.ts";

function world(...nodes: Node[]) {
  const snapshot = new Snapshot();
  for (const each of nodes) snapshot.setNode(each);
  const deps = { evaluator: hotEvaluator(), random: prng(1) };
  return {
    snapshot,
    decide: (options: PodOptions = {}): Decision => decide(snapshot, podInfo(pod("p", options)), deps, { explain: 5 }),
  };
}

function message(decision: Decision): string {
  assert.ok(!decision.ok);
  return decision.message;
}

Deno.test("decide() with no nodes says so in upstream's words", () => {
  assert.equal(message(world().decide()), "no nodes available to schedule pods");
});

Deno.test("decide() counts reasons over nodes, sorts them, and says that preemption would find no victim", () => {
  const { decide } = world(
    node("a", { allocatable: { cpu: "1" } }),
    node("b", { taints: [{ key: "k", effect: "NoSchedule" }] }),
    node("c", { taints: [{ key: "k", effect: "NoSchedule" }] }),
  );
  const decision = decide({ requests: { cpu: "2" } });
  assert.equal(
    message(decision),
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). " +
      "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
  );
  assert.ok(!decision.ok);
  assert.deepEqual(decision.plugins, ["NodeResourcesFit", "TaintToleration"]);
  assert.deepEqual(decision.nodes[0], { node: "a", reasons: ["Insufficient cpu"] });
});

Deno.test("decide() counts each short resource of a node, and nodes that are merely full as without victims", () => {
  const { snapshot, decide } = world(
    node("a", { allocatable: { cpu: "2", memory: "2Gi" } }),
    node("b", { unschedulable: true }),
  );
  snapshot.setPod(podInfo(pod("x", { requests: { cpu: "2", memory: "2Gi" } })), "a");
  assert.equal(
    message(decide({ requests: { cpu: "1", memory: "1Gi" } })),
    "0/2 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 node(s) were unschedulable. " +
      "preemption: 0/2 nodes are available: 1 No preemption victims found for incoming pod, " +
      "1 Preemption is not helpful for scheduling.",
  );
});

Deno.test("decide() says nothing about preemption where upstream would preempt, and why it may not", () => {
  const { snapshot, decide } = world(node("a", { allocatable: { cpu: "1" } }));
  snapshot.setPod(podInfo(pod("x", { requests: { cpu: "1" } })), "a");
  assert.equal(
    message(decide({ requests: { cpu: "1" }, spec: { priority: 5 } })),
    "0/1 nodes are available: 1 Insufficient cpu.",
  );
  assert.equal(
    message(decide({ requests: { cpu: "1" }, spec: { priority: 5, preemptionPolicy: "Never" } })),
    "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never.",
  );
});

Deno.test("decide() words a pod pinned by node names as upstream's PreFilter does", () => {
  const pinned = (...names: string[][]): PodOptions => ({
    requests: { cpu: "8" },
    spec: {
      affinity: {
        nodeAffinity: {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: [{
              matchFields: names.map((values) => ({ key: "metadata.name", operator: "In", values })),
            }],
          },
        },
      },
    },
  });
  const { decide } = world(node("a"), node("b"), node("c"));
  assert.equal(
    message(decide(pinned(["b"]))),
    "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. " +
      "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
  );
  assert.equal(
    message(decide(pinned(["a"], ["b"]))),
    "0/3 nodes are available: pod affinity terms conflict. " +
      "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
  );
});

Deno.test("decide() counts extended resources beyond the sixteenth by their own names", () => {
  const requests: Record<string, string> = {};
  for (let i = 10; i < 30; i++) requests[`r.io/${i}`] = i === 28 ? "1" : "0";
  const { decide } = world(node("a"), node("b", { allocatable: { "r.io/28": "0" } }));
  assert.match(message(decide({ requests })), /^0\/2 nodes are available: 2 Insufficient r\.io\/28\. /);
});

Deno.test("decide() prefers the emptier node and shows the scores that made it win", () => {
  const { snapshot, decide } = world(node("a"), node("b"));
  snapshot.setPod(podInfo(pod("x", { requests: { cpu: "2", memory: "4Gi" } })), "a");
  const decision = decide({ requests: { cpu: "1", memory: "2Gi" } });
  assert.ok(decision.ok);
  assert.equal(decision.node, "b");
  // 75 % free and unchanged balance on b; 25 % free on a.
  assert.deepEqual(decision.nodes, [
    {
      node: "b",
      total: 450,
      scores: { TaintToleration: 300, NodeResourcesFit: 75, NodeResourcesBalancedAllocation: 75 },
    },
    {
      node: "a",
      total: 400,
      scores: { TaintToleration: 300, NodeResourcesFit: 25, NodeResourcesBalancedAllocation: 75 },
    },
  ]);
});

Deno.test("decide() spreads ties evenly, and the same seed chooses the same nodes", () => {
  const choose = (seed: number) => {
    const { snapshot } = world(...Array.from({ length: 4 }, (_, i) => node(`n${i}`)));
    const deps = { evaluator: hotEvaluator(), random: prng(seed) };
    return Array.from({ length: 400 }, () => {
      const decision = decide(snapshot, podInfo(pod("p")), deps, { explain: 1 });
      return decision.ok ? decision.node : "";
    });
  };
  const first = choose(9);
  assert.deepEqual(choose(9), first);
  for (let i = 0; i < 4; i++) {
    const times = first.filter((name) => name === `n${i}`).length;
    assert.ok(times > 60 && times < 140, `n${i} was chosen ${times} times of 400`);
  }
});

Deno.test("decide()'s explanation of 500 random decisions adds up to the score that won, best first", () => {
  const random = prng(21);
  let checked = 0;
  for (let round = 0; round < 25; round++) {
    const { snapshot } = world(...Array.from({ length: 1 + random.int(9) }, (_, i) => randomNode(random, `n${i}`)));
    const deps = { evaluator: hotEvaluator(), random };
    for (let i = 0; i < 20; i++) {
      const info = podInfo(randomPod(random, `p${i}`));
      const decision = decide(snapshot, info, deps, { explain: 5 });
      if (!decision.ok) continue;
      assert.equal(decision.nodes[0]?.node, decision.node);
      let last = decision.score;
      for (const verdict of decision.nodes) {
        assert.ok("total" in verdict);
        assert.equal(Object.values(verdict.scores).reduce((a, b) => a + b, 0), verdict.total);
        assert.ok(verdict.total <= last);
        last = verdict.total;
        checked++;
      }
      snapshot.assume(info, decision.node);
    }
  }
  assert.ok(checked > 100);
});
