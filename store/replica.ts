import { invariant } from "../base/assert.ts";
import { prng } from "../base/prng.ts";
import {
  type Address,
  type Clock,
  type Disk,
  DiskError,
  type Log,
  type Metrics,
  type Network,
  type Random,
  type Timer,
  type Timers,
  type TlsIdentity,
} from "../platform/mod.ts";
import { configurationIn, Directory, type MemberAddresses } from "./directory.ts";
import { Overflow, type OverflowFiles } from "../base/overflow.ts";
import { Transport } from "./peer/transport.ts";
import {
  type Configuration,
  type ConfigurationChange,
  isVoter,
  membersOf,
  noConfiguration,
  votersOnly,
} from "./raft/configuration.ts";
import { handoverElections, raftLimits } from "./raft/limits.ts";
import type { Entry, ReadState, Save, SnapshotPoint } from "./raft/messages.ts";
import { majorityQuorum } from "./raft/quorum.ts";
import { Raft, type RaftConfig, type RaftCore, type RaftStatus } from "./raft/raft.ts";
import {
  defaultLogResidentBytes,
  defaultSnapshotEntries,
  maxCommandBytes,
  maxLogBytes,
  maxWaitingReads,
  minRequestMs,
  requestTimeoutElections,
  retainedShare,
  stuckDiskElections,
} from "./replica_limits.ts";
import { ProposalWaiters, ReadWaiters } from "./replica_waiters.ts";
import { type ClusterMember, StoreError } from "./types.ts";
import type { WalRecord } from "./wal/codec.ts";
import { segmentBytes as defaultSegmentBytes } from "./wal/limits.ts";
import { openStorage, type Storage } from "./wal/open.ts";

/** The replicated state machine: deterministic, synchronous. Index and term of snapshots are the replica's affair. */
export interface Machine<R> {
  /** @param index the command's place in the log, the same on every member; each is applied once and in order */
  apply(index: number, command: Uint8Array): R;
  /** The whole state as of now: what is applied afterwards is not in it, though its parts are made later. */
  snapshot(): MachineSnapshot;
  restore(snapshot: Uint8Array): void;
  /** Someone waits for what is applied here. Absent: always. Otherwise it may come a heartbeat later (docs/adr/0020). */
  readonly watched?: boolean;
}

export interface MachineSnapshot {
  /** Once; throws when it was closed in between. */
  parts(): Iterable<Uint8Array>;
  /** It may be forgotten; idempotent. */
  close(): void;
}

export interface ReplicaConfig {
  readonly id: string;
  readonly clusterId: string;
  /**
   * Where members listen: for those named here this holds, whatever they said before. When the data directory is new and
   * `join` is not set they are also who belongs to the cluster: then the same on every member.
   */
  readonly members: readonly { readonly id: string; readonly peerAddress: Address; readonly clientAddress: Address }[];
  /** A new data directory belongs to a member that was, or will be, added to a running cluster. */
  readonly join?: boolean;
  readonly dataDirectory: string;
  /** Required unless peer addresses are unix sockets. */
  readonly tls?: TlsIdentity;
  readonly timers: { readonly tickMs: number; readonly heartbeatTicks: number; readonly electionTicks: number };
  /** Applied entries between snapshots. */
  readonly snapshotEntries?: number;
  readonly segmentBytes?: number;
  /** Where the older part of the log lies, beside the log itself. Absent: all of it stays in memory. */
  readonly overflowFiles?: OverflowFiles;
  /** Data of the newest entries that stay in memory. */
  readonly logResidentBytes?: number;
}

export interface ReplicaDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Places where a crash is interesting. */
export type FailpointName =
  | "beforePersist"
  | "afterSnapshotFile"
  | "afterPersist"
  | "beforeSend"
  | "afterSend"
  | "afterApply"
  | "beforeSnapshot"
  | "afterSnapshotMark";

