import { type CompactionPolicy, defaultCompaction } from "./auto_compaction.ts";
import { type Consensus, createMachine, type FrontDeps, StoreFront } from "./front.ts";
import { storeLimits } from "./limits.ts";
import type { Store } from "./types.ts";

/** The parts of the platform that an in-memory store uses. */
export type LocalStoreDeps = FrontDeps;

export interface LocalStore extends Store {
  /** Equal in stores that hold the same pairs, history and leases. Costs a whole snapshot. */
  stateHash(): string;
}

/**
 * The whole store in memory, in one process: the machine, watches and leases of a member, without a log. Nothing outlives
 * it. It holds timers only while there are leases to expire or watches to catch up; `close` ends them.
 */
export function createLocalStore(
  deps: LocalStoreDeps,
  options: { readonly compaction?: CompactionPolicy; readonly quotaBytes?: number } = {},
): LocalStore {
  const parts = createMachine(() => {
    throw new TypeError("A store without a log decodes nothing");
  });
  let applied = 0;
  const term = 1;
  const consensus: Consensus = {
    propose: (command, _encoded, onPlaced) => {
      applied++;
      onPlaced?.(applied, term);
      return Promise.resolve(parts.machine.run(command));
    },
    readIndex: () => Promise.resolve(),
    leads: () => true,
    status: () => ({
      memberId: "local",
      leaderId: "local",
      term,
      appliedIndex: applied,
      commitIndex: applied,
      isLearner: false,
    }),
  };
  const compaction = options.compaction ?? defaultCompaction;
  const quotaBytes = options.quotaBytes ?? storeLimits.databaseBytesMax;
  const config = { compaction, leaseExtensionMs: 0, quotaBytes };
  const front = new StoreFront({ machine: parts, consensus, deps, config });
  front.setLeading(true);
  return Object.assign(front, { stateHash: () => parts.machine.stateHash() });
}
