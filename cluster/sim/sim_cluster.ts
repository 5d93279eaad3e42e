import type { KubeObject } from "../../api/meta.ts";
import { ApiError, isAlreadyExists, isNotFound, type RestClient, TransportError } from "../../client/mod.ts";
import {
  createSimAuthority,
  createWorld,
  type SimHost,
  type World,
  type WorldOptions,
} from "../../platform/sim/mod.ts";
import type { Member } from "../../store/mod.ts";
import { type TimerProfile, timersOf } from "../timers.ts";
import { driveClient } from "./drive_client.ts";
import { Driver } from "./driver.ts";
import { type Duration, milliseconds } from "./duration.ts";
import { Fleet, type SimMachine } from "./fleet.ts";
import { callLimitMs, leaderLimitMs, lookMs, maxControlPlanes, maxWorkers, startLimitMs } from "./limits.ts";
import { apiServerUrl, clientOf, type SimPlan } from "./machines.ts";
import { type Manifest, objectsOf, resourceOf } from "./manifests.ts";
import { parseTarget } from "./readiness.ts";

export interface SimOptions {
  /** Everything that happens follows from it, and from what the program does. */
  readonly seed: number;
  /** Store members, apiservers, controller-managers and schedulers: that many of each. Odd; default 3. */
  readonly controlPlanes?: number;
  /** Nodes, with simulated containers. Default 3. */
  readonly workers?: number;
  /** Default "fast", as in a live cluster. */
  readonly timers?: TimerProfile;
  /** Of every node; default 4 CPUs, 8 GiB, 110 pods. */
  readonly capacity?: Readonly<Record<string, string>>;
  /** The components' log lines, with virtual time. */
  readonly onLog?: (line: string) => void;
  /** Default "info". */
  readonly logLevel?: NonNullable<WorldOptions["logLevel"]>;
}

/** A machine by name (`apiserver-0`, `worker-2`), or whichever leads now. */
export type ChaosTarget =
  | string
  | { readonly kind: "store" | "controller-manager" | "scheduler"; readonly leader: true };

export interface SimChaos {
  /**
   * Ends the process at once; un-synced data is lost unless `keepDisk`. With `silent` the machine has lost power: its
   * peers notice by timeouts only. It stays down until `restart`. Resolves with the machine's name.
   */
  kill(target: ChaosTarget, options?: { silent?: boolean; keepDisk?: boolean }): Promise<string>;
  /** Starts a killed machine again, on its surviving disk; one that runs is left alone. */
  restart(name: string): Promise<void>;
  /** Nothing runs there for so long; its clocks go on. */
  pause(target: ChaosTarget, duration: Duration): Promise<string>;
  /** Nothing passes between `names` and all other machines. */
  partition(names: readonly string[]): void;
  /** Ends every partition. */
  heal(): void;
}

export interface SimClock {
  /** Virtual milliseconds since the world began. */
  readonly nowMs: number;
  advance(duration: Duration): Promise<void>;
}

export interface Within {
  /** Virtual time. Default 60 s. */
  readonly within?: Duration;
}

/** A whole cluster in one isolate on virtual time. Each awaited call turns its world until it is answered. */
export interface SimCluster extends AsyncDisposable {
  readonly seed: number;
  /** The administrator's client, of all apiservers. */
  readonly client: RestClient;
  readonly clock: SimClock;
  readonly chaos: SimChaos;
  readonly machines: readonly SimMachine[];
  /** Creates each object, or merges it into the one that is there. */
  apply(manifest: Manifest): Promise<void>;
  /** Waits for `deploy/web`, `ds/NAME`, `sts/NAME`, `rs/NAME`, `pod/NAMESPACE/NAME`, `node/worker-1`. */
  ready(target: string, options?: Within): Promise<void>;
  /** Waits for `check`, which is asked every 50 ms; while it throws an API error, it does not hold. */
  until(check: () => boolean | Promise<boolean>, options?: Within): Promise<void>;
  /** Asks the apiserver of that name and no other. */
  clientOf(apiServer: string): RestClient;
  /** The store members that run. */
  members(): Member[];
  /** Equal for equal seeds and programs, in any process. */
  traceHash(): string;
}

function checkOptions(options: SimOptions): void {
  const { seed, controlPlanes = 3, workers = 3 } = options;
  if (!Number.isSafeInteger(seed)) throw new RangeError(`Invalid seed ${seed}: must be a whole number`);
  if (!Number.isInteger(controlPlanes) || controlPlanes % 2 === 0 || controlPlanes > maxControlPlanes) {
    throw new RangeError(`Invalid controlPlanes ${controlPlanes}: must be an odd number up to ${maxControlPlanes}`);
  }
  if (!Number.isInteger(workers) || workers < 1 || workers > maxWorkers) {
    throw new RangeError(`Invalid workers ${workers}: must be a whole number from 1 to ${maxWorkers}`);
  }
}

/** Starts a simulated cluster. Resolves when every component serves and every node is Ready. */
export async function startSimCluster(options: SimOptions): Promise<SimCluster> {
  checkOptions(options);
  const { seed, onLog, logLevel = "info" } = options;
  const world = createWorld({ seed, ...(onLog === undefined ? {} : { logSink: onLog, logLevel }) });
  const cluster = new Simulation(world, {
    controlPlanes: options.controlPlanes ?? 3,
    workers: options.workers ?? 3,
    timers: timersOf(options.timers ?? "fast"),
    capacity: options.capacity ?? { cpu: "4", memory: "8Gi", pods: "110" },
    authority: createSimAuthority("sim"),
  });
  await cluster.start();
  return cluster;
}

