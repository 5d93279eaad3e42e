import type { Disk, DiskFile, Platform } from "../../platform/mod.ts";
import type { ReadState, Ready, Save } from "../../store/raft/messages.ts";
import { Raft, type RaftConfig, type RaftCore } from "../../store/raft/raft.ts";

/** Members that are wrong on purpose: the proof that the checkers check. */
export const mutantNames = ["skipSync", "ackBeforeQuorum", "leaseReadWithoutCheck", "voteNotPersisted"] as const;
export type MutantName = (typeof mutantNames)[number];

export function mutatePlatform(mutant: MutantName | null, platform: Platform): Platform {
  return mutant === "skipSync" ? { ...platform, disk: diskWithoutSync(platform.disk) } : platform;
}

export function mutateRaft(mutant: MutantName | null, config: RaftConfig): RaftCore {
  switch (mutant) {
    case "ackBeforeQuorum":
      return new Raft({ ...config, quorum: { ...config.quorum, committed: (matches) => Math.max(...matches) } });
    case "leaseReadWithoutCheck":
      return answeringReadsAtOnce(new Raft(config));
    case "voteNotPersisted":
      return forgettingVotes(new Raft(config));
    default:
      return new Raft(config);
  }
}

/** Says that everything is durable and writes nothing through. */
function diskWithoutSync(disk: Disk): Disk {
  return {
    open: async (path, options) => withoutSync(await disk.open(path, options)),
    readFile: (path) => disk.readFile(path),
    writeFileAtomic: (path, bytes) => disk.writeFileAtomic(path, bytes),
    rename: (from, to) => disk.rename(from, to),
    remove: (path, options) => disk.remove(path, options),
    mkdir: (path) => disk.mkdir(path),
    list: (path) => disk.list(path),
    stat: (path) => disk.stat(path),
    syncDirectory: (path) => disk.syncDirectory(path),
  };
}

function withoutSync(file: DiskFile): DiskFile {
  return {
    path: file.path,
    writeAt: (offset, bytes) => file.writeAt(offset, bytes),
    readAt: (offset, length) => file.readAt(offset, length),
    size: () => file.size(),
    truncate: (length) => file.truncate(length),
    sync: async () => {},
    close: () => file.close(),
  };
}

function passing(core: RaftCore): RaftCore {
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
    peerConnectionLost: (member) => core.peerConnectionLost(member),
    unreachable: (member) => core.unreachable(member),
    snapshotSent: (member, delivered) => core.snapshotSent(member, delivered),
    ready: () => core.ready(),
    advance: (save) => core.advance(save),
  };
}

/** A leader that trusts itself: reads answered from its own commit index, no quorum asked. */
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

/** Saves the term and forgets for whom it voted in it. */
function forgettingVotes(core: RaftCore): RaftCore {
  let pending: { real: Save; told: Save } | null = null;
  return {
    ...passing(core),
    ready(): Ready {
      const ready = core.ready();
      const real = ready.save;
      if (real === null) return ready;
      const told: Save = { ...real, hardState: real.hardState === null ? null : { ...real.hardState, vote: null } };
      pending = { real, told };
      return { ...ready, save: told };
    },
    advance(save) {
      core.advance(pending?.told === save ? pending.real : save);
    },
  };
}
