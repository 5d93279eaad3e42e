import { configurationIn, Directory, type MemberAddresses } from "../directory.ts";
import type { Transport } from "../peer/transport.ts";
import { type Configuration, membersOf, noConfiguration, votersOnly } from "../raft/configuration.ts";
import type { Entry } from "../raft/messages.ts";
import type { ClusterMember } from "../types.ts";
import type { Storage } from "../wal/open.ts";
import type { ReplicaState } from "./state.ts";
import type { ReplicaConfig } from "./types.ts";

/** Who belongs to the cluster as far as the log was applied here, and where they are: the transport's peers follow it. */
export class Roster {
  readonly #id: string;
  readonly #directory: Directory;
  /** What this process was started with; it holds until the log says that the member has moved since. */
  readonly #given: Map<string, MemberAddresses>;
  /** The log ended here when this process started. */
  readonly #restoredIndex: number;
  /** Of a snapshot that does not say: written before members could change. */
  readonly #first: Configuration;
  /** This member was removed: the tick at which it stops. Until then it votes for those who stay. */
  #leavingTick: number | null = null;

  constructor(config: ReplicaConfig, { restored, firstConfiguration }: Storage) {
    this.#id = config.id;
    this.#given = new Map(config.members.map(({ id, ...addresses }) => [id, addresses]));
    this.#restoredIndex = restored.entries.at(-1)?.index ?? restored.snapshot.index;
    this.#first = firstConfiguration ?? configurationAtStart(config);
    this.#directory = new Directory(this.#first);
  }

  get configuration(): Configuration {
    return this.#directory.configuration;
  }

  /** Where this member listens. */
  get ownAddresses(): MemberAddresses | undefined {
    return this.#given.get(this.#id);
  }

  members(): readonly ClusterMember[] {
    return this.#directory.members(this.#given);
  }

  wasRemoved(member: string): boolean {
    return this.#directory.wasRemoved(member);
  }

  /** This member was removed, and has stayed on for long enough. */
  hasLeft(tick: number): boolean {
    return this.#leavingTick !== null && tick >= this.#leavingTick;
  }

  /** Who belonged to the cluster at this snapshot. @throws RangeError */
  configurationIn(snapshot: Uint8Array): Configuration {
    return configurationIn(snapshot, this.#first);
  }

  /** Takes over what a snapshot says. @return the machine's bytes @throws RangeError */
  restore(snapshot: Uint8Array): Uint8Array {
    return this.#directory.restore(snapshot, this.#first);
  }

  /** The part of a snapshot before the machine's bytes. */
  encode(): Uint8Array {
    return this.#directory.encode();
  }

  /** Takes over a committed change. */
  apply({ index, data }: Entry, state: ReplicaState): void {
    const before = this.#directory.configuration;
    const moved = this.#directory.apply(data);
    // Newer than what this process was started with.
    if (moved !== null && index > this.#restoredIndex) this.#given.delete(moved);
    this.meet(state.transport);
    const now = this.#directory.configuration;
    state.deps.log.info("members changed", { voters: now.voters.join(" "), learners: now.learners.join(" ") });
    if (membersOf(now).includes(this.#id)) this.#leavingTick = null;
    else if (membersOf(before).includes(this.#id)) this.#leavingTick = state.tick + state.requestTicks;
  }

  /** Peers are the members, and those that this process was told of: a member that joins knows only them. */
  meet(transport: Transport): void {
    const ids = new Set([...membersOf(this.#directory.configuration), ...this.#given.keys()]);
    const peers = [...ids].flatMap((id) => {
      const peerAddress = (this.#given.get(id) ?? this.#directory.addresses(id))?.peerAddress;
      const known = id !== this.#id && peerAddress !== undefined && !this.#directory.wasRemoved(id);
      return known ? [{ id, peerAddress }] : [];
    });
    transport.setPeers(peers);
  }
}

/** The configuration before any entry: those that were named, or nobody for a member that joins. */
export function configurationAtStart(config: ReplicaConfig): Configuration {
  return config.join === true ? noConfiguration : votersOnly(config.members.map((member) => member.id));
}
