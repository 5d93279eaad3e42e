import assert from "node:assert/strict";
import type { CronJob, CronJobSpec, Job } from "../../api/gen/types.ts";
import { formatTime } from "../../api/time.ts";
import { reconcileCronJob } from "./cron_job.ts";

const midnight = Date.UTC(2026, 0, 1);
const minuteMs = 60_000;

/** A CronJob and its Jobs; time goes as the decisions ask. */
class CronWorld {
  cronJob: CronJob;
  jobs: Job[] = [];
  now = midnight;
  readonly started: string[] = [];
  readonly events: string[] = [];
  #uids = 0;

  constructor(spec: Partial<CronJobSpec>) {
    const template = { spec: { containers: [] } };
    this.cronJob = {
      metadata: { name: "tick", namespace: "d", uid: "cron", creationTimestamp: formatTime(midnight) },
      spec: { schedule: "* * * * *", jobTemplate: { metadata: { labels: { a: "b" } }, spec: { template } }, ...spec },
    };
  }

  /** @param crashAfter actions carried out before the controller dies */
  turn(crashAfter = Infinity): number | undefined {
    const isTaken = (name: string) => this.jobs.some(({ metadata }) => metadata?.name === name);
    const { actions, wakeAfterMs } = reconcileCronJob({ cronJob: this.cronJob, jobs: this.jobs, isTaken }, this.now);
    for (const action of actions.slice(0, crashAfter)) {
      if (action.kind === "announce") this.events.push(`${action.event.reason}: ${action.event.message}`);
      else if (action.kind === "updateStatus") this.cronJob = structuredClone(action.object) as CronJob;
      else if (action.kind === "delete") this.jobs = this.jobs.filter((job) => !action.objects.includes(job));
      else if (action.kind === "create") {
        const job = structuredClone(action.object) as Job;
        assert.ok(!isTaken(job.metadata?.name ?? ""), "a Job made twice");
        job.metadata = { ...job.metadata, uid: `job-${++this.#uids}` };
        this.jobs = [...this.jobs, { ...job, status: { startTime: formatTime(this.now) } }];
        this.started.push(job.metadata.name ?? "");
      }
    }
    return wakeAfterMs;
  }

  rest(): number | undefined {
    this.turn();
    this.turn();
    return this.turn();
  }

  finish(type: "Complete" | "Failed" = "Complete"): void {
    const time = formatTime(this.now);
    this.jobs = this.jobs.map((job) =>
      (job.status?.conditions ?? []).length > 0 ? job : {
        ...job,
        status: {
          ...job.status,
          conditions: [{ type, status: "True", lastTransitionTime: time }],
          ...(type === "Complete" ? { completionTime: time } : {}),
        },
      }
    );
  }
}

const nameAt = (minutes: number) => `tick-${midnight / minuteMs + minutes}`;

Deno.test("reconcileCronJob() starts a Job a minute, named after it, and remembers when", () => {
  const world = new CronWorld({ timeZone: "Europe/Paris" });
  assert.equal(world.rest(), minuteMs + 100);
  assert.deepEqual(world.started, []);
  world.now += minuteMs + 100;
  assert.equal(world.rest(), minuteMs);
  assert.deepEqual(world.started, [nameAt(1)]);
  const [job] = world.jobs;
  assert.equal(
    job?.metadata?.annotations?.["batch.kubernetes.io/cronjob-scheduled-timestamp"],
    "2026-01-01T01:01:00+01:00",
  );
  assert.deepEqual([job?.metadata?.labels, job?.metadata?.ownerReferences?.[0]?.kind], [{ a: "b" }, "CronJob"]);
  const { status } = world.cronJob;
  assert.equal(status?.lastScheduleTime, "2026-01-01T00:01:00Z");
  assert.deepEqual(status?.active?.map(({ name }) => name), [nameAt(1)]);
  world.finish();
  world.rest();
  assert.deepEqual(world.cronJob.status, {
    lastScheduleTime: "2026-01-01T00:01:00Z",
    lastSuccessfulTime: "2026-01-01T00:01:00Z",
  });
  assert.deepEqual(world.events, [`SawCompletedJob: Saw completed job: ${nameAt(1)}, condition: Complete`]);
});

