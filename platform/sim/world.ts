import { invariant } from "../../base/assert.ts";
import { type Prng, prng } from "../../base/prng.ts";
import { createLog, type LogLevel } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import type { Clock, Platform, Random, Timers } from "../mod.ts";
import { createSimDatagrams, type SimDatagramSockets } from "./datagrams.ts";
import { type DiskFaults, SimDisk } from "./disk.ts";
import { createSimFrames } from "./frames.ts";
import { createSimHttpClient } from "./http_client.ts";
import { serveSimHttp } from "./http_server.ts";
import { Life, LocalTime, type Machine } from "./life.ts";
import { type LinkOptions, Links } from "./links.ts";
import { SimNetwork } from "./network.ts";
import { createSimProcesses, type SimProgram } from "./processes.ts";
import { Scheduler } from "./scheduler.ts";
import { createSimStreams } from "./streams.ts";

export interface WorldOptions {
  /** Any safe integer. Everything that happens follows from it and from what the driver does. */
  readonly seed: number;
  /** Wall clock at virtual time 0, milliseconds since the epoch. Default 2026-01-01. */
  readonly epochMs?: number;
  /** Default 5000. */
  readonly dialTimeoutMs?: number;
  /** After so long without being able to deliver, a connection breaks. Default 15000. */
  readonly stallTimeoutMs?: number;
  /** Default "warn". */
  readonly logLevel?: LogLevel;
  /** Default: lines are dropped. */
  readonly logSink?: (line: string) => void;
}

export interface SimHost {
  readonly name: string;
  /** The running process's. Throws after a crash, before {@linkcode restart}. */
  readonly platform: Platform;
  readonly running: boolean;
  readonly disk: SimDisk;
  readonly diskFaults: DiskFaults;
  /** Programs that `platform.processes.spawn` finds. */
  readonly programs: Map<string, SimProgram>;
  /**
   * Ends the process: timers, connections and un-synced data are gone, promises under way never settle. Peers see their
   * connections break; with `silent` (the machine lost power) they see nothing, and what they send vanishes.
   * `keepDisk`: only the process died, the kernel still writes back what it was given.
   */
  crash(options?: { silent?: boolean; keepDisk?: boolean }): void;
  /** A new process on the surviving disk. */
  restart(): Platform;
  /** Nothing on this host runs for `durationMs` (a garbage collection, a suspended machine); clocks go on. */
  stall(durationMs: number): void;
  /** Moves the wall clock; the monotonic one does not notice. */
  jumpWallClock(byMs: number): void;
  /** Local milliseconds per virtual millisecond from now on: 1.01 runs fast. */
  setClockRate(rate: number): void;
}

export interface SimNetworkControl {
  setDefaultLink(options: Partial<LinkOptions>): void;
  /** One way. */
  setLink(from: string, to: string, options: Partial<LinkOptions>): void;
  /** Back to the default for every link. */
  resetLinks(): void;
  /** Nothing passes between the two groups, either way. */
  partition(groupA: readonly string[], groupB: readonly string[]): void;
  /** Nothing passes from one to the other; the way back is open. */
  partitionOneWay(from: readonly string[], to: readonly string[]): void;
  /** Nothing arrives for `durationMs`, then all of it does, in order. */
  clog(from: string, to: string, durationMs: number): void;
  /** Ends every partition and clogging. */
  heal(): void;
}

export interface World {
  readonly seed: number;
  /** Virtual milliseconds. */
  readonly nowMs: number;
  /** Tasks run so far. */
  readonly executed: number;
  readonly network: SimNetworkControl;
  /** For the driver's own choices; independent of what the hosts draw. */
  readonly random: Prng;
  /** The host of that name, made and started when it is new. */
  host(name: string): SimHost;
  /** For the driver: runs `fn` in the world, belonging to no host. */
  schedule(delayMs: number, fn: () => void): void;
  /** Runs until virtual time `untilMs`. */
  run(untilMs: number): Promise<void>;
  /** Whether `predicate` came to hold before virtual time `limitMs`. */
  runUntil(predicate: () => boolean, limitMs: number): Promise<boolean>;
  /** Runs until `work` settles and gives its result; throws when it has not by virtual time `limitMs`. */
  complete<T>(work: Promise<T>, limitMs?: number): Promise<T>;
  /** Equal for equal seeds and drivers; sixteen hexadecimal digits. */
  traceHash(): string;
}

