import assert from "node:assert/strict";
import { ReadGate } from "./read_gate.ts";

/** Rounds that end when told to. */
function rounds(): { gate: ReadGate; started: () => number; end: (ok?: boolean) => Promise<void> } {
  const open: PromiseWithResolvers<void>[] = [];
  let started = 0;
  const gate = new ReadGate(() => {
    const round = Promise.withResolvers<void>();
    open.push(round);
    started++;
    return round.promise;
  });
  return {
    gate,
    started: () => started,
    end: async (ok = true) => {
      const round = open.shift() ?? assert.fail("no round is under way");
      if (ok) round.resolve();
      else round.reject(new Error("no leader"));
      for (let i = 0; i < 10; i++) await Promise.resolve();
    },
  };
}

Deno.test("ReadGate shares one later round among all reads that came while one was under way", async () => {
  const { gate, started, end } = rounds();
  const done: string[] = [];
  gate.enter().then(() => done.push("first"));
  gate.enter().then(() => done.push("second"));
  gate.enter().then(() => done.push("third"));
  assert.equal(started(), 1);
  await end();
  assert.deepEqual([done, started()], [["first"], 2]);
  gate.enter().then(() => done.push("fourth"));
  await end();
  assert.deepEqual([done, started()], [["first", "second", "third"], 3]);
  await end();
  assert.equal(done.at(-1), "fourth");
  gate.enter();
  assert.equal(started(), 4);
  await end();
});

Deno.test("ReadGate passes a failed round on to its own readers only", async () => {
  const { gate, end } = rounds();
  const first = assert.rejects(gate.enter(), /no leader/);
  let second = false;
  gate.enter().then(() => second = true);
  await end(false);
  await first;
  assert.equal(second, false);
  await end();
  assert.equal(second, true);
});
