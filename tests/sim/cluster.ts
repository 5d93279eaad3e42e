import type { SimHost, World } from "../../platform/sim/mod.ts";
import { type Member, type MemberConfig, startMember, StoreError } from "../../store/mod.ts";
import type { Mvcc } from "../../store/mvcc/mvcc.ts";
import type { FailpointName } from "../../store/replica/mod.ts";
import type { Observer } from "./checkers/observer.ts";
import { segmentPath } from "../../store/wal/wal.ts";
import { type MutantName, mutatePlatform, mutateRaft, mutateTesting } from "./mutants.ts";
import type { Swarm } from "./swarm.ts";

/** The first members. */
export const memberIds = ["s1", "s2", "s3"] as const;
/** Those and the ones that may be added. */
export const everyId = [...memberIds, "s4", "s5", "s6"] as const;

const directory = "/data/store";

/** Short beside the swarm's faults, long beside a round trip of its slowest links. */
const timers = { tickMs: 20, heartbeatTicks: 2, electionTicks: 10 };

interface Place {
  readonly host: SimHost;
  member: Member | null;
  /** The running member's. */
  data: Mvcc | null;
  /** Counts the starts; what an older process reports is no news. */
  life: number;
  /** It was removed from the cluster, or its log has rotted: it never starts again. */
  gone: boolean;
}

export function placeOf(id: string) {
  return { id, peerAddress: `tcp:${id}:2380`, clientAddress: `tcp:${id}:2379` };
}

/** The members compare their data often: a healthy cluster never raises the alarm. */
const hashCheckIntervalMs = 250;

class CrashedHere extends Error {
  override readonly name = "CrashedHere";
}

/** Three members and more on simulated machines, with what it takes to kill them and to start them again. */
export class SimCluster {
  readonly #world: World;
  readonly #swarm: Swarm;
  readonly #observer: Observer;
  readonly #mutant: MutantName | null;
  readonly #places = new Map<string, Place>();
  /** Set: failpoints crash no more, and dead members come back at once. */
  calm = false;
  crashes = 0;
  /** Who belongs to the cluster in the end. */
  expected: readonly string[] = memberIds;
  /** The member whose log has rotted; one in an experiment. */
  rotted: string | null = null;
  /** A start that failed for a reason that is no fault of the swarm's. */
  problem: string | null = null;

  constructor(world: World, swarm: Swarm, observer: Observer, mutant: MutantName | null) {
    this.#world = world;
    this.#swarm = swarm;
    this.#observer = observer;
    this.#mutant = mutant;
    for (const id of memberIds) this.#place(id);
  }

  #place(id: string): Place {
    const known = this.#places.get(id);
    if (known !== undefined) return known;
    const place = { host: this.#world.host(id), member: null, data: null, life: 0, gone: false };
    this.#places.set(id, place);
    return place;
  }

