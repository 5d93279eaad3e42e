import assert from "node:assert/strict";
import type { CompareResult, Run } from "./compare.ts";
import { tableOf } from "./table.ts";

const machine = {
  cpu: "",
  cores: 2,
  memoryMb: 1,
  os: "",
  deno: "",
  v8: "",
  commit: "abc",
  loadAverage: [0],
};

function result(runs: readonly Run[]): CompareResult {
  const targets = ["sauropod", "etcd"].map((name) => ({ name, about: "" }));
  const options = { seconds: 1, kills: 1, stops: 1, seed: 1 };
  return { benchmark: "store", machine, targets, options, runs, skipped: null };
}

function lineOf(text: string, what: string): string {
  const line = text.split("\n").find((each) => each.startsWith(what));
  assert.ok(line !== undefined, text);
  return line;
}

Deno.test("tableOf() takes percentiles over all runs, shows the runs apart, and divides so that more is better", () => {
  const put = (target: string, samplesMs: number[]): Run => ({ target, step: "put", samplesMs, figures: {} });
  const rate = (target: string, perSecond: number): Run => ({
    target,
    step: "put64",
    samplesMs: [1],
    figures: { perSecond },
  });
  const text = tableOf(result([
    put("sauropod", [1, 1, 1]),
    put("etcd", [4, 4, 4]),
    put("etcd", [8, 8]),
    rate("sauropod", 300),
    rate("etcd", 100),
  ]));
  const p50 = lineOf(text, "put 2 KB, one client, p50");
  assert.match(p50, / 1 ms .* 4 ms \(4 \.\. 8\) .* 4x .*<= 0\.5/);
  assert.match(lineOf(text, "put 2 KB, 64 clients  "), / 300 \/s .* 100 \/s .* 3x/);
});

Deno.test("tableOf() leaves out what was not run", () => {
  assert.ok(!tableOf(result([])).includes("memory"));
});
