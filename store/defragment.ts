import type { Timers } from "../platform/mod.ts";
import { storeLimits } from "./limits.ts";
import type { Mvcc } from "./mvcc/mvcc.ts";

export interface DefragmentParts {
  readonly mvcc: Mvcc;
  readonly timers: Timers;
  /** Nothing is to be done any more. */
  readonly closed: () => boolean;
  /** Writes the state as it is then to the disk and cuts the log behind it. */
  readonly snapshot: () => Promise<void>;
}

/**
 * Gives back what compaction has freed and this member still holds. That is, in order: versions not dropped yet; files of
 * old values that a few needed ones keep, which move together; and on the disk the log and the snapshot from before. The
 * snapshot before the newest is kept, as always, in case that one cannot be read: it goes with the next.
 *
 * Unlike etcd's it stops nobody: each step is bounded, and others run in between.
 */
export async function defragment({ mvcc, timers, closed, snapshot }: DefragmentParts): Promise<void> {
  while (!closed() && mvcc.compactStep(storeLimits.compactionStepEntries)) {
    await timers.sleep(storeLimits.compactionStepMs);
  }
  let values = 0;
  let bytes = 0;
  for (const moved of mvcc.closeGaps()) {
    if (closed()) return;
    bytes += moved;
    if (++values < storeLimits.defragmentStepValues && bytes < storeLimits.defragmentStepBytes) continue;
    values = 0;
    bytes = 0;
    await timers.sleep(storeLimits.defragmentPauseMs);
  }
  if (!closed()) await snapshot();
}
