import type { World } from "../../platform/sim/mod.ts";
import { memberIds, type SimCluster } from "./cluster.ts";
import type { Swarm } from "./swarm.ts";

/** Brings the swarm's faults over the cluster until {@linkcode Faults.end}. */
export class Faults {
  readonly #world: World;
  readonly #swarm: Swarm;
  readonly #cluster: SimCluster;
  #ended = false;
  partitions = 0;

  constructor(world: World, swarm: Swarm, cluster: SimCluster) {
    this.#world = world;
    this.#swarm = swarm;
    this.#cluster = cluster;
  }

  begin(): void {
    const { world, swarm } = { world: this.#world, swarm: this.#swarm };
    world.network.setDefaultLink(swarm.link);
    for (const id of memberIds) {
      const host = this.#cluster.host(id);
      host.setClockRate(1 + (world.random.next() * 2 - 1) * swarm.clockDrift);
      host.diskFaults.syncSpikeRate = swarm.syncSpikeRate;
      host.diskFaults.syncSpikeMs = swarm.syncSpikeMs;
      host.diskFaults.syncErrorRate = swarm.syncErrorRate;
    }
    this.#repeat(swarm.crashEveryMs, () => this.#crash());
    this.#repeat(swarm.partitionEveryMs, () => this.#partition());
    this.#repeat(swarm.stallEveryMs, () => this.#cluster.host(this.#member()).stall(this.#upTo(swarm.stallMsMax)));
    this.#repeat(swarm.clogEveryMs, () => {
      const [a, b] = this.#shuffled();
      world.network.clog(a, b, this.#upTo(swarm.clogMsMax));
    });
    this.#repeat(swarm.wallJumpEveryMs, () => {
      this.#cluster.host(this.#member()).jumpWallClock(world.random.int(20_000) - 10_000);
    });
  }

  /** Heals everything; dead machines come back. */
  end(): void {
    this.#ended = true;
    this.#cluster.calm = true;
    this.#world.network.heal();
    this.#world.network.resetLinks();
    for (const id of memberIds) {
      const host = this.#cluster.host(id);
      host.stall(0);
      host.setClockRate(1);
      host.diskFaults.syncSpikeRate = 0;
      host.diskFaults.syncErrorRate = 0;
      this.#cluster.start(id);
    }
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

  #shuffled(): [string, string, string] {
    const { random } = this.#world;
    const at = random.int(3);
    const rest = memberIds.filter((_, i) => i !== at);
    const [first = "", second = ""] = random.int(2) === 0 ? rest : rest.toReversed();
    return [memberIds[at] ?? "", first, second];
  }

  /** The leader half of the time: faults that hit followers show less. */
  #member(): string {
    const leader = this.#world.random.int(2) === 0 ? this.#cluster.leaderId() : null;
    return leader ?? memberIds[this.#world.random.int(memberIds.length)] ?? "";
  }

  #crash(): void {
    const { random } = this.#world;
    const victims = random.next() < this.#swarm.allAtOnceShare ? [...memberIds] : [this.#member()];
    const silent = random.next() < this.#swarm.silentShare;
    const keepDisk = random.next() < this.#swarm.keepDiskShare;
    for (const id of victims) {
      this.#cluster.crash(id, { silent, keepDisk });
      this.#world.schedule(this.#upTo(this.#swarm.downMsMax), () => this.#cluster.start(id));
    }
  }

  /** Between members only: clients still reach both sides, which is what shows a leader that has become a stranger. */
  #partition(): void {
    this.partitions++;
    const alone = this.#member();
    const others = memberIds.filter((id) => id !== alone);
    const { network, random } = this.#world;
    if (random.next() < this.#swarm.oneWayShare) {
      if (random.int(2) === 0) network.partitionOneWay([alone], others);
      else network.partitionOneWay(others, [alone]);
    } else network.partition([alone], others);
    this.#world.schedule(this.#upTo(this.#swarm.partitionMsMax), () => this.#ended || network.heal());
  }
}
