import { unreachable } from "../../base/assert.ts";
import { campaignForReal, mayCampaign, stepVoteAnswer } from "./campaign.ts";
import { answerHeartbeat, stepFromLeader } from "./follower.ts";
import type { Message } from "./messages.ts";
import { stepReadIndex } from "./reads.ts";
import { stepAnswer } from "./replication.ts";
import { becomeFollower } from "./roles.ts";
import { hearsLeader, type RaftState } from "./state.ts";
import { refusePreVote, stepVote } from "./voting.ts";

/** Takes a peer's message: first what its term means (paper §5.1), then to whom it goes. */
export function step(state: RaftState, message: Message): void {
  if (message.to !== state.config.id || message.from === state.config.id) return;
  // Who leads or asks for votes may belong to a configuration that has not come here yet (paper §6); others must be known.
  if (!state.peers.includes(message.from) && !speaksToStrangers(message)) return;
  switch (message.kind) { // reads carry no claim about terms: the answer holds whatever our term became meanwhile
    case "readIndex":
      return stepReadIndex(state, message.from, message.context);
    case "readIndexAnswer":
      state.readStates.push({ context: message.context, index: message.index });
      return;
  }
  if (message.term > state.term) {
    if (!enterHigherTerm(state, message)) return;
  } else if (message.term < state.term) {
    return answerLowerTerm(state, message);
  }
  switch (message.kind) {
    case "preVote":
    case "vote":
      return stepVote(state, message);
    case "preVoteAnswer":
    case "voteAnswer":
      return stepVoteAnswer(state, message);
    case "append":
    case "heartbeat":
    case "commit":
    case "snapshot":
      return stepFromLeader(state, message);
    case "appendAccepted":
    case "appendRefused":
    case "heartbeatAnswer":
      return stepAnswer(state, message);
    case "timeoutNow":
      if (state.role === "follower" && mayCampaign(state)) campaignForReal(state, true);
      return;
    default:
      return unreachable(message);
  }
}

/** @return whether the message is to be handled further */
function enterHigherTerm(
  state: RaftState,
  message: Exclude<Message, { kind: "readIndex" | "readIndexAnswer" }>,
): boolean {
  switch (message.kind) {
    case "preVote":
    case "vote":
      if (!message.transfer && hearsLeader(state)) { // disruptive servers: thesis §4.2.3
        if (message.kind === "preVote") {
          state.earlyPreVote = message;
          refusePreVote(state, message.from);
        }
        return false;
      }
      if (message.kind === "vote") becomeFollower(state, message.term, null);
      return true;
    case "preVoteAnswer":
      if (!message.granted) becomeFollower(state, message.term, null);
      return message.granted; // a grant names the term we would campaign in
    case "append":
    case "heartbeat":
    case "commit":
    case "snapshot":
      becomeFollower(state, message.term, message.from);
      return true;
    default:
      becomeFollower(state, message.term, null);
      return true;
  }
}

/** An old leader, or a member stuck in the past, must hear of our term; everything else is stale. */
function answerLowerTerm(state: RaftState, message: Message): void {
  switch (message.kind) {
    case "append":
    case "heartbeat":
    case "commit":
    case "snapshot":
      return answerHeartbeat(state, message.from, 0);
    case "preVote":
      return refusePreVote(state, message.from);
  }
}

function speaksToStrangers(message: Message): boolean {
  switch (message.kind) {
    case "append":
    case "heartbeat":
    case "commit":
    case "snapshot":
    case "preVote":
    case "vote":
    case "timeoutNow":
    case "readIndexAnswer":
      return true;
    default:
      return false;
  }
}
