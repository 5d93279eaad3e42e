import assert from "node:assert/strict";
import * as layout from "../../asm/layout.ts";
import { type Prng, prng } from "../../base/prng.ts";
import type { Evaluation } from "../core/evaluation.ts";
import { podInfo } from "../core/node_info.ts";
import { extendedBitsMax, extendedShift, reasonBits, reasonCodes, reasonTexts } from "../core/reasons.ts";
import { referenceEvaluator } from "../core/reference.ts";
import { Snapshot } from "../core/snapshot.ts";
import { node, pod, randomNode, randomPod } from "../testing.ts";
import { hotEvaluator } from "./evaluator.ts";

function copy(evaluation: Evaluation, count: number) {
  return {
    feasible: evaluation.feasible,
    best: evaluation.best,
    ties: evaluation.ties,
    reasons: Array.from({ length: count }, (_, i) => evaluation.reason(i)),
    scores: Array.from({ length: count }, (_, i) => evaluation.score(i)),
    winners: Array.from({ length: evaluation.ties }, (_, tie) => evaluation.pick(tie)),
    maxima: evaluation.feasible > 0 ? [evaluation.maxTaints, evaluation.maxAffinity] : [],
  };
}

/** Changes something: nodes come, change and go; pods are placed and removed. */
function mutate(random: Prng, snapshot: Snapshot, step: number, placed: string[]): void {
  const name = `n${random.int(40)}`;
  switch (random.int(6)) {
    case 0:
    case 1:
      return snapshot.setNode(randomNode(random, name));
    case 2:
      return random.int(3) === 0 ? snapshot.removeNode(name) : snapshot.setNode(randomNode(random, name));
    case 3: {
      const gone = placed[random.int(placed.length + 1)];
      if (gone !== undefined) snapshot.removePod(gone);
      return;
    }
    default: {
      const info = podInfo(randomPod(random, `placed-${step}`));
      placed.push(info.uid);
      return snapshot.setPod(info, name);
    }
  }
}

Deno.test("hotEvaluator in WASM equals plugin-by-plugin evaluation in 3,000 random clusters: reasons, scores, winners", () => {
  let feasible = 0;
  let ties = 0;
  for (let seed = 1; seed <= 30; seed++) {
    const random = prng(seed);
    // The dirty set has one consumer, so each evaluator gets a snapshot of its own, fed by the same calls.
    const worlds = [hotEvaluator("wasm"), hotEvaluator("twin"), referenceEvaluator()].map((evaluator) => ({
      evaluator,
      snapshot: new Snapshot(),
      placed: [] as string[],
    }));
    for (let step = 0; step < 100; step++) {
      const changes = random.int(step < 20 ? 8 : 4);
      const fork = random.int(0x7fffffff);
      const candidate = podInfo(randomPod(random, `candidate-${step}`));
      const [wasm, twin, reference] = worlds.map(({ evaluator, snapshot, placed }) => {
        const same = prng(fork);
        for (let i = 0; i < changes; i++) mutate(same, snapshot, step * 10 + i, placed);
        return copy(evaluator.evaluate(snapshot, candidate), snapshot.nodes.length);
      });
      const where = `seed ${seed} step ${step}`;
      assert.deepEqual(wasm, reference, where);
      assert.deepEqual(twin, reference, where);
      feasible += reference?.feasible ?? 0;
      ties += (reference?.ties ?? 0) > 1 ? 1 : 0;
    }
  }
  assert.ok(feasible > 5_000, `the clusters must have feasible nodes, had ${feasible}`);
  assert.ok(ties > 50, `there must be ties, were ${ties}`);
});