const defaultEpochMs = 1_767_225_600_000;

function createSimRandom(random: Prng): Random {
  function bytes(length: number): Uint8Array<ArrayBuffer> {
    const all = new Uint8Array(length);
    for (let i = 0; i < length; i++) all[i] = random.int(256);
    return all;
  }
  return {
    next: () => random.next(),
    int: (bound) => random.int(bound),
    bytes,
    uuid() {
      const raw = bytes(16);
      raw[6] = ((raw[6] as number) & 0x0f) | 0x40;
      raw[8] = ((raw[8] as number) & 0x3f) | 0x80;
      const hex = Array.from(raw, (byte) => byte.toString(16).padStart(2, "0")).join("");
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
    },
  };
}

function createSimTimers(life: Life): Timers {
  function schedule(delayMs: number, fn: () => void): { cancel(): void } {
    return life.schedule(Math.max(0, delayMs) / life.machine.time.rate, "timer", fn);
  }
  return {
    schedule,
    sleep(delayMs, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const timer = schedule(delayMs, () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        });
        function onAbort(): void {
          timer.cancel();
          reject(signal?.reason);
        }
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
  };
}

class SimWorld implements World {
  readonly seed: number;
  readonly random: Prng;
  readonly network: SimNetworkControl;
  readonly #options: WorldOptions;
  readonly #scheduler: Scheduler;
  readonly #links: Links;
  readonly #net: SimNetwork;
  readonly #datagramSockets: SimDatagramSockets = { bound: new Map(), nextPort: 30_000 };
  readonly #hostSeeds: Prng;
  readonly #hosts = new Map<string, SimHost>();

