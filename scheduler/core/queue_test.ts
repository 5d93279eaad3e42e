import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import { node, pod, type PodOptions } from "../testing.ts";
import { podInfo } from "./node_info.ts";
import { SchedulingQueue } from "./queue.ts";

const config = { initialBackoffMs: 1000, maxBackoffMs: 10_000, maxUnschedulableMs: 300_000, leftoverPeriodMs: 30_000 };

function info(name: string, options: PodOptions = {}) {
  return podInfo(pod(name, options));
}

function popAll(queue: SchedulingQueue, now: number): string[] {
  const names: string[] = [];
  for (let next = queue.pop(now); next !== undefined; next = queue.pop(now)) names.push(next.info.name);
  return names;
}

Deno.test("SchedulingQueue pops by priority, then by time, then by arrival", () => {
  const queue = new SchedulingQueue(config, 0);
  queue.set(info("late"), 5);
  queue.set(info("high", { spec: { priority: 10 } }), 9);
  queue.set(info("early"), 1);
  queue.set(info("early-too"), 1);
  assert.deepEqual(popAll(queue, 10), ["high", "early", "early-too", "late"]);
  assert.equal(queue.counts().inFlight, 4);
});

Deno.test("SchedulingQueue lets an unschedulable pod sleep until an event its plugin finds helpful", () => {
  const queue = new SchedulingQueue(config, 0);
  const big = info("big", { requests: { cpu: "2" } });
  queue.set(big, 0);
  queue.pop(0);
  queue.unschedulable(big.uid, ["NodeResourcesFit"], 0);
  assert.deepEqual(popAll(queue, 20_000), []);
  assert.equal(queue.wakeFor({ kind: "NodeAdd", node: node("s", { allocatable: { cpu: "1" } }) }, 20_000), 0);
  assert.equal(queue.wakeFor({ kind: "NodeAdd", node: node("b") }, 20_000), 1);
  assert.deepEqual(popAll(queue, 20_000), ["big"]);
});

Deno.test("SchedulingQueue doubles the backoff of a woken pod from 1 s to 10 s, yet takes it when nothing else waits", () => {
  const queue = new SchedulingQueue(config, 0);
  const p = info("p");
  queue.set(p, 0);
  const backoffs: number[] = [];
  for (let i = 0; i < 6; i++) {
    queue.pop(i * 100_000);
    queue.unschedulable(p.uid, [], i * 100_000);
    queue.wakeFor({ kind: "NodeAdd", node: node("n") }, i * 100_000);
    assert.equal(queue.counts().backoff, 1);
    backoffs.push((queue.nextFlushAt() ?? 0) - i * 100_000);
  }
  assert.deepEqual(backoffs, [1000, 2000, 4000, 8000, 10_000, 10_000]);
  queue.set(info("other"), 500_001);
  // `p` waits while another pod is active, and is taken early once there is none.
  assert.deepEqual(popAll(queue, 500_001), ["other", "p"]);
});

Deno.test("SchedulingQueue keeps a pod whose bind failed for its whole backoff", () => {
  const queue = new SchedulingQueue(config, 0);
  const p = info("p");
  queue.set(p, 0);
  queue.pop(0);
  queue.failed(p.uid, 0);
  assert.deepEqual(popAll(queue, 999), []);
  assert.equal(queue.nextFlushAt(), 1000);
  assert.deepEqual(popAll(queue, 1000), ["p"]);
  queue.failed(p.uid, 1000);
  assert.equal(queue.nextFlushAt(), 3000);
});

Deno.test("SchedulingQueue tries a pod again after five minutes without an event", () => {
  const queue = new SchedulingQueue(config, 0);
  const p = info("p");
  queue.set(p, 0);
  queue.pop(0);
  queue.unschedulable(p.uid, ["NodeName"], 0);
  assert.deepEqual(popAll(queue, 299_000), []);
  for (let now = 300_000; now <= 330_000; now += 10_000) queue.flush(now);
  assert.deepEqual(popAll(queue, 330_000), ["p"]);
});

