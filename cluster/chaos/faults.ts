import type { Platform } from "../../platform/mod.ts";
import type { ComponentStatus } from "../control.ts";
import { CliError, exitCode } from "../errors.ts";
import { rulesBetween } from "../faults/names.ts";
import { askFaults, askStatus } from "../lifecycle.ts";
import { planOf, storeMembers } from "../plan.ts";
import { signalProcess } from "../processes.ts";
import type { ClusterSpec } from "../spec.ts";
import type { FaultRecord } from "./analysis.ts";
import * as limits from "./limits.ts";
import { readNotes } from "./notes.ts";

export const scenarios = [
  "leader-kill",
  "pause-leader",
  "partition-leader",
  "power-loss",
  "apiserver-kill",
  "scheduler-kill",
  "controller-kill",
] as const;
export type Scenario = typeof scenarios[number];

/** Those that hit the store's members alone: any store can be put through them. */
export function isStoreScenario(scenario: string): boolean {
  return scenario === "leader-kill" || scenario === "pause-leader" || scenario === "partition-leader" ||
    scenario === "power-loss";
}

export interface Target {
  readonly name: string;
  readonly pid: number;
}

export type Leader = { readonly at: number; readonly name: string };

/** How the scenario finds whom to hit and who came after, where the supervisor does not know. */
export interface Election {
  holder(): Promise<string>;
  /** A holder that has renewed since `sinceWall`; "" while there is none. */
  successor(sinceWall: number): Promise<string>;
}

/** Breaks one live cluster of ours, and knows what it has broken. */
export class Breaker {
  readonly #spec: ClusterSpec;
  readonly #platform: Platform;
  /** Names this run in the fault table, so that healing it leaves what others broke. */
  readonly #owner: string;
  readonly #paused = new Map<string, number>();
  #faulty = false;

  constructor(spec: ClusterSpec, platform: Platform) {
    this.#spec = spec;
    this.#platform = platform;
    this.#owner = `run-${platform.random.uuid().slice(0, 8)}`;
  }

