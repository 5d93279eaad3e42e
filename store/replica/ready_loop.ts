import { exponentialBuckets } from "../../platform/metrics.ts";
import type { Histogram } from "../../platform/mod.ts";
import { raftLimits } from "../raft/limits.ts";
import type { Save } from "../raft/messages.ts";
import type { WalRecord } from "../wal/codec.ts";
import type { Applier } from "./applier.ts";
import type { Leadership } from "./leadership.ts";
import { stuckDiskElections } from "./limits.ts";
import type { Requests } from "./requests.ts";
import type { OwnSnapshots } from "./snapshots.ts";
import type { ReplicaState } from "./state.ts";
import type { Machine } from "./types.ts";

/** What the loop hands its work to. */
export interface ReadyLoopParts<R> {
  readonly machine: Machine<R>;
  readonly requests: Requests<R>;
  readonly applier: Applier<R>;
  readonly leadership: Leadership<R>;
  readonly snapshots: OwnSnapshots<R>;
}

/** Does what the core says must happen: sends, applies, answers, persists. One write to the log at a time. */
export class ReadyLoop<R> {
  readonly #state: ReplicaState;
  readonly #machine: Machine<R>;
  readonly #requests: Requests<R>;
  readonly #applier: Applier<R>;
  readonly #leadership: Leadership<R>;
  readonly #snapshots: OwnSnapshots<R>;
  readonly #persistSeconds: Pick<Histogram, "observe">;
  #wakePending = false;
  /** More is committed than was applied in this turn. */
  #backlog = false;
  /** The tick at which the save under way began. */
  #savingSince: number | null = null;

  constructor(state: ReplicaState, { machine, requests, applier, leadership, snapshots }: ReadyLoopParts<R>) {
    this.#state = state;
    this.#machine = machine;
    this.#requests = requests;
    this.#applier = applier;
    this.#leadership = leadership;
    this.#snapshots = snapshots;
    // etcd's name; its bounds begin at a millisecond, and a good disk takes less.
    this.#persistSeconds = state.deps.metrics.histogram(
      "etcd_disk_wal_fsync_duration_seconds",
      "Time from handing a save to the log until it was durable.",
      exponentialBuckets(0.001 / 8, 2, 14 + 3),
    ).with({});
  }

  get backlog(): boolean {
    return this.#backlog;
  }

  /** The save under way has taken so long that the disk must hang. */
  get stuck(): boolean {
    const { tick, config } = this.#state;
    return this.#savingSince !== null && tick - this.#savingSince > stuckDiskElections * config.timers.electionTicks;
  }

  /** One pump a turn, after all that the turn brings: that is what groups proposals, acks and syncs. */
  wake(): void {
    if (this.#wakePending || this.#state.phase === "stopped") return;
    this.#wakePending = true;
    queueMicrotask(() => {
      this.#wakePending = false;
      this.pump();
    });
  }

  pump(): void {
    if (this.#state.phase === "stopped") return;
    try {
      // Until the core has nothing more that can be done in this turn; a long backlog lets messages through in between.
      while (this.#pumpOnce()) {
        if (this.#backlog) return void this.#state.deps.timers.schedule(0, () => this.pump());
      }
    } catch (error) {
      this.#state.fail(error);
    }
  }

  /**
   * The order of these lines is the durability argument; the simulator may crash us between any two.
   * @return whether there may be more to do
   */
  #pumpOnce(): boolean {
    const { raft, transport } = this.#state;
    this.#requests.askForIndex();
    raft.wantCommits(this.#machine.watched ?? true);
    const ready = raft.ready();
    transport.send(ready.messages); // a leader's appends: safe beside its own write (thesis §10.2.1)
    this.#applier.apply(ready.committed);
    this.#backlog = ready.committed.length >= raftLimits.maxApplyEntries;
    for (const { context, index } of ready.reads) {
      this.#requests.reads.answered(context, index, this.#state.appliedIndex);
    }
    this.#leadership.notice();
    if (ready.save !== null) {
      const { save } = ready;
      if (save.hardState !== null) void this.#persist(save);
      else {
        raft.advance(save); // nothing to write: only answers that repeat what is durable already
        transport.send(save.messages);
        return true;
      }
    }
    this.#snapshots.takeIfDue();
    return ready.committed.length > 0 || ready.reads.length > 0;
  }

  async #persist(save: Save): Promise<void> {
    const { raft, transport, storage, deps, failpoint, fail } = this.#state;
    this.#savingSince = this.#state.tick;
    const began = deps.clock.monotonic();
    try {
      failpoint("beforePersist");
      if (save.snapshot !== null) await storage.snapshots.write(save.snapshot.point, [save.snapshot.data]);
      failpoint("afterSnapshotFile");
      await storage.wal.append(recordsOf(save)); // one write, one sync
      failpoint("afterPersist");
      this.#savingSince = null;
      if (this.#state.phase === "stopped") return;
      this.#persistSeconds.observe((deps.clock.monotonic() - began) / 1000);
      if (save.snapshot !== null) this.#applier.install(save.snapshot); // its mark went with the save
      raft.advance(save);
      this.#snapshots.logMoved();
      failpoint("beforeSend");
      transport.send(save.messages); // a vote or an ack must not outlive a crash that forgets it
      failpoint("afterSend");
    } catch (error) {
      return fail(error);
    }
    this.pump();
    if (save.snapshot !== null) await this.#snapshots.prune(save.snapshot.point).catch(fail);
  }
}

function recordsOf(save: Save): WalRecord[] {
  const records: WalRecord[] = [];
  if (save.snapshot !== null) records.push({ kind: "snapshotMark", point: save.snapshot.point });
  if (save.hardState !== null) records.push({ kind: "hardState", hardState: save.hardState });
  if (save.entries.length > 0) records.push({ kind: "entries", entries: save.entries });
  return records;
}
