import { invariant } from "../../base/assert.ts";
import { afterLeaving, type Configuration, membersOf } from "./configuration.ts";
import { earlyCampaigns } from "./limits.ts";
import { RaftLog } from "./log.ts";
import type {
  HardState,
  LogIndex,
  MemberId,
  Message,
  ReadState,
  Role,
  Save,
  SnapshotPoint,
  Term,
  VoteMessage,
} from "./messages.ts";
import { Patience } from "./patience.ts";
import type { Progress } from "./progress.ts";
import { type Outcome, outcomeIn } from "./quorum.ts";
import { ReadRounds } from "./read_rounds.ts";
import type { RaftConfig, RaftRule } from "./types.ts";

/**
 * All that a member knows. The functions of this directory work on it, one file an aspect of the protocol; the headings
 * below say whose the fields are. When a role ends, roles.ts clears what belonged to it.
 */
export class RaftState {
  readonly config: RaftConfig;
  readonly log: RaftLog;
  /** The newest snapshot on this disk: what a follower gets that is too far behind. */
  snapshot: SnapshotPoint;

  // Who belongs to the cluster: membership.ts
  /** In force: that of the last change that was handed out. */
  configuration: Configuration;
  /** Everyone else in it. */
  peers: readonly MemberId[];

  // Of every role
  role: Role = "follower";
  term: Term;
  vote: MemberId | null;
  leader: MemberId | null = null;
  /** Someone on this member waits for what is committed. */
  wantsCommits = true;

  // When to campaign: campaign.ts, tick.ts, connections.ts
  /** With the leader; its silence begins anew with every campaign. */
  readonly patience: Patience;
  /** Ticks of silence beyond patience, drawn anew for every campaign, so that members do not meet again and again. */
  jitterTicks = 0;
  /** A campaign is due at this many ticks of silence already. */
  soonTicks: number | null = null;
  /** Campaigns left that come early: a member that has just started asks soon whether there is a leader. */
  earlyCampaigns = earlyCampaigns;
  /** Who was connected to since the start. */
  readonly reached = new Set<MemberId>();
  /** The connection to the leader ended, and no leader was heard since. */
  lostLeader = false;
  /** Asked for while we still heard the leader: its asker may only have noticed the leader's end before us. */
  earlyPreVote: VoteMessage | null = null;
  /** What the others answered to this campaign. */
  readonly votes = new Map<MemberId, boolean>();

  // Leader: replication.ts, leader_log.ts, membership.ts, reads.ts, handover.ts
  heartbeatElapsed = 0;
  readonly progress = new Map<MemberId, Progress>();
  /** With each follower, over all the times that this member led. */
  readonly patienceWith = new Map<MemberId, Patience>();
  uncommittedBytes = 0;
  /** No change is proposed before this entry was handed out. */
  pendingChange: LogIndex = 0;
  /** The pending change takes it out. It appends nothing behind it, or its log would outbid those who stay. */
  leaving = false;
  readonly reads = new ReadRounds();
  transferTarget: MemberId | null = null;
  /** Ticks since a handover began. */
  handoverTicks = 0;

  // What goes out: ready.ts
  messages: Message[] = [];
  /** Messages that promise something: they leave with the next save. */
  promises: Message[] = [];
  readStates: ReadState[] = [];
  saved: HardState;
  saving: Save | null = null;

  constructor(config: RaftConfig) {
    invariant(config.heartbeatTicks >= 1 && config.electionTicks > 2 * config.heartbeatTicks, "timers are ordered");
    const { hardState, snapshot, entries, configuration } = config.restored;
    this.config = config;
    this.patience = new Patience(config.electionTicks);
    this.log = new RaftLog(snapshot, entries, hardState.commit, config.memory);
    this.snapshot = snapshot;
    this.term = Math.max(hardState.term, this.log.lastTerm);
    this.vote = hardState.term === this.term ? hardState.vote : null;
    this.saved = hardState;
    this.configuration = configuration;
    this.peers = peersIn(configuration, config.id);
  }
}

function peersIn(configuration: Configuration, id: MemberId): readonly MemberId[] {
  return membersOf(configuration).filter((member) => member !== id);
}

/** From now on `configuration` decides. */
export function setConfiguration(state: RaftState, configuration: Configuration): void {
  state.configuration = configuration;
  state.peers = peersIn(configuration, state.config.id);
}

export function keeps(state: RaftState, rule: RaftRule): boolean {
  return state.config.without !== rule;
}

/** The head of a message to `to`. */
export function envelope(state: RaftState, to: MemberId): { from: MemberId; to: MemberId; term: Term } {
  return { from: state.config.id, to, term: state.term };
}

/** A live leader was heard within the shortest election timeout. A leader hears itself until check-quorum says no. */
export function hearsLeader({ leader, role, patience }: RaftState): boolean {
  return leader !== null && (role === "leader" || !patience.missing);
}

export function ownTermCommitted({ log, term }: RaftState): boolean {
  return log.termAt(log.committed) === term;
}

/** The configuration whose majorities count. */
export function deciding(state: RaftState): Configuration {
  return keeps(state, "bothMajorities") ? state.configuration : afterLeaving(state.configuration);
}

export function outcome(state: RaftState, voteOf: (voter: MemberId) => boolean | undefined): Outcome {
  return outcomeIn(state.config.quorum, deciding(state), voteOf);
}

export function isQuorum(state: RaftState, members: ReadonlySet<MemberId>): boolean {
  return outcome(state, (voter) => members.has(voter) || undefined) === "won";
}
