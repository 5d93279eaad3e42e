import type { World } from "../../platform/sim/mod.ts";
import { Churn } from "./churn.ts";
import type { SimCluster } from "./cluster.ts";
import type { Swarm } from "./swarm.ts";

/** Brings the swarm's faults over the cluster until {@linkcode Faults.end}. */
export class Faults {
  readonly #world: World;
  readonly #swarm: Swarm;
  readonly #cluster: SimCluster;
  #ended = false;
  readonly #churn: Churn;
  partitions = 0;

  constructor(world: World, swarm: Swarm, cluster: SimCluster) {
    this.#world = world;
    this.#swarm = swarm;
    this.#cluster = cluster;
    this.#churn = new Churn(world, cluster);
  }

  get changes(): number {
    return this.#churn.changes;
  }

  begin(): void {
    const { world, swarm } = { world: this.#world, swarm: this.#swarm };
    world.network.setDefaultLink(swarm.link);
    for (const id of this.#cluster.ids()) this.#spoil(id);
    this.#repeat(swarm.crashEveryMs, () => this.#crash());
    this.#repeat(swarm.partitionEveryMs, () => this.#partition());
    this.#repeat(swarm.stallEveryMs, () => this.#cluster.host(this.#member()).stall(this.#upTo(swarm.stallMsMax)));
    this.#repeat(swarm.clogEveryMs, () => {
      const [a = "", b = ""] = this.#shuffled();
      world.network.clog(a, b, this.#upTo(swarm.clogMsMax));
    });
    this.#repeat(swarm.diskFullEveryMs, () => this.#fillDisk(this.#member()));
    this.#repeat(swarm.churnEveryMs, () => this.#churn.step());
    this.#repeat(swarm.wallJumpEveryMs, () => {
      this.#cluster.host(this.#member()).jumpWallClock(world.random.int(20_000) - 10_000);
    });
  }

  #spoil(id: string): void {
    const { world, swarm } = { world: this.#world, swarm: this.#swarm };
    const host = this.#cluster.host(id);
    host.setClockRate(1 + (world.random.next() * 2 - 1) * swarm.clockDrift);
    host.diskFaults.syncSpikeRate = swarm.syncSpikeRate;
    host.diskFaults.syncSpikeMs = swarm.syncSpikeMs;
    host.diskFaults.syncErrorRate = swarm.syncErrorRate;
    host.diskFaults.writeErrorRate = swarm.writeErrorRate;
  }

  /** Nothing that grows a file fits any more, for a while: what was laid out before can still be written. */
  #fillDisk(id: string): void {
    const { diskFaults } = this.#cluster.host(id);
    diskFaults.capacityBytes = 0;
    this.#world.schedule(this.#upTo(this.#swarm.diskFullMsMax), () => {
      diskFaults.capacityBytes = Infinity;
      if (!this.#ended) void this.#churn.disarm();
    });
  }

  /** Heals everything; dead machines come back, and what has rotted is replaced in the configuration. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#cluster.calm = true;
    this.#world.network.heal();
    this.#world.network.resetLinks();
    for (const id of this.#cluster.ids()) {
      const host = this.#cluster.host(id);
      host.stall(0);
      host.setClockRate(1);
      Object.assign(host.diskFaults, {
        syncSpikeRate: 0,
        syncErrorRate: 0,
        writeErrorRate: 0,
        capacityBytes: Infinity,
      });
      this.#cluster.start(id);
    }
    await this.#churn.settle();
  }

  close(): void {
    this.#churn.close();
  }

  #repeat(meanMs: number, fault: () => void): void {
    if (meanMs === Infinity) return;
    const next = (): void => {
      const delayMs = -Math.log(1 - this.#world.random.next()) * meanMs;
      this.#world.schedule(delayMs, () => {
        if (this.#ended) return;
        fault();
        next();
      });
    };
    next();
  }

  #upTo(maxMs: number): number {
    return 1 + this.#world.random.int(maxMs);
  }

  #shuffled(): string[] {
    const left = this.#cluster.ids();
    const order: string[] = [];
    while (left.length > 0) order.push(...left.splice(this.#world.random.int(left.length), 1));
    return order;
  }

  /** The leader half of the time: faults that hit followers show less. */
  #member(): string {
    const leader = this.#world.random.int(2) === 0 ? this.#cluster.leaderId() : null;
    return leader ?? this.#shuffled()[0] ?? "";
  }

  #crash(): void {
    const { random } = this.#world;
    const victims = random.next() < this.#swarm.allAtOnceShare ? this.#cluster.ids() : [this.#member()];
    const silent = random.next() < this.#swarm.silentShare;
    const keepDisk = random.next() < this.#swarm.keepDiskShare;
    for (const id of victims) {
      this.#cluster.crash(id, { silent, keepDisk });
      if (victims.length === 1 && random.next() < this.#swarm.rotShare) this.#cluster.rot(id);
      this.#world.schedule(this.#upTo(this.#swarm.downMsMax), () => this.#cluster.start(id));
    }
  }

  /** Between members only: clients still reach both sides, which is what shows a leader that has become a stranger. */
  #partition(): void {
    this.partitions++;
    const alone = this.#member();
    const others = this.#cluster.ids().filter((id) => id !== alone);
    const { network, random } = this.#world;
    if (random.next() < this.#swarm.oneWayShare) {
      if (random.int(2) === 0) network.partitionOneWay([alone], others);
      else network.partitionOneWay(others, [alone]);
    } else network.partition([alone], others);
    this.#world.schedule(this.#upTo(this.#swarm.partitionMsMax), () => this.#ended || network.heal());
  }
}
