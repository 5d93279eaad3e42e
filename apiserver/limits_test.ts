import assert from "node:assert/strict";
import { codecLimits } from "../api/codec/limits.ts";
import { limits } from "./limits.ts";

Deno.test("the bounds fit one another", () => {
  assert.ok(limits.chunkBytes < limits.watcherPendingBytes, "a chunk fits a watcher's queue");
  assert.ok(
    limits.ringEvents <= limits.watcherPendingEvents,
    "a watch resumed from the whole ring is not stalled by it",
  );
  assert.ok(limits.ringFrames < limits.ringEvents);
  assert.ok(limits.rewatchBaseMs < limits.rewatchMaxMs && limits.storeRetryBaseMs < limits.storeRetryMaxMs);
  assert.ok(limits.progressPollMs < limits.cacheWaitMs);
  assert.ok(limits.patchAttempts < limits.updateAttempts);
  assert.ok(limits.depth <= codecLimits.depthMax);
});