  async components(): Promise<readonly ComponentStatus[]> {
    const status = await askStatus(this.#spec.name, this.#platform);
    if (status !== null) return status.components;
    throw new CliError(exitCode.notReady, `Cluster "${this.#spec.name}" has no running supervisor`, {
      hint: `deno task cluster start --name ${this.#spec.name}`,
    });
  }

  kill({ name, pid }: Target): void {
    if (!signalProcess(pid, "SIGKILL")) throw new CliError(exitCode.notReady, `${name} is not running`);
  }

  pause({ name, pid }: Target): void {
    this.#paused.set(name, pid);
    if (!signalProcess(pid, "SIGSTOP")) throw new CliError(exitCode.notReady, `${name} is not running`);
  }

  resume(name: string): void {
    const pid = this.#paused.get(name);
    if (pid !== undefined) signalProcess(pid, "SIGCONT");
    this.#paused.delete(name);
  }

  /** Cuts the links between the named members of the store; clients still reach both sides. */
  async isolate(names: readonly string[], options: { oneWay: boolean }): Promise<void> {
    const stores = planOf(this.#spec).filter((each) => each.kind === "store");
    const side = stores.filter((each) => names.includes(each.name));
    const others = stores.filter((each) => !names.includes(each.name));
    const cut = { cut: true, delayMs: 0, jitterMs: 0, lossRate: 0 };
    const links = rulesBetween([side, others], cut, { ...options, owner: this.#owner });
    this.#faulty = true;
    await askFaults(this.#spec.name, { kind: "add", links, disks: [] }, this.#platform);
  }

  /** Every link between members gets slow and loses segments. */
  async disturb(condition: { delayMs: number; jitterMs: number; lossRate: number }): Promise<void> {
    const stores = planOf(this.#spec).filter((each) => each.kind === "store");
    const links = rulesBetween(stores.map((each) => [each]), { cut: false, ...condition }, {
      oneWay: false,
      owner: this.#owner,
    });
    this.#faulty = true;
    await askFaults(this.#spec.name, { kind: "add", links, disks: [] }, this.#platform);
  }

  async fillDisk(component: string): Promise<void> {
    this.#faulty = true;
    const disks = [{ component, full: true, owner: this.#owner }];
    await askFaults(this.#spec.name, { kind: "add", links: [], disks }, this.#platform);
  }

  /** Whether links or disks are broken now. */
  get faulty(): boolean {
    return this.#faulty;
  }

  async healFaults(): Promise<void> {
    if (!this.#faulty) return;
    await askFaults(this.#spec.name, { kind: "heal", owner: this.#owner }, this.#platform);
    this.#faulty = false;
  }

  /** Whatever this run broke and has not healed. Never rejects: the cluster may be gone. */
  async healAll(): Promise<void> {
    for (const name of [...this.#paused.keys()]) this.resume(name);
    await this.healFaults().catch(() => {});
  }

  /** Waits until every component is ready again. */
  async awaitRecovery(): Promise<void> {
    const deadline = performance.now() + limits.recoveryMaxMs;
    for (;;) {
      const all = await this.components();
      const leads = this.#spec.store !== undefined ||
        all.some((each) => each.kind === "store" && each.role === "leader");
      if (leads && all.every((each) => each.ready)) return;
      if (performance.now() > deadline) {
        const missing = all.filter((each) => !each.ready).map((each) => each.name).join(", ") || "no leader";
        throw new CliError(exitCode.notReady, `Not back within ${limits.recoveryMaxMs / 1_000} s: ${missing}`);
      }
      await this.#platform.timers.sleep(50);
    }
  }

  /** Whom the fault hits next; waits until there is someone. */
  async choose(
    scenario: Scenario,
    election: Election | null,
    draw: (bound: number) => number,
  ): Promise<readonly [Target, ...Target[]]> {
    const deadline = performance.now() + limits.recoveryMaxMs;
    for (;;) {
      const all = (await this.components()).filter((each) => each.ready);
      const holder = await election?.holder().catch(() => "");
      const apiServers = all.filter((each) => each.kind === "apiserver");
      const stores = all.filter((each) => each.kind === "store");
      const found = scenario === "apiserver-kill"
        ? apiServers.slice(draw(apiServers.length)).slice(0, 1)
        : scenario === "power-loss"
        ? (stores.length === storeMembers(this.#spec).length ? stores : [])
        : isStoreScenario(scenario)
        ? stores.filter((each) => each.role === "leader")
        : all.filter((each) => each.name === holder);
      const [first, ...rest] = found.flatMap(({ name, pid }) => pid === null ? [] : [{ name, pid }]);
      if (first !== undefined) return [first, ...rest];
      if (performance.now() > deadline) {
        throw new CliError(exitCode.notReady, `${scenario}: nothing to hit within ${limits.recoveryMaxMs / 1_000} s`);
      }
      await this.#platform.timers.sleep(50);
    }
  }

  /** One fault of the scenario, from the choice to the healing. */
  async inject(
    scenario: Scenario,
    election: Election | null,
    draw: (bound: number) => number,
    signal: AbortSignal,
    onTarget: (name: string) => void = () => {},
  ): Promise<FaultRecord> {
    const { clock, timers } = this.#platform;
    const targets = await this.choose(scenario, election, draw);
    const [target] = targets;
    onTarget(target.name);
    const patience = new AbortController();
    const sinceWall = clock.now();
    const at = clock.monotonic();
    if (scenario === "pause-leader") this.pause(target);
    else if (scenario === "partition-leader") await this.isolate([target.name], { oneWay: false });
    else for (const each of targets) this.kill(each);
    const observed = scenario === "apiserver-kill"
      ? Promise.resolve(null)
      : this.#awaitLeader(targets, election, sinceWall, patience.signal);
    const limit = timers.schedule(limits.recoveryMaxMs, () => patience.abort());
    const onAbort = () => patience.abort();
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      if (scenario === "pause-leader" || scenario === "partition-leader") {
        await timers.sleep(limits.pauseMs, signal);
        await this.healFaults();
        this.resume(target.name);
      }
      const newLeader = await observed;
      signal.throwIfAborted();
      const notes = isStoreScenario(scenario) ? await readNotes(this.#spec, sinceWall) : [];
      return { target: targets.map((each) => each.name).join(", "), at, newLeader, notes };
    } finally {
      patience.abort();
      limit.cancel();
      signal.removeEventListener("abort", onAbort);
      await observed.catch(() => {});
    }
  }

  /** When a leader other than the targets (or one of them, started again or elected anew) was seen; null on abort. */
  async #awaitLeader(
    targets: readonly Target[],
    election: Election | null,
    sinceWall: number,
    signal: AbortSignal,
  ): Promise<Leader | null> {
    const { clock, timers } = this.#platform;
    while (!signal.aborted) {
      const name = election === null ? await this.#newStoreLeader(targets) : await election.successor(sinceWall);
      if (name !== "") return { at: clock.monotonic(), name };
      await timers.sleep(limits.leaderPollMs, signal).catch(() => {});
    }
    return null;
  }

  async #newStoreLeader(targets: readonly Target[]): Promise<string> {
    const leader = (await this.components()).find((each) =>
      each.kind === "store" && each.role === "leader" &&
      !targets.some((target) => target.name === each.name && target.pid === each.pid)
    );
    return leader?.name ?? "";
  }
}
