import type { CronJob, CronJobStatus, Job, ObjectReference } from "../../api/gen/types.ts";
import { isTimeZone, parseSchedule } from "../../api/cron.ts";
import { cronJobs, jobs as jobsInfo } from "../../api/resources.ts";
import { formatTime, formatZonedTime, parseTime } from "../../api/time.ts";
import { type Action, announcer, decide, type Decision, sameJson } from "./action.ts";
import { controllerReference } from "./claim.ts";
import { due, nextLook } from "./cron_time.ts";
import { jobCondition } from "./job_observation.ts";

const scheduledKey = "batch.kubernetes.io/cronjob-scheduled-timestamp";

export interface CronJobView {
  readonly cronJob: Readonly<CronJob>;
  /** The Jobs that it controls. */
  readonly jobs: readonly Readonly<Job>[];
  /** Whether a Job of this name exists in the namespace, whoever controls it. */
  isTaken(name: string): boolean;
}

/**
 * Starts the Job of the latest minute that is due. A Job is named after its minute, so that it can be made only once, and
 * says itself for when it was: a crash before the status tells of it loses nothing. @param now ms since the epoch
 */
export function reconcileCronJob(view: CronJobView, now: number): Decision {
  const { cronJob, jobs } = view;
  const actions: Action[] = [];
  const known = follow(cronJob, jobs, actions);
  const start = cronJob.metadata?.deletionTimestamp === undefined
    ? startDue({ ...cronJob, status: known }, view, now)
    : { actions: [] };
  actions.push(...(start.before ?? []), ...trimHistory(cronJob, jobs));
  const { active = [], ...rest } = known;
  const left = start.replaced === undefined ? active : active.filter(({ uid }) => !start.replaced?.has(uid ?? ""));
  const status: CronJobStatus = left.length === 0 ? rest : { ...rest, active: left };
  // Before the new Job: when that cannot be made, what is known is written down all the same.
  if (!sameJson(status, cronJob.status ?? {})) {
    actions.push({ kind: "updateStatus", info: cronJobs, object: { ...cronJob, status } as CronJob });
  }
  return decide([...actions, ...start.actions], start.waitMs);
}

/** The status that the Jobs there are make; events about what changed go to `actions`. */
function follow(cronJob: Readonly<CronJob>, jobs: readonly Readonly<Job>[], actions: Action[]): CronJobStatus {
  const { active: before = [], ...rest } = cronJob.status ?? {};
  const announce = announcer(cronJobs, cronJob);
  const tell = (...event: Parameters<typeof announce>) => actions.push({ kind: "announce", event: announce(...event) });
  const status: CronJobStatus = rest;
  const active: ObjectReference[] = [];
  const byUid = new Map(jobs.map((job) => [job.metadata?.uid ?? "", job]));
  for (const reference of before) {
    const job = byUid.get(reference.uid ?? "");
    const end = job === undefined ? undefined : endOf(job);
    if (job === undefined) tell("Normal", "MissingJob", `Active job went missing: ${reference.name}`);
    else if (end === undefined) active.push(reference);
    else tell("Normal", "SawCompletedJob", `Saw completed job: ${reference.name}, condition: ${end}`);
  }
  for (const job of jobs) {
    const { uid = "", name = "" } = job.metadata ?? {};
    const scheduled = parseTime(job.metadata?.annotations?.[scheduledKey] ?? "");
    const isNew = scheduled !== undefined && scheduled > (parseTime(status.lastScheduleTime ?? "") ?? -Infinity);
    if (isNew) status.lastScheduleTime = formatTime(scheduled);
    const isListed = before.some((reference) => reference.uid === uid);
    if (endOf(job) === undefined && !isListed) {
      if (isNew) active.push(referenceOf(job));
      else tell("Warning", "UnexpectedJob", `Saw a job that the controller did not create or forgot: ${name}`);
    }
    const done = jobCondition(job, "Complete") === undefined ? undefined : job.status?.completionTime;
    const isLater = (parseTime(done ?? "") ?? -Infinity) > (parseTime(status.lastSuccessfulTime ?? "") ?? -Infinity);
    if (done !== undefined && isLater) status.lastSuccessfulTime = done;
  }
  return active.length === 0 ? status : { ...status, active };
}

interface Start {
  /** To be told whatever happens. */
  readonly before?: readonly Action[];
  readonly actions: readonly Action[];
  /** Uids of Jobs that the new one replaces. */
  readonly replaced?: ReadonlySet<string>;
  readonly waitMs?: number;
}

