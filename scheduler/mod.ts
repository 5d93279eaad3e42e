/** The scheduler: gives pods their nodes. */
export {
  type Scheduler,
  type SchedulerConfig,
  type SchedulerDeps,
  type SchedulingTiming,
  startScheduler,
} from "./scheduler.ts";
export type { DecisionRecord, NodeVerdict } from "./core/decision.ts";
export type { QueuedPod, QueuePlace } from "./core/queue.ts";
