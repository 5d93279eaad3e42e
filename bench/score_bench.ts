/**
 * Question: how long do filter and score of one pod over all nodes take, in WASM SIMD and in TypeScript over the same
 * columns, and plugin by plugin over objects (upstream's way)?
 * Not measured: reading the API, the queue, binding, and writing changed columns (one node here, as after each bind).
 * Input: seeded random clusters of 100, 1,000 and 5,000 nodes with five pods each, 64 different pods in turn.
 * Each way's results (reasons, scores, winner) are hashed and compared.
 *
 *     deno run -A bench/score_bench.ts [--json] [--quick]
 */
import { crc32c } from "../base/crc32c.ts";
import { prng } from "../base/prng.ts";
import type { Evaluator } from "../scheduler/core/evaluation.ts";
import { podInfo } from "../scheduler/core/node_info.ts";
import { referenceEvaluator } from "../scheduler/core/reference.ts";
import { Snapshot } from "../scheduler/core/snapshot.ts";
import { hotEvaluator } from "../scheduler/hot/evaluator.ts";
import { node, pod, randomPod } from "../scheduler/testing.ts";

const seed = 42;

export interface ScoreResult {
  readonly nodes: number;
  readonly way: "wasm" | "twin" | "plugins";
  /** Median, smallest and largest of the rounds, microseconds a pod. */
  readonly microseconds: number;
  readonly microsecondsMin: number;
  readonly microsecondsMax: number;
  readonly podsPerRound: number;
  readonly hash: number;
}

/** Ordinary nodes and pods: what a real cluster mostly holds. */
function cluster(count: number): Snapshot {
  const random = prng(seed);
  const snapshot = new Snapshot();
  for (let i = 0; i < count; i++) {
    const name = `node-${i}`;
    snapshot.setNode(node(name, {
      allocatable: { cpu: `${4 * (1 + random.int(4))}`, memory: `${16 * (1 + random.int(4))}Gi` },
      labels: { zone: `zone-${i % 3}` },
      ...(random.int(20) === 0 ? { taints: [{ key: "dedicated", effect: "NoSchedule" }] } : {}),
    }));
    for (let j = 0; j < 5; j++) {
      const requests = { cpu: `${100 * (1 + random.int(9))}m`, memory: `${128 * (1 + random.int(8))}Mi` };
      snapshot.setPod(podInfo(pod(`pod-${i}-${j}`, { requests })), name);
    }
  }
  return snapshot;
}

/** Pods as ReplicaSets make them: few signatures, no host ports. */
function candidates() {
  const random = prng(seed + 1);
  return Array.from({ length: 64 }, (_, i) => {
    const { spec } = randomPod(random, "shape");
    const requests = { cpu: `${50 * (1 + random.int(20))}m`, memory: `${64 * (1 + random.int(30))}Mi` };
    const like = i % 8 === 0 && spec?.tolerations !== undefined ? { tolerations: spec.tolerations } : {};
    return podInfo(pod(`want-${i}`, { requests, spec: like }));
  });
}

function hashOf(evaluator: Evaluator, snapshot: Snapshot, pods: ReturnType<typeof candidates>): number {
  const numbers: number[] = [];
  for (const each of pods) {
    const evaluation = evaluator.evaluate(snapshot, each);
    numbers.push(evaluation.feasible, evaluation.best, evaluation.ties, evaluation.pick(0));
    for (let i = 0; i < snapshot.nodes.length; i++) numbers.push(evaluation.reason(i), evaluation.score(i));
  }
  return crc32c(new Uint8Array(new Int32Array(numbers).buffer));
}

function measure(way: ScoreResult["way"], evaluator: Evaluator, count: number, quick: boolean): ScoreResult {
  const snapshot = cluster(count);
  const pods = candidates();
  const hash = hashOf(evaluator, snapshot, pods);
  const touched = podInfo(pod("touch", { requests: { cpu: "1m" } }));
  const podsPerRound = Math.max(8, Math.floor((quick ? 2e4 : way === "plugins" ? 2e5 : 2e6) / count));
  const rounds: number[] = [];
  for (let round = 0; round < (quick ? 3 : 15); round++) {
    const start = performance.now();
    for (let i = 0; i < podsPerRound; i++) {
      // One node changed since the last pod, as a bind changes it.
      const name = `node-${i % count}`;
      snapshot.setPod(touched, name);
      const evaluation = evaluator.evaluate(snapshot, pods[i % pods.length] ?? touched);
      if (evaluation.feasible > 0) evaluation.pick(0);
    }
    rounds.push(((performance.now() - start) * 1000) / podsPerRound);
  }
  // The first rounds warm the compiler up.
  const sorted = rounds.slice(Math.floor(rounds.length / 3)).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
  return {
    nodes: count,
    way,
    microseconds: at(0.5),
    microsecondsMin: at(0),
    microsecondsMax: at(1),
    podsPerRound,
    hash,
  };
}

/** @throws when the ways disagree */
export function run(options: { readonly quick: boolean }): ScoreResult[] {
  const results: ScoreResult[] = [];
  for (const count of options.quick ? [100, 1000] : [100, 1000, 5000]) {
    const ways = [
      measure("wasm", hotEvaluator("wasm"), count, options.quick),
      measure("twin", hotEvaluator("twin"), count, options.quick),
      measure("plugins", referenceEvaluator(), count, options.quick),
    ];
    for (const { way, hash } of ways) {
      if (hash !== ways[0]?.hash) throw new Error(`${way} disagrees with wasm at ${count} nodes: ${hash}`);
    }
    results.push(...ways);
  }
  return results;
}

if (import.meta.main) {
  const results = run({ quick: Deno.args.includes("--quick") });
  if (Deno.args.includes("--json")) {
    const machine = { deno: Deno.version.deno, v8: Deno.version.v8, arch: Deno.build.arch, seed };
    console.log(JSON.stringify({ bench: "score", machine, results }, null, 2));
  } else {
    console.log("nodes   way       us/pod (min-max)      us/node   times wasm   result");
    for (const result of results) {
      const base = results.find(({ nodes, way }) => nodes === result.nodes && way === "wasm");
      const spread = `${result.microseconds.toFixed(1)} (${result.microsecondsMin.toFixed(1)}-${
        result.microsecondsMax.toFixed(1)
      })`;
      console.log(
        `${String(result.nodes).padEnd(8)}${result.way.padEnd(10)}${spread.padEnd(22)}` +
          `${(result.microseconds / result.nodes).toFixed(4).padEnd(10)}` +
          `${(result.microseconds / (base?.microseconds ?? 1)).toFixed(1).padEnd(13)}${result.hash.toString(16)}`,
      );
    }
  }
}
