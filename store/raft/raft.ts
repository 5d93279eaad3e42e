import { invariant, must, unreachable } from "../../base/assert.ts";
import { emptyBytes } from "../../base/bytes.ts";
import type { Prng } from "../../base/prng.ts";
import {
  afterChanges,
  afterLeaving,
  type Configuration,
  type ConfigurationChange,
  decodeConfiguration,
  encodeConfiguration,
  isJoint,
  isVoter,
  membersOf,
} from "./configuration.ts";
import {
  answerPatience,
  earlyCampaigns,
  handoverElections,
  lostLeaderStaggerTicks,
  type RaftLimits,
} from "./limits.ts";
import { type LogMemory, RaftLog } from "./log.ts";
import type {
  AppendAccepted,
  AppendMessage,
  AppendRefused,
  CommitMessage,
  Entry,
  HardState,
  HeartbeatAnswer,
  HeartbeatMessage,
  LogIndex,
  MemberId,
  Message,
  ReadState,
  Ready,
  Role,
  Save,
  SnapshotMessage,
  SnapshotPoint,
  Term,
  VoteAnswer,
  VoteMessage,
} from "./messages.ts";
import { Patience } from "./patience.ts";
import { Progress } from "./progress.ts";
import { committedIn, type Outcome, outcomeIn, type Quorum } from "./quorum.ts";
import { ReadRounds } from "./read_rounds.ts";

/** Most calls of `ready()` bring nothing of most kinds. */
const nothing: readonly never[] = [];

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

/** What the shell uses; tests wrap it. */
export type RaftCore = Pick<
  Raft,
  | "status"
  | "termAt"
  | "step"
  | "tick"
  | "propose"
  | "proposeChange"
  | "readIndex"
  | "ready"
  | "advance"
  | "compact"
  | "campaign"
  | "transferLeadership"
  | "peerConnected"
  | "peerConnectionLost"
  | "unreachable"
  | "wantCommits"
  | "snapshotSent"
  | "progress"
>;

/**
 * Raft as a synchronous state machine (Ongaro & Ousterhout 2014 = "paper", Ongaro's dissertation = "thesis"): inputs
 * change state, `ready()` tells what must happen. Pre-vote (thesis §9.6) and check-quorum (§6.2) are always on.
 * Nothing a peer can send makes it throw, but a peer that broke its own promises (a lost log) may: that is a bug.
 */
export class Raft {
  readonly #config: RaftConfig;
  readonly #log: RaftLog;
  /** In force: that of the last change that was handed out. */
  #configuration: Configuration;
  /** Everyone else in it. */
  #peers: readonly MemberId[] = [];
  /** Leader: no change is proposed before this entry was handed out. */
  #pendingChange: LogIndex = 0;
  /** Someone on this member waits for what is committed. */
  #wantsCommits = true;
  /** Leader: the pending change takes it out. It appends nothing behind it, or its log would outbid those who stay. */
  #leaving = false;

  #role: Role = "follower";
  #term: Term;
  #vote: MemberId | null;
  #leader: MemberId | null = null;
  /** With the leader; its silence begins anew with every campaign. */
  readonly #patience: Patience;
  /** With each follower, over all the times that this member led. */
  readonly #patienceWith = new Map<MemberId, Patience>();
  /** Ticks of silence beyond patience, drawn anew for every campaign, so that members do not meet again and again. */
  #jitterTicks = 0;
  /** A campaign is due at this many ticks of silence already. */
  #soonTicks: number | null = null;
  /** Leader: ticks since a handover began. */
  #handoverTicks = 0;
  #heartbeatElapsed = 0;
  /** Campaigns left that come early: a member that has just started asks soon whether there is a leader. */
  #earlyCampaigns = earlyCampaigns;
  /** Who was connected to since the start. */
  readonly #reached = new Set<MemberId>();

  readonly #votes = new Map<MemberId, boolean>();
  readonly #progress = new Map<MemberId, Progress>();
  readonly #reads = new ReadRounds();
  #transferTarget: MemberId | null = null;
  /** The connection to the leader ended, and no leader was heard since. */
  #lostLeader = false;
  /** Asked for while we still heard the leader: its asker may only have noticed the leader's end before us. */
  #earlyPreVote: VoteMessage | null = null;
  #uncommittedBytes = 0;
  /** The newest snapshot on this disk: what a follower gets that is too far behind. */
  #snapshot: SnapshotPoint;

  #messages: Message[] = [];
  /** Messages that promise something: they leave with the next save. */
  #promises: Message[] = [];
  #readStates: ReadState[] = [];
  #saved: HardState;
  #saving: Save | null = null;

