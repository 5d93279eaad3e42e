import type { Job, JobCondition, JobStatus, Pod } from "../../api/gen/types.ts";
import { selectorFromObject } from "../../api/labels.ts";
import { jobs, pods as podsInfo } from "../../api/resources.ts";
import { formatTime } from "../../api/time.ts";
import { type Action, announcer, decide, type Decision, sameJson, sooner, withoutZeros } from "./action.ts";
import { claim } from "./claim.ts";
import { type BackoffRecord, recordFinished } from "./job_failures.ts";
import { settle } from "./job_accounting.ts";
import { formatIndexes } from "./job_indexes.ts";
import {
  deadlineLeft,
  isJobFinished,
  jobCondition,
  newCondition,
  type Observation,
  observe,
  targetOf,
  trackingFinalizer,
} from "./job_observation.ts";
import { managePods } from "./job_pods.ts";
import { podDeletion } from "./replica_pods.ts";

const ownManager = "kubernetes.io/job-controller";

export interface JobView {
  readonly job: Readonly<Job>;
  /** Pods of the namespace that it controls, and those that nothing controls. */
  readonly pods: readonly Readonly<Pod>[];
  /** As the last decision returned it, if that was carried out. */
  readonly backoff: BackoffRecord;
  /** Pods that may be created or deleted at once. */
  readonly burst: number;
  /** Pods that the status may list as not counted yet. */
  readonly uncountedMax: number;
}

export interface JobDecision extends Decision {
  readonly backoff: BackoffRecord;
}

/**
 * One step of a Job. What is in the status is written before a pod is let go, and a pod is let go before it is counted:
 * whatever happens between two steps, the next leader finds each pod listed, held, or counted, and never two of them
 * that could be taken for two pods. @see KEP-2307 @param now ms since the epoch
 */
export function reconcileJob(view: JobView, now: number): JobDecision {
  const { job, backoff } = view;
  const selector = selectorFromObject(job.spec?.selector);
  const manager = job.spec?.managedBy ?? ownManager;
  const idle = isJobFinished(job) || manager !== ownManager;
  if (selector === undefined || selector.length === 0 || idle) return { ...decide([]), backoff };

  const { owned, actions: claims } = claim(
    { info: jobs, object: job, finalizer: trackingFinalizer },
    selector,
    podsInfo,
    view.pods,
  );
  const seen = observe(job, owned);
  const record = recordFinished(backoff, seen.newSucceeded, seen.newFailed);
  const plan = planOf(view, seen, record, now);
  const account = settle(job, seen, plan.target, view.uncountedMax);
  const { status, events } = statusOf(job, seen, { ...plan, account }, now);

  const changed = !sameJson(status, job.status ?? {});
  const update: Action[] = changed ? [{ kind: "updateStatus", info: jobs, object: { ...job, status } as Job }] : [];
  // A pod is let go only once the status that lists it is stored: the first failure ends the step.
  const actions = [...claims, ...update, ...events, ...account.releases, ...plan.actions];
  const wait = sooner(plan.waitMs, isJobFinished({ status }) ? undefined : deadlineLeft({ ...job, status }, now));
  return { ...decide(actions, wait), backoff: record };
}

interface Plan {
  readonly target: JobCondition | undefined;
  readonly actions: readonly Action[];
  readonly waitMs?: number;
  /** Whether it was looked at which pods there should be: only then is the Job suspended or resumed. */
  readonly managed: boolean;
}

function planOf(view: JobView, seen: Observation, record: BackoffRecord, now: number): Plan {
  const { job, burst } = view;
  const target = targetOf(job, seen, now);
  if (target !== undefined) {
    const actions = seen.active.length === 0 ? [] : [podDeletion(jobs, job, seen.active)];
    return { target, actions, managed: false };
  }
  if (job.metadata?.deletionTimestamp !== undefined) return { target, actions: [], managed: false };
  const changes = managePods(job, seen, record, { burst, now });
  const { completions } = job.spec ?? {};
  const enough = completions === undefined ? seen.succeeded > 0 : seen.succeeded >= completions;
  if (enough && seen.active.length === 0 && changes.actions.length === 0) {
    const reached = "Reached expected number of succeeded pods";
    return {
      target: newCondition("SuccessCriteriaMet", "CompletionsReached", reached, now),
      actions: [],
      managed: false,
    };
  }
  return { target, ...changes, managed: true };
}

function statusOf(
  job: Readonly<Job>,
  seen: Observation,
  plan: Plan & { readonly account: ReturnType<typeof settle> },
  now: number,
): { readonly status: JobStatus; readonly events: Action[] } {
  const { account, target, managed } = plan;
  const suspended = job.spec?.suspend === true;
  const before = job.status ?? {};
  const events: Action[] = [];
  const announce = announcer(jobs, job);
  const tell = (...event: Parameters<typeof announce>) => events.push({ kind: "announce", event: announce(...event) });
  let conditions = before.conditions ?? [];
  let startTime = before.startTime ?? (suspended ? undefined : formatTime(now));
  let completionTime = before.completionTime;

  const known = conditions.find(({ type }) => type === "Suspended");
  if (managed && (known?.status === "True") !== suspended) {
    const [reason, message] = suspended ? ["JobSuspended", "Job suspended"] : ["JobResumed", "Job resumed"];
    const condition = newCondition("Suspended", reason, message, now, suspended ? "True" : "False");
    conditions = [...conditions.filter((each) => each !== known), condition];
    if (!suspended) startTime = formatTime(now);
    tell("Normal", suspended ? "Suspended" : "Resumed", message);
  }
  if (target !== undefined && jobCondition(job, target.type) === undefined) conditions = [...conditions, target];
  else if (target !== undefined && account.isSettled && seen.active.length === 0 && seen.terminating.length === 0) {
    const { reason = "", message = "" } = target;
    const succeeded = target.type === "SuccessCriteriaMet";
    conditions = [...conditions, newCondition(succeeded ? "Complete" : "Failed", reason, message, now)];
    if (succeeded) completionTime = formatTime(now);
    if (succeeded) tell("Normal", "Completed", "Job completed");
    else tell("Warning", reason, message);
  }
  const { indexes } = seen;
  const status: JobStatus = {
    ...before,
    ...(conditions.length === 0 ? {} : { conditions }),
    ...(startTime === undefined ? {} : { startTime }),
    ...(completionTime === undefined ? {} : { completionTime }),
    active: seen.active.length,
    ready: seen.ready,
    terminating: seen.terminating.length,
    succeeded: indexes?.succeeded.size ?? account.succeeded,
    failed: account.failed,
    uncountedTerminatedPods: account.uncounted,
    ...(indexes === null ? {} : indexTexts(job, indexes)),
  };
  return { status: withoutZeros(status, ["active", "succeeded", "failed"]), events };
}

function indexTexts(job: Readonly<Job>, indexes: NonNullable<Observation["indexes"]>): Partial<JobStatus> {
  const completed = formatIndexes(indexes.succeeded);
  return {
    ...(completed === "" ? {} : { completedIndexes: completed }),
    ...(job.spec?.backoffLimitPerIndex === undefined ? {} : { failedIndexes: formatIndexes(indexes.failed) }),
  };
}

/** Whether nobody will ever count this pod: its Job is gone, over, or another's. */
export function isStray(job: Readonly<Job> | undefined, ownerUid: string | undefined): boolean {
  return job === undefined || job.metadata?.uid !== ownerUid || isJobFinished(job);
}
