import { invariant } from "../../base/assert.ts";
import type { MemberId, Term } from "./messages.ts";
import type { RaftState } from "./state.ts";

/** What every change of role has in common. How one becomes candidate or leader: campaign.ts. */

export function becomeFollower(state: RaftState, term: Term, leader: MemberId | null): void {
  reset(state, term);
  state.role = "follower";
  state.leader = leader;
}

/** Forgets what belonged to the role so far and, when `term` is new, to the term. */
export function reset(state: RaftState, term: Term): void {
  if (term !== state.term) {
    invariant(term > state.term, "terms never go back (paper §5.1)");
    state.term = term;
    state.vote = null;
    // They wait for a save of entries that the new term's leader may replace before it; nobody needs them any more.
    state.promises = state.promises.filter((message) => message.kind !== "appendAccepted");
    state.patience.begin();
  }
  state.leader = null;
  state.patience.forgive();
  state.heartbeatElapsed = 0;
  drawJitter(state);
  state.votes.clear();
  state.progress.clear();
  state.reads.clear();
  state.transferTarget = null;
  state.leaving = false;
  state.lostLeader = false;
  state.earlyPreVote = null;
  state.uncommittedBytes = 0;
}

/**
 * Paper §5.2. A member that has heard no leader since it started does not wait so long: it only asks for pre-votes, and
 * whoever hears a leader refuses them. So a cluster that starts whole leads itself in half the time.
 */
export function drawJitter(state: RaftState): void {
  const { electionTicks, random } = state.config;
  state.jitterTicks = random.int(Math.ceil(electionTicks / 2));
  state.soonTicks = state.earlyCampaigns > 0 ? Math.ceil(electionTicks / 4) + state.jitterTicks : null;
}
