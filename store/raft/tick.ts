import { campaign } from "./campaign.ts";
import { isVoter } from "./configuration.ts";
import { sendTimeoutNow, tickHandover } from "./handover.ts";
import type { MemberId } from "./messages.ts";
import { sendHeartbeats } from "./replication.ts";
import { becomeFollower } from "./roles.ts";
import { outcome, type RaftState } from "./state.ts";
import { reconsiderPreVote } from "./voting.ts";

/** One unit of time passed. */
export function tick(state: RaftState): void {
  if (state.role === "leader") return tickLeader(state);
  state.patience.tick();
  if (state.earlyPreVote !== null && state.patience.missing) reconsiderPreVote(state);
  if (state.patience.silentTicks >= campaignTicks(state)) campaign(state);
}

function campaignTicks({ soonTicks, patience, jitterTicks }: RaftState): number {
  return soonTicks ?? patience.limitTicks + jitterTicks;
}

function tickLeader(state: RaftState): void {
  tickHandover(state);
  for (const progress of state.progress.values()) progress.patience.tick();
  if (!quorumIsActive(state)) return resign(state);
  if (++state.heartbeatElapsed >= state.config.heartbeatTicks) sendHeartbeats(state);
}

/** Check-quorum (thesis §6.2): a leader that a majority does not hear must not go on taking requests. */
function quorumIsActive(state: RaftState): boolean {
  const isActive = (peer: MemberId) =>
    peer === state.config.id || state.progress.get(peer)?.patience.exhausted === false || undefined;
  return outcome(state, isActive) === "won";
}

/** Nobody answers. Should it only be that we do not hear them: who has most of the log may lead at once. */
function resign(state: RaftState): void {
  let next: MemberId | null = null;
  let most = 0;
  for (const [peer, { match }] of state.progress) {
    if (match <= most || !isVoter(state.configuration, peer)) continue;
    [next, most] = [peer, match];
  }
  if (next !== null) sendTimeoutNow(state, next);
  becomeFollower(state, state.term, null);
}
