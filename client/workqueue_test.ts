import assert from "node:assert/strict";
import { checkMetrics } from "../platform/deno/metrics_testing.ts";
import { createMetrics } from "../platform/metrics.ts";
import { createVirtualTime, settle, silentLog } from "./testing.ts";
import { createWorkQueue, runWorkers } from "./workqueue.ts";
import { createWorkQueueMetrics } from "./workqueue_metrics.ts";

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

Deno.test("createWorkQueueMetrics() shows depth, waits, work and retries by client-go's names, over queues that follow each other", async () => {
  const time = createVirtualTime();
  const metrics = createMetrics();
  const shown = createWorkQueueMetrics("test", { metrics, clock: time.clock });
  const samples = async () => {
    const all = await checkMetrics(metrics.text());
    return (name: string) => all.get(`workqueue_${name}`)?.get('name="test"');
  };
  const first = createWorkQueue<string>(time, { metrics: shown, baseDelayMs: 10 });
  first.add("a");
  first.add("a");
  first.add("b");
  await time.advance(2_000);
  await first.get();
  await time.advance(3_000);
  let of = await samples();
  assert.deepEqual([of("adds_total"), of("depth"), of("retries_total")], [2, 1, 0]);
  assert.deepEqual([of("queue_duration_seconds_sum"), of("work_duration_seconds_count")], [2, 0]);
  assert.deepEqual([of("unfinished_work_seconds"), of("longest_running_processor_seconds")], [3, 3]);
  first.addRateLimited("a");
  first.done("a");
  first.shutdown();
  of = await samples();
  assert.deepEqual([of("work_duration_seconds_sum"), of("retries_total"), of("unfinished_work_seconds")], [3, 1, 0]);
  const second = createWorkQueue<string>(time, { metrics: shown });
  for (const key of ["a", "b", "c"]) second.add(key);
  of = await samples();
  assert.deepEqual([of("adds_total"), of("depth")], [5, 3]);
});
