import type { SimHost, World } from "../../platform/sim/mod.ts";
import { type Member, type MemberConfig, startMember } from "../../store/mod.ts";
import type { FailpointName } from "../../store/replica.ts";
import type { Observer } from "./checkers/observer.ts";
import { type MutantName, mutatePlatform, mutateRaft } from "./mutants.ts";
import type { Swarm } from "./swarm.ts";

export const memberIds = ["s1", "s2", "s3"] as const;

/** Short beside the swarm's faults, long beside a round trip of its slowest links. */
const timers = { tickMs: 20, heartbeatTicks: 2, electionTicks: 10 };

interface Place {
  readonly host: SimHost;
  member: Member | null;
  /** Counts the starts; what an older process reports is no news. */
  life: number;
}

class CrashedHere extends Error {
  override readonly name = "CrashedHere";
}

/** Three members on simulated machines, with what it takes to kill them and to start them again. */
export class SimCluster {
  readonly #world: World;
  readonly #swarm: Swarm;
  readonly #observer: Observer;
  readonly #mutant: MutantName | null;
  readonly #places = new Map<string, Place>();
  /** Set: failpoints crash no more, and dead members come back at once. */
  calm = false;
  crashes = 0;
  /** A start that failed for a reason that is no fault of the swarm's. */
  problem: string | null = null;

  constructor(world: World, swarm: Swarm, observer: Observer, mutant: MutantName | null) {
    this.#world = world;
    this.#swarm = swarm;
    this.#observer = observer;
    this.#mutant = mutant;
    for (const id of memberIds) this.#places.set(id, { host: world.host(id), member: null, life: 0 });
  }

  host(id: string): SimHost {
    return this.#world.host(id);
  }

  members(): Member[] {
    return [...this.#places.values()].flatMap(({ member }) => member === null ? [] : [member]);
  }

  leaderId(): string | null {
    const leading = this.members().map((member) => member.status()).filter((s) => s.leaderId === s.memberId);
    return leading.toSorted((a, b) => b.term - a.term)[0]?.memberId ?? null;
  }

  start(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined || place.host.running && place.life > 0) return;
    const platform = place.life === 0 ? place.host.platform : place.host.restart();
    const life = ++place.life;
    startMember(this.#config(id), mutatePlatform(this.#mutant, platform), {
      createRaft: (config) => this.#observer.createRaft(config, mutateRaft(this.#mutant, config)),
      failpoint: (name) => this.#failpoint(id, life, name),
    }).then(
      (member) => {
        if (place.life !== life || !place.host.running) return;
        place.member = member;
        void member.failed.then(() => this.#stopped(id, life));
      },
      (error) => {
        if (place.life !== life || !place.host.running) return;
        const faulty = place.host.diskFaults.syncErrorRate > 0 || error instanceof CrashedHere;
        if (!faulty) this.problem ??= `${id} cannot start: ${error}`;
        this.#stopped(id, life);
      },
    );
  }

  #config(id: string): MemberConfig {
    const members = memberIds.map((name) => ({
      id: name,
      peerAddress: `tcp:${name}:2380`,
      clientAddress: `tcp:${name}:2379`,
    }));
    const { snapshotEntries, segmentBytes } = this.#swarm;
    const config = { clusterId: "sim", id, members, dataDirectory: "/data/store", timers, snapshotEntries };
    return Object.assign(config, { segmentBytes }); // segmentBytes reaches the replica through the member's config
  }

  crash(id: string, options: { silent: boolean; keepDisk: boolean }): void {
    const place = this.#places.get(id);
    if (place === undefined || !place.host.running) return;
    this.crashes++;
    place.member = null;
    this.#observer.died(id);
    place.host.crash(options);
  }

  /** A member that stopped itself is a process that ends; its supervisor starts another. */
  #stopped(id: string, life: number): void {
    const place = this.#places.get(id);
    if (place?.life !== life) return;
    this.crash(id, { silent: false, keepDisk: false });
    this.#world.schedule(50, () => this.start(id));
  }

  #failpoint(id: string, life: number, name: FailpointName): void {
    if (this.calm || this.#world.random.next() >= this.#swarm.failpointRate) return;
    const place = this.#places.get(id);
    if (place?.life !== life || !place.host.running) return;
    this.crash(id, { silent: false, keepDisk: false });
    this.#world.schedule(1 + this.#world.random.int(this.#swarm.downMsMax), () => this.start(id));
    throw new CrashedHere(`crashed at ${name}`);
  }

  /** Every machine runs and every process on it has started. */
  get whole(): boolean {
    return [...this.#places.values()].every(({ host, member }) => host.running && member !== null);
  }

  get converged(): boolean {
    const statuses = this.members().map((member) => member.status());
    const [first] = statuses;
    return this.whole && first !== undefined && first.leaderId !== "" &&
      statuses.every((s) =>
        s.leaderId === first.leaderId && s.appliedIndex === first.commitIndex && s.term === first.term
      );
  }

  /** Notes each member's state hash at its applied index. */
  noteStates(): void {
    for (const member of this.members()) {
      const { memberId, appliedIndex } = member.status();
      this.#observer.sawState(memberId, appliedIndex, member.stateHash());
    }
  }
}
