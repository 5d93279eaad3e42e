import type { Container, PodSpec } from "../../api/gen/types.ts";
import { isSidecar } from "../../api/pods.ts";
import { parseTime } from "../../api/time.ts";
import { nextBackoff, retryAt } from "./backoff.ts";
import { currentSandbox, latestOf, pastInit, podText, restartsAfter } from "./containers.ts";
import { crashRetryAt, statusOf } from "./status.ts";
import type { Effect, ObservedContainer, PodMemory, StartFailure, StepInput, StepResult } from "./types.ts";

/** When the pod asks for no grace of its own. */
const defaultGraceSeconds = 30;
/** Every container gets this long between SIGTERM and SIGKILL, even when the pod is deleted by force. */
const minimumGraceSeconds = 1;

/** One step under way. */
interface Draft {
  readonly input: StepInput;
  readonly memory: PodMemory;
  readonly spec: Readonly<PodSpec>;
  readonly effects: Effect[];
  wakeAtMs: number;
}

/**
 * What has to happen next to make the pod true, and what to say of it. Synchronous; changes only `memory`. Asked again
 * with the same input it asks for nothing that is already under way.
 * @see the kubelet's pod lifecycle: kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle
 */
export function step(input: StepInput, memory: PodMemory): StepResult {
  const draft: Draft = {
    input,
    memory,
    spec: input.pod.spec ?? { containers: [] },
    effects: [],
    wakeAtMs: Infinity,
  };
  checkDeadline(draft);
  forgetDeadKills(draft);
  const phase = input.pod.status?.phase;
  const deleted = input.gone || input.pod.metadata?.deletionTimestamp !== undefined;
  const over = memory.failure !== null || phase === "Failed" || phase === "Succeeded";
  if (deleted || over) {
    if (memory.terminatingSinceMs < 0) memory.terminatingSinceMs = input.now;
    endPod(draft, deleted);
  } else {
    runPod(draft);
  }
  removeOldContainers(draft);
  const status = input.gone ? null : statusOf(input, memory);
  // A pod whose containers have all ended for good frees what it holds, though its object stays.
  if (!deleted && !over && (status?.phase === "Succeeded" || status?.phase === "Failed")) stopSandboxes(draft);
  return { status, effects: draft.effects, wakeAtMs: draft.wakeAtMs };
}

function wakeAt(draft: Draft, timeMs: number): void {
  if (timeMs > draft.input.now) draft.wakeAtMs = Math.min(draft.wakeAtMs, timeMs);
}

/** activeDeadlineSeconds, counted from the pod's start. */
function checkDeadline(draft: Draft): void {
  const { input, memory, spec } = draft;
  const seconds = spec.activeDeadlineSeconds;
  const phase = input.pod.status?.phase;
  if (seconds === undefined || memory.failure !== null || phase === "Failed" || phase === "Succeeded") return;
  const start = parseTime(input.pod.status?.startTime ?? "") ?? memory.startTimeMs;
  const deadline = start + seconds * 1000;
  if (input.now < deadline) return wakeAt(draft, deadline);
  const message = "Pod was active on the node longer than the specified deadline";
  memory.failure = { reason: "DeadlineExceeded", message };
  draft.effects.push({ kind: "event", type: "Normal", reason: "DeadlineExceeded", message });
}

function forgetDeadKills(draft: Draft): void {
  for (const id of draft.memory.kills.keys()) {
    const container = draft.input.observed.containers.find((each) => each.id === id);
    if (container === undefined || container.state === "exited") draft.memory.kills.delete(id);
  }
}

/** Seconds between SIGTERM and SIGKILL for a container of a pod that ends. */
function graceOf(draft: Draft): number {
  const { input, memory, spec } = draft;
  if (memory.failure !== null && input.pod.metadata?.deletionTimestamp === undefined) {
    return Math.max(minimumGraceSeconds, spec.terminationGracePeriodSeconds ?? defaultGraceSeconds);
  }
  const grace = input.pod.metadata?.deletionGracePeriodSeconds ?? spec.terminationGracePeriodSeconds ??
    defaultGraceSeconds;
  return Math.max(minimumGraceSeconds, grace);
}

function kill(draft: Draft, container: ObservedContainer, graceSeconds: number, message: string): void {
  const { input, memory } = draft;
  const killAt = input.now + graceSeconds * 1000;
  const known = memory.kills.get(container.id);
  // A second deletion with less grace shortens what is under way; never the other way round.
  if (known !== undefined && known <= killAt) return;
  memory.kills.set(container.id, killAt);
  draft.effects.push({ kind: "killContainer", id: container.id, name: container.name, graceSeconds, message });
}

