import assert from "node:assert/strict";
import type { JobSpec } from "../../api/gen/types.ts";
import { prng } from "../../base/prng.ts";
import { isStray } from "./job.ts";
import { backoffLeft } from "./job_failures.ts";
import { firstPending, formatIndexes, parseIndexes } from "./job_indexes.ts";
import { JobWorld } from "./job_testing.ts";
import { expireJob } from "./ttl_after_finished.ts";

function only<T>(items: Iterable<T>): T {
  const [first, ...rest] = items;
  assert.ok(first !== undefined && rest.length === 0);
  return first;
}

Deno.test("reconcileJob() runs a pod to its end: SuccessCriteriaMet, then Complete when it is counted", () => {
  const world = new JobWorld({});
  world.turn();
  assert.equal(world.job.status?.startTime, "2026-01-01T00:00:00Z");
  const pod = only(world.pods.values());
  assert.deepEqual(pod.metadata?.finalizers, ["batch.kubernetes.io/job-tracking"]);
  assert.equal(pod.metadata?.generateName, "work-");
  world.turn();
  assert.deepEqual([world.job.status?.active, world.job.status?.ready], [1, 0]);
  world.now += 5_000;
  world.finish(pod, "Succeeded");
  world.rest();
  assert.deepEqual(world.conditions(), [
    "SuccessCriteriaMet=True CompletionsReached",
    "Complete=True CompletionsReached",
  ]);
  const { status } = world.job;
  assert.deepEqual([status?.succeeded, status?.active, status?.failed], [1, undefined, undefined]);
  assert.deepEqual([status?.ready, status?.terminating, status?.uncountedTerminatedPods], [0, 0, {}]);
  assert.equal(status?.completionTime, "2026-01-01T00:00:05Z");
  assert.equal(status?.conditions?.[1]?.message, "Reached expected number of succeeded pods");
  assert.ok(!world.isHeld("pod-1"));
  assert.deepEqual(world.events, ["Normal Completed: Job completed"]);
});

Deno.test("reconcileJob() lists a pod, then lets it go, then counts it: one write a step", () => {
  const world = new JobWorld({ completions: 2, parallelism: 2 });
  world.rest();
  const [pod] = world.pods.values();
  assert.ok(pod !== undefined);
  world.finish(pod, "Succeeded");
  assert.deepEqual(world.decide().actions.map((each) => each.kind), ["updateStatus", "patch"]);
  world.turn(1);
  assert.deepEqual(world.job.status?.uncountedTerminatedPods, { succeeded: ["pod-1"] });
  assert.equal(world.job.status?.succeeded, undefined);
  assert.ok(world.isHeld("pod-1"));
  world.turn();
  assert.ok(!world.isHeld("pod-1"));
  world.turn();
  assert.deepEqual([world.job.status?.succeeded, world.job.status?.uncountedTerminatedPods], [1, {}]);
});

Deno.test("reconcileJob() replaces failed pods after 10 s, 20 s, 40 s; beyond the limit the Job fails", () => {
  const world = new JobWorld({ backoffLimit: 2 });
  world.rest();
  const waits: number[] = [];
  for (let round = 0; round < 3; round++) {
    const pod = only(world.running);
    world.now += 1_000;
    world.finish(pod, "Failed");
    world.rest();
    const { wakeAfterMs } = world.decide();
    if (wakeAfterMs === undefined) break;
    waits.push(wakeAfterMs);
    world.now += wakeAfterMs;
    world.rest();
  }
  assert.deepEqual(waits, [10_000, 20_000]);
  assert.deepEqual(world.conditions(), ["FailureTarget=True BackoffLimitExceeded", "Failed=True BackoffLimitExceeded"]);
  assert.equal(world.job.status?.failed, 3);
  assert.equal(world.job.status?.completionTime, undefined);
  assert.deepEqual(world.events, ["Warning BackoffLimitExceeded: Job has reached the specified backoff limit"]);
});

Deno.test("backoffLeft() is capped at ten minutes", () => {
  assert.equal(backoffLeft({ failures: 7, lastFailureMs: 0 }, 0), 600_000);
  assert.equal(backoffLeft({ failures: 4_000, lastFailureMs: 0 }, 1_000), 599_000);
});

