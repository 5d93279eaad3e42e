import { deepEqual } from "node:assert/strict";
import { goDurationMs } from "./go_duration.ts";

Deno.test("goDurationMs() adds what Go's durations are made of", () => {
  const texts = ["1h30m", "500ms", "1.5s", ".5s", "2.m", "1us2ns", "3µs", "0"];
  deepEqual(texts.map(goDurationMs), [5_400_000, 500, 1_500, 500, 120_000, 1e-3 + 2e-6, 3e-3, 0]);
});
