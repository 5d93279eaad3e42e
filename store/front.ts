import { fromLatin1 } from "../base/bytes.ts";
import type { TraceContext } from "../base/trace_context.ts";
import type { Clock, Random, Timer, Timers } from "../platform/mod.ts";
import type { Tracer } from "../platform/tracing/mod.ts";
import { AutoCompaction, type CompactionPolicy } from "./auto_compaction.ts";
import type { LeaseCheckpoint } from "./lease/lease_table.ts";
import { storeLimits } from "./limits.ts";
import { fixedMembership } from "./membership.ts";
import { defragment } from "./defragment.ts";
import { checkTxn, hasPut, isReadOnly } from "./mvcc/check.ts";
import type { Command, CommandResult, Refusal } from "./mvcc/command.ts";
import { type AppliedHook, StoreMachine } from "./mvcc/machine.ts";
import { hashKv } from "./mvcc/hash_kv.ts";
import { Mvcc } from "./mvcc/mvcc.ts";
import type { MemoryOptions } from "./mvcc/overflow.ts";
import {
  type Alarm,
  type AlarmRequest,
  type HashKvResponse,
  type LeaseGrantResponse,
  type LeaseId,
  type LeaseTimeToLive,
  type Membership,
  type RangeRequest,
  type RangeResponse,
  type Store,
  StoreError,
  type StoreStatus,
  type TxnRequest,
  type TxnResponse,
  type Watch,
  type WatchRequest,
  type WatchSink,
} from "./types.ts";
import { WatchHub } from "./watch/hub.ts";

/** A proposal has its place in the log: in this one, of this member; it may yet lose it to another. */
export type OnPlaced = (index: number, term: number) => void;

/** How commands come to be applied: through a replicated log, or at once. */
export interface Consensus {
  /**
   * @param encoded the command's bytes, when the caller has them @param onPlaced hears which entry of the log it became
   * @throws StoreError NotLeader, NoLeader, Unavailable
   */
  propose(command: Command, encoded?: Uint8Array, onPlaced?: OnPlaced): Promise<CommandResult>;
  /** Resolves when this member has applied all that was committed at the call. */
  readIndex(): Promise<void>;
  leads(): boolean;
  /** There is a watch now. */
  watched?(): void;
  /** Takes a snapshot of the machine and cuts the log behind it. Absent: there is no log. */
  snapshot?(): Promise<void>;
  status(): Pick<StoreStatus, "memberId" | "leaderId" | "term" | "appliedIndex" | "commitIndex" | "isLearner">;
  /** Absent: there is this one member for ever. */
  readonly membership?: Membership;
}

export interface FrontDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** Absent: nothing that is proposed here is traced. */
  readonly tracer?: Tracer;
}

export interface FrontConfig {
  readonly compaction: CompactionPolicy;
  /** A new leader gives every lease this much on top of its TTL. */
  readonly leaseExtensionMs: number;
  /**
   * Between two checkpoints of what is left of long leases, so that a new leader does not give them their whole TTL again.
   * Absent: it does, as with etcd without experimental-enable-lease-checkpoint.
   */
  readonly leaseCheckpointIntervalMs?: number;
  /** Above it puts are refused and the NoSpace alarm goes on. Default 2 GiB, etcd's. */
  readonly quotaBytes?: number;
}

/** Machine and watch hub of one member, wired to each other; the log is joined on later. */
export interface MachineParts {
  readonly machine: StoreMachine;
  readonly mvcc: Mvcc;
  readonly hub: WatchHub;
  /** Who is told of what is applied from now on. */
  readonly onApplied: (hook: AppliedHook) => void;
}

/**
 * Rules that a machine can be made without: mutants, which prove that the checkers check. `endCompactedWatches`: a watch
 * that has fallen behind the compaction is told so. `keepEventsAtCompaction`: events of the compact revision itself stay.
 */
export type MachineRule = "endCompactedWatches" | "keepEventsAtCompaction";