Deno.test("reconcileJob() removes all pods when the Job has been active for too long, and counts them failed", () => {
  const world = new JobWorld({ completions: 3, parallelism: 3, activeDeadlineSeconds: 30 });
  world.rest();
  assert.equal(world.decide().wakeAfterMs, 30_000);
  world.now += 30_000;
  world.turn();
  assert.deepEqual(world.conditions(), ["FailureTarget=True DeadlineExceeded"]);
  world.rest();
  assert.deepEqual(world.conditions().at(-1), "Failed=True DeadlineExceeded");
  assert.equal(world.job.status?.failed, 3);
  assert.equal(world.pods.size, 0);
});

Deno.test("reconcileJob() suspends and resumes: no failures, a new start time", () => {
  const world = new JobWorld({ completions: 2, parallelism: 2, activeDeadlineSeconds: 60 });
  world.rest();
  world.now += 50_000;
  world.edit((spec) => spec.suspend = true);
  world.rest();
  assert.equal(world.pods.size, 0);
  assert.deepEqual(world.conditions(), ["Suspended=True JobSuspended"]);
  assert.equal(world.job.status?.failed, undefined);
  assert.equal(world.decide().wakeAfterMs, undefined);
  world.now += 50_000;
  world.edit((spec) => spec.suspend = false);
  world.rest();
  assert.deepEqual(world.conditions(), ["Suspended=False JobResumed"]);
  assert.equal(world.job.status?.startTime, "2026-01-01T00:01:40Z");
  assert.equal(world.job.status?.active, 2);
  assert.deepEqual(world.events, ["Normal Suspended: Job suspended", "Normal Resumed: Job resumed"]);
});

Deno.test("reconcileJob() gives each index of an Indexed Job a pod, and records which are done", () => {
  const world = new JobWorld({ completions: 4, parallelism: 3, completionMode: "Indexed" });
  world.rest();
  const pods = [...world.pods.values()];
  assert.deepEqual(pods.map((pod) => pod.spec?.hostname), ["work-0", "work-1", "work-2"]);
  const [first] = pods;
  assert.equal(first?.metadata?.generateName, "work-0-");
  assert.equal(first?.metadata?.labels?.["batch.kubernetes.io/job-completion-index"], "0");
  assert.equal(first?.metadata?.annotations?.["batch.kubernetes.io/job-completion-index"], "0");
  assert.deepEqual(first?.spec?.containers[0]?.env, [{
    name: "JOB_COMPLETION_INDEX",
    valueFrom: { fieldRef: { fieldPath: "metadata.labels['batch.kubernetes.io/job-completion-index']" } },
  }]);
  for (const pod of pods) if (pod !== pods[1]) world.finish(pod, "Succeeded");
  world.rest();
  assert.deepEqual([world.job.status?.completedIndexes, world.job.status?.succeeded], ["0,2", 2]);
  assert.deepEqual(world.running.map((pod) => pod.spec?.hostname), ["work-1", "work-3"]);
  for (const pod of world.running) world.finish(pod, "Succeeded");
  world.rest();
  assert.equal(world.job.status?.completedIndexes, "0-3");
  assert.equal(world.conditions().at(-1), "Complete=True CompletionsReached");
});

Deno.test("reconcileJob() tries each index as often as backoffLimitPerIndex says, whatever the others do", () => {
  const world = new JobWorld({
    completions: 2,
    parallelism: 2,
    completionMode: "Indexed",
    backoffLimit: 1000,
    backoffLimitPerIndex: 1,
  });
  world.rest();
  const [zero, one] = world.pods.values();
  assert.ok(zero !== undefined && one !== undefined);
  world.finish(one, "Succeeded");
  world.finish(zero, "Failed");
  world.rest();
  assert.ok(world.isHeld("pod-1"), "held until its successor carries the count on");
  assert.equal(world.decide().wakeAfterMs, 10_000);
  world.now += 10_000;
  world.rest();
  assert.ok(!world.isHeld("pod-1"));
  const again = only(world.running);
  assert.equal(again.metadata?.annotations?.["batch.kubernetes.io/job-index-failure-count"], "1");
  world.finish(again, "Failed");
  world.rest();
  const { status } = world.job;
  assert.deepEqual([status?.completedIndexes, status?.failedIndexes, status?.failed], ["1", "0", 2]);
  assert.deepEqual(world.conditions(), ["FailureTarget=True FailedIndexes", "Failed=True FailedIndexes"]);
});

