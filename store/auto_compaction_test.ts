import assert from "node:assert/strict";
import { createWorld } from "../platform/sim/mod.ts";
import { AutoCompaction, type CompactionPolicy } from "./auto_compaction.ts";
import { storeLimits } from "./limits.ts";

const hourMs = 3_600_000;

function scene(policy: CompactionPolicy) {
  const world = createWorld({ seed: 1 });
  const { clock, timers } = world.host("here").platform;
  const state = { revision: 1, compactRevision: 0 };
  const asked: number[] = [];
  let failing = false;
  const compact = (revision: number) => {
    asked.push(revision);
    if (!failing) state.compactRevision = revision;
  };
  const compaction = new AutoCompaction({ policy, state, clock, timers, compact });
  return { world, state, asked, compaction, fail: (on: boolean) => void (failing = on) };
}

Deno.test("periodic compaction keeps all of the last period, and no more than a step beyond it", async () => {
  const { world, state, asked, compaction } = scene({ mode: "periodic", keepMs: hourMs });
  compaction.setLeading(true);
  const revisionAt = (ms: number) => 1 + Math.floor(ms / 60_000);
  for (let minute = 1; minute <= 300; minute++) {
    await world.run(minute * 60_000);
    state.revision = revisionAt(world.nowMs);
    compaction.written();
    assert.ok(
      state.compactRevision <= Math.max(1, revisionAt(world.nowMs - hourMs)),
      `minute ${minute}: too much is gone`,
    );
    if (minute < 70) continue;
    const oldest = revisionAt(world.nowMs - hourMs - hourMs / storeLimits.compactionSamples) - 1;
    assert.ok(state.compactRevision >= oldest, `minute ${minute}: ${state.compactRevision} of ${oldest}`);
  }
  assert.deepEqual(asked, asked.toSorted((a, b) => a - b));
  const before = asked.length;
  await world.run(world.nowMs + 3 * hourMs);
  const settled = asked.length;
  assert.equal(state.compactRevision, state.revision, "an idle store ends with its newest revision");
  await world.run(world.nowMs + 3 * hourMs);
  assert.deepEqual([asked.length, settled > before], [settled, true], "and then asks for nothing");
});

Deno.test("periodic compaction: a new leader waits a whole period, a deposed one asks for nothing, a failure is made good", async () => {
  const { world, state, asked, compaction, fail } = scene({ mode: "periodic", keepMs: hourMs });
  state.revision = 50;
  compaction.setLeading(true);
  await world.run(0.9 * hourMs);
  compaction.setLeading(false);
  await world.run(3 * hourMs);
  assert.deepEqual(asked, []);
  compaction.setLeading(true);
  await world.run(3.95 * hourMs);
  assert.deepEqual(asked, []);
  fail(true);
  await world.run(4.05 * hourMs);
  assert.deepEqual(asked, [50]);
  fail(false);
  await world.run(4.15 * hourMs);
  assert.deepEqual([asked, state.compactRevision], [[50, 50], 50]);
  compaction.setLeading(false);
});

Deno.test("compaction by revision keeps the newest so many, looks at most once an interval, and needs writes to act", async () => {
  const { world, state, asked, compaction } = scene({ mode: "revision", keepRevisions: 100 });
  compaction.setLeading(true);
  state.revision = 90;
  compaction.written();
  await world.run(storeLimits.compactionIntervalMs * 3);
  assert.deepEqual(asked, []);
  for (let i = 0; i < 20; i++) {
    state.revision += 10;
    compaction.written();
  }
  await world.run(world.nowMs + storeLimits.compactionIntervalMs + 1);
  assert.deepEqual(asked, [190]);
});

Deno.test("compaction that is off asks for nothing, however much there is", async () => {
  const { world, state, asked, compaction } = scene({ mode: "off" });
  compaction.setLeading(true);
  for (let hour = 1; hour <= 10; hour++) {
    state.revision = hour * storeLimits.compactionRetentionRevisions;
    compaction.written();
    await world.run(hour * hourMs);
  }
  assert.deepEqual(asked, []);
});