/** @param without only tests pass it @param memory where old values go; absent: they stay in it */
export function createMachine(
  decode: (bytes: Uint8Array) => Command,
  without?: MachineRule,
  memory?: MemoryOptions,
): MachineParts {
  const mvcc = new Mvcc({ keepEventsAtCompaction: without !== "keepEventsAtCompaction" }, memory);
  const hub = new WatchHub(mvcc, { endCompacted: without !== "endCompactedWatches" });
  let hook: AppliedHook | null = null;
  const machine = new StoreMachine({ mvcc, hub, decode, applied: (command) => hook?.(command) });
  return { machine, mvcc, hub, onApplied: (next) => void (hook = next) };
}

/**
 * The Store over one member's machine: reads and watches from its state, writes through the consensus, and the leader's
 * chores (lease expiry, compaction by retention). Shared by the in-memory store and the replicated member.
 */
export class StoreFront implements Store {
  readonly membership: Membership;
  readonly #machine: StoreMachine;
  readonly #mvcc: Mvcc;
  readonly #hub: WatchHub;
  readonly #consensus: Consensus;
  readonly #deps: FrontDeps;
  readonly #config: FrontConfig;
  readonly #quotaBytes: number;
  readonly #compaction: AutoCompaction;
  #leading = false;
  #syncTimer: Timer | null = null;
  #syncQueued = false;
  #leaseTimer: Timer | null = null;
  #progressTimer: Timer | null = null;
  #freeTimer: Timer | null = null;
  #defragmenting: Promise<void> | null = null;
  #closed = false;

