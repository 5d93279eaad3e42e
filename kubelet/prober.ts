import type { Container, HTTPGetAction, IntOrString, LifecycleHandler, Pod, Probe } from "../api/gen/types.ts";
import { isSidecar } from "../api/pods.ts";
import type { Clock, HttpClient, Log, Streams, Timer, Timers } from "../platform/mod.ts";
import { createProbe, mayRun, type ProbeKind, type ProbeState, recordProbe } from "./core/probes.ts";
import type { ObservedContainer, ProbeResults } from "./core/types.ts";
import * as limits from "./limits.ts";
import type { ContainerRuntime } from "./runtime/types.ts";

export interface ProberDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly streams: Streams;
  readonly http: HttpClient;
  readonly runtime: ContainerRuntime;
  /** At most `limits.maxProbesAtOnce` of one kubelet run together. */
  readonly gate: Gate;
}

/** Lets a bounded number of tasks run; the others wait their turn. */
export interface Gate {
  run<T>(work: () => Promise<T>): Promise<T>;
}

export function createGate(width: number): Gate {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async run(work) {
      if (running >= width) await new Promise<void>((resolve) => waiting.push(resolve));
      else running++;
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) running--;
        else next();
      }
    },
  };
}

interface Probed {
  readonly container: ObservedContainer;
  readonly spec: Readonly<Container>;
  readonly probes: ProbeState[];
  readonly timers: Set<Timer>;
}

export interface Outcome {
  readonly ok: boolean;
  readonly output: string;
}

/** The probes of one pod. Time passes here; what a result means is decided in `core/probes.ts`. */
export class Prober {
  readonly #deps: ProberDeps;
  readonly #onChange: () => void;
  readonly #onFailure: (container: string, kind: ProbeKind, output: string) => void;
  readonly #probed = new Map<string, Probed>();
  #podIP = "";
  #stopped = false;

  /** @param onFailure each failed try, for the Unhealthy event */
  constructor(
    deps: ProberDeps,
    onChange: () => void,
    onFailure: (container: string, kind: ProbeKind, output: string) => void,
  ) {
    this.#deps = deps;
    this.#onChange = onChange;
    this.#onFailure = onFailure;
  }

