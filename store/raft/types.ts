import type { Prng } from "../../base/prng.ts";
import type { Configuration } from "./configuration.ts";
import type { RaftLimits } from "./limits.ts";
import type { LogMemory } from "./log.ts";
import type { Entry, HardState, LogIndex, MemberId, Role, SnapshotPoint, Term } from "./messages.ts";
import type { Quorum } from "./quorum.ts";

/** Rules that a core can be made without: mutants, which prove that the checkers check (tests/sim/mutants.ts). */
export type RaftRule =
  /** Count replicas for entries of the own term only (paper §5.4.2). */
  | "commitOwnTermOnly"
  /** Vote only for a log at least as new (paper §5.4.1). */
  | "voteForNewerLogOnly"
  /** Answer no read before an entry of the own term is committed (thesis §6.4). */
  | "readAfterOwnTerm"
  /** One change of members at a time, after an entry of the own term (thesis §4.1, raft-dev 2015). */
  | "oneChangeAtATime"
  /** No campaign with a committed change unapplied (etcd-io/raft #469). */
  | "applyBeforeCampaign"
  /** In a joint configuration both majorities decide (thesis §4.3). */
  | "bothMajorities";

export interface RaftConfig {
  readonly id: MemberId;
  readonly heartbeatTicks: number;
  /**
   * The shortest silence after which a follower campaigns; one drawn from up to half as much is added (paper §5.2), and
   * where longer silences are usual more (see Patience).
   */
  readonly electionTicks: number;
  readonly random: Prng;
  readonly limits: RaftLimits;
  readonly quorum: Quorum;
  /** Absent: the log stays in memory. */
  readonly memory?: LogMemory;
  /** Only tests set it. */
  readonly without?: RaftRule;
  /** What the disk held. `entries` follow `snapshot`; `configuration` is that of the snapshot, or the first one ever. */
  readonly restored: {
    readonly hardState: HardState;
    readonly snapshot: SnapshotPoint;
    readonly entries: readonly Entry[];
    readonly configuration: Configuration;
  };
}

export interface RaftStatus {
  readonly role: Role;
  readonly term: Term;
  readonly vote: MemberId | null;
  readonly leader: MemberId | null;
  readonly committed: LogIndex;
  readonly applied: LogIndex;
  /** Entries up to here are on this member's disk; `applied` may be ahead of it. */
  readonly stable: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly configuration: Configuration;
}

export type ProposeResult =
  | { readonly ok: true; readonly index: LogIndex; readonly term: Term }
  | { readonly ok: false; readonly reason: "notLeader" | "transferring" | "full" };

/** `notReady`: no entry of this term is committed yet. `pending`: a change is under way. `invalid`: see afterChanges. */
export type ProposeChangeResult =
  | ProposeResult
  | { readonly ok: false; readonly reason: "notReady" | "pending" | "invalid" };