Deno.test("SchedulingQueue does not wake a pod because its status was written", () => {
  const queue = new SchedulingQueue(config, 0);
  const p = info("p");
  queue.set(p, 0);
  queue.pop(0);
  queue.unschedulable(p.uid, [], 0);
  const written = { ...p.pod, status: { phase: "Pending", conditions: [{ type: "PodScheduled", status: "False" }] } };
  queue.set(podInfo(written), 5000);
  assert.equal(queue.counts().unschedulable, 1);
  const tolerating = { ...p.pod, spec: { containers: [], tolerations: [{ operator: "Exists" }] } };
  queue.set(podInfo(tolerating), 5000);
  assert.deepEqual(popAll(queue, 5000), ["p"]);
});

Deno.test("SchedulingQueue holds a gated pod back until its last gate goes", () => {
  const queue = new SchedulingQueue(config, 0);
  const gated = info("g", { spec: { schedulingGates: [{ name: "x" }, { name: "y" }] } });
  queue.set(gated, 0);
  assert.equal(queue.counts().gated, 1);
  assert.deepEqual(popAll(queue, 0), []);
  queue.set(info("g", { spec: { schedulingGates: [{ name: "y" }] } }), 1);
  assert.equal(queue.get(gated.uid)?.gate, "waiting for scheduling gates: [y]");
  queue.set(info("g"), 2);
  assert.deepEqual(popAll(queue, 2), ["g"]);
});

Deno.test("SchedulingQueue loses no pod and doubles none through 20,000 random calls", () => {
  const random = prng(5);
  const queue = new SchedulingQueue(config, 0);
  const known = new Map<string, "waiting" | "inFlight">();
  let now = 0;
  for (let step = 0; step < 20_000; step++) {
    now += random.int(500);
    const name = `p${random.int(30)}`;
    const uid = `uid-default-${name}`;
    switch (random.int(6)) {
      case 0:
        queue.set(info(name, { spec: { priority: random.int(5) } }), now);
        if (!known.has(uid)) known.set(uid, "waiting");
        break;
      case 1:
        assert.equal(queue.delete(uid), known.delete(uid));
        break;
      case 2: {
        const next = queue.pop(now);
        if (next === undefined) break;
        assert.equal(known.get(next.info.uid), "waiting", "a pod in flight or gone must not be popped");
        known.set(next.info.uid, "inFlight");
        break;
      }
      case 3:
        queue.wakeFor({ kind: "NodeAdd", node: node("n") }, now);
        break;
      case 4:
        queue.unschedulable(uid, random.int(2) === 0 ? [] : ["NodeResourcesFit"], now);
        if (known.get(uid) === "inFlight") known.set(uid, "waiting");
        break;
      case 5:
        queue.failed(uid, now);
        if (known.get(uid) === "inFlight") known.set(uid, "waiting");
        break;
    }
    const counts = queue.counts();
    const total = Object.values(counts).reduce((a, b) => a + b, 0);
    assert.equal(total, known.size);
    assert.equal(counts.inFlight, [...known.values()].filter((state) => state === "inFlight").length);
  }
  // Whatever waits is popped in the end.
  for (const [uid, state] of known) if (state === "inFlight") queue.failed(uid, now);
  queue.wakeFor({ kind: "NodeAdd", node: node("n") }, now);
  assert.equal(popAll(queue, now + 400_000).length, known.size);
});

Deno.test("SchedulingQueue counts who came to which place, and why, by upstream's names", () => {
  const queue = new SchedulingQueue(config, 0);
  const [a, gated] = [info("a"), info("gated", { spec: { schedulingGates: [{ name: "g" }] } })];
  queue.set(a, 0);
  queue.set(gated, 0);
  queue.pop(0);
  queue.unschedulable(a.uid, [], 0);
  queue.wakeFor({ kind: "NodeAdd", node: node("n") }, 10);
  queue.pop(10); // nothing else is to do, so it need not wait its backoff out
  queue.failed(a.uid, 20);
  queue.pop(60_000);
  queue.unschedulable(a.uid, ["NodeName"], 60_000);
  queue.flush(500_000);
  const none = { active: 0, backoff: 0, unschedulable: 0, gated: 0 };
  assert.deepEqual(Object.fromEntries(queue.incoming()), {
    UnscheduledPodAdd: { ...none, active: 1, gated: 1 },
    ScheduleAttemptFailure: { ...none, unschedulable: 2, backoff: 1 },
    NodeAdd: { ...none, backoff: 1 },
    PopFromBackoffQ: { ...none, active: 1 },
    BackoffComplete: { ...none, active: 1 },
    UnschedulableTimeout: { ...none, active: 1 },
  });
});
