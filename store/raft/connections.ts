import { campaign, mayCampaign } from "./campaign.ts";
import { lostLeaderStaggerTicks } from "./limits.ts";
import type { MemberId } from "./messages.ts";
import { isQuorum, type RaftState } from "./state.ts";
import { reconsiderPreVote } from "./voting.ts";

/** Connections that begin and end tell of members' lives sooner than silence does (docs/adr/0021). */

/**
 * `member` can be talked to. In a cluster that has just started the first of the voters asks for votes as soon as it
 * reaches a quorum; should it not be there, the others do a little later, as ever.
 */
export function peerConnected(state: RaftState, member: MemberId): void {
  const { id } = state.config;
  state.reached.add(member);
  const first = state.configuration.voters.every((voter) => id <= voter);
  if (state.earlyCampaigns === 0 || !first || state.role !== "follower" || state.leader !== null) return;
  if (isQuorum(state, new Set([id, ...state.reached]))) campaign(state);
}

/**
 * The connection to `member` ended. When it was the leader, its process is probably dead: the lease it had with us
 * is over (we grant pre-votes), and we ask for pre-votes ourselves, one member at once and the others a little
 * later, in an order that changes with the term. A member that still hears the leader refuses them; should it find a
 * moment later that the leader is gone, it takes the refusal back.
 */
export function peerConnectionLost(state: RaftState, member: MemberId): void {
  dropped(state, member);
  if (state.role !== "follower" || member !== state.leader) return;
  state.leader = null;
  state.lostLeader = true;
  reconsiderPreVote(state);
  // It had less than we have, so we ask ourselves; or it has our vote by now.
  if (state.role !== "follower" || !state.lostLeader) return;
  if (!mayCampaign(state)) return;
  const voters = [...new Set([...state.configuration.voters, ...state.configuration.outgoing])];
  const survivors = voters.filter((other) => other !== member);
  const place = (survivors.indexOf(state.config.id) + state.term) % survivors.length;
  if (place === 0) return campaign(state);
  state.soonTicks = state.patience.silentTicks + place * lostLeaderStaggerTicks;
}

/** Messages to `member` were dropped. */
export function dropped(state: RaftState, member: MemberId): void {
  state.progress.get(member)?.unreachable();
}
