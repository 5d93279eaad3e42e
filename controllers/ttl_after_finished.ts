import { keyOf } from "../client/mod.ts";
import { expireJob } from "./core/ttl_after_finished.ts";
import type { Informers } from "./informers.ts";
import type { Controller } from "./runner.ts";

export function ttlAfterFinishedController({ jobs }: Informers): Controller {
  return {
    name: "ttl-after-finished",
    keys: () => jobs.list().map(keyOf),
    subscribe(enqueue) {
      jobs.subscribe({
        added: (job) => enqueue(keyOf(job)),
        updated: (_, job) => enqueue(keyOf(job)),
        deleted: () => {},
      });
    },
    async sync(key, turn) {
      const job = jobs.get(key);
      if (job !== undefined) await turn.carryOut(expireJob(job, turn.now));
    },
  };
}
