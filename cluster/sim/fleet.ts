import { must } from "../../base/assert.ts";
import type { SimHost, World } from "../../platform/sim/mod.ts";
import type { Member } from "../../store/mod.ts";
import { restartDelayMs } from "./limits.ts";
import { machinesOf, type Running, type SimKind, type SimPlan, startOn } from "./machines.ts";

/** One machine and what runs on it. */
export interface SimMachine {
  readonly name: string;
  readonly kind: SimKind;
  /** Its process is there; it may still be starting. */
  readonly running: boolean;
  readonly ready: boolean;
  readonly leads: boolean;
  /** How often its process was started. */
  readonly starts: number;
}

class Machine implements SimMachine {
  readonly name: string;
  readonly kind: SimKind;
  readonly index: number;
  readonly host: SimHost;
  starts = 0;
  ready = false;
  current: Running | null = null;

  constructor(kind: SimKind, index: number, name: string, host: SimHost) {
    this.kind = kind;
    this.index = index;
    this.name = name;
    this.host = host;
  }

  get running(): boolean {
    return this.starts > 0 && this.host.running;
  }

  get leads(): boolean {
    return this.current?.leads?.() ?? false;
  }
}

/** All machines of a simulated cluster; like the live supervisor, it starts again what ended by itself. */
export class Fleet {
  readonly #world: World;
  readonly #plan: SimPlan;
  readonly #machines = new Map<string, Machine>();

  constructor(world: World, plan: SimPlan) {
    this.#world = world;
    this.#plan = plan;
    for (const { kind, index, name } of machinesOf(plan)) {
      this.#machines.set(name, new Machine(kind, index, name, world.host(name)));
    }
  }

  get machines(): readonly SimMachine[] {
    return [...this.#machines.values()];
  }

  get ready(): boolean {
    return this.machines.every((machine) => machine.running && machine.ready);
  }

  members(): Member[] {
    return [...this.#machines.values()].flatMap(({ current }) => current?.member === undefined ? [] : [current.member]);
  }

  /** The machine whose component leads; of two that believe so, the later. */
  leader(kind: SimKind): string | null {
    const leading = [...this.#machines.values()].filter((machine) => machine.kind === kind && machine.leads);
    const term = (machine: Machine) => machine.current?.member?.status().term ?? 0;
    return leading.toSorted((a, b) => term(b) - term(a))[0]?.name ?? null;
  }

  startAll(): void {
    for (const machine of this.#machines.values()) this.#start(machine);
  }

  /** A process where there is none. */
  start(name: string): void {
    const machine = this.#machine(name);
    if (!machine.running) this.#start(machine);
  }

  /** Ends the process as SIGKILL does, or the machine as a power cut does. */
  crash(name: string, options: { silent?: boolean; keepDisk?: boolean }): void {
    const machine = this.#machine(name);
    if (!machine.running) return;
    machine.ready = false;
    machine.current = null;
    machine.host.crash(options);
  }

  stall(name: string, durationMs: number): void {
    this.#machine(name).host.stall(durationMs);
  }

  /** Nothing runs any more. */
  end(): void {
    for (const name of this.#machines.keys()) this.crash(name, {});
  }

  /** @throws RangeError */
  check(name: string): string {
    if (this.#machines.has(name)) return name;
    throw new RangeError(`No machine "${name}": there are ${[...this.#machines.keys()].join(", ")}`);
  }

  #machine(name: string): Machine {
    return must(this.#machines.get(this.check(name)), "checked");
  }

  #start(machine: Machine): void {
    const platform = machine.starts === 0 ? machine.host.platform : machine.host.restart();
    const life = ++machine.starts;
    const isCurrent = () => machine.starts === life && machine.host.running;
    const failed = (error: unknown) => {
      if (!isCurrent()) return;
      platform.log.error("ended by itself", { error: String(error) });
      this.crash(machine.name, { keepDisk: true });
      this.#world.schedule(restartDelayMs, () => {
        if (machine.starts === life) this.start(machine.name);
      });
    };
    const launch = async () => {
      const running = await startOn(machine.kind, machine.index, this.#plan, platform);
      if (!isCurrent()) return;
      machine.current = running;
      void running.member?.failed.then(failed);
      await running.component.ready;
      if (isCurrent()) machine.ready = true;
    };
    launch().catch(failed);
  }
}
