import { campaign } from "./campaign.ts";
import type { MemberId, VoteMessage } from "./messages.ts";
import { becomeFollower } from "./roles.ts";
import { envelope, keeps, outcome, type RaftState } from "./state.ts";

/** Giving votes and pre-votes to others (paper §5.2, thesis §9.6). */

/** Paper §5.2, §5.4.1. A pre-vote changes nothing here. */
export function stepVote(state: RaftState, message: VoteMessage): void {
  const free = state.vote === null && state.leader === null;
  const future = message.kind === "preVote" && message.term > state.term;
  const newer = state.log.isUpToDate(message) || !keeps(state, "voteForNewerLogOnly");
  const granted = (state.vote === message.from || free || future) && newer;
  if (message.kind === "preVote") {
    if (!granted) {
      refusePreVote(state, message.from);
      // The leader is gone and the asker lacks what we have: with two left, only we can win, so why wait our turn.
      if (state.lostLeader && state.role === "follower") campaign(state);
      return;
    }
    state.messages.push({ kind: "preVoteAnswer", ...envelope(state, message.from), term: message.term, granted });
    if (!elects(state, message)) return;
    becomeFollower(state, message.term, null);
  }
  if (granted) {
    state.vote = message.from;
    state.patience.forgive();
  }
  state.promises.push({ kind: "voteAnswer", ...envelope(state, message.from), granted });
}

/**
 * The leader's connection has ended here too, and our grant is all that the asker lacks: it will ask for our vote next.
 * Given now, that vote is on our disk while its own goes to its.
 */
function elects(state: RaftState, { from, term }: VoteMessage): boolean {
  if (!state.lostLeader || state.role !== "follower" || term !== state.term + 1) return false;
  return outcome(state, (voter) => voter === from || voter === state.config.id || undefined) === "won";
}

/** An answer to a pre-vote promises nothing, so it waits for no disk. */
export function refusePreVote(state: RaftState, to: MemberId): void {
  state.messages.push({ kind: "preVoteAnswer", ...envelope(state, to), granted: false });
}

/** The leader is not heard here either by now: the pre-vote that was refused for its sake is looked at again. */
export function reconsiderPreVote(state: RaftState): void {
  const early = state.earlyPreVote;
  state.earlyPreVote = null;
  if (early !== null && early.term > state.term) stepVote(state, early);
}
