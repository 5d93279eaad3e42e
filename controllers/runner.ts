import type { Clock, Log, Metrics, Timers } from "../platform/mod.ts";
import {
  createWorkQueue,
  createWorkQueueMetrics,
  type EventRecorder,
  type RestClient,
  runWorkers,
  type WorkQueue,
} from "../client/mod.ts";
import type { Decision } from "./core/action.ts";
import { execute } from "./execute.ts";
import type { Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import { OwnWrites } from "./own_writes.ts";

/** Asks for `key` to be reconciled, now or later. */
export type Enqueue = (key: string, afterMs?: number) => void;

/** What a controller may use while it works on one key. */
export interface Turn {
  /** Aborts when leadership is lost: nothing more may be written. */
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch, for timestamps. */
  readonly now: number;
  /** Carries the decision out and plans its wake-up. Rejects with `ActionError`; the key is then tried again, later. */
  carryOut(decision: Decision): Promise<void>;
}

/** One control loop. Its `sync` builds a view from the informers, asks its core, and carries the decision out. */
export interface Controller {
  readonly name: string;
  /** What upstream calls its work queue, where that is not `name`: the label of its metrics. */
  readonly queueName?: string;
  readonly workers?: number;
  /** All keys, for the beginning of a leadership. */
  keys(): Iterable<string>;
  /** Called once, before the informers start. */
  subscribe(enqueue: Enqueue): void;
  sync(key: string, turn: Turn): Promise<void>;
}

export interface ControllerDeps {
  readonly client: RestClient;
  readonly informers: Informers;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface ControllerRunner {
  /** Works until `leadership` aborts. Resolves when the last worker has stopped. */
  lead(leadership: AbortSignal): Promise<void>;
}

/**
 * Subscribes at once, before the informers start, but works only while leading: when it begins to lead it goes over all
 * keys, so whatever was enqueued before need not be kept.
 */
export function createRunner(controller: Controller, deps: ControllerDeps): ControllerRunner {
  let queue: WorkQueue<string> | null = null;
  const metrics = createWorkQueueMetrics(controller.queueName ?? controller.name, deps);
  controller.subscribe((key, afterMs) => queue?.addAfter(key, afterMs ?? 0));
  return {
    async lead(leadership) {
      const own = createWorkQueue<string>(deps, { metrics });
      const writes = new OwnWrites();
      const log = deps.log.with({ controller: controller.name });
      queue = own;
      leadership.addEventListener("abort", () => {
        own.shutdown();
        if (queue === own) queue = null;
      }, { once: true });
      if (leadership.aborted) return;
      for (const key of controller.keys()) own.add(key);
      await runWorkers(own, controller.workers ?? limits.workersPerController, async (key) => {
        if (leadership.aborted) return;
        if (!writes.isSeen(key, deps.clock.monotonic())) {
          // Usually the event of the write itself wakes the key sooner.
          own.addAfter(key, limits.ownWritePollMs);
          return;
        }
        const executeDeps = { ...deps, watched: deps.informers.all };
        await controller.sync(key, {
          signal: leadership,
          now: deps.clock.now(),
          async carryOut(decision) {
            const { wakeAfterMs } = decision;
            if (wakeAfterMs !== undefined) own.addAfter(key, Math.min(wakeAfterMs, limits.requestLookMs));
            await execute(key, decision.actions, writes, executeDeps, leadership);
          },
        });
      }, log);
    },
  };
}
