import { invariant, must, unreachable } from "../../base/assert.ts";
import { sendTimeoutNow } from "./handover.ts";
import { commitByCounting } from "./leader_log.ts";
import { answerPatience } from "./limits.ts";
import type { AppendAccepted, AppendRefused, HeartbeatAnswer, LogIndex, MemberId } from "./messages.ts";
import { Patience } from "./patience.ts";
import { Progress } from "./progress.ts";
import { envelope, type RaftState } from "./state.ts";

/** The leader and its followers' logs (paper §5.3): what is sent to each, and what their answers say. */

/** Begins to replicate to `peer`, of which nothing is known yet. */
export function addProgress(state: RaftState, peer: MemberId): void {
  const { limits, electionTicks } = state.config;
  // An answer waits for a disk as well: more patience than followers have with their leader.
  const patience = state.patienceWith.get(peer) ?? new Patience(Math.ceil(electionTicks * answerPatience));
  patience.begin();
  state.patienceWith.set(peer, patience);
  state.progress.set(peer, new Progress(state.log.lastIndex + 1, limits.maxInflightAppends, patience));
}

// ---- what is sent -----------------------------------------------------------------------------------------------

export function sendHeartbeats(state: RaftState): void {
  state.heartbeatElapsed = 0;
  for (const [peer, progress] of state.progress) {
    const commit = Math.min(progress.match, state.log.committed); // never beyond what the follower surely has
    progress.sentCommit = Math.max(progress.sentCommit, commit);
    state.messages.push({
      kind: "heartbeat",
      ...envelope(state, peer),
      commit,
      readSequence: state.reads.sequence,
    });
  }
}

/** Sends what `peer` lacks: entries, the commit index, or a snapshot. */
export function sendAppends(state: RaftState, peer: MemberId): void {
  const { log } = state;
  const progress = must(state.progress.get(peer), "a leader has progress of every peer");
  while (!progress.paused) {
    const prevIndex = progress.next - 1;
    const prevTerm = log.termAt(prevIndex);
    if (prevTerm === null) return sendSnapshot(state, peer, progress);
    const entries = log.slice(progress.next, state.config.limits.maxAppendBytes);
    const commit = log.committed;
    if (progress.state === "replicate" && entries.length === 0 && !progress.nudge) {
      if (progress.commitIsUrgent) sendCommit(state, peer, progress);
      return;
    }
    state.messages.push({ kind: "append", ...envelope(state, peer), prevIndex, prevTerm, entries, commit });
    progress.sent(prevIndex + entries.length, entries.length);
    progress.sentCommit = Math.min(commit, prevIndex + entries.length);
    if (entries.length === 0) return;
  }
}

/** Tells `peer` how far it may apply what it has. */
export function sendCommit(state: RaftState, peer: MemberId, progress: Progress): void {
  const commit = Math.min(state.log.committed, progress.match); // never beyond what the follower surely has
  if (commit <= progress.sentCommit) return;
  state.messages.push({ kind: "commit", ...envelope(state, peer), commit });
  progress.sentCommit = commit;
}

/** The follower must hear soon that `index` is committed. */
export function oweCommit(progress: Progress | undefined, index: LogIndex): void {
  if (progress !== undefined) progress.owedCommit = Math.max(progress.owedCommit, index);
}

/** Only to a member that answers: a transfer to a dead one would fail again and again. */
function sendSnapshot(state: RaftState, peer: MemberId, progress: Progress): void {
  if (progress.patience.exhausted) return;
  const point = state.snapshot;
  invariant(point.index >= state.log.firstIndex - 1, "compacted entries are covered by a snapshot");
  progress.becomeSnapshot(point.index);
  state.messages.push({ kind: "snapshot", ...envelope(state, peer), point, content: null });
}

// ---- what comes back --------------------------------------------------------------------------------------------

export function stepAnswer(state: RaftState, message: AppendAccepted | AppendRefused | HeartbeatAnswer): void {
  state.patienceWith.get(message.from)?.heard(); // even when it is too late for this lead
  const progress = state.progress.get(message.from);
  if (state.role !== "leader" || progress === undefined) return;
  switch (message.kind) {
    case "appendAccepted":
      return stepAccepted(state, message, progress);
    case "appendRefused": {
      // Skip whole terms that the follower does not have (paper §5.3): the last place not newer than its hint.
      const retry = state.log.lastIndexWithin(message.hintTerm, message.hintIndex);
      progress.refused(message.prevIndex, retry.index);
      return;
    }
    case "heartbeatAnswer":
      progress.wantsCommits = message.wantsCommits;
      progress.heartbeatAnswered(state.log.lastIndex);
      state.reads.echo(message.from, message.readSequence);
      return;
    default:
      return unreachable(message);
  }
}

function stepAccepted(state: RaftState, message: AppendAccepted, progress: Progress): void {
  if (message.match > state.log.lastIndex) return; // cannot be: no leader of this term sent it
  const rose = progress.accepted(message.match);
  const caughtUp = progress.state === "snapshot" && progress.match >= progress.snapshotIndex;
  if (progress.state === "probe" || caughtUp) progress.becomeReplicate();
  if (rose) commitByCounting(state);
  if (state.transferTarget === message.from && progress.match === state.log.lastIndex) {
    sendTimeoutNow(state, message.from);
  }
}

/** A snapshot transfer to `member` ended. */
export function snapshotSent(state: RaftState, member: MemberId, delivered: boolean): void {
  const progress = state.progress.get(member);
  if (progress?.state !== "snapshot") return;
  if (!delivered) return progress.snapshotFailed();
  progress.becomeProbe();
  progress.pauseProbe();
}
