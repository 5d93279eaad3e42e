import { invariant } from "../../base/assert.ts";
import { campaign } from "./campaign.ts";
import type { ConfigurationChange } from "./configuration.ts";
import { dropped, peerConnected, peerConnectionLost } from "./connections.ts";
import { wantCommits } from "./follower.ts";
import { transferLeadership } from "./handover.ts";
import { propose } from "./leader_log.ts";
import { proposeChange } from "./membership.ts";
import type { LogIndex, MemberId, Message, Ready, Save, SnapshotPoint, Term } from "./messages.ts";
import type { Progress } from "./progress.ts";
import { readIndex } from "./reads.ts";
import { advance, ready } from "./ready.ts";
import { snapshotSent } from "./replication.ts";
import { drawJitter } from "./roles.ts";
import { RaftState } from "./state.ts";
import { step } from "./step.ts";
import { tick } from "./tick.ts";
import type { ProposeChangeResult, ProposeResult, RaftConfig, RaftStatus } from "./types.ts";

/** What the shell uses; tests wrap it. */
export type RaftCore = Pick<Raft, keyof Raft>;

/**
 * Raft as a synchronous state machine (Ongaro & Ousterhout 2014 = "paper", Ongaro's dissertation = "thesis"): inputs
 * change state, `ready()` tells what must happen. Pre-vote (thesis §9.6) and check-quorum (§6.2) are always on.
 * Nothing a peer can send makes it throw, but a peer that broke its own promises (a lost log) may: that is a bug.
 *
 * This is the surface; the protocol is in the functions that it calls, one file an aspect, over one {@linkcode RaftState}.
 */
export class Raft {
  readonly #state: RaftState;

  constructor(config: RaftConfig) {
    this.#state = new RaftState(config);
    drawJitter(this.#state);
  }

  status(): RaftStatus {
    const { role, term, vote, leader, log, configuration } = this.#state;
    return {
      role,
      term,
      vote,
      leader,
      committed: log.committed,
      applied: log.handed,
      stable: log.stable,
      firstIndex: log.firstIndex,
      lastIndex: log.lastIndex,
      configuration,
    };
  }

  /** Null: compacted or beyond the end. */
  termAt(index: LogIndex): Term | null {
    return this.#state.log.termAt(index);
  }

  /** For tests and status pages. */
  progress(member: MemberId): Progress | undefined {
    return this.#state.progress.get(member);
  }

  // ---- inputs -------------------------------------------------------------------------------------------------

  /** One unit of time passed. */
  tick(): void {
    tick(this.#state);
  }

  /** Takes a peer's message. */
  step(message: Message): void {
    step(this.#state, message);
  }

  /** Leader only. The entry is identified by (index, term): by Log Matching no other entry ever bears both. */
  propose(data: Uint8Array): ProposeResult {
    return propose(this.#state, data);
  }

  /** Leader only: proposes the configuration after `changes` (none: `context` alone travels). One change at a time. */
  proposeChange(changes: readonly ConfigurationChange[], context: Uint8Array): ProposeChangeResult {
    return proposeChange(this.#state, changes, context);
  }

  /**
   * Asks for a {@linkcode ReadState}; the answer may get lost with a message or a leader: ask again after a while.
   * @return false when nobody can be asked now
   */
  readIndex(context: number): boolean {
    return readIndex(this.#state, context);
  }

  /** `member` can be talked to. */
  peerConnected(member: MemberId): void {
    peerConnected(this.#state, member);
  }

  /** The connection to `member` ended. When it was the leader, its process is probably dead. */
  peerConnectionLost(member: MemberId): void {
    peerConnectionLost(this.#state, member);
  }

  /** Messages to `member` were dropped. */
  unreachable(member: MemberId): void {
    dropped(this.#state, member);
  }

  /** A snapshot transfer to `member` ended. */
  snapshotSent(member: MemberId, delivered: boolean): void {
    snapshotSent(this.#state, member, delivered);
  }

  /** Whether someone on this member waits for what is committed (docs/adr/0020). At first, someone does. */
  wantCommits(wanted: boolean): void {
    wantCommits(this.#state, wanted);
  }

  /** Asks for pre-votes now, unless this member leads or must not. */
  campaign(): void {
    campaign(this.#state);
  }

  /** Hands leadership to `target`, once it has every entry. No effect unless leader. */
  transferLeadership(target: MemberId): void {
    transferLeadership(this.#state, target);
  }

  /** A state machine snapshot up to `point` is on disk; keep `retain` entries before it for slow followers. */
  compact(point: SnapshotPoint, retain: number): void {
    const state = this.#state;
    invariant(point.index <= state.log.handed, "a snapshot covers applied entries");
    if (point.index > state.snapshot.index) state.snapshot = point;
    state.log.compactTo(point.index - retain);
  }

  // ---- outputs ------------------------------------------------------------------------------------------------

  /** What must happen now. Call it after any input, as often as you like; `committed` counts as applied by the next. */
  ready(): Ready {
    return ready(this.#state);
  }

  /** `save` is durable. */
  advance(save: Save): void {
    advance(this.#state, save);
  }
}
