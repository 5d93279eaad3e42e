import type { Job } from "../../api/gen/types.ts";
import { jobs } from "../../api/resources.ts";
import { parseTime } from "../../api/time.ts";
import { decide, type Decision } from "./action.ts";

/** Removes a Job, with what it made, `ttlSecondsAfterFinished` after its end. @param now ms since the epoch */
export function expireJob(job: Readonly<Job>, now: number): Decision {
  const ttlSeconds = job.spec?.ttlSecondsAfterFinished;
  if (ttlSeconds === undefined || job.metadata?.deletionTimestamp !== undefined) return decide([]);
  const end = job.status?.conditions?.find(({ type, status }) =>
    (type === "Complete" || type === "Failed") && status === "True"
  );
  const since = parseTime(end?.lastTransitionTime ?? "");
  if (since === undefined) return decide([]);
  const left = since + ttlSeconds * 1000 - now;
  if (left > 0) return decide([], left);
  // Refused when the Job changed: somebody may just have asked for a longer life.
  return decide([{
    kind: "delete",
    info: jobs,
    objects: [job],
    propagationPolicy: "Foreground",
    sameVersion: true,
  }]);
}