/** Kills what runs, sidecars last and in reverse order; then gives back all the pod holds. */
function endPod(draft: Draft, deleted: boolean): void {
  const { input, memory, spec } = draft;
  const { containers } = input.observed;
  const sidecars = (spec.initContainers ?? []).filter(isSidecar).map((each) => each.name);
  const live = containers.filter((each) => each.state === "running");
  const graceEnd = memory.terminatingSinceMs + graceOf(draft) * 1000;
  const ordinary = live.filter((each) => !sidecars.includes(each.name));
  if (ordinary.length > 0) {
    for (const each of ordinary) kill(draft, each, graceOf(draft), `Stopping container ${each.name}`);
    return;
  }
  const last = live.toSorted((a, b) => sidecars.indexOf(b.name) - sidecars.indexOf(a.name))[0];
  if (last !== undefined) {
    const left = Math.max(minimumGraceSeconds, Math.round((graceEnd - input.now) / 1000));
    return kill(draft, last, left, `Stopping container ${last.name}`);
  }
  // A start under way would leave something behind that nobody looks for: wait for its end.
  if (memory.inFlight.size > 0) return;
  if (deleted) draft.effects.push({ kind: "finish", deleteObject: !input.gone });
  else stopSandboxes(draft);
}

function stopSandboxes(draft: Draft): void {
  if (draft.input.observed.containers.some((each) => each.state === "running")) return;
  for (const sandbox of draft.input.observed.sandboxes) {
    if (sandbox.state === "ready") draft.effects.push({ kind: "stopSandbox", id: sandbox.id });
  }
}

/** The newest and the one before it (its end is the lastState, its log `--previous`) are kept. */
function removeOldContainers(draft: Draft): void {
  const newest = new Map<string, number>();
  for (const { name, attempt } of draft.input.observed.containers) {
    newest.set(name, Math.max(newest.get(name) ?? 0, attempt));
  }
  for (const each of draft.input.observed.containers) {
    if (each.state === "exited" && each.attempt < (newest.get(each.name) ?? 0) - 1) {
      draft.effects.push({ kind: "removeContainer", id: each.id });
    }
  }
}

function runPod(draft: Draft): void {
  const { input, memory } = draft;
  killUnhealthy(draft);
  const wanted = containersToStart(draft);
  if (wanted.length === 0) return;
  const sandbox = currentSandbox(input.observed);
  if (sandbox === undefined) {
    if (memory.inFlight.has("sandbox")) return;
    const failure = memory.startFailures.get("");
    if (failure !== undefined && failure.retryAtMs > input.now) return wakeAt(draft, failure.retryAtMs);
    const attempt = input.observed.sandboxes.reduce((most, each) => Math.max(most, each.attempt + 1), 0);
    memory.inFlight.add("sandbox");
    draft.effects.push({ kind: "runSandbox", attempt });
    return;
  }
  for (const container of wanted) {
    const attempt = (latestOf(input.observed, container.name)?.attempt ?? -1) + 1;
    memory.inFlight.add(`start:${container.name}`);
    draft.effects.push({ kind: "startContainer", name: container.name, attempt, sandboxId: sandbox.id });
  }
}

/** Containers whose liveness or startup probe gave up are killed; their end then restarts them by policy. */
function killUnhealthy(draft: Draft): void {
  const { input, spec } = draft;
  for (const container of input.observed.containers) {
    const sick = container.state === "running" ? input.probes.unhealthy.get(container.id) : undefined;
    if (sick === undefined) continue;
    const grace = sick.graceSeconds ?? spec.terminationGracePeriodSeconds ?? defaultGraceSeconds;
    const message = `Container ${container.name} failed ${sick.kind} probe, will be restarted`;
    kill(draft, container, Math.max(minimumGraceSeconds, grace), message);
  }
}

