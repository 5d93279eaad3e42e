import { invariant, must } from "../../base/assert.ts";
import { emptyBytes } from "../../base/bytes.ts";
import { isVoter } from "./configuration.ts";
import { append } from "./leader_log.ts";
import { votesIn } from "./membership.ts";
import type { MemberId, Term, VoteAnswer } from "./messages.ts";
import { addProgress, sendHeartbeats } from "./replication.ts";
import { becomeFollower, drawJitter, reset } from "./roles.ts";
import { hearsLeader, keeps, outcome, type RaftState } from "./state.ts";

/** Standing for election (paper §5.2): pre-vote, vote, and the first steps of whoever wins. */

/** Voters only, and nobody that has not yet adopted what it knows to be committed. */
export function mayCampaign(state: RaftState): boolean {
  const { configuration, config, log } = state;
  if (!isVoter(configuration, config.id) || log.pendingSnapshot !== null) return false;
  return log.unappliedConfiguration() === null || !keeps(state, "applyBeforeCampaign");
}

/** Starts with a pre-vote: no term changes before a quorum agrees that the leader is gone. */
export function campaign(state: RaftState): void {
  if (state.role === "leader") return;
  if (!mayCampaign(state)) {
    if (!hearsLeader(state)) state.leader = null; // and grant the votes of those who may
    return;
  }
  state.earlyCampaigns = Math.max(0, state.earlyCampaigns - 1);
  state.role = "preCandidate";
  state.leader = null;
  startVoting(state, "preVote", state.term + 1, false);
}

/** @param transfer the leader asks for it, so nobody's patience with it counts (thesis §3.10) */
export function campaignForReal(state: RaftState, transfer: boolean): void {
  reset(state, state.term + 1);
  state.role = "candidate";
  state.vote = state.config.id;
  startVoting(state, "vote", state.term, transfer);
}

function startVoting(state: RaftState, kind: "preVote" | "vote", term: Term, transfer: boolean): void {
  state.patience.forgive();
  drawJitter(state);
  state.votes.clear();
  for (const to of state.peers) {
    if (!isVoter(state.configuration, to)) continue;
    const { lastIndex, lastTerm } = state.log;
    // With the next save: what it says of the log must be true after a crash, since votes may be given for it.
    state.promises.push({ kind, from: state.config.id, to, term, lastIndex, lastTerm, transfer });
  }
  if (kind === "preVote") countVote(state, state.config.id, true); // the other kind counts once it is durable
}

export function stepVoteAnswer(state: RaftState, message: VoteAnswer): void {
  const wanted = message.kind === "preVoteAnswer" ? "preCandidate" : "candidate";
  const term = message.kind === "preVoteAnswer" && message.granted ? state.term + 1 : state.term;
  if (state.role === wanted && message.term === term) countVote(state, message.from, message.granted);
}

export function countVote(state: RaftState, from: MemberId, granted: boolean): void {
  if (!state.votes.get(from)) state.votes.set(from, granted); // a pre-vote's refusal may be taken back
  const result = outcome(state, (voter) => state.votes.get(voter));
  if (result === "lost") becomeFollower(state, state.term, null);
  if (result !== "won") return;
  if (state.role === "preCandidate") campaignForReal(state, false);
  else becomeLeader(state);
}

function becomeLeader(state: RaftState): void {
  invariant(state.role === "candidate", "only a candidate becomes leader");
  const { log } = state;
  const granted = state.peers.filter((peer) => state.votes.get(peer) === true);
  reset(state, state.term);
  state.role = "leader";
  state.leader = state.config.id;
  for (const peer of state.peers) addProgress(state, peer);
  for (const peer of granted) state.progress.get(peer)?.presumeEqual();
  state.pendingChange = log.lastIndex; // what older leaders left may hold a change
  for (let index = log.committed + 1; index <= log.lastIndex; index++) {
    const entry = must(log.entry(index), "uncommitted entries are in memory");
    state.uncommittedBytes += entry.data.length;
    if (entry.kind === "config") state.leaving = !votesIn(state, entry);
  }
  append(state, "noop", emptyBytes); // entries of older terms commit with it (paper §5.4.2, §8)
  sendHeartbeats(state); // beside the first appends: it ends other campaigns even if those are large
}
