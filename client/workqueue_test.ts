import assert from "node:assert/strict";
import { createVirtualTime, settle, silentLog } from "./testing.ts";
import { createWorkQueue, runWorkers } from "./workqueue.ts";

Deno.test("createWorkQueue() gives a key added twice before it was taken once", async () => {
  const queue = createWorkQueue<string>(createVirtualTime());
  queue.add("a");
  queue.add("a");
  queue.add("b");
  assert.equal(queue.length, 2);
  assert.equal(await queue.get(), "a");
  assert.equal(await queue.get(), "b");
  assert.equal(queue.length, 0);
});

Deno.test("createWorkQueue() never gives a key that is being worked on, and gives it again after done()", async () => {
  const queue = createWorkQueue<string>(createVirtualTime());
  queue.add("a");
  assert.equal(await queue.get(), "a");
  queue.add("a");
  assert.equal(queue.length, 0);
  queue.done("a");
  assert.equal(await queue.get(), "a");
  queue.done("a");
  assert.equal(queue.length, 0);
});

Deno.test("createWorkQueue() addRateLimited() doubles the delay until forget(), bounded by maxDelayMs", async () => {
  const time = createVirtualTime();
  const queue = createWorkQueue<string>(time, { baseDelayMs: 10, maxDelayMs: 35 });
  const delays: number[] = [];
  for (let i = 0; i < 5; i++) {
    if (i === 4) queue.forget("a");
    queue.addRateLimited("a");
    let waited = 0;
    while (queue.length === 0) {
      await time.advance(1);
      waited++;
    }
    delays.push(waited);
    await queue.get();
    queue.done("a");
  }
  assert.deepEqual(delays, [10, 20, 35, 35, 10]);
});

Deno.test("createWorkQueue() addAfter() keeps the earliest of several waits for a key", async () => {
  const time = createVirtualTime();
  const queue = createWorkQueue<string>(time);
  queue.addAfter("a", 50);
  queue.addAfter("a", 20);
  queue.addAfter("a", 90);
  await time.advance(20);
  assert.equal(queue.length, 1);
  await queue.get();
  queue.done("a");
  await time.advance(100);
  assert.equal(queue.length, 0);
});

Deno.test("createWorkQueue() shutdown() lets what waits be taken, then ends, and leaves no timer", async () => {
  const time = createVirtualTime();
  const queue = createWorkQueue<string>(time);
  queue.add("a");
  queue.addAfter("b", 1000);
  queue.shutdown();
  queue.add("c");
  assert.equal(await queue.get(), "a");
  assert.equal(await queue.get(), undefined);
  assert.equal(time.pending, 0);
});

Deno.test("runWorkers() tries a failed key again and forgets its failures once it succeeds", async () => {
  const time = createVirtualTime();
  const queue = createWorkQueue<string>(time);
  let tries = 0;
  const finished = runWorkers(queue, 2, async () => {
    if (++tries < 3) throw new Error("not yet");
  }, silentLog);
  queue.add("a");
  await time.advance(100);
  assert.equal(tries, 3);
  assert.equal(queue.requeues("a"), 0);
  queue.shutdown();
  await settle();
  await finished;
});
