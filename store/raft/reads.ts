import type { MemberId } from "./messages.ts";
import { oweCommit, sendHeartbeats } from "./replication.ts";
import { envelope, isQuorum, keeps, ownTermCommitted, type RaftState } from "./state.ts";

/** Linearizable reads by ReadIndex (thesis §6.4): asked of any member, confirmed by the leader's heartbeats. */

/**
 * Asks for a {@linkcode ReadState}; the answer may get lost with a message or a leader: ask again after a while.
 * @return false when nobody can be asked now
 */
export function readIndex(state: RaftState, context: number): boolean {
  if (state.role === "leader") {
    if (state.reads.size >= state.config.limits.maxPendingReads) return false;
    state.reads.add({ from: state.config.id, context });
    return true;
  }
  if (state.leader === null) return false;
  state.messages.push({ kind: "readIndex", ...envelope(state, state.leader), context });
  return true;
}

/** A follower's read. */
export function stepReadIndex(state: RaftState, from: MemberId, context: number): void {
  if (state.role !== "leader" || state.reads.size >= state.config.limits.maxPendingReads) return;
  state.reads.add({ from, context });
}

/** Step 1: a new leader does not know the commit index before an entry of its own term is committed. */
export function openReadRound(state: RaftState): void {
  if (state.reads.waiting === 0 || (!ownTermCommitted(state) && keeps(state, "readAfterOwnTerm"))) return;
  state.reads.open(state.config.id, state.log.committed);
  sendHeartbeats(state);
}

export function answerReads(state: RaftState): void {
  for (const { request, index } of state.reads.takeConfirmed((echoes) => isQuorum(state, echoes))) {
    const { from, context } = request;
    if (from === state.config.id) state.readStates.push({ context, index });
    else {
      state.messages.push({ kind: "readIndexAnswer", ...envelope(state, from), context, index });
      oweCommit(state.progress.get(from), index); // its reader waits until it has applied that
    }
  }
}
