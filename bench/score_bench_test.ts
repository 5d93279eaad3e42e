import assert from "node:assert/strict";
import { run } from "./score_bench.ts";

Deno.test("score_bench's three ways agree on every result", () => {
  const results = run({ quick: true });
  assert.equal(results.length, 6);
  for (const { microseconds } of results) assert.ok(microseconds > 0);
});
