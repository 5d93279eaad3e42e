import { emptyBytes } from "../../base/bytes.ts";
import {
  afterChanges,
  afterLeaving,
  type Configuration,
  type ConfigurationChange,
  decodeConfiguration,
  encodeConfiguration,
  isJoint,
  isVoter,
  membersOf,
} from "./configuration.ts";
import { append, commitByCounting } from "./leader_log.ts";
import type { Entry, LogIndex } from "./messages.ts";
import { addProgress, sendCommit } from "./replication.ts";
import { becomeFollower } from "./roles.ts";
import { keeps, ownTermCommitted, type RaftState, setConfiguration } from "./state.ts";
import type { ProposeChangeResult } from "./types.ts";

/** Changes of members (thesis §4): a whole configuration in an entry, in force once it is committed and handed out. */

/**
 * Leader only: proposes the configuration after `changes` (none: `context` alone travels). One change at a time, and
 * only once an entry of this term is committed: before, a configuration that an older leader left behind could still
 * be about to be committed elsewhere (Ongaro, raft-dev 2015). A joint configuration is left by itself.
 */
export function proposeChange(
  state: RaftState,
  changes: readonly ConfigurationChange[],
  context: Uint8Array,
): ProposeChangeResult {
  if (state.role !== "leader") return { ok: false, reason: "notLeader" };
  if (state.transferTarget !== null) return { ok: false, reason: "transferring" };
  if (keeps(state, "oneChangeAtATime")) {
    if (!ownTermCommitted(state)) return { ok: false, reason: "notReady" };
    if (isChanging(state)) return { ok: false, reason: "pending" };
  }
  const next = changes.length === 0 ? state.configuration : afterChanges(state.configuration, changes);
  if (next === null) return { ok: false, reason: "invalid" };
  return { ok: true, index: appendConfiguration(state, next, context), term: state.term };
}

function isChanging({ pendingChange, log, configuration }: RaftState): boolean {
  return pendingChange > log.handed || isJoint(configuration);
}

function appendConfiguration(state: RaftState, next: Configuration, context: Uint8Array): LogIndex {
  state.pendingChange = append(state, "config", encodeConfiguration(next, context));
  state.leaving = !isVoter(next, state.config.id);
  return state.pendingChange;
}

/** Whether this member would still vote. */
export function votesIn(state: RaftState, change: Entry): boolean {
  return isVoter(decodeConfiguration(change.data).configuration, state.config.id);
}

/** `next` is committed: from now on it decides. */
export function adopt(state: RaftState, next: Configuration): void {
  const { id } = state.config;
  const leaving = state.peers.filter((peer) => !membersOf(next).includes(peer));
  setConfiguration(state, next);
  if (state.role !== "leader") return;
  for (const peer of leaving) {
    const progress = state.progress.get(peer);
    if (progress !== undefined) sendCommit(state, peer, progress); // that it is committed: nobody will tell it later
    state.progress.delete(peer);
    if (state.transferTarget === peer) state.transferTarget = null;
  }
  for (const peer of state.peers) if (!state.progress.has(peer)) addProgress(state, peer);
  if (!isVoter(next, id)) {
    for (const [peer, progress] of state.progress) sendCommit(state, peer, progress);
    return becomeFollower(state, state.term, null);
  }
  commitByCounting(state); // fewer may be enough now
}

/** Whoever leads when a joint configuration is in force sees to its end (thesis §4.3). */
export function leaveJointIfDue(state: RaftState): void {
  const { configuration, pendingChange, log } = state;
  if (!isJoint(configuration) || pendingChange > log.handed || !ownTermCommitted(state)) return;
  appendConfiguration(state, afterLeaving(configuration), emptyBytes);
}
