import type {
  Container,
  ContainerState,
  ContainerStatus,
  Pod,
  PodCondition,
  PodSpec,
  PodStatus,
} from "../../api/gen/types.ts";
import { podQosClass } from "../../api/qos.ts";
import { isSidecar } from "../../api/pods.ts";
import { formatTime } from "../../api/time.ts";
import { goDuration, retryAt } from "./backoff.ts";
import {
  currentSandbox,
  latestOf,
  pastInit,
  podText,
  previousOf,
  restartPolicyOf,
  restartsAfter,
} from "./containers.ts";
import type { ObservedContainer, PodMemory, StepInput } from "./types.ts";

/** How long a failed pull shows as ErrImagePull before it shows as ImagePullBackOff. */
const errImagePullShownMs = 2000;

function terminatedState(input: StepInput, container: ObservedContainer): ContainerState {
  const reason = container.reason !== "" ? container.reason : container.exitCode === 0 ? "Completed" : "Error";
  return {
    terminated: {
      exitCode: container.exitCode,
      reason,
      ...(container.message === "" ? {} : { message: container.message }),
      ...(container.startedAtMs > 0 ? { startedAt: formatTime(container.startedAtMs) } : {}),
      finishedAt: formatTime(container.finishedAtMs),
      containerID: `${input.node.runtimeName}://${container.id}`,
    },
  };
}

function waiting(reason: string, message = ""): ContainerState {
  return { waiting: message === "" ? { reason } : { reason, message } };
}

/** What a container that has no running instance waits for. */
function waitingState(input: StepInput, memory: PodMemory, spec: Readonly<Container>): ContainerState {
  const failure = memory.startFailures.get(spec.name);
  if (failure !== undefined && !memory.inFlight.has(`start:${spec.name}`)) {
    if (failure.reason === "ErrImagePull") {
      const shownMs = Math.min(errImagePullShownMs, (failure.retryAtMs - failure.atMs) / 2);
      if (input.now >= failure.atMs + shownMs) {
        return waiting("ImagePullBackOff", `Back-off pulling image "${spec.image}": ErrImagePull: ${failure.message}`);
      }
    }
    return waiting(failure.reason, failure.message);
  }
  return waiting((input.pod.spec?.initContainers ?? []).length === 0 ? "ContainerCreating" : "PodInitializing");
}

/** When a crashed container may start again. */
export function crashRetryAt(input: StepInput, memory: PodMemory, container: ObservedContainer): number {
  const { restartBackoffMs: initialMs, restartBackoffMaxMs: maxMs } = input.timings;
  return retryAt(memory.crashBackoff.get(container.name), container.finishedAtMs, { initialMs, maxMs });
}

function crashLoop(input: StepInput, memory: PodMemory, spec: Readonly<Container>): ContainerState {
  const delay = goDuration(memory.crashBackoff.get(spec.name)?.delayMs ?? 0);
  return waiting(
    "CrashLoopBackOff",
    `back-off ${delay} restarting failed container=${spec.name} pod=${podText(input.pod)}`,
  );
}

interface Place {
  readonly init: boolean;
  /** The pod has to end: nothing restarts. */
  readonly ending: boolean;
}

