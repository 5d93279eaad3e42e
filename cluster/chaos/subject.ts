import type { FaultRecord } from "./analysis.ts";
import type { Scenario } from "./faults.ts";
import type { ProbeRecord } from "./probes.ts";
import type { Registers } from "./registers.ts";
import type { WatchedEvent, WatcherConfig } from "./watchers.ts";

/** What an experiment breaks and asks: a cluster through its API, its store alone, or somebody else's store. */
export interface Subject {
  /** For the report: `sauropod API`, `sauropod store`, `etcd 3.4.30, tuned timers`. */
  readonly title: string;
  readonly timers: string;
  readonly clients: readonly Registers[];
  /** A server that may believe what is no longer so, while it may: it is asked more than its share. */
  doubted?(): Registers | null;
  /** Everything is up; ready for the next fault. */
  awaitRecovery(): Promise<void>;
  /** One watcher each, over different servers, all from the same version on. */
  watchers(): Promise<readonly WatcherConfig[]>;
  /** Breaks it once, as the scenario says; resolves when what was broken on purpose is whole again. */
  inject(scenario: Scenario, draw: (bound: number) => number, signal: AbortSignal): Promise<FaultRecord>;
  /** What the scenario asks of a scheduler or controller manager meanwhile; null: nothing. */
  probes(scenario: Scenario): Promise<{ readonly records: readonly ProbeRecord[]; stop(): Promise<void> } | null>;
  /**
   * The whole history from `from` on as the system tells it now, by a watch of its own; null where it keeps too little of
   * it. What was acknowledged and is not there any more is lost, whoever had seen it before.
   */
  replay(from: string, until: string): Promise<readonly Omit<WatchedEvent, "at">[] | null>;
  /** Heals what is still broken, removes what the experiment made. Never rejects. */
  close(): Promise<void>;
}
