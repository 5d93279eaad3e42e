import { invariant } from "../../base/assert.ts";
import { countVote } from "./campaign.ts";
import { decodeConfiguration } from "./configuration.ts";
import { commitByCounting } from "./leader_log.ts";
import { adopt, leaveJointIfDue } from "./membership.ts";
import type { Ready, Save } from "./messages.ts";
import { answerReads, openReadRound } from "./reads.ts";
import { oweCommit, sendAppends } from "./replication.ts";
import type { RaftState } from "./state.ts";

/** What goes out: messages, entries to apply, and what must be durable before promises leave. */

/** Most calls bring nothing of most kinds. */
const nothing: readonly never[] = [];

export function ready(state: RaftState): Ready {
  const committed = state.log.takeCommitted(state.config.limits.maxApplyEntries);
  for (const entry of committed) {
    if (entry.kind !== "config") continue;
    adopt(state, decodeConfiguration(entry.data).configuration);
    for (const progress of state.progress.values()) oweCommit(progress, entry.index);
  }
  if (state.role === "leader") {
    leaveJointIfDue(state);
    openReadRound(state);
    for (const peer of state.peers) sendAppends(state, peer);
    if (state.reads.size > 0) answerReads(state);
  }
  const messages = state.messages.length === 0 ? nothing : state.messages;
  if (messages.length > 0) state.messages = [];
  const reads = state.readStates.length === 0 ? nothing : state.readStates;
  if (reads.length > 0) state.readStates = [];
  return { messages, committed, reads, save: nextSave(state) };
}

function nextSave(state: RaftState): Save | null {
  if (state.saving !== null) return null;
  const { log, term, vote, saved } = state;
  const entries = log.unstable();
  const snapshot = log.pendingSnapshot;
  const moved = term !== saved.term || vote !== saved.vote;
  const writes = moved || entries.length > 0 || snapshot !== null;
  if (!writes && state.promises.length === 0) return null;
  const hardState = writes ? { term, vote, commit: log.committed } : null;
  state.saving = { hardState, snapshot, entries, messages: state.promises };
  state.promises = [];
  return state.saving;
}

/** `save` is durable. */
export function advance(state: RaftState, save: Save): void {
  invariant(save === state.saving, "one save at a time");
  state.saving = null;
  if (save.hardState !== null) state.saved = save.hardState;
  if (save.snapshot !== null) {
    state.log.markSnapshotStable(save.snapshot.point);
    if (save.snapshot.point.index > state.snapshot.index) state.snapshot = save.snapshot.point;
  }
  state.log.markStable(save.entries);
  const ownVote = save.hardState?.term === state.term && save.hardState.vote === state.config.id;
  if (state.role === "candidate" && ownVote) countVote(state, state.config.id, true);
  if (state.role === "leader") commitByCounting(state);
}
