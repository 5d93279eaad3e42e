import assert from "node:assert/strict";
import type { Pod } from "../../api/gen/types.ts";
import { startFailed, startSucceeded, step } from "./lifecycle.ts";
import {
  createPodMemory,
  type Effect,
  type ObservedContainer,
  type ObservedPod,
  type PodMemory,
  type ProbeResults,
  type StepInput,
} from "./types.ts";

const start = Date.parse("2026-01-01T00:00:00Z");
const timings = { restartBackoffMs: 10_000, restartBackoffMaxMs: 300_000, configRetryMs: 5_000 };
const noProbes: ProbeResults = { ready: new Map(), started: new Map(), unhealthy: new Map() };

function podOf(spec: Partial<NonNullable<Pod["spec"]>> = {}, more: Partial<Pod> = {}): Pod {
  return {
    metadata: { name: "p", namespace: "ns", uid: "u", generation: 1 },
    spec: { containers: [{ name: "c", image: "i" }], ...spec },
    status: {},
    ...more,
  };
}

function container(over: Partial<ObservedContainer> = {}): ObservedContainer {
  return {
    id: `id-${over.name ?? "c"}-${over.attempt ?? 0}`,
    name: "c",
    attempt: 0,
    state: "running",
    createdAtMs: start,
    startedAtMs: start,
    finishedAtMs: 0,
    exitCode: 0,
    reason: "",
    message: "",
    image: "i",
    imageId: "i@1",
    ...over,
  };
}

const sandbox = { id: "s", attempt: 0, state: "ready", createdAtMs: start, ip: "127.1.2.3" } as const;

function inputOf(pod: Pod, containers: ObservedContainer[], over: Partial<StepInput> = {}): StepInput {
  const observed: ObservedPod = { sandboxes: [sandbox], containers };
  return {
    pod,
    gone: false,
    observed,
    probes: noProbes,
    node: { hostIP: "127.1.1.1", runtimeName: "process" },
    timings,
    now: start,
    ...over,
  };
}

function kinds(effects: readonly Effect[]): string[] {
  return effects.map((each) => each.kind === "startContainer" ? `start ${each.name}/${each.attempt}` : each.kind);
}

function conditionOf(result: ReturnType<typeof step>, type: string) {
  return result.status?.conditions?.find((each) => each.type === type);
}

Deno.test("step() makes a sandbox first, then starts all containers, and asks for neither twice", () => {
  const memory = createPodMemory(start);
  const pod = podOf({ containers: [{ name: "a", image: "i" }, { name: "b", image: "i" }] });
  const empty = inputOf(pod, [], { observed: { sandboxes: [], containers: [] } });
  const first = step(empty, memory);
  assert.deepEqual(kinds(first.effects), ["runSandbox"]);
  assert.equal(first.status?.phase, "Pending");
  assert.deepEqual(first.status?.containerStatuses?.map((each) => each.state?.waiting?.reason), [
    "ContainerCreating",
    "ContainerCreating",
  ]);
  assert.equal(conditionOf(first, "Ready")?.message, "containers with unready status: [a b]");
  assert.equal(conditionOf(first, "PodReadyToStartContainers")?.status, "False");
  assert.deepEqual(kinds(step(empty, memory).effects), []);
  memory.inFlight.delete("sandbox");
  assert.deepEqual(kinds(step(inputOf(pod, []), memory).effects), ["start a/0", "start b/0"]);
  assert.deepEqual(kinds(step(inputOf(pod, []), memory).effects), []);
});

Deno.test("step() calls a pod Running and Ready when its containers run and their probes agree", () => {
  const memory = createPodMemory(start);
  const unready = step(
    inputOf(podOf(), [container()], { probes: { ...noProbes, ready: new Map([["id-c-0", false]]) } }),
    memory,
  );
  assert.equal(unready.status?.phase, "Running");
  assert.equal(conditionOf(unready, "ContainersReady")?.reason, "ContainersNotReady");
  const ready = step(inputOf(podOf(), [container()]), memory);
  assert.equal(conditionOf(ready, "Ready")?.status, "True");
  assert.equal(ready.status?.podIP, "127.1.2.3");
  assert.equal(ready.status?.containerStatuses?.[0]?.containerID, "process://id-c-0");
});

