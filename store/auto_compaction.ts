import type { Clock, Timer, Timers } from "../platform/mod.ts";
import { storeLimits } from "./limits.ts";

/** How much history the leader keeps when nobody else compacts (etcd: auto-compaction-mode and -retention). */
export type CompactionPolicy =
  | { readonly mode: "revision"; readonly keepRevisions: number }
  | { readonly mode: "periodic"; readonly keepMs: number }
  | { readonly mode: "off" };

/** Bounds what a busy store holds, whatever its pace. */
export const defaultCompaction: CompactionPolicy = {
  mode: "revision",
  keepRevisions: storeLimits.compactionRetentionRevisions,
};

export interface AutoCompactionParts {
  readonly policy: CompactionPolicy;
  readonly state: { readonly revision: number; readonly compactRevision: number };
  readonly clock: Clock;
  readonly timers: Timers;
  /** A compaction that fails is asked for again when the next one is due. */
  readonly compact: (revision: number) => void;
}

/**
 * Compacts as the policy says while this member leads. The clock that counts is the leader's; what the others get is the
 * revision it came to. A new leader has seen no time pass yet: the first compaction by age comes a whole period later.
 */
export class AutoCompaction {
  readonly #parts: AutoCompactionParts;
  /** Revisions and when they were current, oldest first; at most as many as steps fit in the period, and two. */
  #seen: { readonly revision: number; readonly atMs: number }[] = [];
  #leading = false;
  #timer: Timer | null = null;

  constructor(parts: AutoCompactionParts) {
    this.#parts = parts;
  }

  setLeading(leading: boolean): void {
    this.#leading = leading;
    this.#timer?.cancel();
    this.#timer = null;
    this.#seen = [];
    if (leading) this.written();
  }

  /** The store has a new revision; cheap. Without one nothing is due. */
  written(): void {
    if (!this.#leading || this.#timer !== null) return;
    const { policy, timers } = this.#parts;
    if (policy.mode === "off") return;
    if (policy.mode === "periodic") return this.#sample(policy.keepMs);
    if (this.#kept <= policy.keepRevisions) return;
    this.#timer = timers.schedule(storeLimits.compactionIntervalMs, () => {
      this.#timer = null;
      this.#compact(this.#parts.state.revision - policy.keepRevisions);
    });
  }

  get #kept(): number {
    return this.#parts.state.revision - this.#parts.state.compactRevision;
  }

  /** Notes the revision of this moment, and compacts to the newest one that is a whole period old. */
  #sample(keepMs: number): void {
    const { state, clock, timers } = this.#parts;
    const now = clock.monotonic();
    this.#seen.push({ revision: state.revision, atMs: now });
    const old = this.#seen.findLastIndex(({ atMs }) => now - atMs >= keepMs);
    if (old >= 0) {
      this.#compact(this.#seen[old]?.revision ?? 0);
      this.#seen.splice(0, old);
    }
    const stepMs = keepMs / storeLimits.compactionSamples;
    this.#timer = timers.schedule(stepMs, () => this.#sample(keepMs));
  }

  #compact(revision: number): void {
    if (revision > this.#parts.state.compactRevision) this.#parts.compact(revision);
  }
}