  /** Probes what runs, and nothing else. */
  sync(pod: Readonly<Pod>, containers: readonly ObservedContainer[], podIP: string): void {
    this.#podIP = podIP;
    if (!this.#deps.runtime.reachable) return;
    const running = new Map(containers.filter((each) => each.state === "running").map((each) => [each.id, each]));
    for (const [id, probed] of this.#probed) {
      if (running.has(id)) continue;
      for (const timer of probed.timers) timer.cancel();
      this.#probed.delete(id);
    }
    const specs = [...(pod.spec?.initContainers ?? []).filter(isSidecar), ...pod.spec?.containers ?? []];
    for (const [id, container] of running) {
      if (this.#probed.has(id)) continue;
      const spec = specs.find((each) => each.name === container.name);
      if (spec === undefined) continue;
      const probes: ProbeState[] = [];
      const add = (kind: ProbeKind, probe: Probe | undefined) => {
        if (probe !== undefined) probes.push(createProbe(kind, probe, container.startedAtMs));
      };
      add("startup", spec.startupProbe);
      add("liveness", spec.livenessProbe);
      add("readiness", spec.readinessProbe);
      const probed: Probed = { container, spec, probes, timers: new Set() };
      this.#probed.set(id, probed);
      for (const probe of probes) this.#arm(probed, probe);
    }
  }

  results(): ProbeResults {
    const ready = new Map<string, boolean>();
    const started = new Map<string, boolean>();
    const unhealthy = new Map<string, { kind: "liveness" | "startup"; graceSeconds?: number }>();
    for (const [id, { probes }] of this.#probed) {
      for (const probe of probes) {
        if (probe.kind === "readiness") ready.set(id, probe.result);
        if (probe.kind === "startup") started.set(id, probe.result);
        if (!probe.done || probe.result || probe.kind === "readiness") continue;
        const grace = probe.spec.terminationGracePeriodSeconds;
        unhealthy.set(id, { kind: probe.kind, ...(grace === undefined ? {} : { graceSeconds: grace }) });
      }
    }
    return { ready, started, unhealthy };
  }

  stop(): void {
    this.#stopped = true;
    for (const { timers } of this.#probed.values()) for (const timer of timers) timer.cancel();
    this.#probed.clear();
  }

  #arm(probed: Probed, probe: ProbeState): void {
    if (this.#stopped || probe.done || this.#probed.get(probed.container.id) !== probed) return;
    const { clock, timers } = this.#deps;
    const timer = timers.schedule(Math.max(0, probe.nextAtMs - clock.now()), () => {
      probed.timers.delete(timer);
      void this.#try(probed, probe);
    });
    probed.timers.add(timer);
  }

  async #try(probed: Probed, probe: ProbeState): Promise<void> {
    const { clock, gate } = this.#deps;
    const startup = probed.probes.find((each) => each.kind === "startup");
    if (!mayRun(probe, startup?.result ?? true)) {
      // Waits for the startup probe: look again when that may have changed.
      probe.nextAtMs = clock.now() + Math.min(probe.periodMs, startup?.periodMs ?? probe.periodMs);
      return this.#arm(probed, probe);
    }
    const outcome = await gate.run(() => this.#execute(probed, probe));
    if (this.#stopped || this.#probed.get(probed.container.id) !== probed) return;
    if (!outcome.ok) this.#onFailure(probed.spec.name, probe.kind, outcome.output);
    const changed = recordProbe(probe, outcome.ok, clock.now());
    this.#arm(probed, probe);
    if (changed) this.#onChange();
  }

  #execute(probed: Probed, probe: ProbeState): Promise<Outcome> {
    const target: HandlerTarget = { containerId: probed.container.id, spec: probed.spec, podIP: this.#podIP };
    return runHandler(probe.spec, target, probe.timeoutMs, this.#deps);
  }
}

export interface HandlerTarget {
  readonly containerId: string;
  readonly spec: Readonly<Container>;
  readonly podIP: string;
}

/** Runs an exec, httpGet or tcpSocket action of a probe or hook; never rejects. */
export async function runHandler(
  handler: Pick<Probe & LifecycleHandler, "exec" | "httpGet" | "tcpSocket">,
  target: HandlerTarget,
  timeoutMs: number,
  deps: Pick<ProberDeps, "timers" | "streams" | "http" | "runtime">,
): Promise<Outcome> {
  const abort = new AbortController();
  const timer = deps.timers.schedule(timeoutMs, () => abort.abort(new Error("timeout")));
  try {
    if (handler.httpGet !== undefined) return await httpGet(handler.httpGet, target, abort.signal, deps.http);
    if (handler.tcpSocket !== undefined) {
      const port = portOf(handler.tcpSocket.port, target.spec);
      const connection = await deps.streams.dial(`tcp:${handler.tcpSocket.host || target.podIP}:${port}`, {
        signal: abort.signal,
      });
      connection.close();
      return { ok: true, output: "" };
    }
    if (handler.exec !== undefined) return await exec(handler.exec.command ?? [], target, abort.signal, deps.runtime);
    return { ok: false, output: "this kind of probe is not supported" };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ok: false, output: abort.signal.aborted ? `command timed out after ${timeoutMs / 1000}s` : message };
  } finally {
    timer.cancel();
  }
}

/** @throws RangeError when the container has no port by that name */
function portOf(port: IntOrString, spec: Readonly<Container>): number {
  if (typeof port === "number") return port;
  const named = spec.ports?.find((each) => each.name === port)?.containerPort ?? Number(port);
  if (Number.isInteger(named) && named > 0 && named < 65_536) return named;
  throw new RangeError(`couldn't find port: "${port}"`);
}

async function httpGet(
  action: HTTPGetAction,
  target: HandlerTarget,
  signal: AbortSignal,
  http: HttpClient,
): Promise<Outcome> {
  const scheme = (action.scheme ?? "HTTP").toLowerCase();
  const path = action.path ?? "/";
  const url = `${scheme}://${action.host || target.podIP}:${portOf(action.port, target.spec)}${
    path.startsWith("/") ? path : `/${path}`
  }`;
  const headers: Record<string, string> = { "user-agent": "kube-probe/1.36", accept: "*/*" };
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  const response = await http.fetch(url, { headers, redirect: "manual", signal });
  await response.body?.cancel();
  const ok = response.status >= 200 && response.status < 400;
  return { ok, output: ok ? "" : `HTTP probe failed with statuscode: ${response.status}` };
}

async function exec(
  command: readonly string[],
  target: HandlerTarget,
  signal: AbortSignal,
  runtime: ContainerRuntime,
): Promise<Outcome> {
  const session = await runtime.exec(target.containerId, { command, stdin: false, tty: false });
  const kill = () => session.kill();
  signal.addEventListener("abort", kill, { once: true });
  if (signal.aborted) kill();
  try {
    const [out, err] = await Promise.all([firstBytes(session.stdout), firstBytes(session.stderr)]);
    const code = await session.exitCode;
    if (signal.aborted) throw signal.reason;
    return { ok: code === 0, output: out + err };
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

/** Reads to the end; keeps the beginning. */
async function firstBytes(stream: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let room = limits.maxProbeOutputBytes;
  for await (const chunk of stream) {
    if (room <= 0) continue;
    text += decoder.decode(chunk.subarray(0, room), { stream: true });
    room -= chunk.length;
  }
  return text;
}
