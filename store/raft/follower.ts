import { invariant, unreachable } from "../../base/assert.ts";
import type {
  AppendMessage,
  CommitMessage,
  HeartbeatMessage,
  LogIndex,
  MemberId,
  SnapshotMessage,
} from "./messages.ts";
import { becomeFollower } from "./roles.ts";
import { envelope, type RaftState, setConfiguration } from "./state.ts";

/** A follower and what its leader sends: entries, commits, heartbeats, a snapshot. */

export function stepFromLeader(
  state: RaftState,
  message: AppendMessage | HeartbeatMessage | CommitMessage | SnapshotMessage,
): void {
  if (state.role === "leader") return invariant(false, `two leaders in term ${state.term} (paper §5.2)`);
  state.earlyCampaigns = 0;
  if (state.role !== "follower" || state.leader !== message.from) becomeFollower(state, state.term, message.from);
  state.patience.heard();
  state.earlyPreVote = null;
  switch (message.kind) {
    case "append":
      return stepAppend(state, message);
    case "heartbeat":
      state.log.commitTo(message.commit);
      return answerHeartbeat(state, message.from, message.readSequence);
    case "commit":
      return state.log.commitTo(message.commit);
    case "snapshot":
      return stepSnapshot(state, message);
    default:
      return unreachable(message);
  }
}

/** Paper figure 2, AppendEntries receiver, with the hint of §5.3 ("the protocol can be optimized"). */
function stepAppend(state: RaftState, message: AppendMessage): void {
  const { log } = state;
  const prev = { index: message.prevIndex, term: message.prevTerm };
  if (prev.index < log.committed) return accept(state, message.from, log.committed);
  if (log.matches(prev)) {
    const match = log.merge(prev, message.entries);
    log.commitTo(Math.min(message.commit, match));
    return accept(state, message.from, match);
  }
  const hint = log.lastIndexWithin(prev.term, prev.index);
  state.promises.push({
    kind: "appendRefused",
    ...envelope(state, message.from),
    prevIndex: prev.index,
    hintIndex: hint.index,
    hintTerm: hint.term,
  });
}

function stepSnapshot(state: RaftState, message: SnapshotMessage): void {
  const { log } = state;
  if (message.content === null || message.point.index <= log.committed) {
    return accept(state, message.from, log.committed);
  }
  if (log.matches(message.point)) log.commitTo(message.point.index); // we have it all, only not the news
  else {
    log.restore(message.point, message.content);
    setConfiguration(state, message.content.configuration);
  }
  accept(state, message.from, message.point.index);
}

function accept(state: RaftState, to: MemberId, match: LogIndex): void {
  state.promises.push({ kind: "appendAccepted", ...envelope(state, to), match });
}

export function answerHeartbeat(state: RaftState, to: MemberId, readSequence: number): void {
  const { wantsCommits } = state;
  state.promises.push({ kind: "heartbeatAnswer", ...envelope(state, to), readSequence, wantsCommits });
}

/**
 * Whether someone on this member waits for what is committed. If not, a leader spares it (and itself) a message a
 * commit: the next append or heartbeat brings the news (docs/adr/0020). At first, someone does.
 */
export function wantCommits(state: RaftState, wanted: boolean): void {
  if (wanted === state.wantsCommits) return;
  state.wantsCommits = wanted;
  if (wanted && state.role === "follower" && state.leader !== null) answerHeartbeat(state, state.leader, 0);
}
