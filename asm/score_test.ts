import assert from "node:assert/strict";
import { bitCpu, codeAbsent, createScoreEngine, nodeColumns, resultWords, type ScoreRequest } from "./mod.ts";

const request: ScoreRequest = { cpu: 1000, memory: 0, ephemeral: 0, any: true, nonZeroCpu: 1000, nonZeroMemory: 0 };

/** `cpus[i]` millicores on node i, 8 GiB, 10 pods. */
function engineWith(cpus: readonly number[]) {
  const engine = createScoreEngine(cpus.length, 2);
  cpus.forEach((cpu, i) => {
    const set = (column: number, value: number) => {
      const values = engine.columns[column];
      assert.ok(values);
      values[i] = value;
    };
    set(nodeColumns.allocCpu, cpu);
    set(nodeColumns.allocMemory, 8 * 2 ** 30);
    set(nodeColumns.allocPods, 10);
    set(nodeColumns.balance, 100);
  });
  engine.slot(0).code.fill(codeAbsent, cpus.length);
  return engine;
}

Deno.test("createScoreEngine() filters, scores and picks; two engines share no memory", () => {
  const engine = engineWith([4000, 500, 4000, 2000, 4000]);
  const other = engineWith([500]);
  engine.filter(5, 0, false, request);
  engine.score(5, 0, request);
  other.filter(1, 0, false, request);
  assert.deepEqual([...engine.reasons.subarray(0, 5)], [0, bitCpu, 0, 0, 0]);
  assert.equal(engine.result[resultWords.feasible], 4);
  assert.equal(other.result[resultWords.feasible], 0);
  assert.equal(engine.result[resultWords.ties], 3);
  const best = engine.result[resultWords.best] ?? 0;
  assert.deepEqual([0, 1, 2, 3].map((tie) => engine.pick(5, best, tie)), [0, 2, 4, -1]);
  // 75 % of the cpu and all of the memory stay free: 87; balance from 100 to 87: 50 + (50 - 13) / 2 = 68; taints 300.
  assert.deepEqual([best, engine.scores[1]], [87 + 68 + 300, -1]);
});

Deno.test("createScoreEngine() scores capacities beyond 2^53 / 100 in int64", () => {
  const engine = engineWith([4000]);
  const memory = engine.columns[nodeColumns.allocMemory];
  const used = engine.columns[nodeColumns.nonZeroMemory];
  assert.ok(memory && used);
  memory[0] = 9_007_199_254_740_991;
  // Just less than 11 % is free; in float64, (capacity - requested) * 100 / capacity is 11.
  used[0] = 8_016_407_336_719_482;
  engine.filter(1, 0, false, { ...request, cpu: 0 });
  engine.score(1, 0, { ...request, cpu: 0, memory: 0 });
  assert.equal(engine.scores[0], Math.floor((75 + 10) / 2) + 300);
});