/** Only tests pass this. */
export interface ReplicaTesting {
  /** Called at each boundary; may crash the simulated host. */
  readonly failpoint?: (name: FailpointName) => void;
  /** Makes the core, perhaps one that is wrong on purpose. */
  readonly createRaft?: (config: RaftConfig) => RaftCore;
  /** A rule to break: mutants, which prove that the checkers check. */
  readonly without?: ReplicaRule;
}

/** `markSnapshots`: a snapshot counts with its mark in the log. `snapshotAtApplied`: it says which entry it ends with. */
export type ReplicaRule = "markSnapshots" | "snapshotAtApplied";

export interface ReplicaStatus extends RaftStatus {
  readonly id: string;
  /** Null while none is known. */
  readonly leaderId: string | null;
  readonly appliedIndex: number;
  readonly commitIndex: number;
  readonly isLearner: boolean;
}

export interface Replica<R> {
  /**
   * Resolves with the machine's result once committed and applied here. Leader only.
   * @param onPlaced hears which entry of the log the command became, if it became one
   * @throws StoreError NotLeader or NoLeader (not taken, safe to try elsewhere), Unavailable (unknown), TooLarge
   */
  propose(command: Uint8Array, onPlaced?: (index: number, term: number) => void): Promise<R>;
  /**
   * Resolves when this member has applied everything that was committed when it was called: a read of the machine is
   * then linearizable. On any member. @throws StoreError NoLeader, Unavailable
   */
  readIndex(): Promise<void>;
  /**
   * Resolves once the configuration after `changes` is committed and in force here; a joint one is left by itself later.
   * Leader only. @param context see Directory
   * @throws StoreError as `propose`, and InvalidArgument for changes that leave no voter
   */
  change(changes: readonly ConfigurationChange[], context: Uint8Array): Promise<void>;
  /** Who belongs to the cluster, as far as this member has applied the log. */
  members(): readonly ClusterMember[];
  /** This member can talk to the other one. */
  connected(member: string): boolean;
  /** Leader: the last index that the other member surely has; 0 when unknown. */
  matchOf(member: string): number;
  status(): ReplicaStatus;
  /** The machine has just become watched. */
  watched(): void;
  /** Called when the leader changes, with null when it is lost. @return unsubscribes */
  onLeaderChange(listener: (leaderId: string | null) => void): () => void;
  /** Called when something could not be written for want of space, and the member goes on. @return unsubscribes */
  onDiskFull(listener: () => void): () => void;
  /** Says something short to another member, past the log. It may get lost. */
  tell(member: string, note: Uint8Array): void;
  /** Called with what another member told this one. @return unsubscribes */
  onTold(listener: (from: string, note: Uint8Array) => void): () => void;
  /** Asks the leader (this member) to hand over; resolves when it has or when it did not work in time. */
  transferLeadership(target?: string): Promise<void>;
  /** Settles, with the reason, when the member stopped itself: its disk failed or a bug showed. Restart it. */
  readonly failed: Promise<Error>;
  /** Hands leadership over, then lets everything go. Idempotent. */
  stop(): Promise<void>;
}

/** Restores the newest snapshot, replays the log, joins the others. */
export async function startReplica<R>(
  config: ReplicaConfig,
  machine: Machine<R>,
  deps: ReplicaDeps,
  testing: ReplicaTesting = {},
): Promise<Replica<R>> {
  if (!config.members.some((member) => member.id === config.id)) {
    throw new StoreError("InvalidArgument", `Cannot start: ${config.id} is not one of the members`);
  }
  const configuration = firstConfiguration(config);
  let full: () => void = () => {};
  const storage = await openStorage({
    onNoSpace: () => full(),
    disk: deps.disk,
    directory: config.dataDirectory,
    configuration,
    identity: { clusterId: config.clusterId, memberId: config.id },
    segmentBytes: config.segmentBytes ?? defaultSegmentBytes,
  });
  if (storage.tornBytes > 0) deps.log.info("cut off a write that a crash tore", { bytes: storage.tornBytes });
  const replica = new RunningReplica(config, machine, deps, testing, storage);
  full = () => replica.diskFull();
  await replica.start();
  return replica;
}