  constructor(
    parts: {
      machine: MachineParts;
      consensus: Consensus;
      deps: FrontDeps;
      config: FrontConfig;
    },
  ) {
    this.#machine = parts.machine.machine;
    this.#mvcc = parts.machine.mvcc;
    this.#hub = parts.machine.hub;
    this.#consensus = parts.consensus;
    this.#deps = parts.deps;
    this.#config = parts.config;
    this.#quotaBytes = parts.config.quotaBytes ?? storeLimits.databaseBytesMax;
    this.#compaction = new AutoCompaction({
      policy: parts.config.compaction,
      state: this.#mvcc,
      clock: parts.deps.clock,
      timers: parts.deps.timers,
      compact: (revision) => void this.#consensus.propose({ kind: "compact", revision }).catch(() => {}),
    });
    this.membership = parts.consensus.membership ?? fixedMembership(() => parts.consensus.status().memberId);
    parts.machine.onApplied((command) => this.#afterApply(command));
  }

  async range(request: RangeRequest): Promise<RangeResponse> {
    this.#open();
    if (request.serializable !== true) await this.#consensus.readIndex();
    const result = this.#mvcc.range(request);
    if (!result.ok) throw errorOf(result);
    return result.response;
  }

  txn(request: TxnRequest, trace?: TraceContext): Promise<TxnResponse> {
    return this.txnEncoded(request, undefined, trace);
  }

  /** @param encoded the bytes of the txn command, when the caller has them: they go into the log as they are */
  async txnEncoded(
    request: TxnRequest,
    encoded: Uint8Array | undefined,
    trace: TraceContext | undefined,
  ): Promise<TxnResponse> {
    this.#open();
    const refusal = checkTxn(request);
    if (refusal !== null) throw errorOf(refusal);
    if (isReadOnly(request)) {
      await this.#consensus.readIndex();
      return txnOf(this.#mvcc.readTxn(request));
    }
    if (this.#mvcc.bytes > this.#quotaBytes && hasPut(request)) {
      this.raiseAlarm("NoSpace");
      throw new StoreError("NoSpace", `Cannot put: the store holds ${this.#mvcc.bytes} bytes`);
    }
    const command: Command = { kind: "txn", request };
    if (encoded !== undefined) this.#machine.expect(encoded, command);
    const { tracer } = this.#deps;
    if (trace !== undefined && tracer !== undefined) return await this.#traced(tracer, trace, command, encoded);
    return txnOf(await this.#consensus.propose(command, encoded));
  }

  /** The span ends when the entry is applied, in the turn that has learnt of its commit. */
  async #traced(
    tracer: Tracer,
    parent: TraceContext,
    command: Command,
    encoded: Uint8Array | undefined,
  ): Promise<TxnResponse> {
    const span = tracer.start("raft propose..commit", "internal", { parent });
    try {
      const result = await this.#consensus.propose(command, encoded, (index, term) => {
        span.set("raft.index", index);
        span.set("raft.term", term);
      });
      const response = txnOf(result);
      span.set("revision", response.revision);
      span.set("succeeded", response.succeeded);
      return response;
    } catch (error) {
      span.fail(error instanceof StoreError ? `${error.code}: ${error.message}` : String(error));
      throw error;
    } finally {
      span.end();
    }
  }

  watch(request: WatchRequest, sink: WatchSink): Watch {
    const error = this.#closed
      ? new StoreError("Unavailable", "Cannot watch: the store is closed")
      : request.key.length === 0
      ? new StoreError("InvalidArgument", "Cannot watch an empty key: a key has at least one byte")
      : null;
    if (error !== null) {
      queueMicrotask(() => sink.onClose(error));
      return { cancel: () => {}, requestProgress: () => {} };
    }
    const watcher = this.#hub.watch(request, sink);
    if (this.#hub.size === 1) this.#consensus.watched?.();
    this.#queueSync();
    if (watcher.progressNotify) this.#startProgress();
    return {
      cancel: () => this.#hub.cancel(watcher),
      requestProgress: () => {
        // The progress asked for is that of the whole store, not of a member that lags: first catch up with the leader.
        this.#consensus.readIndex().catch(() => {}).then(() => {
          this.#hub.requestProgress(watcher);
          if (this.#hub.behind) this.#queueSync();
        });
      },
    };
  }

  async leaseGrant(ttlSeconds: number, id: LeaseId = 0n): Promise<LeaseGrantResponse> {
    this.#open();
    const chosen = id === 0n ? this.#freeLeaseId() : id;
    const result = await this.#consensus.propose({ kind: "leaseGrant", id: chosen, ttlSeconds });
    if (!result.ok) throw errorOf(result);
    return { id: chosen, ttlSeconds: result.kind === "leaseGrant" ? result.ttlSeconds : ttlSeconds };
  }

  async leaseRevoke(id: LeaseId): Promise<void> {
    this.#open();
    const result = await this.#consensus.propose({ kind: "leaseRevoke", id });
    if (!result.ok) throw errorOf(result);
  }

  async leaseKeepAlive(id: LeaseId): Promise<number> {
    this.#open();
    if (!this.#consensus.leads()) throw new StoreError("NotLeader", "Cannot renew a lease: this member does not lead");
    if (this.#mvcc.leases.checkpointSeconds(id) > 0) {
      // First for everyone: a leader that comes right after must not end what was renewed.
      await this.#consensus.propose({ kind: "leaseCheckpoint", leases: [{ id, remainingSeconds: 0 }] });
    }
    let ttlSeconds = this.#mvcc.leases.renew(id, this.#deps.clock.monotonic());
    if (ttlSeconds === undefined) {
      // A new leader may not have applied yet that it was granted.
      await this.#consensus.readIndex();
      ttlSeconds = this.#mvcc.leases.renew(id, this.#deps.clock.monotonic());
    }
    if (ttlSeconds === undefined) {
      throw new StoreError("LeaseNotFound", `Cannot renew lease ${id}: it expired, was revoked or never was`);
    }
    return ttlSeconds;
  }

  async leaseTimeToLive(id: LeaseId, options: { readonly keys?: boolean } = {}): Promise<LeaseTimeToLive> {
    this.#open();
    if (!this.#consensus.leads()) {
      throw new StoreError("NotLeader", "Cannot tell a lease's time: only the leader knows");
    }
    await this.#consensus.readIndex();
    const leases = this.#mvcc.leases;
    const leftMs = leases.remainingMs(id, this.#deps.clock.monotonic());
    if (leftMs === undefined) return { id, ttlSeconds: -1, grantedTtlSeconds: 0, keys: [] };
    if (leftMs === Infinity) {
      throw new StoreError("NotLeader", "Cannot tell a lease's time: this member no longer leads");
    }
    const keys = options.keys === true ? leases.keys(id).map(fromLatin1) : [];
    return { id, ttlSeconds: Math.floor(leftMs / 1000), grantedTtlSeconds: leases.ttlSeconds(id) ?? 0, keys };
  }

  async leases(): Promise<readonly LeaseId[]> {
    this.#open();
    await this.#consensus.readIndex();
    return this.#mvcc.leases.ids();
  }

  async hashKv(revision = 0): Promise<HashKvResponse> {
    this.#open();
    const range = this.#mvcc.range({ key: new Uint8Array(1), revision, countOnly: true });
    if (!range.ok) throw errorOf(range);
    const current = this.#mvcc.revision;
    const hashRevision = revision === 0 ? current : revision;
    const { compactRevision } = this.#mvcc;
    return { hash: hashKv(this.#mvcc, hashRevision), hashRevision, compactRevision, revision: current };
  }

  async alarm(request: AlarmRequest): Promise<readonly Alarm[]> {
    this.#open();
    if (request.action === "list") {
      await this.#consensus.readIndex();
      return this.#mvcc.alarms.list();
    }
    const { action, memberId, kind } = request;
    const result = await this.#consensus.propose({ kind: "alarm", action, memberId, alarm: kind });
    if (!result.ok) throw errorOf(result);
    return result.kind === "alarm" ? result.changed : [];
  }

  /** This member, or the one named, is in trouble: lets everyone know, if it can. Asked again by the next one who notices. */
  raiseAlarm(kind: Alarm["kind"], memberId: string = this.#consensus.status().memberId): void {
    if (this.#mvcc.alarms.list().some((alarm) => alarm.memberId === memberId && alarm.kind === kind)) return;
    this.#consensus.propose({ kind: "alarm", action: "activate", memberId, alarm: kind }).catch(() => {});
  }

  async compact(revision: number): Promise<void> {
    this.#open();
    const result = await this.#consensus.propose({ kind: "compact", revision });
    if (!result.ok) throw errorOf(result);
  }

  async status(): Promise<StoreStatus> {
    return this.statusNow();
  }

  statusNow(): StoreStatus {
    return {
      ...this.#consensus.status(),
      revision: this.#mvcc.revision,
      compactRevision: this.#mvcc.compactRevision,
      databaseBytes: this.#mvcc.bytes,
      allocatedBytes: this.#mvcc.bytes + this.#mvcc.gapBytes,
      quotaBytes: this.#quotaBytes === Infinity ? null : this.#quotaBytes,
    };
  }

  /** One at a time: whoever asks meanwhile waits for the same. */
  defragment(): Promise<void> {
    this.#open();
    this.#defragmenting ??= defragment({
      mvcc: this.#mvcc,
      timers: this.#deps.timers,
      closed: () => this.#closed,
      snapshot: () => this.#consensus.snapshot?.() ?? Promise.resolve(),
    }).finally(() => this.#defragmenting = null);
    return this.#defragmenting;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.setLeading(false);
    for (const timer of [this.#syncTimer, this.#progressTimer, this.#freeTimer]) timer?.cancel();
    this.#hub.closeAll(new StoreError("Unavailable", "The store was closed"));
  }

  /** Ends every watch; their owners watch again elsewhere. For a member that has lost the others. */
  closeWatches(message: string): void {
    this.#hub.closeAll(new StoreError("Unavailable", message));
  }

  /** Tells the front whether its member leads: only a leader ends leases and compacts. */
  setLeading(leading: boolean): void {
    if (leading === this.#leading) return;
    this.#leading = leading;
    this.#compaction.setLeading(leading);
    if (leading) {
      this.#mvcc.leases.promote(this.#deps.clock.monotonic(), this.#config.leaseExtensionMs);
      this.#armLeases();
    } else {
      this.#mvcc.leases.demote();
      this.#leaseTimer?.cancel();
      this.#leaseTimer = null;
    }
  }

  #open(): void {
    if (this.#closed) throw new StoreError("Unavailable", "Cannot use the store: it is closed");
  }

  #afterApply(command: Command | null): void {
    if (this.#leading && command !== null) {
      if (command.kind === "leaseGrant") this.#mvcc.leases.start(command.id, this.#deps.clock.monotonic());
      if (command.kind === "leaseCheckpoint") this.#renewed(command.leases);
      if (command.kind === "leaseGrant") this.#armLeases();
      else this.#compaction.written();
    }
    if (command?.kind === "compact") this.#armFree();
    // A write may push a congested watch back to history; a compaction may end a slow one.
    if (this.#syncTimer === null) this.#queueSyncSoon();
  }

  /** Renewals that the leader before had answered, and that this one had not applied when it began to count. */
  #renewed(leases: readonly LeaseCheckpoint[]): void {
    for (const { id, remainingSeconds } of leases) {
      if (remainingSeconds === 0) this.#mvcc.leases.renew(id, this.#deps.clock.monotonic());
    }
  }

  #queueSync(): void {
    if (this.#syncQueued) return;
    this.#syncQueued = true;
    queueMicrotask(() => {
      this.#syncQueued = false;
      this.#sync();
    });
  }

  /** After the watches of this command were served. */
  #queueSyncSoon(): void {
    queueMicrotask(() => {
      if (this.#hub.behind && this.#syncTimer === null && !this.#syncQueued) this.#sync();
    });
  }

  #sync(): void {
    this.#syncTimer?.cancel();
    this.#syncTimer = null;
    if (this.#closed) return;
    this.#hub.sync();
    if (!this.#hub.behind) return;
    this.#syncTimer = this.#deps.timers.schedule(storeLimits.watchSyncRetryMs, () => {
      this.#syncTimer = null;
      this.#sync();
    });
  }

  #startProgress(): void {
    this.#progressTimer ??= this.#deps.timers.schedule(storeLimits.watchProgressIntervalMs, () => {
      this.#progressTimer = null;
      if (this.#hub.progressRound()) this.#startProgress();
    });
  }

  #armLeases(): void {
    if (this.#mvcc.leases.size === 0) return;
    this.#leaseTimer ??= this.#deps.timers.schedule(storeLimits.leaseExpiryIntervalMs, () => {
      this.#leaseTimer = null;
      const now = this.#deps.clock.monotonic();
      const over = this.#mvcc.leases.expire(now, storeLimits.leaseExpiryBatch);
      // A failed proposal is made again in the next round, as long as this member leads.
      for (const id of over) this.#consensus.propose({ kind: "leaseRevoke", id }).catch(() => {});
      const { leaseCheckpointIntervalMs: intervalMs } = this.#config;
      const leases = intervalMs === undefined
        ? []
        : this.#mvcc.leases.dueCheckpoints(now, intervalMs, storeLimits.leaseCheckpointBatch);
      if (leases.length > 0) this.#consensus.propose({ kind: "leaseCheckpoint", leases }).catch(() => {});
      if (this.#leading) this.#armLeases();
    });
  }

  /** Frees what a compaction left, a little at a time, so that a large one does not stop the event loop. */
  #armFree(): void {
    this.#freeTimer ??= this.#deps.timers.schedule(storeLimits.compactionStepMs, () => {
      this.#freeTimer = null;
      if (this.#mvcc.compactStep(storeLimits.compactionStepEntries)) this.#armFree();
    });
  }

  #freeLeaseId(): LeaseId {
    for (;;) {
      const bytes = this.#deps.random.bytes(8);
      const id = new DataView(bytes.buffer).getBigInt64(0) & 0x7fff_ffff_ffff_ffffn;
      if (id !== 0n && !this.#mvcc.leases.has(id)) return id;
    }
  }
}

export function errorOf(refusal: Refusal): StoreError {
  const { compactRevision } = refusal;
  return new StoreError(refusal.code, refusal.message, compactRevision === undefined ? {} : { compactRevision });
}

function txnOf(result: CommandResult): TxnResponse {
  if (!result.ok) throw errorOf(result);
  if (result.kind !== "txn") throw new StoreError("Corrupt", `A transaction was answered as ${result.kind}`);
  return result.response;
}
