import assert from "node:assert/strict";
import { VirtualTime } from "../testing.ts";
import { limits } from "../limits.ts";
import { FlushPacer, preferredGatherMs, WatchPacers } from "./pacer.ts";

Deno.test("FlushPacer sends the first at once, gathers what follows within a period, and falls silent when idle", async () => {
  const time = new VirtualTime();
  const pacer = new FlushPacer(time, 2);
  const sent: string[] = [];
  const flushes = Object.fromEntries(["a", "b"].map((name) => [name, () => void sent.push(name)]));
  const request = (name: "a" | "b") => pacer.request(flushes[name] ?? (() => {}));
  request("a");
  request("a");
  request("b");
  assert.deepEqual(sent, [], "not inside the caller's own change");
  await Promise.resolve();
  assert.deepEqual(sent, ["a", "b"], "one flush each, in this turn");
  request("a");
  await time.advance(1);
  request("a");
  assert.deepEqual(sent, ["a", "b"], "the period is not over");
  await time.advance(1);
  assert.deepEqual(sent, ["a", "b", "a"]);
  await time.advance(2);
  assert.equal(time.pending, 0, "a period without a change ends it");
  request("b");
  await Promise.resolve();
  assert.deepEqual(sent.slice(3), ["b"], "quiet again: at once");
  request("b");
  pacer.stop();
  assert.deepEqual(sent.slice(4), ["b"], "what waits goes out at the end");
  assert.equal(time.pending, 0);
});

Deno.test("FlushPacer waits longer the more watchers wrote, up to a bound", async () => {
  const time = new VirtualTime();
  const pacer = new FlushPacer(time, 2);
  let sent = 0;
  const flushes = Array.from({ length: 1_000 }, () => () => void sent++);
  for (const flush of flushes) pacer.request(flush);
  await time.advance(0);
  assert.equal(sent, 1_000);
  pacer.request(flushes[0] ?? (() => {}));
  await time.advance(limits.watchFlushMsLoaded - 1);
  assert.equal(sent, 1_000, "so many writes are followed by a longer pause");
  await time.advance(1);
  assert.equal(sent, 1_001);
  pacer.request(flushes[1] ?? (() => {}));
  await time.advance(2);
  assert.equal(sent, 1_002, "one write is followed by the shortest");
  pacer.stop();
});

Deno.test("FlushPacer doubles its period while none passes without a change, and begins anew after a quiet one", async () => {
  const time = new VirtualTime();
  const pacer = new FlushPacer(time, 2, 8);
  const sentAt: number[] = [];
  const flush = () => void sentAt.push(time.monotonic());
  const change = async (everyMs: number, count: number) => {
    for (let i = 0; i < count; i++) {
      pacer.request(flush);
      await time.advance(everyMs);
    }
  };
  await change(1, 40);
  assert.deepEqual(sentAt.slice(0, 6), [0, 2, 6, 14, 22, 30]);
  await time.advance(20);
  sentAt.length = 0;
  const from = time.monotonic();
  await change(1, 3);
  assert.deepEqual(sentAt.slice(0, 2), [from, from + 2]);
  pacer.stop();
});

Deno.test("WatchPacers let nobody wait longer than it said, and the prompt not behind the patient", async () => {
  const time = new VirtualTime();
  const pacers = new WatchPacers(time, 2);
  assert.notEqual(pacers.of(null), pacers.of(0));
  assert.equal(pacers.of(9), pacers.of(0));
  assert.equal(pacers.of(99), pacers.of(50));
  assert.equal(pacers.of(1e6), pacers.of(limits.watchGatherMs.at(-1) ?? 0));
  const sent: string[] = [];
  const patient = () => void sent.push("patient");
  const prompt = () => void sent.push("prompt");
  pacers.of(250).request(patient);
  await time.advance(0);
  pacers.of(250).request(patient);
  await time.advance(3);
  pacers.of(null).request(prompt);
  await time.advance(0);
  assert.deepEqual(sent, ["patient", "prompt"]);
  await time.advance(250);
  assert.deepEqual(sent, ["patient", "prompt", "patient"]);
  pacers.stop();
  assert.equal(time.pending, 0);
  const unpaced = new WatchPacers(time, 0);
  assert.equal(unpaced.of(500), unpaced.of(null), "a server without a pace has none for anybody");
});

Deno.test("preferredGatherMs() reads one preference among others, and no nonsense", () => {
  assert.equal(preferredGatherMs("gather=250"), 250);
  assert.equal(preferredGatherMs("respond-async, gather=10; x=1"), 10);
  for (const other of [null, "", "gather", "gather=", "gather=-1", "gather=1e9", "agather=5", "gather=99999999"]) {
    assert.equal(preferredGatherMs(other), null, String(other));
  }
});
