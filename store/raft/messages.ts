import type { Configuration } from "./configuration.ts";

/** What goes into the core and what comes out of it. Counters are safe integers; terms and indexes start at 1. */

export type MemberId = string;
export type Term = number;
export type LogIndex = number;

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  /**
   * `noop` opens a leader's term (paper §8, §5.4.2). `config` carries a whole configuration, in force once it is
   * committed and handed out. The state machine sees only commands.
   */
  readonly kind: "noop" | "command" | "config";
  readonly data: Uint8Array;
}

/** Paper figure 2, "persistent state". `commit` is a hint that spares a restart some waiting; losing it is harmless. */
export interface HardState {
  readonly term: Term;
  readonly vote: MemberId | null;
  readonly commit: LogIndex;
}

/** The last entry that a state machine snapshot covers. */
export interface SnapshotPoint {
  readonly index: LogIndex;
  readonly term: Term;
}

interface Envelope {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
}

/** `preVote` carries the term the sender would campaign in (thesis §9.6); `transfer` overrides leases (thesis §3.10). */
export interface VoteMessage extends Envelope {
  readonly kind: "preVote" | "vote";
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  readonly transfer: boolean;
}

/** A granted pre-vote carries the asked term; a refusal the sender's own. */
export interface VoteAnswer extends Envelope {
  readonly kind: "preVoteAnswer" | "voteAnswer";
  readonly granted: boolean;
}

export interface AppendMessage extends Envelope {
  readonly kind: "append";
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
}

/** `match`: everything up to it equals the leader's log and is durable. */
export interface AppendAccepted extends Envelope {
  readonly kind: "appendAccepted";
  readonly match: LogIndex;
}

/** `prevIndex` is the refused message's; the hint is the last place where sender and leader may still agree (§5.3). */
export interface AppendRefused extends Envelope {
  readonly kind: "appendRefused";
  readonly prevIndex: LogIndex;
  readonly hintIndex: LogIndex;
  readonly hintTerm: Term;
}

/** `readSequence` is echoed: a quorum of echoes proves that the leader still led when the reads came in (thesis §6.4). */
export interface HeartbeatMessage extends Envelope {
  readonly kind: "heartbeat";
  readonly commit: LogIndex;
  readonly readSequence: number;
}

/** News for a follower that wants it, in place of an empty append: nobody answers it. `commit` <= what the follower has. */
export interface CommitMessage extends Envelope {
  readonly kind: "commit";
  readonly commit: LogIndex;
}

export interface HeartbeatAnswer extends Envelope {
  readonly kind: "heartbeatAnswer";
  readonly readSequence: number;
  /** Someone waits there for what is committed; otherwise the news may wait for the next append or heartbeat. */
  readonly wantsCommits: boolean;
}

/** A state machine's state, and who belonged to the cluster at that point. */
export interface SnapshotContent {
  readonly data: Uint8Array;
  readonly configuration: Configuration;
}

/** Leaves the core without `content` (the transport loads it from disk) and enters it with. */
export interface SnapshotMessage extends Envelope {
  readonly kind: "snapshot";
  readonly point: SnapshotPoint;
  readonly content: SnapshotContent | null;
}

/** A follower's read, for the leader to confirm. `context` is the follower's own number. */
export interface ReadIndexMessage extends Envelope {
  readonly kind: "readIndex";
  readonly context: number;
}

export interface ReadIndexAnswer extends Envelope {
  readonly kind: "readIndexAnswer";
  readonly context: number;
  readonly index: LogIndex;
}

/** Campaign at once: the leader hands over (thesis §3.10). */
export interface TimeoutNowMessage extends Envelope {
  readonly kind: "timeoutNow";
}

export type Message =
  | VoteMessage
  | VoteAnswer
  | AppendMessage
  | AppendAccepted
  | AppendRefused
  | HeartbeatMessage
  | CommitMessage
  | HeartbeatAnswer
  | SnapshotMessage
  | ReadIndexMessage
  | ReadIndexAnswer
  | TimeoutNowMessage;

/** A read may be answered once the state machine has applied `index`. */
export interface ReadState {
  readonly context: number;
  readonly index: LogIndex;
}

/**
 * What must become durable, all or nothing, before `messages` leave. One at a time: the next comes after
 * {@linkcode Raft.advance}.
 */
export interface Save {
  /** Null: as last saved. */
  readonly hardState: HardState | null;
  /** A snapshot from the leader: write it, restore the state machine from it; `entries` follow it. */
  readonly snapshot: (SnapshotContent & { readonly point: SnapshotPoint }) | null;
  /** The first one's index may be lower than the last one saved: what was there is replaced. */
  readonly entries: readonly Entry[];
  /** Votes, acknowledgements: promises that must not outlive a crash that forgets them. */
  readonly messages: readonly Message[];
}

/** Everything the core wants done now. */
export interface Ready {
  /** May leave at once, beside the leader's own write (thesis §10.2.1). */
  readonly messages: readonly Message[];
  /** To be applied in order before the next call of `ready()`. Durable here and committed. */
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadState[];
  /** Null while one is under way or when there is nothing to save. */
  readonly save: Save | null;
}