  /** Members that were ever started and may start again. */
  ids(): string[] {
    return [...this.#places].flatMap(([id, place]) => place.gone ? [] : [id]);
  }

  wasUsed(id: string): boolean {
    return this.#places.has(id);
  }

  isGone(id: string): boolean {
    return this.#places.get(id)?.gone === true;
  }

  /** It has started, and runs. */
  isUp(id: string): boolean {
    const place = this.#places.get(id);
    return place !== undefined && place.host.running && place.member !== null;
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
    const place = this.#place(id);
    if (place.gone || (place.host.running && place.life > 0)) return;
    const platform = place.life === 0 ? place.host.platform : place.host.restart();
    const life = ++place.life;
    startMember(this.#config(id), mutatePlatform(this.#mutant, platform), {
      createRaft: (config) => this.#observer.createRaft(config, mutateRaft(this.#mutant, config)),
      onData: (mvcc) => void (place.data = mvcc),
      failpoint: (name) => this.#failpoint(id, life, name),
      ...mutateTesting(this.#mutant),
    }).then(
      (member) => {
        if (place.life !== life || !place.host.running) return;
        place.member = member;
        void member.failed.then((error) => this.#stopped(id, life, error));
      },
      (error) => {
        if (place.life !== life || !place.host.running) return;
        const { syncErrorRate, writeErrorRate, capacityBytes } = place.host.diskFaults;
        const faulty = syncErrorRate > 0 || writeErrorRate > 0 || capacityBytes !== Infinity;
        const expected = faulty || error instanceof CrashedHere || isFinal(error, this.rotted === id);
        if (!expected) this.problem ??= `${id} cannot start: ${error}`;
        this.#stopped(id, life, error);
      },
    );
  }

  #config(id: string): MemberConfig {
    const first = memberIds.some((name) => name === id);
    const members = (first ? memberIds : everyId).map(placeOf); // who joins is told of all that it may meet
    const { snapshotEntries, segmentBytes } = this.#swarm;
    const config = { clusterId: "sim", id, members, join: !first, dataDirectory: directory, timers };
    return {
      ...config,
      snapshotEntries,
      segmentBytes,
      hashCheckIntervalMs,
      historyResidentBytes: 0,
      logResidentBytes: 0,
    };
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
  #stopped(id: string, life: number, error: unknown): void {
    const place = this.#places.get(id);
    if (place?.life !== life) return;
    this.crash(id, { silent: false, keepDisk: false });
    place.gone = isFinal(error, this.rotted === id);
    if (place.gone) return;
    this.#world.schedule(50, () => this.start(id));
  }

  /**
   * Flips a bit of the crashed member's log, in a segment that is not its last: there a flip in the last write cannot be
   * told from a torn one. One member in an experiment, so that the others have everything.
   */
  rot(id: string): void {
    const place = this.#places.get(id);
    if (this.rotted !== null || place === undefined || place.host.running || place.gone) return;
    const paths: string[] = [];
    for (let number = 1; number < 2000; number++) {
      const path = segmentPath(directory, number);
      if (place.host.disk.peek(path) !== null) paths.push(path);
      else if (paths.length > 0) break;
    }
    const path = paths.at(-2);
    const used = path === undefined ? -1 : place.host.disk.peek(path)?.findLastIndex((byte) => byte !== 0) ?? -1;
    if (path === undefined || used < 0) return;
    this.rotted = id;
    place.host.disk.flipBit(path, this.#world.random.int(used + 1), this.#world.random.int(8));
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
    return this.expected.every((id) => this.isUp(id));
  }

  get converged(): boolean {
    const expected = this.expected.flatMap((id) => this.#places.get(id)?.member ?? []);
    const statuses = expected.map((member) => member.status());
    const [first] = statuses;
    return this.whole && first !== undefined && first.leaderId !== "" &&
      statuses.every((s) =>
        s.leaderId === first.leaderId && s.appliedIndex === first.commitIndex && s.term === first.term
      );
  }

  /** For the message of a failure. */
  describe(): string {
    const shown = [...this.#places].map(([id, { member, gone }]) => {
      const status = member?.status();
      const where = status === undefined ? "down" : `${status.appliedIndex}/${status.commitIndex}@${status.term}`;
      return `${id}${gone ? " gone" : ""} ${where} leader ${status?.leaderId ?? "-"}`;
    });
    return `${shown.join(", ")}; expected ${this.expected.join(" ")}`;
  }

  /** Notes each member's state hash at its applied index. */
  noteStates(): void {
    for (const member of this.members()) {
      const { memberId, appliedIndex } = member.status();
      this.#observer.sawState(memberId, appliedIndex, member.stateHash());
      const { data } = this.#place(memberId);
      if (data?.alarms.has("Corrupt")) this.problem ??= `${memberId} holds that the members' data differ`;
    }
  }
}

/** It stopped for good: it was removed, or what has rotted was found. */
function isFinal(error: unknown, rotted: boolean): boolean {
  if (!(error instanceof StoreError)) return false;
  return error.code === "MemberNotFound" || (rotted && error.code === "Corrupt");
}