function startDue(cronJob: Readonly<CronJob>, { jobs, isTaken }: CronJobView, now: number): Start {
  const { schedule: text, timeZone, suspend, startingDeadlineSeconds, concurrencyPolicy } = cronJob.spec;
  const announce = announcer(cronJobs, cronJob);
  const say = (...event: Parameters<typeof announce>): Action => ({ kind: "announce", event: announce(...event) });
  if (timeZone !== undefined && !isTimeZone(timeZone)) {
    const message = `invalid timeZone: "${timeZone}": unknown time zone ${timeZone}`;
    return { actions: [], before: [say("Warning", "UnknownTimeZone", message)] };
  }
  if (suspend === true) return { actions: [] };
  const parsed = parseSchedule(text, timeZone);
  if (!parsed.ok) {
    const message = `unparseable schedule: "${text}" : ${parsed.message}`;
    return { actions: [], before: [say("Warning", "UnparseableSchedule", message)] };
  }
  const wait = nextLook(cronJob, parsed.schedule, now);
  const later = wait === undefined ? {} : { waitMs: wait };
  const { at, isTooMany } = due(cronJob, parsed.schedule, now);
  if (at === undefined) return { actions: [], ...later };
  const before: Action[] = [];
  if (isTooMany) {
    const message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
    before.push(say("Warning", "TooManyMissedTimes", message));
  }
  if (startingDeadlineSeconds !== undefined && at + startingDeadlineSeconds * 1000 < now) {
    const missed = new Date(at).toUTCString().replace("GMT", "+0000");
    before.push(say("Warning", "MissSchedule", `Missed scheduled time to start a job: ${missed}`));
    return { before, actions: [], ...later };
  }
  const name = jobNameOf(cronJob, at);
  if (isTaken(name) || parseTime(cronJob.status?.lastScheduleTime ?? "") === at) {
    return { before, actions: [], ...later };
  }
  const active = cronJob.status?.active ?? [];
  if (concurrencyPolicy === "Forbid" && active.length > 0) {
    const message = "Not starting job because prior execution is running and concurrency policy is Forbid";
    return { before: [...before, say("Normal", "JobAlreadyActive", message)], actions: [], ...later };
  }
  const create: Action = {
    kind: "create",
    info: jobsInfo,
    object: jobOf(cronJob, name, at),
    done: announce("Normal", "SuccessfulCreate", "Created job {name}"),
    failed: announce("Warning", "FailedCreate", "Error creating job: {error}"),
  };
  if (concurrencyPolicy !== "Replace" || active.length === 0) return { before, actions: [create], ...later };
  const replaced = new Set(active.map(({ uid }) => uid ?? ""));
  const old = jobs.filter((job) => replaced.has(job.metadata?.uid ?? ""));
  return { before: [...before, removal(cronJob, old)], actions: [create], replaced, ...later };
}

function jobNameOf(cronJob: Readonly<CronJob>, at: number): string {
  return `${cronJob.metadata?.name}-${Math.floor(at / 60_000)}`;
}

function jobOf(cronJob: Readonly<CronJob>, name: string, at: number): Job {
  const { metadata, spec } = cronJob.spec.jobTemplate;
  const { namespace } = cronJob.metadata ?? {};
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      annotations: { ...metadata?.annotations, [scheduledKey]: formatZonedTime(at, cronJob.spec.timeZone ?? "UTC") },
      ownerReferences: [controllerReference(cronJobs, cronJob)],
    },
    ...(spec === undefined ? {} : { spec }),
  };
}

function trimHistory(cronJob: Readonly<CronJob>, jobs: readonly Readonly<Job>[]): Action[] {
  const { successfulJobsHistoryLimit, failedJobsHistoryLimit } = cronJob.spec;
  const surplus = [
    ...oldest(jobs.filter((job) => endOf(job) === "Complete"), successfulJobsHistoryLimit),
    ...oldest(jobs.filter((job) => endOf(job) === "Failed"), failedJobsHistoryLimit),
  ].filter((job) => job.metadata?.deletionTimestamp === undefined);
  return surplus.length === 0 ? [] : [removal(cronJob, surplus)];
}

/** All but the `keep` that started last; what never started is the last of all. */
function oldest(jobs: Readonly<Job>[], keep = Infinity): Readonly<Job>[] {
  const startOf = (job: Readonly<Job>) => parseTime(job.status?.startTime ?? "") ?? Infinity;
  const nameOf = (job: Readonly<Job>) => job.metadata?.name ?? "";
  const byStart = (a: Readonly<Job>, b: Readonly<Job>) => {
    const [x, y] = [startOf(a), startOf(b)];
    return x === y ? (nameOf(a) < nameOf(b) ? -1 : 1) : x - y;
  };
  return jobs.sort(byStart).slice(0, Math.max(0, jobs.length - keep));
}

function removal(cronJob: Readonly<CronJob>, objects: readonly Readonly<Job>[]): Action {
  const announce = announcer(cronJobs, cronJob);
  return {
    kind: "delete",
    info: jobsInfo,
    objects,
    propagationPolicy: "Background",
    done: announce("Normal", "SuccessfulDelete", "Deleted job {name}"),
    failed: announce("Warning", "FailedDelete", "Deleted job: {error}"),
  };
}

function endOf(job: Readonly<Job>): "Complete" | "Failed" | undefined {
  if (jobCondition(job, "Complete") !== undefined) return "Complete";
  return jobCondition(job, "Failed") === undefined ? undefined : "Failed";
}

function referenceOf({ metadata }: Readonly<Job>): ObjectReference {
  const { name = "", namespace = "", uid = "", resourceVersion = "" } = metadata ?? {};
  return { apiVersion: "batch/v1", kind: "Job", name, namespace, resourceVersion, uid };
}