Deno.test("step() keeps a condition's transition time while its status stays", () => {
  const pod = podOf({}, {
    status: { conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2020-01-01T00:00:00Z" }] },
  });
  const result = step(inputOf(pod, [container()]), createPodMemory(start));
  assert.equal(conditionOf(result, "Ready")?.lastTransitionTime, "2020-01-01T00:00:00Z");
  assert.equal(conditionOf(result, "ContainersReady")?.lastTransitionTime, "2026-01-01T00:00:00Z");
});

Deno.test("step() says one transition time for a condition, whatever older one the API still has", () => {
  const memory = createPodMemory(start);
  const timeSaid = (pod: Pod, now: number) => {
    const { status } = step(inputOf(pod, [container()], { now }), memory);
    return status?.conditions?.find((each) => each.type === "Ready")?.lastTransitionTime;
  };
  const behind = podOf();
  const said = timeSaid(behind, start);
  assert.equal(timeSaid(behind, start + 5_000), said, "the API has nothing yet");
  const other = "2025-12-31T23:59:00Z";
  const conditions = [{ type: "Ready", status: "True", lastTransitionTime: other }];
  assert.equal(timeSaid(podOf({}, { status: { conditions } }), start + 9_000), said, "the API has an older write");
  const anew = step(inputOf(podOf({}, { status: { conditions } }), [container()]), createPodMemory(start + 10_000));
  assert.equal(anew.status?.conditions?.find((each) => each.type === "Ready")?.lastTransitionTime, other);
});

Deno.test("step() restarts a crashing container at once, then after 10 s, 20 s, 40 s, up to 5 min, and says so", () => {
  const memory = createPodMemory(start);
  const pod = podOf();
  let now = start;
  const waits: number[] = [];
  const texts: (string | undefined)[] = [];
  for (let attempt = 0; attempt < 8; attempt++) {
    const dead = container({ attempt, state: "exited", exitCode: 1, finishedAtMs: now });
    let result = step(inputOf(pod, [dead], { now }), memory);
    texts.push(result.status?.containerStatuses?.[0]?.state?.waiting?.message);
    const began = now;
    while (!kinds(result.effects).includes(`start c/${attempt + 1}`)) {
      assert.ok(result.wakeAtMs > now && result.wakeAtMs < Infinity, "a wait ends");
      now = result.wakeAtMs;
      result = step(inputOf(pod, [dead], { now }), memory);
    }
    waits.push((now - began) / 1000);
    memory.inFlight.clear();
  }
  assert.deepEqual(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
  assert.equal(texts[1], "back-off 10s restarting failed container=c pod=p_ns(u)");
  assert.equal(texts[4], "back-off 1m20s restarting failed container=c pod=p_ns(u)");
  assert.equal(texts[6], "back-off 5m0s restarting failed container=c pod=p_ns(u)");
});

Deno.test("step() begins the back-off anew after a container ran for ten minutes", () => {
  const memory = createPodMemory(start);
  memory.crashBackoff.set("c", { delayMs: 160_000, lastUpdateMs: start });
  const now = start + 601_000;
  const dead = container({ state: "exited", exitCode: 1, finishedAtMs: now });
  assert.deepEqual(kinds(step(inputOf(podOf(), [dead], { now }), memory).effects), ["start c/1"]);
  assert.equal(memory.crashBackoff.get("c")?.delayMs, 10_000);
});

Deno.test("step() says CrashLoopBackOff with the last end as lastState, and one BackOff event a wait", () => {
  const memory = createPodMemory(start);
  memory.crashBackoff.set("c", { delayMs: 10_000, lastUpdateMs: start });
  const dead = container({ attempt: 1, state: "exited", exitCode: 137, finishedAtMs: start });
  const result = step(inputOf(podOf(), [dead], { now: start + 1 }), memory);
  const status = result.status?.containerStatuses?.[0];
  assert.equal(status?.state?.waiting?.reason, "CrashLoopBackOff");
  assert.equal(status?.lastState?.terminated?.exitCode, 137);
  assert.equal(status?.restartCount, 1);
  assert.equal(result.status?.phase, "Running");
  assert.deepEqual(result.effects, [{
    kind: "event",
    type: "Warning",
    reason: "BackOff",
    message: "Back-off restarting failed container c in pod p_ns(u)",
  }]);
  assert.deepEqual(step(inputOf(podOf(), [dead], { now: start + 2 }), memory).effects, []);
});

Deno.test("step() runs init containers one after the other, and the others only after them", () => {
  const memory = createPodMemory(start);
  const pod = podOf({ initContainers: [{ name: "i1", image: "i" }, { name: "i2", image: "i" }] });
  assert.deepEqual(kinds(step(inputOf(pod, []), memory).effects), ["start i1/0"]);
  memory.inFlight.clear();
  const running = step(inputOf(pod, [container({ name: "i1" })]), memory);
  assert.deepEqual(kinds(running.effects), []);
  assert.equal(running.status?.containerStatuses?.[0]?.state?.waiting?.reason, "PodInitializing");
  assert.equal(conditionOf(running, "Initialized")?.message, "containers with incomplete status: [i1 i2]");
  const done = (name: string) => container({ name, state: "exited", finishedAtMs: start });
  assert.deepEqual(kinds(step(inputOf(pod, [done("i1")]), memory).effects), ["start i2/0"]);
  memory.inFlight.clear();
  assert.deepEqual(kinds(step(inputOf(pod, [done("i1"), done("i2")]), memory).effects), ["start c/0"]);
});

Deno.test("step() fails a pod whose init container fails for good", () => {
  const pod = podOf({ restartPolicy: "Never", initContainers: [{ name: "i1", image: "i" }] });
  const dead = container({ name: "i1", state: "exited", exitCode: 2, finishedAtMs: start });
  const result = step(inputOf(pod, [dead]), createPodMemory(start));
  assert.equal(result.status?.phase, "Failed");
  assert.deepEqual(kinds(result.effects), ["stopSandbox"]);
});

Deno.test("step() goes on past a sidecar once it has started, and ends it after the containers", () => {
  const memory = createPodMemory(start);
  const pod = podOf({ initContainers: [{ name: "side", image: "i", restartPolicy: "Always" }] });
  const side = container({ name: "side" });
  const starting = { ...noProbes, started: new Map([[side.id, false]]) };
  assert.deepEqual(kinds(step(inputOf(pod, [side], { probes: starting }), memory).effects), []);
  assert.deepEqual(kinds(step(inputOf(pod, [side]), memory).effects), ["start c/0"]);
  memory.inFlight.clear();
  const deleted = podOf(pod.spec, {
    metadata: { ...pod.metadata, deletionTimestamp: "2026-01-01T00:00:00Z", deletionGracePeriodSeconds: 5 },
  });
  const killed = (result: ReturnType<typeof step>) =>
    result.effects.flatMap((each) => each.kind === "killContainer" ? [each.name] : []);
  assert.deepEqual(killed(step(inputOf(deleted, [side, container()]), memory)), ["c"]);
  const dead = container({ state: "exited", exitCode: 143, finishedAtMs: start });
  assert.deepEqual(killed(step(inputOf(deleted, [side, dead]), memory)), ["side"]);
});

Deno.test("step() kills with the deletion's grace, once, and sooner when told sooner", () => {
  const memory = createPodMemory(start);
  const deleted = (grace: number) =>
    podOf({}, {
      metadata: { name: "p", namespace: "ns", uid: "u", deletionTimestamp: "x", deletionGracePeriodSeconds: grace },
    });
  assert.deepEqual(step(inputOf(deleted(30), [container()]), memory).effects, [{
    kind: "killContainer",
    id: "id-c-0",
    name: "c",
    graceSeconds: 30,
    message: "Stopping container c",
  }]);
  assert.deepEqual(step(inputOf(deleted(30), [container()]), memory).effects, []);
  const sooner = step(inputOf(deleted(0), [container()]), memory).effects[0];
  assert.equal(sooner?.kind === "killContainer" ? sooner.graceSeconds : null, 1);
});

Deno.test("step() finishes a deletion when nothing runs and nothing is being started", () => {
  const memory = createPodMemory(start);
  const pod = podOf({}, { metadata: { name: "p", namespace: "ns", uid: "u", deletionTimestamp: "x" } });
  const dead = container({ state: "exited", exitCode: 143, finishedAtMs: start });
  memory.inFlight.add("start:c");
  assert.deepEqual(kinds(step(inputOf(pod, [dead]), memory).effects), []);
  memory.inFlight.clear();
  const result = step(inputOf(pod, [dead]), memory);
  assert.deepEqual(result.effects, [{ kind: "finish", deleteObject: true }]);
  assert.equal(result.status?.phase, "Failed");
  const gone = step(inputOf(pod, [dead], { gone: true }), memory);
  assert.deepEqual(gone.effects, [{ kind: "finish", deleteObject: false }]);
  assert.equal(gone.status, null);
});

Deno.test("step() calls a pod Succeeded or Failed by its restart policy", () => {
  const phase = (restartPolicy: string, exitCode: number) =>
    step(
      inputOf(podOf({ restartPolicy }), [container({ state: "exited", exitCode, finishedAtMs: start })]),
      createPodMemory(start),
    ).status?.phase;
  assert.equal(phase("Never", 0), "Succeeded");
  assert.equal(phase("Never", 1), "Failed");
  assert.equal(phase("OnFailure", 0), "Succeeded");
  assert.equal(phase("OnFailure", 1), "Running");
  assert.equal(phase("Always", 0), "Running");
});

Deno.test("step() kills a container whose liveness probe gave up", () => {
  const probes: ProbeResults = { ...noProbes, unhealthy: new Map([["id-c-0", { kind: "liveness", graceSeconds: 7 }]]) };
  const effect = step(inputOf(podOf(), [container()], { probes }), createPodMemory(start)).effects[0];
  assert.deepEqual(effect, {
    kind: "killContainer",
    id: "id-c-0",
    name: "c",
    graceSeconds: 7,
    message: "Container c failed liveness probe, will be restarted",
  });
});

Deno.test("step() shows ErrImagePull, then ImagePullBackOff until the retry", () => {
  const memory = createPodMemory(start);
  const pod = podOf();
  const waiting = (result: ReturnType<typeof step>) => result.status?.containerStatuses?.[0]?.state?.waiting;
  startFailed(inputOf(pod, []), memory, "c", { kind: "image", reason: "ErrImagePull", message: "no such image" });
  const failed = step(inputOf(pod, []), memory);
  assert.deepEqual(waiting(failed), { reason: "ErrImagePull", message: "no such image" });
  assert.equal(failed.wakeAtMs, start + 2000);
  const backoff = step(inputOf(pod, [], { now: start + 2000 }), memory);
  assert.deepEqual(waiting(backoff), {
    reason: "ImagePullBackOff",
    message: 'Back-off pulling image "i": ErrImagePull: no such image',
  });
  assert.equal(backoff.wakeAtMs, start + 10_000);
  assert.deepEqual(kinds(step(inputOf(pod, [], { now: start + 10_000 }), memory).effects), ["start c/0"]);
  startSucceeded(memory, "c");
  assert.equal(memory.startFailures.size, 0);
});

Deno.test("step() fails a pod past its active deadline", () => {
  const memory = createPodMemory(start);
  const pod = podOf({ activeDeadlineSeconds: 10 });
  assert.equal(step(inputOf(pod, [container()]), memory).wakeAtMs, start + 10_000);
  const late = step(inputOf(pod, [container()], { now: start + 10_000 }), memory);
  assert.deepEqual([late.status?.phase, late.status?.reason], ["Failed", "DeadlineExceeded"]);
  assert.ok(late.effects.some((each) => each.kind === "killContainer"));
});

Deno.test("step() removes instances older than the one before the newest", () => {
  const dead = (attempt: number) => container({ attempt, state: "exited", exitCode: 1, finishedAtMs: start });
  const result = step(inputOf(podOf(), [container({ attempt: 3 }), dead(2), dead(1), dead(0)]), createPodMemory(start));
  assert.deepEqual(result.effects, [{ kind: "removeContainer", id: "id-c-1" }, {
    kind: "removeContainer",
    id: "id-c-0",
  }]);
  assert.equal(result.status?.containerStatuses?.[0]?.lastState?.terminated?.containerID, "process://id-c-2");
});

/** Runs a pod against a world of its own that does, late and in any order, what the steps ask for. */
function simulate(seed: number, pod: Pod, steps: number): { memory: PodMemory; containers: ObservedContainer[] } {
  let state = seed;
  const random = (bound: number) => (state = (state * 1103515245 + 12345) % 2147483648) % bound;
  const memory = createPodMemory(start);
  const containers: ObservedContainer[] = [];
  let ready = false;
  let now = start;
  const pending: (() => void)[] = [];
  for (let i = 0; i < steps; i++) {
    now += random(20_000);
    const observed: ObservedPod = {
      sandboxes: ready ? [sandbox] : [],
      containers: containers.map((each) => ({ ...each })),
    };
    for (const effect of step(inputOf(pod, [], { observed, now }), memory).effects) {
      if (effect.kind === "runSandbox") {
        pending.push(() => {
          ready = true;
          memory.inFlight.delete("sandbox");
        });
      } else if (effect.kind === "startContainer") {
        pending.push(() => {
          containers.push(container({ name: effect.name, attempt: effect.attempt, startedAtMs: now }));
          memory.inFlight.delete(`start:${effect.name}`);
        });
      } else if (effect.kind === "removeContainer") {
        containers.splice(containers.findIndex((each) => each.id === effect.id), 1);
      }
    }
    if (pending.length > 0 && random(2) === 0) pending.splice(random(pending.length), 1)[0]?.();
    const victim = containers[random(containers.length + 3)];
    if (victim?.state === "running") {
      containers[containers.indexOf(victim)] = { ...victim, state: "exited", exitCode: random(2), finishedAtMs: now };
    }
  }
  return { memory, containers };
}

Deno.test("step() never has two live instances of a container, and keeps but a few old ones, whatever ends when", () => {
  const pod = podOf({ containers: [{ name: "a", image: "i" }, { name: "b", image: "i" }] });
  for (let seed = 1; seed <= 200; seed++) {
    const { containers } = simulate(seed, pod, 60);
    for (const name of ["a", "b"]) {
      const own = containers.filter((each) => each.name === name);
      assert.ok(own.filter((each) => each.state === "running").length <= 1, `seed ${seed}`);
      assert.ok(own.length <= 3, `seed ${seed}: ${own.length} instances of ${name}`);
      assert.equal(new Set(own.map((each) => each.attempt)).size, own.length, `seed ${seed}: attempts repeat`);
    }
  }
});