Deno.test("reconcileJob() fails when more indexes failed than maxFailedIndexes", () => {
  const world = new JobWorld({
    completions: 5,
    parallelism: 5,
    completionMode: "Indexed",
    backoffLimit: 1000,
    backoffLimitPerIndex: 0,
    maxFailedIndexes: 1,
  });
  world.rest();
  for (const pod of world.running.slice(0, 2)) world.finish(pod, "Failed");
  world.rest();
  assert.equal(world.conditions().at(-1), "Failed=True MaxFailedIndexesExceeded");
  assert.equal(world.job.status?.failedIndexes, "0,1");
  assert.equal(world.pods.size, 2, "the pods that still ran are gone");
});

Deno.test("reconcileJob() judges failures by podFailurePolicy: ignored ones do not count, others end the Job", () => {
  const world = new JobWorld({
    backoffLimit: 0,
    podFailurePolicy: {
      rules: [
        { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] },
        { action: "FailJob", onExitCodes: { operator: "In", values: [42] } },
      ],
    },
  });
  world.rest();
  const pod = only(world.running);
  world.finish(
    { ...pod, status: {} },
    "Failed",
  );
  const failed = world.pods.get(pod.metadata?.name ?? "");
  assert.ok(failed?.status !== undefined);
  failed.status.conditions = [{ type: "DisruptionTarget", status: "True" }];
  world.rest();
  assert.equal(world.job.status?.failed, undefined);
  world.now += 10_000;
  world.rest();
  world.finish(only(world.running), "Failed", 42);
  world.rest();
  assert.deepEqual(world.conditions(), ["FailureTarget=True PodFailurePolicy", "Failed=True PodFailurePolicy"]);
  assert.equal(
    world.job.status?.conditions?.[1]?.message,
    "Container c for pod d/work-2 failed with exit code 42 matching FailJob rule at index 1",
  );
});

Deno.test("reconcileJob() ends early by successPolicy", () => {
  const world = new JobWorld({
    completions: 3,
    parallelism: 3,
    completionMode: "Indexed",
    successPolicy: { rules: [{ succeededIndexes: "0,2", succeededCount: 1 }] },
  });
  world.rest();
  world.finish(world.running[2] ?? assert.fail(), "Succeeded");
  world.rest();
  assert.deepEqual(world.conditions(), ["SuccessCriteriaMet=True SuccessPolicy", "Complete=True SuccessPolicy"]);
  assert.equal(world.job.status?.conditions?.[0]?.message, "Matched rules at index 0");
});

Deno.test("reconcileJob() waits for a terminating pod only when podReplacementPolicy says so", () => {
  for (const [podReplacementPolicy, pods] of [["TerminatingOrFailed", 2], ["Failed", 1]] as const) {
    const world = new JobWorld({ podReplacementPolicy });
    world.rest();
    world.remove(only(world.running));
    world.turn();
    world.now += 10_000;
    world.turn();
    assert.equal(world.pods.size, pods, podReplacementPolicy);
  }
});

Deno.test("reconcileJob() adopts what matches, holds it, and leaves alone Jobs that another manages", () => {
  const world = new JobWorld({});
  const labels = { "batch.kubernetes.io/controller-uid": "job" };
  world.pods.set("x", {
    metadata: { name: "x", namespace: "d", uid: "x", resourceVersion: "1", labels },
    spec: { containers: [] },
  });
  world.turn();
  assert.ok(world.isHeld("x"));
  assert.equal(world.pods.size, 1);
  assert.deepEqual(new JobWorld({ managedBy: "example.com/other" }).decide().actions, []);
});

Deno.test("isStray(): a pod whose Job is gone, another, or over will never be counted", () => {
  const { job } = new JobWorld({});
  assert.deepEqual([isStray(job, "job"), isStray(job, "old"), isStray(undefined, "job")], [false, true, true]);
});

Deno.test("parseIndexes() and formatIndexes() are each other's inverse", () => {
  for (const text of ["", "0", "0,1", "0-2", "1,3-5,7", "0,1,3,4,6-9"]) {
    assert.equal(formatIndexes(parseIndexes(text, 100)), text);
  }
  assert.equal(formatIndexes(parseIndexes("0-9", 4)), "0-3");
  assert.deepEqual(firstPending([new Set([0, 2]), new Set([3])], 2, 9), [1, 4]);
});

