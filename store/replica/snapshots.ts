import { DiskError } from "../../platform/mod.ts";
import type { SnapshotPoint } from "../raft/messages.ts";
import { defaultSnapshotEntries, maxLogBytes, retainedShare } from "./limits.ts";
import type { ReplicaState } from "./state.ts";
import type { Machine, MachineSnapshot } from "./types.ts";

/** This member's own snapshots of its machine, so that the log may be cut: when one is due, and each step of taking it. */
export class OwnSnapshots<R> {
  readonly #state: ReplicaState;
  readonly #machine: Machine<R>;
  /** The disk had no room for one. */
  readonly #onNoSpace: () => void;
  readonly #snapshotEntries: number;
  #underWay = false;
  /** Settles with the newest one; never rejects. */
  #taken: Promise<void> = Promise.resolve();
  /** Read part by part, until a snapshot from the leader overtakes it. */
  #taking: MachineSnapshot | null = null;
  /** The snapshot under way waits until the log on this disk has reached it. */
  #onStable: (() => void) | null = null;
  #entriesSince = 0;
  #bytesSince = 0;
  #lastBytes: number;

  constructor(state: ReplicaState, machine: Machine<R>, onNoSpace: () => void) {
    this.#state = state;
    this.#machine = machine;
    this.#onNoSpace = onNoSpace;
    this.#snapshotEntries = state.config.snapshotEntries ?? defaultSnapshotEntries;
    this.#lastBytes = state.storage.restored.snapshotData?.length ?? 0;
  }

  get #stopped(): boolean {
    return this.#state.phase === "stopped";
  }

  /** So much of the log was applied. */
  logGrew(entries: number, bytes: number): void {
    this.#entriesSince += entries;
    this.#bytesSince += bytes;
  }

  /** Snapshots cost what the state weighs, so the log must weigh as much before the next one is due. */
  takeIfDue(): void {
    const entries = this.#entriesSince >= this.#snapshotEntries;
    const weighty = this.#bytesSince >= Math.min(this.#lastBytes, maxLogBytes);
    const due = (entries && weighty) || this.#bytesSince >= maxLogBytes;
    if (due && !this.#underWay) this.#taken = this.#take();
  }

  /**
   * Due or not, unless nothing was applied since the last one; and the log keeps no more files than it needs. Resolves when
   * all is done, or cannot be.
   */
  async takeNow(): Promise<void> {
    await this.#taken; // its entries may be older than what the caller has in mind
    if (this.#stopped || this.#underWay) return;
    if (this.#entriesSince > 0) await (this.#taken = this.#take());
    if (!this.#stopped) await this.#state.storage.wal.dropRecycled().catch(this.#state.fail);
  }

  /** A snapshot from the leader, of so many bytes, is about to replace what one under way describes. */
  overtaken(bytes: number): void {
    this.#taking?.close();
    this.#taking = null;
    this.#lastBytes = bytes;
    this.#startCounting();
  }

  #startCounting(): void {
    this.#entriesSince = 0;
    this.#bytesSince = 0;
  }

  /** More of the log is on the disk, or nothing will be any more: a snapshot that waits for it looks again. */
  logMoved(): void {
    this.#onStable?.();
  }

  /** Older snapshots and segments may go once the mark of the newest is in the log, never before. */
  async prune(newest: SnapshotPoint): Promise<void> {
    const { snapshots, wal } = this.#state.storage;
    const keep = await snapshots.prune(newest);
    await wal.release(keep.index);
  }

  async #take(): Promise<void> {
    const state = this.#state;
    this.#underWay = true;
    try {
      state.failpoint("beforeSnapshot");
      const point = this.#point();
      const members = state.roster.encode();
      const snapshot = this.#machine.snapshot();
      this.#taking = snapshot;
      this.#startCounting();
      try {
        if (!await this.#wrote(point, members, snapshot)) return;
      } finally {
        snapshot.close();
      }
      this.#taking = null;
      if (!await this.#stableUpTo(point.index)) return;
      if (state.without !== "markSnapshots") await state.storage.wal.append([{ kind: "snapshotMark", point }]);
      state.failpoint("afterSnapshotMark");
      await this.prune(point);
      if (state.phase === "stopped") return;
      state.raft.compact(point, Math.floor(this.#snapshotEntries * retainedShare));
      this.#underWay = false;
    } catch (error) {
      state.fail(error);
    }
  }

  #point(): SnapshotPoint {
    const { appliedIndex, appliedTerm, raft, without } = this.#state;
    const behind = appliedIndex - 1;
    const term = without === "snapshotAtApplied" ? raft.termAt(behind) : null;
    return term === null ? { index: appliedIndex, term: appliedTerm } : { index: behind, term };
  }

  /** False: the disk is full. The log has what the snapshot would have; the next one is tried as usual. */
  async #wrote(point: SnapshotPoint, members: Uint8Array, snapshot: MachineSnapshot): Promise<boolean> {
    try {
      const parts = function* () {
        yield members;
        yield* snapshot.parts();
      };
      this.#lastBytes = await this.#state.storage.snapshots.write(point, parts());
      return true;
    } catch (error) {
      if (this.#taking !== snapshot) { // overtaken
        this.#underWay = false;
        return false;
      }
      if (!(error instanceof DiskError && error.kind === "noSpace")) throw error;
      this.#state.deps.log.warn("no space for a snapshot");
      await this.#state.storage.wal.dropRecycled(); // for the next one
      this.#underWay = false;
      this.#onNoSpace();
      return false;
    }
  }

  /**
   * What is applied may be ahead of this disk, but a snapshot's mark must find the entries before it in the log.
   * @return false when the member has stopped
   */
  async #stableUpTo(index: number): Promise<boolean> {
    while (this.#state.raft.status().stable < index) {
      if (this.#stopped) return false;
      await new Promise<void>((resolve) => void (this.#onStable = resolve));
    }
    this.#onStable = null;
    return true;
  }
}
