import { podCondition } from "../api/pods.ts";
import { pods } from "../api/resources.ts";
import { formatTime } from "../api/time.ts";
import type { Pod, PodCondition } from "../api/gen/types.ts";
import { type EventRecorder, isConflict, isNotFound, referenceTo, type RestClient } from "../client/mod.ts";
import type { Clock, Log, Timers } from "../platform/mod.ts";
import type { PodInfo } from "./core/node_info.ts";
import * as limits from "./limits.ts";

/** Tells users what became of a pod: Events, and the PodScheduled condition. */
export interface Reporter {
  scheduled(info: PodInfo, nodeName: string): void;
  /** @param reason `Unschedulable`: it fits nowhere; `SchedulerError`: it could not be bound */
  failed(info: PodInfo, reason: "Unschedulable" | "SchedulerError", message: string): void;
  /** Resolves when no PATCH is under way. */
  idle(): Promise<void>;
}

export interface ReporterDeps {
  readonly client: RestClient;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly stop: AbortSignal;
}

export function createReporter(deps: ReporterDeps): Reporter {
  const patching = new Map<string, Promise<void>>();

  async function patch(info: PodInfo, condition: PodCondition): Promise<void> {
    const target = { name: info.name, namespace: info.namespace, subresource: "status" };
    const body = { metadata: { uid: info.uid }, status: { conditions: [condition] } };
    for (let tries = 1;; tries++) {
      try {
        await deps.client.patch<Pod>(pods, target, "strategic", body);
        return;
      } catch (error) {
        // Gone, or made anew under its name: nobody is left to tell.
        if (isNotFound(error) || isConflict(error) || deps.stop.aborted) return;
        if (tries === limits.maxConditionTries) {
          deps.log.warn("Cannot write the PodScheduled condition", { pod: info.key, error: String(error) });
          return;
        }
      }
      try {
        await deps.timers.sleep(100 * 2 ** tries, deps.stop);
      } catch {
        return;
      }
    }
  }

  function setCondition(info: PodInfo, reason: string, message: string): void {
    const before = podCondition(info.pod, "PodScheduled");
    const unchanged = before?.status === "False" && before.reason === reason && before.message === message;
    // Where one PATCH is still under way, or too many are, the pod's next attempt writes it.
    if (unchanged || patching.has(info.uid) || patching.size >= limits.maxConcurrentPatches) return;
    const { generation } = info.pod.metadata ?? {};
    const condition: PodCondition = {
      type: "PodScheduled",
      status: "False",
      reason,
      message,
      lastTransitionTime: before?.status === "False" && before.lastTransitionTime !== undefined
        ? before.lastTransitionTime
        : formatTime(deps.clock.now()),
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
    patching.set(info.uid, patch(info, condition).finally(() => patching.delete(info.uid)));
  }

  return {
    scheduled(info, nodeName) {
      const message = `Successfully assigned ${info.namespace}/${info.name} to ${nodeName}`;
      deps.recorder.event(referenceTo(pods, info.pod), "Normal", "Scheduled", message);
    },
    failed(info, reason, message) {
      deps.recorder.event(referenceTo(pods, info.pod), "Warning", "FailedScheduling", shortened(message));
      setCondition(info, reason, message);
    },
    async idle() {
      await Promise.all(patching.values());
    },
  };
}

function shortened(message: string): string {
  const suffix = " ...";
  if (message.length <= limits.maxEventMessage) return message;
  return message.slice(0, limits.maxEventMessage - suffix.length) + suffix;
}