function containerStatus(
  input: StepInput,
  memory: PodMemory,
  spec: Readonly<Container>,
  place: Place,
): ContainerStatus {
  const latest = latestOf(input.observed, spec.name);
  const status: ContainerStatus = {
    name: spec.name,
    image: latest?.image ?? spec.image ?? "",
    imageID: latest?.imageId ?? "",
    ready: false,
    restartCount: latest?.attempt ?? 0,
    started: false,
    state: {},
    lastState: {},
  };
  if (latest === undefined) {
    status.state = place.ending
      ? {
        terminated: {
          exitCode: 137,
          reason: "ContainerStatusUnknown",
          message: "The container could not be located when the pod was terminated",
        },
      }
      : waitingState(input, memory, spec);
    return status;
  }
  status.containerID = `${input.node.runtimeName}://${latest.id}`;
  const previous = previousOf(input.observed, latest);
  if (previous !== undefined && previous.state === "exited") status.lastState = terminatedState(input, previous);
  if (latest.state === "running") {
    status.state = { running: { startedAt: formatTime(latest.startedAtMs) } };
    const started = input.probes.started.get(latest.id) ?? true;
    status.started = started;
    status.ready = (!place.init || isSidecar(spec)) && started && (input.probes.ready.get(latest.id) ?? true);
  } else if (latest.state === "created") {
    status.state = waitingState(input, memory, spec);
  } else {
    status.state = terminatedState(input, latest);
    if (place.init && !isSidecar(spec)) status.ready = latest.exitCode === 0;
    const restarts = !place.ending && restartsAfter(input.pod.spec ?? { containers: [] }, spec, latest.exitCode) &&
      !(place.init && !isSidecar(spec) && latest.exitCode === 0);
    const failure = memory.startFailures.get(spec.name);
    if (restarts && failure !== undefined && failure.atMs >= latest.finishedAtMs) {
      status.lastState = status.state;
      status.state = waitingState(input, memory, spec);
    } else if (restarts && crashRetryAt(input, memory, latest) > input.now) {
      status.lastState = status.state;
      status.state = crashLoop(input, memory, spec);
    }
  }
  return status;
}

/** Pod phase from its containers' states, as the pod lifecycle documentation defines it. */
export function phaseOf(
  spec: Readonly<PodSpec>,
  init: readonly ContainerStatus[],
  containers: readonly ContainerStatus[],
  ending: boolean,
  initialized: boolean,
): string {
  const policy = restartPolicyOf(spec);
  let pendingInit = 0;
  let failedInit = 0;
  (spec.initContainers ?? []).forEach((container, i) => {
    const status = init[i];
    const state = status?.state;
    if (isSidecar(container)) {
      if (status?.started !== true && !initialized && state?.terminated === undefined) pendingInit++;
      return;
    }
    if (state?.terminated !== undefined) {
      if (state.terminated.exitCode !== 0) policy === "Never" || ending ? failedInit++ : pendingInit++;
    } else pendingInit++;
  });
  let running = 0;
  let waitingCount = 0;
  let stopped = 0;
  let succeeded = 0;
  for (const { state, lastState } of containers) {
    if (state?.running !== undefined) running++;
    else if (state?.terminated !== undefined) {
      stopped++;
      if (state.terminated.exitCode === 0) succeeded++;
    } else if (lastState?.terminated !== undefined) stopped++;
    else waitingCount++;
  }
  if (failedInit > 0) return "Failed";
  if (pendingInit > 0 && !initialized && !ending) return "Pending";
  if (waitingCount > 0) return "Pending";
  if (running > 0) return "Running";
  if (stopped === 0) return "Pending";
  if (ending) return stopped === succeeded ? "Succeeded" : "Failed";
  if (policy === "Always") return "Running";
  if (stopped === succeeded) return "Succeeded";
  return policy === "Never" ? "Failed" : "Running";
}

type Condition = Pick<PodCondition, "type" | "status"> & { reason?: string; message?: string };

function list(names: readonly string[]): string {
  return `[${names.join(" ")}]`;
}

function containersReady(spec: Readonly<PodSpec>, status: PodStatus): Condition {
  const type = "ContainersReady";
  const unready: string[] = [];
  (spec.initContainers ?? []).forEach((container, i) => {
    if (isSidecar(container) && status.initContainerStatuses?.[i]?.ready !== true) unready.push(container.name);
  });
  for (const each of status.containerStatuses ?? []) if (!each.ready) unready.push(each.name);
  if (status.phase === "Succeeded") return { type, status: "False", reason: "PodCompleted" };
  if (status.phase === "Failed") return { type, status: "False", reason: "PodFailed" };
  if (unready.length === 0) return { type, status: "True" };
  return {
    type,
    status: "False",
    reason: "ContainersNotReady",
    message: `containers with unready status: ${list(unready)}`,
  };
}

