import { isVoter } from "./configuration.ts";
import { handoverElections } from "./limits.ts";
import type { MemberId } from "./messages.ts";
import { envelope, type RaftState } from "./state.ts";

/** Leadership that moves on purpose (thesis §3.10): the target campaigns as soon as it has every entry. */

/** No effect unless leader. */
export function transferLeadership(state: RaftState, target: MemberId): void {
  const progress = state.progress.get(target);
  if (state.role !== "leader" || progress === undefined || !isVoter(state.configuration, target)) return;
  state.transferTarget = target;
  state.handoverTicks = 0;
  if (progress.match === state.log.lastIndex) sendTimeoutNow(state, target);
}

/** A handover that took so long has failed. */
export function tickHandover(state: RaftState): void {
  if (++state.handoverTicks >= handoverElections * state.config.electionTicks) state.transferTarget = null;
}

export function sendTimeoutNow(state: RaftState, target: MemberId): void {
  state.messages.push({ kind: "timeoutNow", ...envelope(state, target) });
}
