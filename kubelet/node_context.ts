import type { Pod, Service } from "../api/gen/types.ts";
import type { EventRecorder, RestClient } from "../client/mod.ts";
import type { Clock, Log, Random, Timers } from "../platform/mod.ts";
import type { LifecycleTimings } from "./core/types.ts";
import type { Gate, ProberDeps } from "./prober.ts";
import type { KubeletMetrics } from "./metrics.ts";
import type { ContainerRuntime } from "./runtime/types.ts";
import type { Volumes } from "./volumes/volumes.ts";

/** What all pods of one node share. */
export interface NodeContext {
  readonly nodeName: string;
  readonly hostIP: string;
  readonly clusterDomain: string;
  readonly allocatable: Readonly<Record<string, string>>;
  readonly runtime: ContainerRuntime;
  /** Null on hollow nodes: nothing would read the files. */
  readonly volumes: Volumes | null;
  readonly client: RestClient;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: KubeletMetrics;
  readonly timings: LifecycleTimings;
  /** Containers that start at once. */
  readonly starts: Gate;
  readonly prober: ProberDeps;
  /** For service environment variables; none on hollow nodes. */
  services(pod: Readonly<Pod>): readonly Readonly<Service>[];
}