Deno.test("reconcileCronJob(): a day of minutes, with crashes, makes each Job once and keeps the history short", () => {
  const began = performance.now();
  const world = new CronWorld({ successfulJobsHistoryLimit: 3, failedJobsHistoryLimit: 1 });
  let turns = 0;
  while (world.now < midnight + 24 * 60 * minuteMs + 1_000) {
    world.turn(turns++ % 3);
    const wait = world.rest();
    world.finish(turns % 10 === 0 ? "Failed" : "Complete");
    world.rest();
    assert.ok(world.jobs.length <= 4);
    world.now += wait ?? assert.fail("it sleeps for ever");
  }
  assert.deepEqual(world.started, Array.from({ length: 1440 }, (_, index) => nameAt(index + 1)));
  assert.ok(performance.now() - began < 5_000);
});

Deno.test("reconcileCronJob() after an absence makes up for the latest start alone, and tells of many", () => {
  const world = new CronWorld({});
  world.now += 3 * minuteMs + 5_000;
  world.rest();
  assert.deepEqual([world.started, world.events], [[nameAt(3)], []]);
  world.now += 102 * minuteMs;
  world.rest();
  assert.deepEqual(world.started, [nameAt(3), nameAt(105)]);
  assert.match(world.events.join(), /^TooManyMissedTimes: too many missed start times. Set or decrease/);
  const every = new CronWorld({ schedule: "@every 5m" });
  every.now += 11 * minuteMs;
  every.rest();
  assert.deepEqual(every.started, [nameAt(10)]);
});

Deno.test("reconcileCronJob() starts nothing later than startingDeadlineSeconds allows", () => {
  const world = new CronWorld({ schedule: "0 * * * *", startingDeadlineSeconds: 10 });
  world.now += 60 * minuteMs + 10_000;
  assert.equal(world.rest(), 60 * minuteMs - 10_000 + 100);
  assert.equal(world.started.length, 0);
});

Deno.test("reconcileCronJob() by concurrencyPolicy: Allow runs both, Forbid waits, Replace ends the old one", () => {
  for (const concurrencyPolicy of ["Allow", "Forbid", "Replace"]) {
    const world = new CronWorld({ concurrencyPolicy });
    for (let round = 0; round < 2; round++) {
      world.now += minuteMs + 100;
      world.rest();
    }
    const active = world.cronJob.status?.active?.map(({ name }) => name);
    const wanted = { Allow: [nameAt(1), nameAt(2)], Forbid: [nameAt(1)], Replace: [nameAt(2)] }[concurrencyPolicy];
    assert.deepEqual(active, wanted, concurrencyPolicy);
    assert.equal(world.events.some((each) => each.startsWith("JobAlreadyActive")), concurrencyPolicy === "Forbid");
    if (concurrencyPolicy !== "Forbid") continue;
    world.finish();
    world.rest();
    assert.deepEqual(world.started, [nameAt(1), nameAt(2)], "made up for once the way is free");
  }
});

Deno.test("reconcileCronJob() suspended, in deletion, or with what it cannot read starts nothing", () => {
  const cases: readonly Partial<CronJobSpec>[] = [{ suspend: true }, { schedule: "bad" }, { timeZone: "Mars/Base" }];
  const events = cases.map((spec) => {
    const world = new CronWorld(spec);
    world.now += 5 * minuteMs;
    assert.equal(world.turn(), undefined);
    assert.deepEqual(world.started, []);
    return world.events;
  });
  assert.deepEqual(events, [
    [],
    ['UnparseableSchedule: unparseable schedule: "bad" : expected exactly 5 fields, found 1: [bad]'],
    ['UnknownTimeZone: invalid timeZone: "Mars/Base": unknown time zone Mars/Base'],
  ]);
});

Deno.test("reconcileCronJob() forgets a Job that went missing, and tells of one that it did not make", () => {
  const world = new CronWorld({});
  world.now += minuteMs + 100;
  world.rest();
  world.jobs = [{ metadata: { name: "by-hand", namespace: "d", uid: "hand" }, status: {} }];
  world.turn();
  assert.equal(world.cronJob.status?.active, undefined);
  assert.deepEqual(world.events, [
    `MissingJob: Active job went missing: ${nameAt(1)}`,
    "UnexpectedJob: Saw a job that the controller did not create or forgot: by-hand",
  ]);
});