Deno.test("expireJob() deletes a finished Job ttlSecondsAfterFinished after its end, in the foreground", () => {
  const world = new JobWorld({ ttlSecondsAfterFinished: 60 });
  world.rest();
  assert.deepEqual(expireJob(world.job, world.now), { actions: [] });
  world.finish(only(world.running), "Succeeded");
  world.rest();
  assert.deepEqual(expireJob(world.job, world.now + 20_000), { actions: [], wakeAfterMs: 40_000 });
  const action = only(expireJob(world.job, world.now + 60_000).actions);
  assert.ok(action.kind === "delete" && action.propagationPolicy === "Foreground" && action.sameVersion === true);
});

const walks: readonly Partial<JobSpec>[] = [
  { completions: 12, parallelism: 4, backoffLimit: 1000 },
  { completions: 12, parallelism: 4, backoffLimit: 1000, podReplacementPolicy: "Failed" },
  { parallelism: 5, backoffLimit: 1000 },
  { completions: 12, parallelism: 4, backoffLimit: 1000, completionMode: "Indexed" },
  { completions: 12, parallelism: 4, backoffLimit: 1000, completionMode: "Indexed", backoffLimitPerIndex: 100 },
];

Deno.test("reconcileJob(): a crash between any two steps neither counts a pod twice nor loses one (random walks)", () => {
  for (let seed = 1; seed <= 150; seed++) walk(seed, walks[seed % walks.length] ?? {});
});

function walk(seed: number, spec: Partial<JobSpec>): void {
  const random = prng(seed);
  const chance = (one: number) => random.int(one) === 0;
  const world = new JobWorld(spec);
  world.uncountedMax = 2;
  /** What became of each pod, as long as the Job held it. */
  const truth = new Map<string, "Succeeded" | "Failed">();
  const failsWhenDeleted = spec.podReplacementPolicy !== "Failed";
  for (let step = 0; step < 2_000 && world.job.status?.completionTime === undefined; step++) {
    const busy = world.running.filter((pod) => pod.metadata?.deletionTimestamp === undefined);
    const pod = busy[random.int(Math.max(1, busy.length))];
    if (pod !== undefined && chance(4)) {
      const phase = chance(4) ? "Failed" : "Succeeded";
      if (world.isHeld(pod.metadata?.uid ?? "")) truth.set(pod.metadata?.uid ?? "", phase);
      world.finish(pod, phase);
    } else if (pod !== undefined && chance(20)) {
      if (failsWhenDeleted && world.isHeld(pod.metadata?.uid ?? "")) truth.set(pod.metadata?.uid ?? "", "Failed");
      world.remove(pod);
    } else if (chance(40)) world.edit((it) => it.suspend = it.suspend !== true);
    else if (chance(60)) world.edit((it) => it.parallelism = 1 + random.int(6));
    else if (chance(3)) world.now += 600_000;
    else world.turn(chance(3) ? random.int(6) : Infinity);
    for (const dying of world.running) {
      if (dying.metadata?.deletionTimestamp === undefined || !chance(3)) continue;
      if (!failsWhenDeleted && world.isHeld(dying.metadata.uid ?? "")) truth.set(dying.metadata.uid ?? "", "Failed");
      if (!failsWhenDeleted) world.finish(dying, "Failed");
    }
    world.collect();
    check(world, truth, `seed ${seed}, step ${step}`);
  }
  assert.ok(world.job.status?.completionTime !== undefined, `seed ${seed}: never complete`);
}

function check(world: JobWorld, truth: ReadonlyMap<string, "Succeeded" | "Failed">, where: string): void {
  const { status } = world.job;
  const { succeeded = [], failed = [] } = status?.uncountedTerminatedPods ?? {};
  const listed = new Set([...succeeded, ...failed]);
  assert.equal(listed.size, succeeded.length + failed.length, `${where}: listed twice`);
  assert.ok(listed.size <= world.uncountedMax, `${where}: too many listed`);
  const waiting = { Succeeded: 0, Failed: 0 };
  const total = { Succeeded: 0, Failed: 0 };
  for (const [uid, phase] of truth) {
    total[phase]++;
    if (!listed.has(uid) && world.isHeld(uid)) waiting[phase]++;
  }
  assert.equal((status?.failed ?? 0) + failed.length + waiting.Failed, total.Failed, `${where}: failures`);
  if (world.job.spec?.completionMode === "Indexed") return;
  assert.equal((status?.succeeded ?? 0) + succeeded.length + waiting.Succeeded, total.Succeeded, `${where}: successes`);
}