function podReady(pod: Readonly<Pod>, ready: Condition): Condition {
  if (ready.status !== "True") return { ...ready, type: "Ready" };
  const missing: string[] = [];
  for (const { conditionType } of pod.spec?.readinessGates ?? []) {
    const condition = pod.status?.conditions?.find((each) => each.type === conditionType);
    if (condition === undefined) {
      missing.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    } else if (condition.status !== "True") {
      missing.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`);
    }
  }
  if (missing.length === 0) return { type: "Ready", status: "True" };
  return { type: "Ready", status: "False", reason: "ReadinessGatesNotReady", message: missing.join(", ") };
}

function initializedCondition(spec: Readonly<PodSpec>, status: PodStatus, past: boolean): Condition {
  const type = "Initialized";
  if (status.phase === "Succeeded") return { type, status: "True", reason: "PodCompleted" };
  if (past) return { type, status: "True" };
  const incomplete: string[] = [];
  (spec.initContainers ?? []).forEach((container, i) => {
    const each = status.initContainerStatuses?.[i];
    const done = isSidecar(container) ? each?.started === true : each?.ready === true;
    if (!done) incomplete.push(container.name);
  });
  if (incomplete.length === 0) return { type, status: "True" };
  return {
    type,
    status: "False",
    reason: "ContainersNotInitialized",
    message: `containers with incomplete status: ${list(incomplete)}`,
  };
}

/**
 * Adds the transition time: the old one while the status text stays the same. Old is what was said last, and only for
 * a kubelet that has said nothing yet what the API has: the API is behind while a write is under way, and times derived
 * from it would answer each other for ever.
 */
function dated(input: StepInput, memory: PodMemory, conditions: readonly Condition[]): PodCondition[] {
  const before = input.pod.status?.conditions ?? [];
  const generation = input.pod.metadata?.generation;
  return conditions.map((condition) => {
    const old = memory.conditions.get(condition.type) ?? before.find((each) => each.type === condition.type);
    const kept = old !== undefined && old.status === condition.status ? old.lastTransitionTime : undefined;
    const lastTransitionTime = kept ?? formatTime(input.now);
    memory.conditions.set(condition.type, { status: condition.status, lastTransitionTime });
    return {
      ...condition,
      lastTransitionTime,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
  });
}

/** The pod's whole status, but for conditions that others own. */
export function statusOf(input: StepInput, memory: PodMemory): PodStatus {
  const { pod, observed } = input;
  const spec: Readonly<PodSpec> = pod.spec ?? { containers: [] };
  const past = pastInit(spec, observed);
  const quiet = !observed.containers.some((each) => each.state === "running");
  const terminal = pod.status?.phase === "Failed" || pod.status?.phase === "Succeeded";
  const ending = quiet && (memory.terminatingSinceMs >= 0 || memory.failure !== null || terminal);
  const init = (spec.initContainers ?? []).map((each) => containerStatus(input, memory, each, { init: true, ending }));
  const containers = spec.containers.map((each) => containerStatus(input, memory, each, { init: false, ending }));
  const sandbox = currentSandbox(observed);
  const ip = sandbox?.ip ?? pod.status?.podIP ?? "";
  // A phase that is final stays: what the kubelet sees after it no longer counts.
  const phase = memory.failure !== null
    ? "Failed"
    : terminal
    ? pod.status?.phase
    : phaseOf(spec, init, containers, ending, past);
  const generation = pod.metadata?.generation;
  const status: PodStatus = {
    phase: phase ?? "Pending",
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(memory.failure === null ? keptReason(pod) : memory.failure),
    hostIP: input.node.hostIP,
    hostIPs: [{ ip: input.node.hostIP }],
    ...(ip === "" ? {} : { podIP: ip, podIPs: [{ ip }] }),
    startTime: pod.status?.startTime ?? formatTime(memory.startTimeMs),
    qosClass: pod.status?.qosClass ?? podQosClass(pod),
  };
  if (init.length > 0) status.initContainerStatuses = init;
  // A pod that was never admitted has no containers to speak of.
  if (memory.failure === null || observed.containers.length > 0) status.containerStatuses = containers;
  const ready = containersReady(spec, status);
  status.conditions = dated(input, memory, [
    { type: "PodReadyToStartContainers", status: sandbox === undefined ? "False" : "True" },
    initializedCondition(spec, status, past),
    podReady(pod, ready),
    ready,
    { type: "PodScheduled", status: "True" },
  ]);
  return status;
}

function keptReason(pod: Readonly<Pod>): Pick<PodStatus, "reason" | "message"> {
  const { phase, reason, message } = pod.status ?? {};
  if (phase !== "Failed") return {};
  return { ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) };
}
