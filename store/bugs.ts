import type { MemberId, ReadState, Ready } from "./raft/messages.ts";
import { Raft, type RaftConfig, type RaftCore } from "./raft/mod.ts";

/**
 * Members that are wrong on purpose, by their core: one safety rule less. The simulator and experiments on live clusters
 * use them to prove that the checkers check; a cluster must have been made for it.
 */
export type CoreBug = "ack-before-quorum" | "lease-read-no-check";

export function createWrongRaft(bug: CoreBug, config: RaftConfig): RaftCore {
  switch (bug) {
    case "ack-before-quorum":
      // Committed is what the most advanced member has, not what a majority has (paper §5.3).
      return new Raft({ ...config, quorum: { ...config.quorum, committed: (matches) => Math.max(...matches) } });
    case "lease-read-no-check":
      return answeringReadsAtOnce(neverDoubting(new Raft(config), config.id));
  }
}

/** Every method handed on: what a wrong core changes it overrides. */
export function passing(core: RaftCore): RaftCore {
  return {
    status: () => core.status(),
    termAt: (index) => core.termAt(index),
    progress: (member) => core.progress(member),
    step: (message) => core.step(message),
    tick: () => core.tick(),
    propose: (data) => core.propose(data),
    proposeChange: (changes, context) => core.proposeChange(changes, context),
    readIndex: (context) => core.readIndex(context),
    compact: (point, retain) => core.compact(point, retain),
    campaign: () => core.campaign(),
    transferLeadership: (target) => core.transferLeadership(target),
    peerConnected: (member) => core.peerConnected(member),
    peerConnectionLost: (member) => core.peerConnectionLost(member),
    unreachable: (member) => core.unreachable(member),
    wantCommits: (wanted) => core.wantCommits(wanted),
    snapshotSent: (member, delivered) => core.snapshotSent(member, delivered),
    ready: () => core.ready(),
    advance: (save) => core.advance(save),
  };
}

/** A leader that trusts itself: reads answered from its own commit index, no quorum asked (against thesis §6.4). */
function answeringReadsAtOnce(core: RaftCore): RaftCore {
  let reads: ReadState[] = [];
  return {
    ...passing(core),
    readIndex(context) {
      const { role, committed } = core.status();
      if (role !== "leader") return core.readIndex(context);
      reads.push({ context, index: committed });
      return true;
    },
    ready(): Ready {
      const ready = core.ready();
      const all = { ...ready, reads: [...ready.reads, ...reads] };
      reads = [];
      return all;
    },
  };
}

/**
 * A leader that takes its followers' silence for consent: each tick renews its lease by itself, so that check-quorum
 * (thesis §6.2) never makes it step down. Only then does it go on answering reads while the others have a new leader.
 */
function neverDoubting(core: RaftCore, self: MemberId): RaftCore {
  return {
    ...passing(core),
    tick() {
      const { role, term, configuration } = core.status();
      if (role === "leader") {
        for (const from of configuration.voters) {
          if (from !== self) {
            core.step({ kind: "heartbeatAnswer", from, to: self, term, readSequence: 0, wantsCommits: true });
          }
        }
      }
      core.tick();
    },
  };
}
