import type { Pod, PodCondition, PodStatus } from "../../api/gen/types.ts";
import type { CrashBackoff } from "./backoff.ts";

/** What the runtime has, in the words of CRI. Times are milliseconds since the epoch. */
export interface ObservedSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly state: "ready" | "notReady";
  readonly createdAtMs: number;
  readonly ip: string;
}

export interface ObservedContainer {
  readonly id: string;
  /** Of the container in the pod's spec. */
  readonly name: string;
  /** 0 for the first start; the API's restartCount. */
  readonly attempt: number;
  readonly state: "created" | "running" | "exited";
  readonly createdAtMs: number;
  readonly startedAtMs: number;
  readonly finishedAtMs: number;
  readonly exitCode: number;
  /** `Completed`, `Error`, `StartError`, ...; "" lets the status derive it from the exit code. */
  readonly reason: string;
  readonly message: string;
  readonly image: string;
  readonly imageId: string;
}

export interface ObservedPod {
  /** Newest first. */
  readonly sandboxes: readonly ObservedSandbox[];
  /** Newest first. */
  readonly containers: readonly ObservedContainer[];
}

/** A failed try to start a container: it has no runtime record, so the status speaks of this instead. */
export interface StartFailure {
  readonly kind: "image" | "config" | "create";
  /** `ErrImagePull`, `ErrImageNeverPull`, `InvalidImageName`, `CreateContainerConfigError`, `CreateContainerError`. */
  readonly reason: string;
  readonly message: string;
  readonly atMs: number;
  readonly retryAtMs: number;
}

/** Which of the containers' probes say what; absent means the container has no such probe. Keyed by container id. */
export interface ProbeResults {
  readonly ready: ReadonlyMap<string, boolean>;
  /** True once the startup probe has succeeded. */
  readonly started: ReadonlyMap<string, boolean>;
  /** Containers to be killed: why. `terminationGracePeriodSeconds` is the probe's own, when it has one. */
  readonly unhealthy: ReadonlyMap<string, { readonly kind: "liveness" | "startup"; readonly graceSeconds?: number }>;
}

/** What the kubelet remembers of a pod between steps. `step` changes it; the shell tells it what happened. */
export interface PodMemory {
  /** Effects under way: `sandbox`, `start:NAME`, `volumes`, `remove`. */
  readonly inFlight: Set<string>;
  /** Containers being killed: when SIGKILL comes, milliseconds since the epoch. */
  readonly kills: Map<string, number>;
  readonly crashBackoff: Map<string, CrashBackoff>;
  readonly imageBackoff: Map<string, CrashBackoff>;
  readonly startFailures: Map<string, StartFailure>;
  /** Back-off events already said: container name to the time of the wait it was said for. */
  readonly backoffSaid: Map<string, number>;
  /** Set when the node gives the pod up: admission, deadline. The pod becomes Failed and stays so. */
  failure: { readonly reason: string; readonly message: string } | null;
  /** Set at first sight; the API's startTime wins. */
  startTimeMs: number;
  /** Conditions as the kubelet said them last, by type. The API may be behind them. */
  readonly conditions: Map<string, Pick<PodCondition, "status" | "lastTransitionTime">>;
  /** When the kubelet first saw that the pod has to end; -1 before. */
  terminatingSinceMs: number;
}

/** The durations a step needs, milliseconds. */
export interface LifecycleTimings {
  readonly restartBackoffMs: number;
  readonly restartBackoffMaxMs: number;
  /** Between tries of a container whose ConfigMap or Secret is missing. */
  readonly configRetryMs: number;
}

export interface StepInput {
  readonly pod: Readonly<Pod>;
  /** The API no longer has the pod (or another one by its name). */
  readonly gone: boolean;
  readonly observed: ObservedPod;
  readonly probes: ProbeResults;
  readonly node: { readonly hostIP: string; readonly runtimeName: string };
  readonly timings: LifecycleTimings;
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/** What has to happen. Each is idempotent and is not asked for again while it is in flight. */
export type Effect =
  | { readonly kind: "runSandbox"; readonly attempt: number }
  | {
    readonly kind: "startContainer";
    readonly name: string;
    readonly attempt: number;
    readonly sandboxId: string;
  }
  | {
    readonly kind: "killContainer";
    readonly id: string;
    readonly name: string;
    readonly graceSeconds: number;
    /** Of the Killing event. */
    readonly message: string;
  }
  | { readonly kind: "removeContainer"; readonly id: string }
  | { readonly kind: "stopSandbox"; readonly id: string }
  /** Removes every container, sandbox and volume; afterwards, unless the API has lost it, the object itself. */
  | { readonly kind: "finish"; readonly deleteObject: boolean }
  | { readonly kind: "event"; readonly type: "Normal" | "Warning"; readonly reason: string; readonly message: string };

export interface StepResult {
  /** The whole status the kubelet stands for; null when the pod is gone. */
  readonly status: PodStatus | null;
  /** In the order in which they are to be begun. */
  readonly effects: Effect[];
  /** When to step again without being told; Infinity: never. Milliseconds since the epoch. */
  readonly wakeAtMs: number;
}

export function createPodMemory(nowMs: number): PodMemory {
  return {
    inFlight: new Set(),
    kills: new Map(),
    crashBackoff: new Map(),
    imageBackoff: new Map(),
    startFailures: new Map(),
    backoffSaid: new Map(),
    failure: null,
    startTimeMs: nowMs,
    conditions: new Map(),
    terminatingSinceMs: -1,
  };
}
