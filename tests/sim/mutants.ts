import type { Disk, DiskFile, Platform } from "../../platform/mod.ts";
import { createWrongRaft, passing } from "../../store/bugs.ts";
import type { MemberTesting } from "../../store/member.ts";
import type { Ready, Save } from "../../store/raft/messages.ts";
import { Raft, type RaftConfig, type RaftCore } from "../../store/raft/mod.ts";

/** Members that are wrong on purpose: the proof that the checkers check. */
export const mutantNames = [
  "skipSync",
  "ackBeforeSync",
  "ackBeforeQuorum",
  "leaseReadWithoutCheck",
  "voteNotPersisted",
  "snapshotWithoutMark",
  "appliedIndexBehind",
  "watchGapAfterCompaction",
  "eventLostAtCompaction",
] as const;
export type MutantName = (typeof mutantNames)[number];

/** Mutants that break the shell or the machine, by the rule that they leave out. */
export function mutateTesting(mutant: MutantName | null): Pick<MemberTesting, "without" | "withoutInMachine"> {
  switch (mutant) {
    case "snapshotWithoutMark":
      return { without: "markSnapshots" };
    case "appliedIndexBehind":
      return { without: "snapshotAtApplied" };
    case "watchGapAfterCompaction":
      return { withoutInMachine: "endCompactedWatches" };
    case "eventLostAtCompaction":
      return { withoutInMachine: "keepEventsAtCompaction" };
    default:
      return {};
  }
}

export function mutatePlatform(mutant: MutantName | null, platform: Platform): Platform {
  return mutant === "skipSync" ? { ...platform, disk: diskWithoutSync(platform.disk) } : platform;
}

export function mutateRaft(mutant: MutantName | null, config: RaftConfig): RaftCore {
  switch (mutant) {
    case "ackBeforeQuorum":
      return createWrongRaft("ack-before-quorum", config);
    case "leaseReadWithoutCheck":
      return createWrongRaft("lease-read-no-check", config);
    case "ackBeforeSync":
      return promisingAtOnce(new Raft(config));
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
    openScratch: (directory) => disk.openScratch(directory),
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

/** Votes and acknowledgements leave before the save that they promise is durable. */
function promisingAtOnce(core: RaftCore): RaftCore {
  let pending: { real: Save; told: Save } | null = null;
  return {
    ...passing(core),
    ready(): Ready {
      const ready = core.ready();
      const real = ready.save;
      if (real === null) return ready;
      const told: Save = { ...real, messages: [] };
      pending = { real, told };
      return { ...ready, messages: [...ready.messages, ...real.messages], save: told };
    },
    advance(save) {
      core.advance(pending?.told === save ? pending.real : save);
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
