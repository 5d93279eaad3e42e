import type { Job } from "../api/gen/types.ts";
import { controllerOf } from "../api/pods.ts";
import { cronJobs as info } from "../api/resources.ts";
import { keyOf } from "../client/mod.ts";
import { reconcileCronJob } from "./core/cron_job.ts";
import { index, type Informers } from "./informers.ts";
import type { Controller } from "./runner.ts";

export function cronJobController({ cronJobs, jobs }: Informers): Controller {
  return {
    name: info.singular,
    keys: () => cronJobs.list().map(keyOf),
    subscribe(enqueue) {
      function enqueueFor(job: Readonly<Job>): void {
        const owner = controllerOf(job.metadata);
        if (owner?.kind === info.kind) enqueue(`${job.metadata?.namespace ?? ""}/${owner.name}`);
      }
      cronJobs.subscribe({
        added: (cronJob) => enqueue(keyOf(cronJob)),
        updated: (_, cronJob) => enqueue(keyOf(cronJob)),
        deleted: () => {},
      });
      jobs.subscribe({ added: enqueueFor, updated: (_, job) => enqueueFor(job), deleted: enqueueFor });
    },
    async sync(key, turn) {
      const cronJob = cronJobs.get(key);
      if (cronJob === undefined) return;
      const { uid = "", namespace = "" } = cronJob.metadata ?? {};
      await turn.carryOut(reconcileCronJob({
        cronJob,
        jobs: jobs.byIndex(index.controller, uid),
        isTaken: (name) => jobs.get(`${namespace}/${name}`) !== undefined,
      }, turn.now));
    },
  };
}