/** In the order of the spec. Init containers one at a time; sidecars stay; the others all together after them. */
function containersToStart(draft: Draft): Container[] {
  const { input, spec } = draft;
  const wanted: Container[] = [];
  const past = pastInit(spec, input.observed);
  for (const container of spec.initContainers ?? []) {
    const latest = latestOf(input.observed, container.name);
    if (isSidecar(container)) {
      if (latest === undefined || latest.state === "exited") {
        if (mayStart(draft, container, latest)) wanted.push(container);
        if (!past) return wanted;
      } else if (!past && (latest.state !== "running" || input.probes.started.get(latest.id) === false)) {
        return wanted;
      }
      continue;
    }
    if (past) continue;
    if (latest?.state === "exited" && latest.exitCode === 0) continue;
    if (latest !== undefined && latest.state !== "exited") return wanted;
    if (latest !== undefined && !restartsAfter(spec, container, latest.exitCode)) return wanted;
    if (mayStart(draft, container, latest)) wanted.push(container);
    return wanted;
  }
  for (const container of spec.containers) {
    const latest = latestOf(input.observed, container.name);
    if (latest !== undefined && latest.state !== "exited") continue;
    if (latest !== undefined && !restartsAfter(spec, container, latest.exitCode)) continue;
    if (mayStart(draft, container, latest)) wanted.push(container);
  }
  return wanted;
}

/** Back-off of a container that crashed, or whose last start failed. Counts the retry when it allows one. */
function mayStart(draft: Draft, container: Readonly<Container>, latest: ObservedContainer | undefined): boolean {
  const { input, memory } = draft;
  if (memory.inFlight.has(`start:${container.name}`)) return false;
  const failure = memory.startFailures.get(container.name);
  if (failure !== undefined && failure.retryAtMs > input.now) {
    sayImageBackoff(draft, container, failure);
    wakeAt(draft, failure.retryAtMs);
    return false;
  }
  if (latest === undefined) return true;
  const retryMs = crashRetryAt(input, memory, latest);
  if (retryMs > input.now) {
    sayOnce(
      draft,
      container.name,
      retryMs,
      "Warning",
      `Back-off restarting failed container ${container.name} in pod ${podText(input.pod)}`,
    );
    wakeAt(draft, retryMs);
    return false;
  }
  // Only with a sandbox is the container begun in this very step, and only then is the retry spent.
  if (currentSandbox(input.observed) !== undefined) {
    const { restartBackoffMs: initialMs, restartBackoffMaxMs: maxMs } = input.timings;
    const entry = memory.crashBackoff.get(container.name);
    memory.crashBackoff.set(
      container.name,
      nextBackoff(entry, latest.finishedAtMs, input.now, { initialMs, maxMs }),
    );
  }
  return true;
}

/** ErrImagePull is shown for a moment before it becomes ImagePullBackOff: wake for the change. */
function sayImageBackoff(draft: Draft, container: Readonly<Container>, failure: StartFailure): void {
  if (failure.reason !== "ErrImagePull") return;
  const shownUntil = failure.atMs + Math.min(2000, (failure.retryAtMs - failure.atMs) / 2);
  if (draft.input.now < shownUntil) return wakeAt(draft, shownUntil);
  const told = draft.memory.backoffSaid.get(container.name) === failure.retryAtMs;
  sayOnce(draft, container.name, failure.retryAtMs, "Normal", `Back-off pulling image "${container.image}"`);
  if (!told) {
    draft.effects.push({ kind: "event", type: "Warning", reason: "Failed", message: "Error: ImagePullBackOff" });
  }
}

function sayOnce(draft: Draft, name: string, waitMs: number, type: "Normal" | "Warning", message: string): void {
  if (draft.memory.backoffSaid.get(name) === waitMs) return;
  draft.memory.backoffSaid.set(name, waitMs);
  draft.effects.push({ kind: "event", type, reason: "BackOff", message });
}

/** The shell's report that a container could not be started (or a sandbox: name ""). Sets when it is tried again. */
export function startFailed(
  input: Pick<StepInput, "timings" | "now">,
  memory: PodMemory,
  name: string,
  failure: Pick<StartFailure, "kind" | "reason" | "message">,
): void {
  const { restartBackoffMs: initialMs, restartBackoffMaxMs: maxMs, configRetryMs } = input.timings;
  const atMs = input.now;
  let retryAtMs = atMs + configRetryMs;
  if (failure.kind !== "config") {
    const entry = nextBackoff(memory.imageBackoff.get(name), atMs, atMs, { initialMs, maxMs });
    memory.imageBackoff.set(name, entry);
    retryAtMs = retryAt(entry, atMs, { initialMs, maxMs });
  }
  memory.startFailures.set(name, { ...failure, atMs, retryAtMs });
}

export function startSucceeded(memory: PodMemory, name: string): void {
  memory.startFailures.delete(name);
  memory.imageBackoff.delete(name);
}
