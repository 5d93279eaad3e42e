import { ok } from "node:assert/strict";
import { raftLimits } from "./limits.ts";

Deno.test("raftLimits: a full window of appends holds no more than what may be uncommitted", () => {
  const { maxInflightAppends, maxAppendBytes, maxUncommittedBytes } = raftLimits;
  ok(maxInflightAppends * maxAppendBytes <= maxUncommittedBytes);
});
