import type { Job, Pod } from "../api/gen/types.ts";
import { controllerOf } from "../api/pods.ts";
import { jobs as info } from "../api/resources.ts";
import { keyOf } from "../client/mod.ts";
import { decide } from "./core/action.ts";
import { isStray, reconcileJob } from "./core/job.ts";
import { type BackoffRecord, noFailures } from "./core/job_failures.ts";
import { isTracked } from "./core/job_observation.ts";
import { release } from "./core/job_pods.ts";
import { ActionError } from "./execute.ts";
import { index, type Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import { claimable, followOwned, ownerWaker } from "./owned.ts";
import type { Controller } from "./runner.ts";

/** Keys of pods that no Job will count; a Job's key is `namespace/name`, and no namespace begins so. */
const strayPrefix = "stray pod ";

export function jobController(informers: Informers): Controller {
  const { jobs, pods } = informers;
  const backoffs = new Map<string, BackoffRecord>();

  function ownerOf(pod: Readonly<Pod>): { readonly uid: string | undefined; readonly job: Readonly<Job> | undefined } {
    const owner = controllerOf(pod.metadata);
    if (owner?.kind !== info.kind) return { uid: undefined, job: undefined };
    return { uid: owner.uid, job: jobs.get(`${pod.metadata?.namespace ?? ""}/${owner.name}`) };
  }

  function isStrayNow(pod: Readonly<Pod>): boolean {
    const { uid, job } = ownerOf(pod);
    return isTracked(pod) && isStray(job, uid);
  }

  return {
    name: info.singular,
    *keys() {
      for (const job of jobs.list()) yield keyOf(job);
      for (const pod of pods.list()) if (isStrayNow(pod)) yield strayPrefix + keyOf(pod);
    },
    subscribe(enqueue) {
      jobs.subscribe({
        added: (job) => enqueue(keyOf(job)),
        updated: (_, job) => enqueue(keyOf(job)),
        deleted(job) {
          backoffs.delete(keyOf(job));
          for (const pod of pods.byIndex(index.controller, job.metadata?.uid ?? "")) {
            if (isTracked(pod)) enqueue(strayPrefix + keyOf(pod));
          }
        },
      });
      const wakeOwner = ownerWaker(info.kind, jobs, enqueue);
      followOwned(pods, (pod) => {
        // The Job may be on its way here: a pod that seems a stray is looked at again before it is let go.
        if (isStrayNow(pod)) enqueue(strayPrefix + keyOf(pod), limits.strayPodMs);
        wakeOwner(pod);
      });
    },
    async sync(key, turn) {
      if (key.startsWith(strayPrefix)) {
        const pod = pods.get(key.slice(strayPrefix.length));
        if (pod !== undefined && isStrayNow(pod)) await turn.carryOut(decide([release(pod)]));
        return;
      }
      const job = jobs.get(key);
      if (job === undefined) return;
      const decision = reconcileJob({
        job,
        pods: claimable(pods, job),
        backoff: backoffs.get(key) ?? noFailures,
        burst: limits.burstReplicas,
        uncountedMax: limits.uncountedPods,
      }, turn.now);
      let isStored = true;
      try {
        await turn.carryOut(decision);
      } catch (error) {
        // What was not written down is decided again: then the same pods would count as new failures twice.
        const kind = error instanceof ActionError ? error.action.kind : "updateStatus";
        isStored = kind !== "updateStatus";
        throw error;
      } finally {
        if (isStored) backoffs.set(key, decision.backoff);
      }
    },
  };
}