class RunningReplica<R> implements Replica<R> {
  readonly failed: Promise<Error>;
  readonly #settleFailed: (error: Error) => void;
  readonly #config: ReplicaConfig;
  readonly #machine: Machine<R>;
  readonly #deps: ReplicaDeps;
  readonly #failpoint: (name: FailpointName) => void;
  readonly #without: ReplicaRule | null;
  readonly #storage: Storage;
  readonly #raft: RaftCore;
  readonly #transport: Transport;
  readonly #given: Map<string, MemberAddresses>;
  /** The log ended here when this process started. */
  readonly #restoredIndex: number;
  /** Of a snapshot that does not say: written before members could change. */
  readonly #first: Configuration;
  readonly #directory: Directory;
  readonly #proposals = new ProposalWaiters<R | typeof changed>();
  readonly #reads = new ReadWaiters();
  readonly #leaderListeners = new Set<(leaderId: string | null) => void>();
  readonly #fullListeners = new Set<() => void>();
  readonly #noteListeners = new Set<(from: string, note: Uint8Array) => void>();
  readonly #persistMs;
  readonly #elections;
  /** After so many a proposal or a read without an outcome is given up. */
  readonly #requestTicks: number;

  #state: "running" | "stopping" | "stopped" = "running";
  #tick = 0;
  #timer: Timer | null = null;
  #wakePending = false;
  /** More is committed than was applied in this turn. */
  #backlog = false;
  /** The tick at which the save under way began. */
  #savingSince: number | null = null;
  #appliedIndex: number;
  #appliedTerm: number;
  #leaderId: string | null = null;
  #role: RaftStatus["role"] = "follower";
  /** This member was removed: the tick at which it stops. Until then it votes for those who stay. */
  #leavingTick: number | null = null;
  #snapshotting = false;
  /** Read part by part, until a snapshot from the leader overtakes it. */
  #taking: MachineSnapshot | null = null;
  /** The snapshot under way waits until the log on this disk has reached it. */
  #onStable: (() => void) | null = null;
  #entriesSinceSnapshot = 0;
  #bytesSinceSnapshot = 0;
  #lastSnapshotBytes: number;