class Simulation implements SimCluster {
  readonly client: RestClient;
  readonly clock: SimClock;
  readonly chaos: SimChaos;
  readonly #world: World;
  readonly #plan: SimPlan;
  readonly #fleet: Fleet;
  readonly #driver: Driver;
  readonly #admin: SimHost;
  readonly #client: RestClient;

  constructor(world: World, plan: SimPlan) {
    this.#world = world;
    this.#plan = plan;
    this.#driver = new Driver(world);
    this.#fleet = new Fleet(world, plan);
    this.#admin = world.host("admin");
    this.#client = this.#adminClient();
    this.client = driveClient(this.#client, this.#driver, callLimitMs);
    this.clock = {
      get nowMs() {
        return world.nowMs;
      },
      advance: (duration) => this.#driver.advance(milliseconds(duration)),
    };
    this.chaos = this.#chaos();
  }

  get seed(): number {
    return this.#world.seed;
  }

  get machines(): readonly SimMachine[] {
    return this.#fleet.machines;
  }

  async start(): Promise<void> {
    await this.#inWorld("start", async () => this.#fleet.startAll());
    await this.until(() => this.#fleet.ready, { within: startLimitMs });
    const workers = this.machines.filter(({ kind }) => kind === "worker");
    await Promise.all(workers.map(({ name }) => this.ready(`node/${name}`)));
  }

  async apply(manifest: Manifest): Promise<void> {
    for (const object of await objectsOf(manifest)) {
      await this.#driver.drive(() => this.#applyOne(object), callLimitMs, `apply ${object.metadata?.name}`);
    }
  }

  async #applyOne(object: KubeObject): Promise<void> {
    const info = resourceOf(object);
    const { name = "", namespace: own } = object.metadata ?? {};
    const namespace = info.namespaced ? own ?? "default" : undefined;
    const placed = namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } };
    try {
      await this.#client.create(info, placed);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      await this.#client.patch(info, { name, ...(namespace === undefined ? {} : { namespace }) }, "merge", placed);
    }
  }

  async ready(target: string, options: Within = {}): Promise<void> {
    const { info, name, namespace, isReady } = parseTarget(target);
    const look = async () => isReady(await this.#client.get(info, name, namespace));
    await this.#look(`${target} is ready`, look, options);
  }

  async until(check: () => boolean | Promise<boolean>, options: Within = {}): Promise<void> {
    await this.#look("the condition holds", check, options);
  }

  /** `check` may use this.client: calls side by side share one turning world. */
  async #look(what: string, check: () => boolean | Promise<boolean>, options: Within): Promise<void> {
    const { timers } = this.#admin.platform;
    const look = async () => {
      while (!await holds(check)) await timers.sleep(lookMs);
    };
    await this.#driver.drive(look, milliseconds(options.within ?? callLimitMs), what);
  }

  clientOf(apiServer: string): RestClient {
    const index = Number(/^apiserver-(\d+)$/.exec(this.#fleet.check(apiServer))?.[1]);
    if (!Number.isInteger(index)) throw new RangeError(`${apiServer} is no apiserver`);
    return driveClient(this.#adminClient([apiServerUrl(index)]), this.#driver, callLimitMs);
  }

  members(): Member[] {
    return this.#fleet.members();
  }

  traceHash(): string {
    return this.#world.traceHash();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#fleet.end();
    if (this.#admin.running) this.#admin.crash();
  }

  #adminClient(endpoints?: string[]): RestClient {
    const tls = this.#plan.authority.issue("kubernetes-admin", ["system:masters"]);
    return clientOf(this.#plan, tls, this.#admin.platform, "sauropod-sim", endpoints);
  }

  /** Does something to the world from outside: under the tripwires, and no time goes by. */
  async #inWorld<T>(what: string, act: () => Promise<T>): Promise<T> {
    return await this.#driver.drive(act, callLimitMs, what);
  }

  async #nameOf(target: ChaosTarget): Promise<string> {
    if (typeof target === "string") return this.#fleet.check(target);
    let name = this.#fleet.leader(target.kind);
    if (name === null) {
      await this.until(() => (name = this.#fleet.leader(target.kind)) !== null, { within: leaderLimitMs });
    }
    return this.#fleet.check(name ?? "");
  }

  #chaos(): SimChaos {
    const { network } = this.#world;
    return {
      kill: async (target, options = {}) => {
        const name = await this.#nameOf(target);
        await this.#inWorld(`kill ${name}`, async () => this.#fleet.crash(name, options));
        return name;
      },
      restart: (name) => this.#inWorld(`restart ${name}`, async () => this.#fleet.start(name)),
      pause: async (target, duration) => {
        const name = await this.#nameOf(target);
        this.#fleet.stall(name, milliseconds(duration));
        return name;
      },
      partition: (names) => {
        for (const name of names) this.#fleet.check(name);
        const others = [...this.machines.map(({ name }) => name), "admin"].filter((name) => !names.includes(name));
        network.partition(names, others);
      },
      heal: () => network.heal(),
    };
  }
}

async function holds(check: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await check();
  } catch (error) {
    if (isNotFound(error) || error instanceof ApiError || error instanceof TransportError) return false;
    throw error;
  }
}
