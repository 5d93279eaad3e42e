import type { Overflow } from "../../base/overflow.ts";
import type { Address, Clock, Disk, Log, Metrics, Network, Random, Timers, TlsIdentity } from "../../platform/mod.ts";
import type { ConfigurationChange } from "../raft/configuration.ts";
import type { RaftConfig, RaftCore, RaftStatus } from "../raft/mod.ts";
import type { ClusterMember } from "../types.ts";

/** The replicated state machine: deterministic, synchronous. Index and term of snapshots are the replica's affair. */
export interface Machine<R> {
  /** @param index the command's place in the log, the same on every member; each is applied once and in order */
  apply(index: number, command: Uint8Array): R;
  /** The whole state as of now: what is applied afterwards is not in it, though its parts are made later. */
  snapshot(): MachineSnapshot;
  restore(snapshot: Uint8Array): void;
  /** Someone waits for what is applied here. Absent: always. Otherwise it may come a heartbeat later (docs/adr/0020). */
  readonly watched?: boolean;
}

export interface MachineSnapshot {
  /** Once; throws when it was closed in between. */
  parts(): Iterable<Uint8Array>;
  /** It may be forgotten; idempotent. */
  close(): void;
}

export interface ReplicaConfig {
  readonly id: string;
  readonly clusterId: string;
  /**
   * Where members listen: for those named here this holds, whatever they said before. When the data directory is new and
   * `join` is not set they are also who belongs to the cluster: then the same on every member.
   */
  readonly members: readonly { readonly id: string; readonly peerAddress: Address; readonly clientAddress: Address }[];
  /** A new data directory belongs to a member that was, or will be, added to a running cluster. */
  readonly join?: boolean;
  readonly dataDirectory: string;
  /** Required unless peer addresses are unix sockets. */
  readonly tls?: TlsIdentity;
  readonly timers: { readonly tickMs: number; readonly heartbeatTicks: number; readonly electionTicks: number };
  /** Applied entries between snapshots. */
  readonly snapshotEntries?: number;
  readonly segmentBytes?: number;
  /** Where the older part of the log lies, beside the log itself; the caller's to clear in the end. Absent: in memory. */
  readonly logOverflow?: Overflow;
  /** Data of the newest entries that stay in memory. */
  readonly logResidentBytes?: number;
}

export interface ReplicaDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Places where a crash is interesting. */
export type FailpointName =
  | "beforePersist"
  | "afterSnapshotFile"
  | "afterPersist"
  | "beforeSend"
  | "afterSend"
  | "afterApply"
  | "beforeSnapshot"
  | "afterSnapshotMark";

/** Only tests pass this. */
export interface ReplicaTesting {
  /** Called at each boundary; may crash the simulated host. */
  readonly failpoint?: (name: FailpointName) => void;
  /** Makes the core, perhaps one that is wrong on purpose. */
  readonly createRaft?: (config: RaftConfig) => RaftCore;
  /** A rule to break: mutants, which prove that the checkers check. */
  readonly without?: ReplicaRule;
}

/** `markSnapshots`: a snapshot counts with its mark in the log. `snapshotAtApplied`: it says which entry it ends with. */
export type ReplicaRule = "markSnapshots" | "snapshotAtApplied";

export interface ReplicaStatus extends RaftStatus {
  readonly id: string;
  /** Null while none is known. */
  readonly leaderId: string | null;
  readonly appliedIndex: number;
  readonly commitIndex: number;
  readonly isLearner: boolean;
}

export interface Replica<R> {
  /**
   * Resolves with the machine's result once committed and applied here. Leader only.
   * @param onPlaced hears which entry of the log the command became, if it became one
   * @throws StoreError NotLeader or NoLeader (not taken, safe to try elsewhere), Unavailable (unknown), TooLarge
   */
  propose(command: Uint8Array, onPlaced?: (index: number, term: number) => void): Promise<R>;
  /**
   * Resolves when this member has applied everything that was committed when it was called: a read of the machine is
   * then linearizable. On any member. @throws StoreError NoLeader, Unavailable
   */
  readIndex(): Promise<void>;
  /**
   * Resolves once the configuration after `changes` is committed and in force here; a joint one is left by itself later.
   * Leader only. @param context see Directory
   * @throws StoreError as `propose`, and InvalidArgument for changes that leave no voter
   */
  change(changes: readonly ConfigurationChange[], context: Uint8Array): Promise<void>;
  /** Who belongs to the cluster, as far as this member has applied the log. */
  members(): readonly ClusterMember[];
  /** This member can talk to the other one. */
  connected(member: string): boolean;
  /** Leader: the last index that the other member surely has; 0 when unknown. */
  matchOf(member: string): number;
  status(): ReplicaStatus;
  /** Takes a snapshot now, due or not; resolves when the log is cut behind it, or when the disk has no room for it. */
  snapshot(): Promise<void>;
  /** The machine has just become watched. */
  watched(): void;
  /** Called when the leader changes, with null when it is lost. @return unsubscribes */
  onLeaderChange(listener: (leaderId: string | null) => void): () => void;
  /** Called when something could not be written for want of space, and the member goes on. @return unsubscribes */
  onDiskFull(listener: () => void): () => void;
  /** Says something short to another member, past the log. It may get lost. */
  tell(member: string, note: Uint8Array): void;
  /** Called with what another member told this one. @return unsubscribes */
  onTold(listener: (from: string, note: Uint8Array) => void): () => void;
  /** Asks the leader (this member) to hand over; resolves when it has or when it did not work in time. */
  transferLeadership(target?: string): Promise<void>;
  /** Settles, with the reason, when the member stopped itself: its disk failed or a bug showed. Restart it. */
  readonly failed: Promise<Error>;
  /** Hands leadership over, then lets everything go. Idempotent. */
  stop(): Promise<void>;
}
