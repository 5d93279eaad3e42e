import { leases } from "../../api/resources.ts";
import { parseTime } from "../../api/time.ts";
import type { LeaseObject } from "../../client/mod.ts";
import type { RestClient } from "../../client/types.ts";
import type { Platform } from "../../platform/mod.ts";
import type { ComponentStatus } from "../control.ts";
import { CliError, exitCode } from "../errors.ts";
import { askStatus } from "../lifecycle.ts";
import { signalProcess } from "../processes.ts";
import type { ClusterSpec } from "../spec.ts";
import * as limits from "./limits.ts";

export const scenarios = [
  "leader-kill",
  "pause-leader",
  "apiserver-kill",
  "scheduler-kill",
  "controller-kill",
] as const;
export type Scenario = typeof scenarios[number];

/** Where schedulers and controller managers agree on who leads. */
const electionLeases: Readonly<Partial<Record<Scenario, string>>> = {
  "scheduler-kill": "kube-scheduler",
  "controller-kill": "kube-controller-manager",
};

export interface Target {
  readonly name: string;
  readonly pid: number;
}

export interface FaultDeps {
  readonly spec: ClusterSpec;
  readonly client: RestClient;
  readonly platform: Platform;
}

async function components({ spec, platform }: FaultDeps): Promise<readonly ComponentStatus[]> {
  const status = await askStatus(spec.name, platform);
  if (status === null) {
    throw new CliError(exitCode.notReady, `Cluster "${spec.name}" has no running supervisor`, {
      hint: `deno task cluster start --name ${spec.name}`,
    });
  }
  return status.components;
}

async function leaseOf(scenario: Scenario, { client }: FaultDeps): Promise<LeaseObject | null> {
  const name = electionLeases[scenario];
  return name === undefined ? null : await client.get<LeaseObject>(leases, name, "kube-system");
}

/** Whom the fault hits next; waits until there is one. @param draw picks among equals: an integer below its argument */
export async function chooseTarget(
  scenario: Scenario,
  deps: FaultDeps,
  draw: (bound: number) => number,
): Promise<Target> {
  const deadline = performance.now() + limits.recoveryMaxMs;
  for (;;) {
    const all = await components(deps);
    const holder = (await leaseOf(scenario, deps).catch(() => null))?.spec?.holderIdentity;
    const apiServers = all.filter((each) => each.kind === "apiserver");
    const found = scenario === "apiserver-kill"
      ? apiServers[draw(apiServers.length)]
      : scenario === "leader-kill" || scenario === "pause-leader"
      ? all.find((each) => each.kind === "store" && each.role === "leader")
      : all.find((each) => each.name === holder);
    if (found !== undefined && found.pid !== null && found.ready) return { name: found.name, pid: found.pid };
    if (performance.now() > deadline) {
      throw new CliError(exitCode.notReady, `${scenario}: nothing to hit within ${limits.recoveryMaxMs / 1_000} s`);
    }
    await deps.platform.timers.sleep(50);
  }
}

/**
 * Monotonic milliseconds at which a leader other than the target (or the target, elected again after `sinceWall`) was
 * seen; null when the scenario elects none or `signal` aborted first.
 */
export async function awaitNewLeader(
  scenario: Scenario,
  target: Target,
  sinceWall: number,
  deps: FaultDeps,
  signal: AbortSignal,
): Promise<{ at: number; name: string } | null> {
  if (scenario === "apiserver-kill") return null;
  const { clock, timers } = deps.platform;
  while (!signal.aborted) {
    if (electionLeases[scenario] !== undefined) {
      const spec = (await leaseOf(scenario, deps).catch(() => null))?.spec;
      const holder = spec?.holderIdentity ?? "";
      const renewed = parseTime(spec?.renewTime ?? "") ?? 0;
      if (holder !== "" && renewed > sinceWall) return { at: clock.monotonic(), name: holder };
    } else {
      const leader = (await components(deps)).find((each) =>
        each.kind === "store" && each.role === "leader" && (each.name !== target.name || each.pid !== target.pid)
      );
      if (leader !== undefined) return { at: clock.monotonic(), name: leader.name };
    }
    await timers.sleep(limits.leaderPollMs, signal).catch(() => {});
  }
  return null;
}

/** Waits until every component is ready again. */
export async function awaitRecovery(deps: FaultDeps): Promise<void> {
  const deadline = performance.now() + limits.recoveryMaxMs;
  for (;;) {
    const all = await components(deps);
    const leads = all.some((each) => each.kind === "store" && each.role === "leader");
    if (leads && all.every((each) => each.ready)) return;
    if (performance.now() > deadline) {
      const missing = all.filter((each) => !each.ready).map((each) => each.name).join(", ");
      throw new CliError(exitCode.notReady, `Not back within ${limits.recoveryMaxMs / 1_000} s: ${missing}`);
    }
    await deps.platform.timers.sleep(50);
  }
}

/** Sends the signal, or says that the process is gone. */
export function hit(target: Target, signal: Deno.Signal): void {
  if (!signalProcess(target.pid, signal)) throw new CliError(exitCode.notReady, `${target.name} is not running`);
}
