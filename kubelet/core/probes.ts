import type { Probe } from "../../api/gen/types.ts";

export type ProbeKind = "startup" | "liveness" | "readiness";

/** One probe of one container instance. Times are milliseconds since the epoch. */
export interface ProbeState {
  readonly kind: ProbeKind;
  readonly spec: Readonly<Probe>;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
  /** Not before this time. */
  nextAtMs: number;
  /** Results in a row of the kind `lastOutcome`. */
  run: number;
  lastOutcome: boolean | null;
  /** What the probe says now: readiness begins as false, liveness as true, startup as false. */
  result: boolean;
  /** A startup probe that has succeeded, and any probe whose container is to be killed, does not run again. */
  done: boolean;
}

const secondMs = 1000;

export function createProbe(kind: ProbeKind, spec: Readonly<Probe>, startedAtMs: number): ProbeState {
  return {
    kind,
    spec,
    periodMs: Math.max(1, spec.periodSeconds ?? 10) * secondMs,
    timeoutMs: Math.max(1, spec.timeoutSeconds ?? 1) * secondMs,
    successThreshold: Math.max(1, spec.successThreshold ?? 1),
    failureThreshold: Math.max(1, spec.failureThreshold ?? 3),
    nextAtMs: startedAtMs + Math.max(0, spec.initialDelaySeconds ?? 0) * secondMs,
    run: 0,
    lastOutcome: null,
    result: kind === "liveness",
    done: false,
  };
}

/** Takes the outcome of one try into account. @returns whether `result` changed, or a startup or liveness probe gave up */
export function recordProbe(probe: ProbeState, outcome: boolean, nowMs: number): boolean {
  probe.nextAtMs = nowMs + probe.periodMs;
  if (probe.lastOutcome === outcome) {
    probe.run++;
  } else {
    probe.lastOutcome = outcome;
    probe.run = 1;
  }
  const threshold = outcome ? probe.successThreshold : probe.failureThreshold;
  if (probe.run < threshold) return false;
  const before = probe.result;
  probe.result = outcome;
  if (probe.kind === "startup") {
    // Success ends it; failure at the threshold kills the container, whose next instance gets a probe of its own.
    probe.done = true;
    return true;
  }
  if (probe.kind === "liveness" && !outcome) {
    probe.done = true;
    return true;
  }
  return before !== outcome;
}

/** Startup first; the others wait for it. */
export function mayRun(probe: ProbeState, started: boolean): boolean {
  return !probe.done && (probe.kind === "startup" ? !started : started);
}
