import type { Entry, LogIndex, MemberId } from "./messages.ts";
import { committedIn } from "./quorum.ts";
import { deciding, keeps, type RaftState } from "./state.ts";
import type { ProposeResult } from "./types.ts";

/** The leader's log: what it takes in, and how far it is committed. */

/** Leader only. The entry is identified by (index, term): by Log Matching no other entry ever bears both. */
export function propose(state: RaftState, data: Uint8Array): ProposeResult {
  if (state.role !== "leader") return { ok: false, reason: "notLeader" };
  if (state.transferTarget !== null || state.leaving) return { ok: false, reason: "transferring" };
  const { maxUncommittedBytes, maxUncommittedEntries } = state.config.limits;
  const count = state.log.lastIndex - state.log.committed;
  if (count >= maxUncommittedEntries || state.uncommittedBytes + data.length > maxUncommittedBytes) {
    return { ok: false, reason: "full" };
  }
  const index = append(state, "command", data);
  return { ok: true, index, term: state.term };
}

export function append(state: RaftState, kind: Entry["kind"], data: Uint8Array): LogIndex {
  const index = state.log.lastIndex + 1;
  state.log.append({ index, term: state.term, kind, data });
  state.uncommittedBytes += data.length;
  return index;
}

/** Paper §5.4.2: replicas are counted for entries of the current term only; older ones commit with them. */
export function commitByCounting(state: RaftState): void {
  const { log, progress, config } = state;
  // A leader counts itself once its own write is durable (thesis §10.2.1).
  const matchOf = (voter: MemberId) => voter === config.id ? log.stable : progress.get(voter)?.match ?? 0;
  const index = committedIn(config.quorum, deciding(state), matchOf);
  if (index <= log.committed) return;
  if (log.termAt(index) !== state.term && keeps(state, "commitOwnTermOnly")) return;
  for (let i = log.committed + 1; i <= index; i++) {
    state.uncommittedBytes -= log.entry(i)?.data.length ?? 0;
  }
  log.commitTo(index);
}
