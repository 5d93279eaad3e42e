/** Which start of a CronJob is due, and when to look again. */
import type { CronJob } from "../../api/gen/types.ts";
import type { Schedule } from "../../api/cron.ts";
import { parseTime } from "../../api/time.ts";

/** More missed starts than that are worth a warning. */
const missedMany = 100;
/** A look a little late never comes too early for a clock that is a little behind. */
const lookDelayMs = 100;

export interface Due {
  /** The latest start that is due and has not been made; ms since the epoch. */
  readonly at?: number;
  readonly isTooMany: boolean;
}

/** Of the starts that were missed only the latest is made up for. @param now ms since the epoch */
export function due(cronJob: Readonly<CronJob>, schedule: Schedule, now: number): Due {
  const earliest = earliestOf(cronJob);
  const deadline = cronJob.spec.startingDeadlineSeconds;
  return latestBetween(schedule, deadline === undefined ? earliest : Math.max(earliest, now - deadline * 1000), now);
}

/** Milliseconds until the next start; undefined when there will be none. */
export function nextLook(cronJob: Readonly<CronJob>, schedule: Schedule, now: number): number | undefined {
  const next = schedule.next(latestBetween(schedule, earliestOf(cronJob), now).at ?? earliestOf(cronJob));
  const after = next !== undefined && next <= now ? schedule.next(now) : next;
  return after === undefined ? undefined : after + lookDelayMs - now;
}

function earliestOf({ status, metadata }: Readonly<CronJob>): number {
  return parseTime(status?.lastScheduleTime ?? "") ?? parseTime(metadata?.creationTimestamp ?? "") ?? 0;
}

/** Years of missed minutes are not gone through one by one: from a guess near the end on, only the last ones are. */
function latestBetween(schedule: Schedule, earliest: number, now: number): Due {
  const first = schedule.next(earliest);
  if (first === undefined || first > now) return { isTooMany: false };
  const second = schedule.next(first);
  if (second === undefined || second > now) return { at: first, isTooMany: false };
  const interval = Math.max(1_000, second - first);
  const missed = Math.floor((now - first) / interval) + 1;
  let latest = first;
  for (let back = 1; back < 2 * missed; back *= 2) {
    const found = schedule.next(first + Math.max(0, missed - 1 - back) * interval);
    if (found === undefined || found > now) continue;
    latest = found;
    break;
  }
  for (let at: number | undefined = latest; at !== undefined && at <= now; at = schedule.next(at)) latest = at;
  return { at: latest, isTooMany: missed > missedMany };
}