  constructor(
    config: ReplicaConfig,
    machine: Machine<R>,
    deps: ReplicaDeps,
    testing: ReplicaTesting,
    storage: Storage,
  ) {
    this.#config = config;
    this.#machine = machine;
    this.#deps = deps;
    this.#failpoint = testing.failpoint ?? (() => {});
    this.#without = testing.without ?? null;
    this.#storage = storage;
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.failed = promise;
    this.#settleFailed = resolve;
    const { restored } = storage;
    this.#given = new Map(config.members.map(({ id, ...addresses }) => [id, addresses]));
    this.#restoredIndex = restored.entries.at(-1)?.index ?? restored.snapshot.index;
    this.#first = storage.firstConfiguration ?? firstConfiguration(config);
    this.#directory = new Directory(this.#first);
    if (restored.snapshotData !== null) {
      machine.restore(this.#directory.restore(restored.snapshotData, this.#first));
    }
    if (this.#directory.wasRemoved(config.id)) {
      throw new StoreError("MemberNotFound", `Cannot start: ${config.id} was removed from the cluster`);
    }
    this.#appliedIndex = restored.snapshot.index;
    this.#appliedTerm = restored.snapshot.term;
    this.#lastSnapshotBytes = restored.snapshotData?.length ?? 0;
    const createRaft = testing.createRaft ?? ((raftConfig: RaftConfig) => new Raft(raftConfig));
    this.#raft = createRaft({
      id: config.id,
      heartbeatTicks: config.timers.heartbeatTicks,
      electionTicks: config.timers.electionTicks,
      random: prng(deps.random.int(0x7fffffff)),
      limits: raftLimits,
      quorum: majorityQuorum,
      restored: { ...restored, configuration: this.#directory.configuration },
      ...(config.overflowFiles === undefined ? {} : {
        memory: {
          overflow: new Overflow(config.overflowFiles),
          residentBytes: config.logResidentBytes ?? defaultLogResidentBytes,
        },
      }),
    });
    const { clusterId, id, tls } = config;
    this.#transport = new Transport(
      { clusterId, id, address: this.#given.get(id)?.peerAddress, tls },
      { frames: deps.network.frames, log: deps.log },
      {
        onMessage: (message) => this.#input(() => this.#raft.step(message)),
        onNote: (member, note) => {
          if (this.#state === "stopped") return;
          for (const listener of this.#noteListeners) listener(member, note);
        },
        onConnected: (member) => this.#input(() => this.#raft.peerConnected(member)),
        onConnectionLost: (member) => this.#input(() => this.#raft.peerConnectionLost(member)),
        onDropped: (member) => this.#raft.unreachable(member),
        onSnapshotSent: (member, delivered) => this.#input(() => this.#raft.snapshotSent(member, delivered)),
        onRemoved: () => this.#input(() => this.#leave()),
        wasRemoved: (member) => this.#directory.wasRemoved(member),
        configurationIn: (snapshot) => configurationIn(snapshot, this.#first),
        loadSnapshot: (point) => storage.snapshots.read(point),
      },
    );
    const { tickMs, electionTicks } = config.timers;
    this.#requestTicks = Math.ceil(Math.max(requestTimeoutElections * electionTicks, minRequestMs / tickMs));
    this.#elections = deps.metrics.counter(
      "store_raft_elections_total",
      "Elections: those that this member began (preCandidate), stood in (candidate), won (leader); leaders it lost (lost).",
    );
    this.#persistMs = deps.metrics.histogram(
      "store_raft_persist_duration_milliseconds",
      "Time from handing a save to the log until it was durable.",
      [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 500],
    );
  }

  async start(): Promise<void> {
    this.#meetPeers();
    try {
      await this.#transport.start();
    } catch (error) {
      await this.#storage.wal.close();
      throw error;
    }
    this.#pump(); // first what is committed: it may say who belongs to the cluster
    while (this.#backlog && this.#state === "running") await this.#deps.timers.sleep(1);
    const { voters, outgoing } = this.#raft.status().configuration;
    if (voters.length === 1 && outgoing.length === 0) this.#raft.campaign(); // nobody to wait for
    this.#pump();
    this.#schedule();
  }

  /** Peers are the members, and those that this process was told of: a member that joins knows only them. */
  #meetPeers(): void {
    const ids = new Set([...membersOf(this.#directory.configuration), ...this.#given.keys()]);
    const peers = [...ids].flatMap((id) => {
      const peerAddress = (this.#given.get(id) ?? this.#directory.addresses(id))?.peerAddress;
      const known = id !== this.#config.id && peerAddress !== undefined && !this.#directory.wasRemoved(id);
      return known ? [{ id, peerAddress }] : [];
    });
    this.#transport.setPeers(peers);
  }

  // ---- inputs -------------------------------------------------------------------------------------------------

  propose(command: Uint8Array, onPlaced?: (index: number, term: number) => void): Promise<R> {
    if (this.#state === "stopped") return Promise.reject(notSent("the member has stopped"));
    if (command.length > maxCommandBytes) {
      const message = `Cannot propose ${command.length} bytes: the maximum is ${maxCommandBytes}`;
      return Promise.reject(new StoreError("TooLarge", message));
    }
    const proposed = this.#raft.propose(command);
    if (!proposed.ok) return Promise.reject(this.#refusal(proposed.reason));
    onPlaced?.(proposed.index, proposed.term);
    return new Promise((resolve, reject) => {
      const deadlineTick = this.#tick + this.#requestTicks;
      this.#proposals.add(proposed.index, {
        term: proposed.term,
        resolve: (result) => result === changed ? reject(new Error("a change answered a command")) : resolve(result),
        reject,
        deadlineTick,
      });
      this.#wake();
    });
  }

  change(changes: readonly ConfigurationChange[], context: Uint8Array): Promise<void> {
    if (this.#state === "stopped") return Promise.reject(notSent("the member has stopped"));
    const proposed = this.#raft.proposeChange(changes, context);
    if (!proposed.ok) return Promise.reject(this.#refusal(proposed.reason));
    const { index, term } = proposed;
    const deadlineTick = this.#tick + this.#requestTicks;
    return new Promise((resolve, reject) => {
      this.#proposals.add(index, { term, resolve: () => resolve(), reject, deadlineTick });
      this.#wake();
    });
  }

  members(): readonly ClusterMember[] {
    return this.#directory.members(this.#given);
  }

  connected(member: string): boolean {
    return member === this.#config.id || this.#transport.connected(member);
  }

  matchOf(member: string): number {
    return this.#raft.progress(member)?.match ?? 0;
  }

  #refusal(reason: "notLeader" | "transferring" | "full" | "notReady" | "pending" | "invalid"): StoreError {
    const { leader } = this.#raft.status();
    switch (reason) {
      case "notLeader":
        return leader === null
          ? notSent("there is no leader")
          : new StoreError("NotLeader", `Cannot write: the leader is ${leader}`);
      case "transferring":
        return notSent("leadership is being handed over");
      case "full":
        return notSent("too many writes wait for a quorum");
      case "notReady":
        return notSent("the leader has not committed an entry of its term yet");
      case "pending":
        return notSent("another change of members is under way");
      case "invalid":
        return new StoreError("InvalidArgument", "Cannot change members: no voter would be left");
    }
  }

  readIndex(): Promise<void> {
    if (this.#state === "stopped") return Promise.reject(notSent("the member has stopped"));
    if (this.#reads.size >= maxWaitingReads) return Promise.reject(notSent("too many reads wait"));
    const deadlineTick = this.#tick + this.#requestTicks;
    return new Promise((resolve, reject) => {
      this.#reads.add({ resolve, reject, deadlineTick });
      this.#wake();
    });
  }

  watched(): void {
    this.#wake();
  }

  status(): ReplicaStatus {
    const status = this.#raft.status();
    return {
      ...status,
      id: this.#config.id,
      leaderId: status.leader,
      appliedIndex: this.#appliedIndex,
      commitIndex: status.committed,
      isLearner: !isVoter(status.configuration, this.#config.id),
    };
  }

  onLeaderChange(listener: (leaderId: string | null) => void): () => void {
    this.#leaderListeners.add(listener);
    return () => void this.#leaderListeners.delete(listener);
  }

  onDiskFull(listener: () => void): () => void {
    this.#fullListeners.add(listener);
    return () => void this.#fullListeners.delete(listener);
  }

  tell(member: string, note: Uint8Array): void {
    if (this.#state !== "stopped") this.#transport.sendNote(member, note);
  }

  onTold(listener: (from: string, note: Uint8Array) => void): () => void {
    this.#noteListeners.add(listener);
    return () => void this.#noteListeners.delete(listener);
  }

  async transferLeadership(target?: string): Promise<void> {
    const { id, timers } = this.#config;
    const { voters } = this.#raft.status().configuration;
    const to = target ?? this.#mostCaughtUp(voters.filter((member) => member !== id));
    if (to === undefined || this.#raft.status().role !== "leader") return;
    this.#input(() => this.#raft.transferLeadership(to));
    // To a chosen member: until it is known to lead, for between the two leaders there is a moment with none.
    const handingOver = () => {
      const { role, leader } = this.#raft.status();
      return role === "leader" || (target !== undefined && leader === null);
    };
    for (let i = 0; i < handoverElections * timers.electionTicks && handingOver(); i++) {
      await this.#deps.timers.sleep(timers.tickMs);
    }
  }

  /** The core knows which member has most of the log; the one first in the list is as good as any when it does not. */
  #mostCaughtUp(others: readonly string[]): string | undefined {
    return others.toSorted((a, b) => this.matchOf(b) - this.matchOf(a))[0];
  }

  #schedule(): void {
    this.#timer = this.#deps.timers.schedule(this.#config.timers.tickMs, () => {
      if (this.#state === "stopped") return;
      this.#schedule();
      this.#input(() => this.#onTick());
    });
  }

  #onTick(): void {
    this.#tick++;
    const { electionTicks } = this.#config.timers;
    // A leader whose disk hangs must fall silent, or it would hold on to leadership and commit nothing.
    const stuck = this.#savingSince !== null && this.#tick - this.#savingSince > stuckDiskElections * electionTicks;
    if (!stuck) this.#raft.tick();
    this.#transport.tick();
    this.#proposals.expire(this.#tick);
    this.#reads.tick(this.#tick);
    if (this.#leavingTick !== null && this.#tick >= this.#leavingTick) this.#leave();
  }

  #leave(): never {
    throw new StoreError("MemberNotFound", `Cannot go on: ${this.#config.id} was removed from the cluster`);
  }

  /** Every input goes through here: a bug in the core stops the member instead of being lost in a callback. */
  #input(step: () => void): void {
    if (this.#state === "stopped") return;
    try {
      step();
    } catch (error) {
      return this.#fail(error);
    }
    this.#wake();
  }

  /** One pump a turn, after all that the turn brings: that is what groups proposals, acks and syncs. */
  #wake(): void {
    if (this.#wakePending || this.#state === "stopped") return;
    this.#wakePending = true;
    queueMicrotask(() => {
      this.#wakePending = false;
      this.#pump();
    });
  }

  // ---- the Ready loop -----------------------------------------------------------------------------------------

  #pump(): void {
    if (this.#state === "stopped") return;
    try {
      // Until the core has nothing more that can be done in this turn; a long backlog lets messages through in between.
      while (this.#pumpOnce()) {
        if (this.#backlog) return void this.#deps.timers.schedule(0, () => this.#pump());
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * The order of these lines is the durability argument; the simulator may crash us between any two.
   * @return whether there may be more to do
   */
  #pumpOnce(): boolean {
    const { timers } = this.#config;
    this.#reads.ask(this.#tick, 4 * timers.heartbeatTicks, (context) => this.#raft.readIndex(context));
    this.#raft.wantCommits(this.#machine.watched ?? true);
    const ready = this.#raft.ready();
    this.#transport.send(ready.messages); // a leader's appends: safe beside its own write (thesis §10.2.1)
    this.#apply(ready.committed);
    this.#backlog = ready.committed.length >= raftLimits.maxApplyEntries;
    for (const read of ready.reads) this.#onReadState(read);
    this.#noticeLeader();
    if (ready.save !== null) {
      const { save } = ready;
      if (save.hardState !== null) void this.#persist(save);
      else {
        this.#raft.advance(save); // nothing to write: only answers that repeat what is durable already
        this.#transport.send(save.messages);
        return true;
      }
    }
    this.#snapshotIfDue();
    return ready.committed.length > 0 || ready.reads.length > 0;
  }

  async #persist(save: Save): Promise<void> {
    this.#savingSince = this.#tick;
    const began = this.#deps.clock.monotonic();
    try {
      this.#failpoint("beforePersist");
      if (save.snapshot !== null) await this.#storage.snapshots.write(save.snapshot.point, [save.snapshot.data]);
      this.#failpoint("afterSnapshotFile");
      await this.#storage.wal.append(recordsOf(save)); // one write, one sync
      this.#failpoint("afterPersist");
      this.#savingSince = null;
      if (this.#state === "stopped") return;
      this.#persistMs.observe(this.#deps.clock.monotonic() - began);
      if (save.snapshot !== null) this.#install(save.snapshot); // its mark went with the save
      this.#raft.advance(save);
      this.#onStable?.();
      this.#failpoint("beforeSend");
      this.#transport.send(save.messages); // a vote or an ack must not outlive a crash that forgets it
      this.#failpoint("afterSend");
    } catch (error) {
      return this.#fail(error);
    }
    this.#pump();
    if (save.snapshot !== null) await this.#prune(save.snapshot.point).catch((error) => this.#fail(error));
  }

  #install({ point, data }: { readonly point: SnapshotPoint; readonly data: Uint8Array }): void {
    this.#taking?.close(); // what it describes is about to be replaced
    this.#taking = null;
    this.#machine.restore(this.#directory.restore(data, this.#first));
    this.#meetPeers();
    this.#appliedIndex = point.index;
    this.#appliedTerm = point.term;
    this.#proposals.covered(point.index);
    this.#reads.applied(point.index);
    this.#snapshotTaken(data.length);
  }

  /** Older snapshots and segments may go once the mark of the newest is in the log, never before. */
  async #prune(newest: SnapshotPoint): Promise<void> {
    const keep = await this.#storage.snapshots.prune(newest);
    await this.#storage.wal.release(keep.index);
  }

  #apply(committed: readonly Entry[]): void {
    for (const entry of committed) {
      invariant(entry.index === this.#appliedIndex + 1, `entry ${entry.index} follows ${this.#appliedIndex}`);
      const result = this.#applyOne(entry);
      this.#appliedIndex = entry.index;
      this.#appliedTerm = entry.term;
      this.#bytesSinceSnapshot += entry.data.length;
      this.#proposals.applied(entry.index, entry.term, result);
    }
    if (committed.length === 0) return;
    this.#entriesSinceSnapshot += committed.length;
    this.#reads.applied(this.#appliedIndex);
    this.#failpoint("afterApply");
  }

  #applyOne(entry: Entry): { readonly value: R | typeof changed } | null {
    switch (entry.kind) {
      case "noop":
        return null;
      case "command":
        return { value: this.#machine.apply(entry.index, entry.data) };
      case "config":
        this.#applyConfiguration(entry);
        return { value: changed };
    }
  }

  #applyConfiguration({ index, data }: Entry): void {
    const { id } = this.#config;
    const before = this.#directory.configuration;
    const moved = this.#directory.apply(data);
    // Newer than what this process was started with.
    if (moved !== null && index > this.#restoredIndex) this.#given.delete(moved);
    this.#meetPeers();
    const now = this.#directory.configuration;
    this.#deps.log.info("members changed", { voters: now.voters.join(" "), learners: now.learners.join(" ") });
    if (membersOf(now).includes(id)) this.#leavingTick = null;
    else if (membersOf(before).includes(id)) {
      this.#leavingTick = this.#tick + this.#requestTicks;
    }
  }

  #onReadState({ context, index }: ReadState): void {
    this.#reads.answered(context, index, this.#appliedIndex);
  }

  #noticeLeader(): void {
    const { role, leader, term } = this.#raft.status();
    if (this.#role === "leader" && role !== "leader") {
      this.#proposals.hasten(this.#tick + this.#config.timers.electionTicks);
    }
    // Experiments on live clusters read these notes: when was the leader suspected, when were votes asked for.
    if (role !== this.#role) {
      this.#deps.log.info("role changed", { role, term });
      if (role !== "follower") this.#elections.add(1, { stage: role });
    }
    this.#role = role;
    if (leader === this.#leaderId) return;
    if (leader === null) this.#elections.add(1, { stage: "lost" });
    this.#leaderId = leader;
    this.#deps.log.info("leader changed", { leader: leader ?? "", term });
    this.#reads.again(); // the one that was asked may be gone
    this.#wake();
    for (const listener of this.#leaderListeners) listener(leader);
  }

  // ---- own snapshots ------------------------------------------------------------------------------------------

  /** Snapshots cost what the state weighs, so the log must weigh as much before the next one is due. */
  #snapshotIfDue(): void {
    const entries = this.#entriesSinceSnapshot >= (this.#config.snapshotEntries ?? defaultSnapshotEntries);
    const weighty = this.#bytesSinceSnapshot >= Math.min(this.#lastSnapshotBytes, maxLogBytes);
    const due = (entries && weighty) || this.#bytesSinceSnapshot >= maxLogBytes;
    if (due && !this.#snapshotting) void this.#takeSnapshot();
  }

  #snapshotTaken(bytes: number): void {
    this.#lastSnapshotBytes = bytes;
    this.#entriesSinceSnapshot = 0;
    this.#bytesSinceSnapshot = 0;
  }

  async #takeSnapshot(): Promise<void> {
    this.#snapshotting = true;
    try {
      this.#failpoint("beforeSnapshot");
      const point = this.#snapshotPoint();
      const members = this.#directory.encode();
      const snapshot = this.#machine.snapshot();
      this.#taking = snapshot;
      this.#snapshotTaken(this.#lastSnapshotBytes);
      try {
        if (!await this.#wroteSnapshot(point, members, snapshot)) return;
      } finally {
        snapshot.close();
      }
      this.#taking = null;
      if (!await this.#stableUpTo(point.index)) return;
      if (this.#without !== "markSnapshots") await this.#storage.wal.append([{ kind: "snapshotMark", point }]);
      this.#failpoint("afterSnapshotMark");
      await this.#prune(point);
      if (this.#state === "stopped") return;
      const retain = Math.floor((this.#config.snapshotEntries ?? defaultSnapshotEntries) * retainedShare);
      this.#raft.compact(point, retain);
      this.#snapshotting = false;
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * What is applied may be ahead of this disk, but a snapshot's mark must find the entries before it in the log.
   * @return false when the member has stopped
   */
  async #stableUpTo(index: number): Promise<boolean> {
    while (this.#raft.status().stable < index) {
      if (this.#state === "stopped") return false;
      await new Promise<void>((resolve) => void (this.#onStable = resolve));
    }
    this.#onStable = null;
    return true;
  }

  /** False: the disk is full. The log has what the snapshot would have; the next one is tried as usual. */
  async #wroteSnapshot(point: SnapshotPoint, members: Uint8Array, snapshot: MachineSnapshot): Promise<boolean> {
    try {
      const parts = function* () {
        yield members;
        yield* snapshot.parts();
      };
      this.#lastSnapshotBytes = await this.#storage.snapshots.write(point, parts());
      return true;
    } catch (error) {
      if (this.#taking !== snapshot) { // overtaken
        this.#snapshotting = false;
        return false;
      }
      if (!(error instanceof DiskError && error.kind === "noSpace")) throw error;
      this.#deps.log.warn("no space for a snapshot");
      this.#snapshotting = false;
      this.diskFull();
      return false;
    }
  }

  diskFull(): void {
    for (const listener of this.#fullListeners) listener();
  }

  #snapshotPoint(): SnapshotPoint {
    const behind = this.#appliedIndex - 1;
    const term = this.#without === "snapshotAtApplied" ? this.#raft.termAt(behind) : null;
    return term === null ? { index: this.#appliedIndex, term: this.#appliedTerm } : { index: behind, term };
  }

  // ---- the end ------------------------------------------------------------------------------------------------

  async stop(): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "stopping";
    await this.transferLeadership();
    await this.#release("the member was stopped");
  }

  /** The disk failed or a bug showed: nothing that is known can be trusted any more. */
  #fail(cause: unknown): void {
    if (this.#state === "stopped") return;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#deps.log.error("the member stops", { error: error.message });
    void this.#release(error.message);
    this.#settleFailed(error);
  }

  async #release(why: string): Promise<void> {
    this.#state = "stopped";
    this.#timer?.cancel();
    this.#onStable?.();
    this.#proposals.failAll(why);
    this.#reads.failAll(notSent(why));
    await this.#transport.close();
    await this.#storage.wal.close().catch(() => {}); // the disk may be what failed
  }
}

/** What a waiting change of members is answered with. */
const changed = Symbol("changed");

function firstConfiguration(config: ReplicaConfig): Configuration {
  return config.join === true ? noConfiguration : votersOnly(config.members.map((member) => member.id));
}

function recordsOf(save: Save): WalRecord[] {
  const records: WalRecord[] = [];
  if (save.snapshot !== null) records.push({ kind: "snapshotMark", point: save.snapshot.point });
  if (save.hardState !== null) records.push({ kind: "hardState", hardState: save.hardState });
  if (save.entries.length > 0) records.push({ kind: "entries", entries: save.entries });
  return records;
}

function notSent(why: string): StoreError {
  return new StoreError("NoLeader", `Cannot serve: ${why}`);
}