  constructor(options: WorldOptions) {
    const root = prng(options.seed);
    this.seed = options.seed;
    this.#options = options;
    this.#scheduler = new Scheduler();
    this.random = root.fork();
    this.#links = new Links(root.fork());
    this.#hostSeeds = root.fork();
    this.#net = new SimNetwork({
      scheduler: this.#scheduler,
      links: this.#links,
      dialTimeoutMs: options.dialTimeoutMs ?? 5000,
      stallTimeoutMs: options.stallTimeoutMs ?? 15_000,
    });
    this.network = this.#networkControl();
  }

  get nowMs(): number {
    return this.#scheduler.nowMs;
  }

  get executed(): number {
    return this.#scheduler.executed;
  }

  host(name: string): SimHost {
    const known = this.#hosts.get(name);
    if (known !== undefined) return known;
    const host = this.#createHost(name, this.#hosts.size);
    this.#hosts.set(name, host);
    return host;
  }

  schedule(delayMs: number, fn: () => void): void {
    this.#scheduler.schedule(delayMs, "driver", fn);
  }

  async run(untilMs: number): Promise<void> {
    await this.#scheduler.runUntil(() => false, untilMs);
  }

  runUntil(predicate: () => boolean, limitMs: number): Promise<boolean> {
    return this.#scheduler.runUntil(predicate, limitMs);
  }

  async complete<T>(work: Promise<T>, limitMs = this.nowMs + 60_000): Promise<T> {
    let settled = false;
    const done = (): void => void (settled = true);
    work.then(done, done);
    const inTime = await this.runUntil(() => settled, limitMs);
    if (!inTime) throw new Error(`Not settled by virtual time ${limitMs} ms (seed ${this.seed})`);
    return await work;
  }

  traceHash(): string {
    return this.#scheduler.trace.digest();
  }

  #networkControl(): SimNetworkControl {
    const links = this.#links;
    function block(from: readonly string[], to: readonly string[]): void {
      for (const a of from) for (const b of to) if (a !== b) links.block(a, b);
    }
    return {
      setDefaultLink: (options) => links.setDefault(options),
      setLink: (from, to, options) => links.set(from, to, options),
      resetLinks: () => links.clearOptions(),
      partition(groupA, groupB) {
        block(groupA, groupB);
        block(groupB, groupA);
      },
      partitionOneWay: block,
      clog: (from, to, durationMs) => links.clog(from, to, this.nowMs + durationMs),
      heal: () => {
        links.unblockAll();
        this.#net.unpark();
      },
    };
  }

  #createHost(name: string, index: number): SimHost {
    const seeds = this.#hostSeeds.fork();
    const disk = new SimDisk(seeds.fork());
    const programs = new Map<string, SimProgram>();
    const machine: Machine = {
      name,
      index,
      ip: `10.0.${index >> 8}.${index & 255}`,
      time: new LocalTime(),
      wallOffsetMs: 0,
      stalledUntilMs: 0,
      answering: true,
      life: null,
    };
    const scheduler = this.#scheduler;
    let platform: Platform | null = null;
    const start = (): Platform => {
      invariant(machine.life === null, `${name} is running already`);
      machine.life = new Life(machine, scheduler, seeds.fork());
      machine.answering = true;
      platform = this.#createPlatform(machine, machine.life, disk, programs);
      this.#net.unpark(); // what waited for a dead machine meets a reset now
      return platform;
    };
    start();
    return {
      name,
      get platform() {
        invariant(platform !== null, `${name} has crashed`);
        return platform;
      },
      get running() {
        return machine.life !== null;
      },
      disk,
      diskFaults: disk.faults,
      programs,
      crash(options = {}) {
        const { silent = false, keepDisk = false } = options;
        machine.answering = !silent;
        machine.stalledUntilMs = 0;
        machine.life?.end(silent);
        machine.life = null;
        platform = null;
        disk.crash(keepDisk);
      },
      restart: start,
      stall: (durationMs) => void (machine.stalledUntilMs = scheduler.nowMs + durationMs),
      jumpWallClock: (byMs) => void (machine.wallOffsetMs += byMs),
      setClockRate: (rate) => machine.time.setRate(scheduler.nowMs, rate),
    };
  }

  #createPlatform(
    machine: Machine,
    life: Life,
    disk: SimDisk,
    programs: ReadonlyMap<string, SimProgram>,
  ): Platform {
    const epochMs = this.#options.epochMs ?? defaultEpochMs;
    const clock: Clock = {
      now: () => Math.floor(epochMs + machine.time.at(life.nowMs) + machine.wallOffsetMs),
      monotonic: () => machine.time.at(life.nowMs),
    };
    const log = createLog({
      component: machine.name,
      level: this.#options.logLevel ?? "warn",
      now: () => epochMs + this.nowMs,
      sink: this.#options.logSink ?? (() => {}),
    });
    return {
      clock,
      timers: createSimTimers(life),
      random: createSimRandom(life.random),
      disk: disk.mount(life),
      network: {
        frames: createSimFrames(life, this.#net),
        streams: createSimStreams(life, this.#net),
        datagrams: createSimDatagrams(life, {
          sockets: this.#datagramSockets,
          links: this.#links,
          scheduler: this.#scheduler,
        }),
        http: {
          serve: async (options) => serveSimHttp(life, this.#net, options, log),
          client: (options) => createSimHttpClient(life, this.#net, options),
        },
      },
      processes: createSimProcesses(life, programs),
      log,
      metrics: createMetrics(),
    };
  }
}

/** A world in which a seed decides everything. Drive it with `run`, `runUntil` or `complete`, never two at a time. */
export function createWorld(options: WorldOptions): World {
  return new SimWorld(options);
}