Deno.test("hotEvaluator keeps answering right when more signatures are used than it has slots", () => {
  const random = prng(7);
  const snapshot = new Snapshot();
  for (let i = 0; i < 9; i++) snapshot.setNode(randomNode(random, `n${i}`));
  const hot = hotEvaluator();
  const reference = referenceEvaluator();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 50; i++) {
      const info = podInfo(pod("p", { spec: { nodeSelector: { size: `${i}` } } }));
      assert.deepEqual(
        copy(hot.evaluate(snapshot, info), 9),
        copy(reference.evaluate(snapshot, info), 9),
        `round ${round} signature ${i}`,
      );
    }
  }
});

Deno.test("hotEvaluator grows past its first capacity and keeps the pods' sums", () => {
  const snapshot = new Snapshot();
  const hot = hotEvaluator();
  const reference = referenceEvaluator();
  const want = podInfo(pod("want", { requests: { cpu: "1", memory: "1Gi" } }));
  for (let i = 0; i < 300; i++) {
    snapshot.setNode(node(`n${i}`));
    snapshot.setPod(podInfo(pod(`p${i}`, { requests: { cpu: `${i % 5}` } })), `n${i}`);
    if (i % 37 !== 0 && i !== 299) continue;
    const got = copy(hot.evaluate(snapshot, want), i + 1);
    assert.deepEqual(got, copy(reference.evaluate(snapshot, want), i + 1), `${i + 1} nodes`);
  }
});

Deno.test("asm/layout.ts, asm/assembly/layout.ts and core/reasons.ts agree on every number", async () => {
  assert.equal(layout.codePorts, reasonCodes.ports);
  assert.deepEqual(
    [layout.bitPods, layout.bitCpu, layout.bitMemory, layout.bitEphemeral],
    [reasonBits.pods, reasonBits.cpu, reasonBits.memory, reasonBits.ephemeral],
  );
  assert.deepEqual([layout.extraResourceShift, layout.extraResourceCount], [extendedShift, extendedBitsMax]);
  const source = await Deno.readTextFile(new URL("../../asm/assembly/layout.ts", import.meta.url));
  const stated = new Map(
    [...source.matchAll(/export const (\w+): \w+ = (\w+)(?: << (\w+))?;/g)].map((m) => [
      m[1],
      Number(m[2]) << Number(m[3] ?? 0),
    ]),
  );
  const expected: Record<string, number> = {};
  const upper = (name: string) => name.replace(/[A-Z]/g, (c) => `_${c}`).toUpperCase();
  for (const [name, index] of Object.entries(layout.nodeColumns)) {
    expected[upper(name).replace("NON_ZERO", "NONZERO")] = index;
  }
  for (const [name, index] of Object.entries(layout.slotColumns)) expected[`SLOT_${upper(name)}`] = index;
  for (const [name, index] of Object.entries(layout.resultWords)) expected[`RESULT_${upper(name)}`] = index;
  Object.assign(expected, {
    CODE_PORTS: layout.codePorts,
    BIT_PODS: layout.bitPods,
    BIT_CPU: layout.bitCpu,
    BIT_MEMORY: layout.bitMemory,
    BIT_EPHEMERAL: layout.bitEphemeral,
    EXTRA_PORTS: layout.extraPorts,
    EXTRA_RESOURCES: ((1 << layout.extraResourceCount) - 1) << layout.extraResourceShift,
  });
  assert.deepEqual(Object.fromEntries(stated), expected);
});

Deno.test("reasonTexts gives upstream's words for every insufficient resource of a node at once", () => {
  const snapshot = new Snapshot();
  snapshot.setNode(node("n", { allocatable: { cpu: "1", memory: "1Gi", pods: "0" } }));
  const info = podInfo(pod("p", { requests: { cpu: "2", memory: "2Gi", "example.com/gpu": "1" } }));
  const code = hotEvaluator().evaluate(snapshot, info).reason(0);
  const [only] = snapshot.nodes;
  assert.ok(only);
  assert.deepEqual(reasonTexts(code, info, only), [
    "Too many pods",
    "Insufficient cpu",
    "Insufficient memory",
    "Insufficient example.com/gpu",
  ]);
});