  constructor(config: RaftConfig) {
    invariant(config.heartbeatTicks >= 1 && config.electionTicks > 2 * config.heartbeatTicks, "timers are ordered");
    const { hardState, snapshot, entries } = config.restored;
    this.#config = config;
    this.#patience = new Patience(config.electionTicks);
    this.#log = new RaftLog(snapshot, entries, hardState.commit, config.memory);
    this.#snapshot = snapshot;
    this.#term = Math.max(hardState.term, this.#log.lastTerm);
    this.#vote = hardState.term === this.#term ? hardState.vote : null;
    this.#saved = hardState;
    this.#configuration = config.restored.configuration;
    this.#setPeers();
    this.#drawJitter();
  }

  #setPeers(): void {
    this.#peers = membersOf(this.#configuration).filter((member) => member !== this.#config.id);
  }

  status(): RaftStatus {
    return {
      role: this.#role,
      term: this.#term,
      vote: this.#vote,
      leader: this.#leader,
      committed: this.#log.committed,
      applied: this.#log.handed,
      stable: this.#log.stable,
      firstIndex: this.#log.firstIndex,
      lastIndex: this.#log.lastIndex,
      configuration: this.#configuration,
    };
  }

  /** Null: compacted or beyond the end. */
  termAt(index: LogIndex): Term | null {
    return this.#log.termAt(index);
  }

  /** For tests and status pages. */
  progress(member: MemberId): Progress | undefined {
    return this.#progress.get(member);
  }

  // ---- inputs -------------------------------------------------------------------------------------------------

  /** One unit of time passed. */
  tick(): void {
    if (this.#role === "leader") return this.#tickLeader();
    this.#patience.tick();
    const early = this.#earlyPreVote;
    if (early !== null && this.#patience.missing) {
      this.#earlyPreVote = null;
      if (early.term > this.#term) this.#stepVote(early); // the leader is not heard here either
    }
    if (this.#patience.silentTicks >= this.#campaignTicks()) this.campaign();
  }

  #campaignTicks(): number {
    return this.#soonTicks ?? this.#patience.limitTicks + this.#jitterTicks;
  }

  #tickLeader(): void {
    // A handover that took so long has failed (thesis §3.10).
    if (++this.#handoverTicks >= handoverElections * this.#config.electionTicks) this.#transferTarget = null;
    for (const progress of this.#progress.values()) progress.patience.tick();
    if (!this.#quorumIsActive()) return this.#resign();
    if (++this.#heartbeatElapsed >= this.#config.heartbeatTicks) this.#sendHeartbeats();
  }

  /** Check-quorum (thesis §6.2): a leader that a majority does not hear must not go on taking requests. */
  #quorumIsActive(): boolean {
    const isActive = (peer: MemberId) =>
      peer === this.#config.id || this.#progress.get(peer)?.patience.exhausted === false || undefined;
    return this.#outcome(isActive) === "won";
  }

  /** Nobody answers. Should it only be that we do not hear them: who has most of the log may lead at once. */
  #resign(): void {
    let next: MemberId | null = null;
    let most = 0;
    for (const [peer, { match }] of this.#progress) {
      if (match <= most || !isVoter(this.#configuration, peer)) continue;
      [next, most] = [peer, match];
    }
    if (next !== null) this.#sendTimeoutNow(next);
    this.#becomeFollower(this.#term, null);
  }

  #isQuorum(members: ReadonlySet<MemberId>): boolean {
    return this.#outcome((voter) => members.has(voter) || undefined) === "won";
  }

  /** Leader only. The entry is identified by (index, term): by Log Matching no other entry ever bears both. */
  propose(data: Uint8Array): ProposeResult {
    if (this.#role !== "leader") return { ok: false, reason: "notLeader" };
    if (this.#transferTarget !== null || this.#leaving) return { ok: false, reason: "transferring" };
    const { maxUncommittedBytes, maxUncommittedEntries } = this.#config.limits;
    const count = this.#log.lastIndex - this.#log.committed;
    if (count >= maxUncommittedEntries || this.#uncommittedBytes + data.length > maxUncommittedBytes) {
      return { ok: false, reason: "full" };
    }
    const index = this.#append("command", data);
    return { ok: true, index, term: this.#term };
  }

  /**
   * Leader only: proposes the configuration after `changes` (none: `context` alone travels). One change at a time, and
   * only once an entry of this term is committed: before, a configuration that an older leader left behind could still
   * be about to be committed elsewhere (Ongaro, raft-dev 2015). A joint configuration is left by itself.
   */
  proposeChange(changes: readonly ConfigurationChange[], context: Uint8Array): ProposeChangeResult {
    if (this.#role !== "leader") return { ok: false, reason: "notLeader" };
    if (this.#transferTarget !== null) return { ok: false, reason: "transferring" };
    if (this.#keeps("oneChangeAtATime")) {
      if (!this.#ownTermCommitted()) return { ok: false, reason: "notReady" };
      if (this.#changing()) return { ok: false, reason: "pending" };
    }
    const next = changes.length === 0 ? this.#configuration : afterChanges(this.#configuration, changes);
    if (next === null) return { ok: false, reason: "invalid" };
    return { ok: true, index: this.#appendConfiguration(next, context), term: this.#term };
  }

  #keeps(rule: RaftRule): boolean {
    return this.#config.without !== rule;
  }

  #ownTermCommitted(): boolean {
    return this.#log.termAt(this.#log.committed) === this.#term;
  }

  #changing(): boolean {
    return this.#pendingChange > this.#log.handed || isJoint(this.#configuration);
  }

  #appendConfiguration(next: Configuration, context: Uint8Array): LogIndex {
    this.#pendingChange = this.#append("config", encodeConfiguration(next, context));
    this.#leaving = !isVoter(next, this.#config.id);
    return this.#pendingChange;
  }

  #append(kind: Entry["kind"], data: Uint8Array): LogIndex {
    const index = this.#log.lastIndex + 1;
    this.#log.append({ index, term: this.#term, kind, data });
    this.#uncommittedBytes += data.length;
    return index;
  }

  /**
   * Asks for a {@linkcode ReadState}; the answer may get lost with a message or a leader: ask again after a while.
   * @return false when nobody can be asked now
   */
  readIndex(context: number): boolean {
    if (this.#role === "leader") {
      if (this.#reads.size >= this.#config.limits.maxPendingReads) return false;
      this.#reads.add({ from: this.#config.id, context });
      return true;
    }
    if (this.#leader === null) return false;
    this.#messages.push({ kind: "readIndex", ...this.#to(this.#leader), context });
    return true;
  }

  /**
   * `member` can be talked to. In a cluster that has just started the first of the voters asks for votes as soon as it
   * reaches a quorum; should it not be there, the others do a little later, as ever.
   */
  peerConnected(member: MemberId): void {
    const { id } = this.#config;
    this.#reached.add(member);
    const first = this.#configuration.voters.every((voter) => id <= voter);
    if (this.#earlyCampaigns === 0 || !first || this.#role !== "follower" || this.#leader !== null) return;
    if (this.#isQuorum(new Set([id, ...this.#reached]))) this.campaign();
  }

  /**
   * The connection to `member` ended. When it was the leader, its process is probably dead: the lease it had with us
   * is over (we grant pre-votes), and we ask for pre-votes ourselves, one member at once and the others a little
   * later, in an order that changes with the term. A member that still hears the leader refuses them; should it find a
   * moment later that the leader is gone, it takes the refusal back.
   */
  peerConnectionLost(member: MemberId): void {
    this.unreachable(member);
    if (this.#role !== "follower" || member !== this.#leader) return;
    this.#leader = null;
    this.#lostLeader = true;
    const early = this.#earlyPreVote;
    this.#earlyPreVote = null;
    if (early !== null && early.term > this.#term) this.#stepVote(early);
    // It had less than we have, so we ask ourselves; or it has our vote by now.
    if (this.#role !== "follower" || !this.#lostLeader) return;
    if (!this.#mayCampaign()) return;
    const voters = [...new Set([...this.#configuration.voters, ...this.#configuration.outgoing])];
    const survivors = voters.filter((other) => other !== member);
    const place = (survivors.indexOf(this.#config.id) + this.#term) % survivors.length;
    if (place === 0) return this.campaign();
    this.#soonTicks = this.#patience.silentTicks + place * lostLeaderStaggerTicks;
  }

  /** Messages to `member` were dropped. */
  unreachable(member: MemberId): void {
    this.#progress.get(member)?.unreachable();
  }

  /**
   * Whether someone on this member waits for what is committed. If not, a leader spares it (and itself) a message a
   * commit: the next append or heartbeat brings the news (docs/adr/0020). At first, someone does.
   */
  wantCommits(wanted: boolean): void {
    if (wanted === this.#wantsCommits) return;
    this.#wantsCommits = wanted;
    if (wanted && this.#role === "follower" && this.#leader !== null) this.#answerHeartbeat(this.#leader, 0);
  }

  #answerHeartbeat(to: MemberId, readSequence: number): void {
    const wantsCommits = this.#wantsCommits;
    this.#promises.push({ kind: "heartbeatAnswer", ...this.#to(to), readSequence, wantsCommits });
  }

  /** A snapshot transfer to `member` ended. */
  snapshotSent(member: MemberId, delivered: boolean): void {
    const progress = this.#progress.get(member);
    if (progress?.state !== "snapshot") return;
    if (!delivered) return progress.snapshotFailed();
    progress.becomeProbe();
    progress.pauseProbe();
  }

  /** Hand leadership to `target`, once it has every entry. No effect unless leader. */
  transferLeadership(target: MemberId): void {
    const progress = this.#progress.get(target);
    if (this.#role !== "leader" || progress === undefined || !isVoter(this.#configuration, target)) return;
    this.#transferTarget = target;
    this.#handoverTicks = 0;
    if (progress.match === this.#log.lastIndex) this.#sendTimeoutNow(target);
  }

  #sendTimeoutNow(target: MemberId): void {
    this.#messages.push({ kind: "timeoutNow", ...this.#to(target) });
  }

  /** A state machine snapshot up to `point` is on disk; keep `retain` entries before it for slow followers. */
  compact(point: SnapshotPoint, retain: number): void {
    invariant(point.index <= this.#log.handed, "a snapshot covers applied entries");
    if (point.index > this.#snapshot.index) this.#snapshot = point;
    this.#log.compactTo(point.index - retain);
  }

  // ---- outputs ------------------------------------------------------------------------------------------------

  /** What must happen now. Call it after any input, as often as you like; `committed` counts as applied by the next. */
  ready(): Ready {
    const committed = this.#log.takeCommitted(this.#config.limits.maxApplyEntries);
    for (const entry of committed) {
      if (entry.kind !== "config") continue;
      this.#adopt(decodeConfiguration(entry.data).configuration);
      for (const progress of this.#progress.values()) this.#oweCommit(progress, entry.index);
    }
    if (this.#role === "leader") {
      this.#leaveJointIfDue();
      this.#openReadRound();
      for (const peer of this.#peers) this.#sendAppends(peer);
      if (this.#reads.size > 0) this.#answerReads();
    }
    const messages = this.#messages.length === 0 ? nothing : this.#messages;
    if (messages.length > 0) this.#messages = [];
    const reads = this.#readStates.length === 0 ? nothing : this.#readStates;
    if (reads.length > 0) this.#readStates = [];
    return { messages, committed, reads, save: this.#nextSave() };
  }

  #nextSave(): Save | null {
    if (this.#saving !== null) return null;
    const entries = this.#log.unstable();
    const snapshot = this.#log.pendingSnapshot;
    const moved = this.#term !== this.#saved.term || this.#vote !== this.#saved.vote;
    const writes = moved || entries.length > 0 || snapshot !== null;
    if (!writes && this.#promises.length === 0) return null;
    const hardState = writes ? { term: this.#term, vote: this.#vote, commit: this.#log.committed } : null;
    this.#saving = { hardState, snapshot, entries, messages: this.#promises };
    this.#promises = [];
    return this.#saving;
  }

  /** `save` is durable. */
  advance(save: Save): void {
    invariant(save === this.#saving, "one save at a time");
    this.#saving = null;
    if (save.hardState !== null) this.#saved = save.hardState;
    if (save.snapshot !== null) {
      this.#log.markSnapshotStable(save.snapshot.point);
      if (save.snapshot.point.index > this.#snapshot.index) this.#snapshot = save.snapshot.point;
    }
    this.#log.markStable(save.entries);
    const ownVote = save.hardState?.term === this.#term && save.hardState.vote === this.#config.id;
    if (this.#role === "candidate" && ownVote) this.#countVote(this.#config.id, true);
    if (this.#role === "leader") this.#commitByCounting();
  }

  // ---- configurations -----------------------------------------------------------------------------------------

  #votesIn(change: Entry): boolean {
    return isVoter(decodeConfiguration(change.data).configuration, this.#config.id);
  }

  /** `next` is committed: from now on it decides. */
  #adopt(next: Configuration): void {
    const { id } = this.#config;
    const leaving = this.#peers.filter((peer) => !membersOf(next).includes(peer));
    this.#configuration = next;
    this.#setPeers();
    if (this.#role !== "leader") return;
    for (const peer of leaving) {
      const progress = this.#progress.get(peer);
      if (progress !== undefined) this.#sendCommit(peer, progress); // that it is committed: nobody will tell it later
      this.#progress.delete(peer);
      if (this.#transferTarget === peer) this.#transferTarget = null;
    }
    for (const peer of this.#peers) if (!this.#progress.has(peer)) this.#addProgress(peer);
    if (!isVoter(next, id)) {
      for (const [peer, progress] of this.#progress) this.#sendCommit(peer, progress);
      return this.#becomeFollower(this.#term, null);
    }
    this.#commitByCounting(); // fewer may be enough now
  }

  /** Whoever leads when a joint configuration is in force sees to its end (thesis §4.3). */
  #leaveJointIfDue(): void {
    if (!isJoint(this.#configuration) || this.#pendingChange > this.#log.handed || !this.#ownTermCommitted()) return;
    this.#appendConfiguration(afterLeaving(this.#configuration), emptyBytes);
  }

  /** Voters only, and nobody that has not yet adopted what it knows to be committed. */
  #mayCampaign(): boolean {
    if (!isVoter(this.#configuration, this.#config.id) || this.#log.pendingSnapshot !== null) return false;
    return this.#log.unappliedConfiguration() === null || !this.#keeps("applyBeforeCampaign");
  }

  #addProgress(peer: MemberId): Progress {
    const { limits, electionTicks } = this.#config;
    // An answer waits for a disk as well: more patience than followers have with their leader.
    const patience = this.#patienceWith.get(peer) ?? new Patience(Math.ceil(electionTicks * answerPatience));
    patience.begin();
    this.#patienceWith.set(peer, patience);
    const progress = new Progress(this.#log.lastIndex + 1, limits.maxInflightAppends, patience);
    this.#progress.set(peer, progress);
    return progress;
  }

  // ---- elections ----------------------------------------------------------------------------------------------

  /** Starts with a pre-vote: no term changes before a quorum agrees that the leader is gone. */
  campaign(): void {
    if (this.#role === "leader") return;
    if (!this.#mayCampaign()) {
      if (!this.#hearsLeader()) this.#leader = null; // and grant the votes of those who may
      return;
    }
    this.#earlyCampaigns = Math.max(0, this.#earlyCampaigns - 1);
    this.#role = "preCandidate";
    this.#leader = null;
    this.#startVoting("preVote", this.#term + 1, false);
  }

  #campaignForReal(transfer: boolean): void {
    this.#reset(this.#term + 1);
    this.#role = "candidate";
    this.#vote = this.#config.id;
    this.#startVoting("vote", this.#term, transfer);
  }

  #startVoting(kind: "preVote" | "vote", term: Term, transfer: boolean): void {
    this.#patience.forgive();
    this.#drawJitter();
    this.#votes.clear();
    for (const to of this.#peers) {
      if (!isVoter(this.#configuration, to)) continue;
      const { lastIndex, lastTerm } = this.#log;
      // With the next save: what it says of the log must be true after a crash, since votes may be given for it.
      this.#promises.push({ kind, from: this.#config.id, to, term, lastIndex, lastTerm, transfer });
    }
    if (kind === "preVote") this.#countVote(this.#config.id, true); // the other kind counts once it is durable
  }

  #countVote(from: MemberId, granted: boolean): void {
    if (!this.#votes.get(from)) this.#votes.set(from, granted); // a pre-vote's refusal may be taken back
    const outcome = this.#outcome((voter) => this.#votes.get(voter));
    if (outcome === "lost") this.#becomeFollower(this.#term, null);
    if (outcome !== "won") return;
    if (this.#role === "preCandidate") this.#campaignForReal(false);
    else this.#becomeLeader();
  }

  #outcome(voteOf: (voter: MemberId) => boolean | undefined): Outcome {
    return outcomeIn(this.#config.quorum, this.#deciding(), voteOf);
  }

  #deciding(): Configuration {
    return this.#keeps("bothMajorities") ? this.#configuration : afterLeaving(this.#configuration);
  }

  /**
   * Paper §5.2. A member that has heard no leader since it started does not wait so long: it only asks for pre-votes, and
   * whoever hears a leader refuses them. So a cluster that starts whole leads itself in half the time.
   */
  #drawJitter(): void {
    const { electionTicks, random } = this.#config;
    this.#jitterTicks = random.int(Math.ceil(electionTicks / 2));
    this.#soonTicks = this.#earlyCampaigns > 0 ? Math.ceil(electionTicks / 4) + this.#jitterTicks : null;
  }

  #reset(term: Term): void {
    if (term !== this.#term) {
      invariant(term > this.#term, "terms never go back (paper §5.1)");
      this.#term = term;
      this.#vote = null;
      // They wait for a save of entries that the new term's leader may replace before it; nobody needs them any more.
      this.#promises = this.#promises.filter((message) => message.kind !== "appendAccepted");
      this.#patience.begin();
    }
    this.#leader = null;
    this.#patience.forgive();
    this.#heartbeatElapsed = 0;
    this.#drawJitter();
    this.#votes.clear();
    this.#progress.clear();
    this.#reads.clear();
    this.#transferTarget = null;
    this.#leaving = false;
    this.#lostLeader = false;
    this.#earlyPreVote = null;
    this.#uncommittedBytes = 0;
  }

  #becomeFollower(term: Term, leader: MemberId | null): void {
    this.#reset(term);
    this.#role = "follower";
    this.#leader = leader;
  }

  #becomeLeader(): void {
    invariant(this.#role === "candidate", "only a candidate becomes leader");
    const granted = this.#peers.filter((peer) => this.#votes.get(peer) === true);
    this.#reset(this.#term);
    this.#role = "leader";
    this.#leader = this.#config.id;
    for (const peer of this.#peers) this.#addProgress(peer);
    for (const peer of granted) this.#progress.get(peer)?.presumeEqual();
    this.#pendingChange = this.#log.lastIndex; // what older leaders left may hold a change
    for (let index = this.#log.committed + 1; index <= this.#log.lastIndex; index++) {
      const entry = must(this.#log.entry(index), "uncommitted entries are in memory");
      this.#uncommittedBytes += entry.data.length;
      if (entry.kind === "config") this.#leaving = !this.#votesIn(entry);
    }
    this.#append("noop", emptyBytes); // entries of older terms commit with it (paper §5.4.2, §8)
    this.#sendHeartbeats(); // beside the first appends: it ends other campaigns even if those are large
  }

  // ---- messages -----------------------------------------------------------------------------------------------

  /** Takes a peer's message. */
  step(message: Message): void {
    if (message.to !== this.#config.id || message.from === this.#config.id) return;
    // Who leads or asks for votes may belong to a configuration that has not come here yet (paper §6); others must be known.
    if (!this.#peers.includes(message.from) && !speaksToStrangers(message)) return;
    switch (message.kind) { // reads carry no claim about terms: the answer holds whatever our term became meanwhile
      case "readIndex":
        return this.#stepReadIndex(message.from, message.context);
      case "readIndexAnswer":
        this.#readStates.push({ context: message.context, index: message.index });
        return;
    }
    if (message.term > this.#term) {
      if (!this.#enterHigherTerm(message)) return;
    } else if (message.term < this.#term) {
      return this.#answerLowerTerm(message);
    }
    switch (message.kind) {
      case "preVote":
      case "vote":
        return this.#stepVote(message);
      case "preVoteAnswer":
      case "voteAnswer":
        return this.#stepVoteAnswer(message);
      case "append":
      case "heartbeat":
      case "commit":
      case "snapshot":
        return this.#stepFromLeader(message);
      case "appendAccepted":
      case "appendRefused":
      case "heartbeatAnswer":
        return this.#stepAnswer(message);
      case "timeoutNow":
        if (this.#role === "follower" && this.#mayCampaign()) this.#campaignForReal(true);
        return;
      default:
        return unreachable(message);
    }
  }

  /** A live leader was heard within the shortest election timeout. A leader hears itself until check-quorum says no. */
  #hearsLeader(): boolean {
    return this.#leader !== null && (this.#role === "leader" || !this.#patience.missing);
  }

  /** @return whether the message is to be handled further */
  #enterHigherTerm(message: Exclude<Message, { kind: "readIndex" | "readIndexAnswer" }>): boolean {
    switch (message.kind) {
      case "preVote":
      case "vote":
        if (!message.transfer && this.#hearsLeader()) { // disruptive servers: thesis §4.2.3
          if (message.kind === "preVote") {
            this.#earlyPreVote = message;
            this.#refusePreVote(message.from);
          }
          return false;
        }
        if (message.kind === "vote") this.#becomeFollower(message.term, null);
        return true;
      case "preVoteAnswer":
        if (!message.granted) this.#becomeFollower(message.term, null);
        return message.granted; // a grant names the term we would campaign in
      case "append":
      case "heartbeat":
      case "commit":
      case "snapshot":
        this.#becomeFollower(message.term, message.from);
        return true;
      default:
        this.#becomeFollower(message.term, null);
        return true;
    }
  }

  /** An old leader, or a member stuck in the past, must hear of our term; everything else is stale. */
  #answerLowerTerm(message: Message): void {
    switch (message.kind) {
      case "append":
      case "heartbeat":
      case "commit":
      case "snapshot":
        return this.#answerHeartbeat(message.from, 0);
      case "preVote":
        return this.#refusePreVote(message.from);
    }
  }

  /** An answer to a pre-vote promises nothing, so it waits for no disk. */
  #refusePreVote(to: MemberId): void {
    this.#messages.push({ kind: "preVoteAnswer", ...this.#to(to), granted: false });
  }

  /** Paper §5.2, §5.4.1. A pre-vote changes nothing here. */
  #stepVote(message: VoteMessage): void {
    const free = this.#vote === null && this.#leader === null;
    const future = message.kind === "preVote" && message.term > this.#term;
    const newer = this.#log.isUpToDate(message) || !this.#keeps("voteForNewerLogOnly");
    const granted = (this.#vote === message.from || free || future) && newer;
    if (message.kind === "preVote") {
      if (!granted) {
        this.#refusePreVote(message.from);
        // The leader is gone and the asker lacks what we have: with two left, only we can win, so why wait our turn.
        if (this.#lostLeader && this.#role === "follower") this.campaign();
        return;
      }
      this.#messages.push({ kind: "preVoteAnswer", ...this.#to(message.from), term: message.term, granted });
      if (!this.#elects(message)) return;
      this.#becomeFollower(message.term, null);
    }
    if (granted) {
      this.#vote = message.from;
      this.#patience.forgive();
    }
    this.#promises.push({ kind: "voteAnswer", ...this.#to(message.from), granted });
  }

  /**
   * The leader's connection has ended here too, and our grant is all that the asker lacks: it will ask for our vote next.
   * Given now, that vote is on our disk while its own goes to its.
   */
  #elects({ from, term }: VoteMessage): boolean {
    if (!this.#lostLeader || this.#role !== "follower" || term !== this.#term + 1) return false;
    return this.#outcome((voter) => voter === from || voter === this.#config.id || undefined) === "won";
  }

  #stepVoteAnswer(message: VoteAnswer): void {
    const wanted = message.kind === "preVoteAnswer" ? "preCandidate" : "candidate";
    const term = message.kind === "preVoteAnswer" && message.granted ? this.#term + 1 : this.#term;
    if (this.#role === wanted && message.term === term) this.#countVote(message.from, message.granted);
  }

  #stepFromLeader(message: AppendMessage | HeartbeatMessage | CommitMessage | SnapshotMessage): void {
    if (this.#role === "leader") return invariant(false, `two leaders in term ${this.#term} (paper §5.2)`);
    this.#earlyCampaigns = 0;
    if (this.#role !== "follower" || this.#leader !== message.from) this.#becomeFollower(this.#term, message.from);
    this.#patience.heard();
    this.#earlyPreVote = null;
    switch (message.kind) {
      case "append":
        return this.#stepAppend(message);
      case "heartbeat":
        this.#log.commitTo(message.commit);
        return this.#answerHeartbeat(message.from, message.readSequence);
      case "commit":
        return this.#log.commitTo(message.commit);
      case "snapshot":
        return this.#stepSnapshot(message);
      default:
        return unreachable(message);
    }
  }

  /** Paper figure 2, AppendEntries receiver, with the hint of §5.3 ("the protocol can be optimized"). */
  #stepAppend(message: AppendMessage): void {
    const prev = { index: message.prevIndex, term: message.prevTerm };
    if (prev.index < this.#log.committed) return this.#accept(message.from, this.#log.committed);
    if (this.#log.matches(prev)) {
      const match = this.#log.merge(prev, message.entries);
      this.#log.commitTo(Math.min(message.commit, match));
      return this.#accept(message.from, match);
    }
    const hint = this.#log.lastIndexWithin(prev.term, prev.index);
    this.#promises.push({
      kind: "appendRefused",
      ...this.#to(message.from),
      prevIndex: prev.index,
      hintIndex: hint.index,
      hintTerm: hint.term,
    });
  }

  #stepSnapshot(message: SnapshotMessage): void {
    if (message.content === null || message.point.index <= this.#log.committed) {
      return this.#accept(message.from, this.#log.committed);
    }
    if (this.#log.matches(message.point)) this.#log.commitTo(message.point.index); // we have it all, only not the news
    else {
      this.#log.restore(message.point, message.content);
      this.#configuration = message.content.configuration;
      this.#setPeers();
    }
    this.#accept(message.from, message.point.index);
  }

  #accept(to: MemberId, match: LogIndex): void {
    this.#promises.push({ kind: "appendAccepted", ...this.#to(to), match });
  }

  // ---- leader -------------------------------------------------------------------------------------------------

  #stepAnswer(message: AppendAccepted | AppendRefused | HeartbeatAnswer): void {
    this.#patienceWith.get(message.from)?.heard(); // even when it is too late for this lead
    const progress = this.#progress.get(message.from);
    if (this.#role !== "leader" || progress === undefined) return;
    switch (message.kind) {
      case "appendAccepted":
        return this.#stepAccepted(message, progress);
      case "appendRefused": {
        // Skip whole terms that the follower does not have (paper §5.3): the last place not newer than its hint.
        const retry = this.#log.lastIndexWithin(message.hintTerm, message.hintIndex);
        progress.refused(message.prevIndex, retry.index);
        return;
      }
      case "heartbeatAnswer":
        progress.wantsCommits = message.wantsCommits;
        progress.heartbeatAnswered(this.#log.lastIndex);
        this.#reads.echo(message.from, message.readSequence);
        return;
      default:
        return unreachable(message);
    }
  }

  #stepAccepted(message: AppendAccepted, progress: Progress): void {
    if (message.match > this.#log.lastIndex) return; // cannot be: no leader of this term sent it
    const rose = progress.accepted(message.match);
    const caughtUp = progress.state === "snapshot" && progress.match >= progress.snapshotIndex;
    if (progress.state === "probe" || caughtUp) progress.becomeReplicate();
    if (rose) this.#commitByCounting();
    if (this.#transferTarget === message.from && progress.match === this.#log.lastIndex) {
      this.#sendTimeoutNow(message.from);
    }
  }

  /** Paper §5.4.2: replicas are counted for entries of the current term only; older ones commit with them. */
  #commitByCounting(): void {
    // A leader counts itself once its own write is durable (thesis §10.2.1).
    const matchOf = (voter: MemberId) =>
      voter === this.#config.id ? this.#log.stable : this.#progress.get(voter)?.match ?? 0;
    const index = committedIn(this.#config.quorum, this.#deciding(), matchOf);
    if (index <= this.#log.committed) return;
    if (this.#log.termAt(index) !== this.#term && this.#keeps("commitOwnTermOnly")) return;
    for (let i = this.#log.committed + 1; i <= index; i++) {
      this.#uncommittedBytes -= this.#log.entry(i)?.data.length ?? 0;
    }
    this.#log.commitTo(index);
  }

  #sendHeartbeats(): void {
    this.#heartbeatElapsed = 0;
    for (const [peer, progress] of this.#progress) {
      const commit = Math.min(progress.match, this.#log.committed); // never beyond what the follower surely has
      progress.sentCommit = Math.max(progress.sentCommit, commit);
      this.#messages.push({
        kind: "heartbeat",
        ...this.#to(peer),
        commit,
        readSequence: this.#reads.sequence,
      });
    }
  }

  /** Sends what `peer` lacks: entries, the commit index, or a snapshot. */
  #sendAppends(peer: MemberId): void {
    const progress = must(this.#progress.get(peer), "a leader has progress of every peer");
    while (!progress.paused) {
      const prevIndex = progress.next - 1;
      const prevTerm = this.#log.termAt(prevIndex);
      if (prevTerm === null) return this.#sendSnapshot(peer, progress);
      const entries = this.#log.slice(progress.next, this.#config.limits.maxAppendBytes);
      const commit = this.#log.committed;
      if (progress.state === "replicate" && entries.length === 0 && !progress.nudge) {
        if (progress.commitIsUrgent) this.#sendCommit(peer, progress);
        return;
      }
      this.#messages.push({ kind: "append", ...this.#to(peer), prevIndex, prevTerm, entries, commit });
      progress.sent(prevIndex + entries.length, entries.length);
      progress.sentCommit = Math.min(commit, prevIndex + entries.length);
      if (entries.length === 0) return;
    }
  }

  #sendCommit(peer: MemberId, progress: Progress): void {
    const commit = Math.min(this.#log.committed, progress.match); // never beyond what the follower surely has
    if (commit <= progress.sentCommit) return;
    this.#messages.push({ kind: "commit", ...this.#to(peer), commit });
    progress.sentCommit = commit;
  }

  #oweCommit(progress: Progress | undefined, index: LogIndex): void {
    if (progress !== undefined) progress.owedCommit = Math.max(progress.owedCommit, index);
  }

  /** Only to a member that answers: a transfer to a dead one would fail again and again. */
  #sendSnapshot(peer: MemberId, progress: Progress): void {
    if (progress.patience.exhausted) return;
    invariant(this.#snapshot.index >= this.#log.firstIndex - 1, "compacted entries are covered by a snapshot");
    progress.becomeSnapshot(this.#snapshot.index);
    this.#messages.push({ kind: "snapshot", ...this.#to(peer), point: this.#snapshot, content: null });
  }

  // ---- reads --------------------------------------------------------------------------------------------------

  #stepReadIndex(from: MemberId, context: number): void {
    if (this.#role !== "leader" || this.#reads.size >= this.#config.limits.maxPendingReads) return;
    this.#reads.add({ from, context });
  }

  /** Thesis §6.4 step 1: a new leader does not know the commit index before an entry of its own term is committed. */
  #openReadRound(): void {
    if (this.#reads.waiting === 0 || (!this.#ownTermCommitted() && this.#keeps("readAfterOwnTerm"))) return;
    this.#reads.open(this.#config.id, this.#log.committed);
    this.#sendHeartbeats();
  }

  #answerReads(): void {
    for (const { request, index } of this.#reads.takeConfirmed((echoes) => this.#isQuorum(echoes))) {
      const { from, context } = request;
      if (from === this.#config.id) this.#readStates.push({ context, index });
      else {
        this.#messages.push({ kind: "readIndexAnswer", ...this.#to(from), context, index });
        this.#oweCommit(this.#progress.get(from), index); // its reader waits until it has applied that
      }
    }
  }

  #to(to: MemberId): { from: MemberId; to: MemberId; term: Term } {
    return { from: this.#config.id, to, term: this.#term };
  }
}

function speaksToStrangers(message: Message): boolean {
  switch (message.kind) {
    case "append":
    case "heartbeat":
    case "commit":
    case "snapshot":
    case "preVote":
    case "vote":
    case "timeoutNow":
    case "readIndexAnswer":
      return true;
    default:
      return false;
  }
}
