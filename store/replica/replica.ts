import { prng } from "../../base/prng.ts";
import type { Timer } from "../../platform/mod.ts";
import { Transport } from "../peer/transport.ts";
import { type ConfigurationChange, isVoter } from "../raft/configuration.ts";
import { raftLimits } from "../raft/limits.ts";
import { majorityQuorum } from "../raft/quorum.ts";
import { Raft, type RaftConfig, type RaftCore } from "../raft/mod.ts";
import { type ClusterMember, StoreError } from "../types.ts";
import { segmentBytes as defaultSegmentBytes } from "../wal/limits.ts";
import { openStorage, type Storage } from "../wal/open.ts";
import { Applier } from "./applier.ts";
import { Leadership } from "./leadership.ts";
import { defaultLogResidentBytes, minRequestMs, requestTimeoutElections } from "./limits.ts";
import { ReadyLoop } from "./ready_loop.ts";
import { Requests } from "./requests.ts";
import { configurationAtStart, Roster } from "./roster.ts";
import { OwnSnapshots } from "./snapshots.ts";
import { input, type ReplicaState } from "./state.ts";
import type { Machine, Replica, ReplicaConfig, ReplicaDeps, ReplicaStatus, ReplicaTesting } from "./types.ts";

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
  let full: () => void = () => {};
  const storage = await openStorage({
    onNoSpace: () => full(),
    disk: deps.disk,
    directory: config.dataDirectory,
    configuration: configurationAtStart(config),
    identity: { clusterId: config.clusterId, memberId: config.id },
    segmentBytes: config.segmentBytes ?? defaultSegmentBytes,
  });
  if (storage.tornBytes > 0) deps.log.info("cut off a write that a crash tore", { bytes: storage.tornBytes });
  const replica = new RunningReplica(config, machine, deps, testing, storage);
  full = () => replica.diskFull();
  await replica.start();
  return replica;
}

/** From start to stop: puts the parts together, takes what comes from outside, and lets everything go. */
class RunningReplica<R> implements Replica<R> {
  readonly failed: Promise<Error>;
  readonly #settleFailed: (error: Error) => void;
  readonly #state: ReplicaState;
  readonly #requests: Requests<R>;
  readonly #leadership: Leadership<R>;
  readonly #snapshots: OwnSnapshots<R>;
  readonly #loop: ReadyLoop<R>;
  readonly #fullListeners = new Set<() => void>();
  readonly #noteListeners = new Set<(from: string, note: Uint8Array) => void>();
  #timer: Timer | null = null;

  constructor(
    config: ReplicaConfig,
    machine: Machine<R>,
    deps: ReplicaDeps,
    testing: ReplicaTesting,
    storage: Storage,
  ) {
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.failed = promise;
    this.#settleFailed = resolve;
    const roster = new Roster(config, storage);
    const { snapshot, snapshotData } = storage.restored;
    if (snapshotData !== null) machine.restore(roster.restore(snapshotData));
    if (roster.wasRemoved(config.id)) throw removed(config.id, "start");
    const { tickMs, electionTicks } = config.timers;
    const state: ReplicaState = this.#state = {
      config,
      deps,
      storage,
      roster,
      raft: createCore(config, deps, testing, storage, roster),
      transport: this.#createTransport(config, deps, storage, roster),
      requestTicks: Math.ceil(Math.max(requestTimeoutElections * electionTicks, minRequestMs / tickMs)),
      failpoint: testing.failpoint ?? (() => {}),
      without: testing.without ?? null,
      phase: "running",
      tick: 0,
      appliedIndex: snapshot.index,
      appliedTerm: snapshot.term,
      wake: () => this.#loop.wake(),
      fail: (error) => this.#fail(error),
    };
    this.#requests = new Requests(state);
    this.#leadership = new Leadership(state, this.#requests);
    this.#snapshots = new OwnSnapshots(state, machine, () => this.diskFull());
    this.#loop = new ReadyLoop(state, {
      machine,
      requests: this.#requests,
      applier: new Applier(state, machine, this.#requests, this.#snapshots),
      leadership: this.#leadership,
      snapshots: this.#snapshots,
    });
  }

  #createTransport(config: ReplicaConfig, deps: ReplicaDeps, storage: Storage, roster: Roster): Transport {
    const { clusterId, id, tls } = config;
    return new Transport(
      { clusterId, id, address: roster.ownAddresses?.peerAddress, tls },
      { frames: deps.network.frames, log: deps.log },
      {
        onMessage: (message) => input(this.#state, () => this.#state.raft.step(message)),
        onNote: (member, note) => {
          if (this.#state.phase === "stopped") return;
          for (const listener of this.#noteListeners) listener(member, note);
        },
        onConnected: (member) => input(this.#state, () => this.#state.raft.peerConnected(member)),
        onConnectionLost: (member) => input(this.#state, () => this.#state.raft.peerConnectionLost(member)),
        onDropped: (member) => this.#state.raft.unreachable(member),
        onSnapshotSent: (member, delivered) =>
          input(this.#state, () => this.#state.raft.snapshotSent(member, delivered)),
        onRemoved: () => input(this.#state, () => this.#leave()),
        wasRemoved: (member) => roster.wasRemoved(member),
        configurationIn: (snapshot) => roster.configurationIn(snapshot),
        loadSnapshot: (point) => storage.snapshots.read(point),
      },
    );
  }

  async start(): Promise<void> {
    const { roster, transport, storage, raft, deps } = this.#state;
    roster.meet(transport);
    try {
      await transport.start();
    } catch (error) {
      await storage.wal.close();
      throw error;
    }
    this.#loop.pump(); // first what is committed: it may say who belongs to the cluster
    while (this.#loop.backlog && this.#state.phase === "running") await deps.timers.sleep(1);
    const { voters, outgoing } = raft.status().configuration;
    if (voters.length === 1 && outgoing.length === 0) raft.campaign(); // nobody to wait for
    this.#loop.pump();
    this.#schedule();
  }

  // ---- time ---------------------------------------------------------------------------------------------------

  #schedule(): void {
    const { config, deps } = this.#state;
    this.#timer = deps.timers.schedule(config.timers.tickMs, () => {
      if (this.#state.phase === "stopped") return;
      this.#schedule();
      input(this.#state, () => this.#onTick());
    });
  }

  #onTick(): void {
    const state = this.#state;
    const tick = ++state.tick;
    // A leader whose disk hangs must fall silent, or it would hold on to leadership and commit nothing.
    if (!this.#loop.stuck) state.raft.tick();
    state.transport.tick();
    this.#requests.tick(tick);
    if (state.roster.hasLeft(tick)) this.#leave();
  }

  #leave(): never {
    throw removed(this.#state.config.id, "go on");
  }

  // ---- what the replica is asked for --------------------------------------------------------------------------

  propose(command: Uint8Array, onPlaced?: (index: number, term: number) => void): Promise<R> {
    return this.#requests.propose(command, onPlaced);
  }

  change(changes: readonly ConfigurationChange[], context: Uint8Array): Promise<void> {
    return this.#requests.change(changes, context);
  }

  readIndex(): Promise<void> {
    return this.#requests.readIndex();
  }

  transferLeadership(target?: string): Promise<void> {
    return this.#leadership.transfer(target);
  }

  members(): readonly ClusterMember[] {
    return this.#state.roster.members();
  }

  connected(member: string): boolean {
    return member === this.#state.config.id || this.#state.transport.connected(member);
  }

  matchOf(member: string): number {
    return this.#state.raft.progress(member)?.match ?? 0;
  }

  status(): ReplicaStatus {
    const { raft, config, appliedIndex } = this.#state;
    const status = raft.status();
    return {
      ...status,
      id: config.id,
      leaderId: status.leader,
      appliedIndex,
      commitIndex: status.committed,
      isLearner: !isVoter(status.configuration, config.id),
    };
  }

  snapshot(): Promise<void> {
    return this.#snapshots.takeNow();
  }

  watched(): void {
    this.#loop.wake();
  }

  onLeaderChange(listener: (leaderId: string | null) => void): () => void {
    return this.#leadership.onChange(listener);
  }

  onDiskFull(listener: () => void): () => void {
    this.#fullListeners.add(listener);
    return () => void this.#fullListeners.delete(listener);
  }

  diskFull(): void {
    for (const listener of this.#fullListeners) listener();
  }

  tell(member: string, note: Uint8Array): void {
    if (this.#state.phase !== "stopped") this.#state.transport.sendNote(member, note);
  }

  onTold(listener: (from: string, note: Uint8Array) => void): () => void {
    this.#noteListeners.add(listener);
    return () => void this.#noteListeners.delete(listener);
  }

  // ---- the end ------------------------------------------------------------------------------------------------

  async stop(): Promise<void> {
    if (this.#state.phase !== "running") return;
    this.#state.phase = "stopping";
    await this.transferLeadership();
    await this.#release("the member was stopped");
  }

  #fail(cause: unknown): void {
    if (this.#state.phase === "stopped") return;
    const error = cause instanceof Error ? cause : new Error(String(cause));
    this.#state.deps.log.error("the member stops", { error: error.message });
    void this.#release(error.message);
    this.#settleFailed(error);
  }

  async #release(why: string): Promise<void> {
    const { transport, storage } = this.#state;
    this.#state.phase = "stopped";
    this.#timer?.cancel();
    this.#snapshots.logMoved();
    this.#requests.failAll(why);
    await transport.close();
    await storage.wal.close().catch(() => {}); // the disk may be what failed
  }
}

function createCore(
  config: ReplicaConfig,
  deps: ReplicaDeps,
  testing: ReplicaTesting,
  { restored }: Storage,
  roster: Roster,
): RaftCore {
  const create = testing.createRaft ?? ((raftConfig: RaftConfig) => new Raft(raftConfig));
  return create({
    id: config.id,
    heartbeatTicks: config.timers.heartbeatTicks,
    electionTicks: config.timers.electionTicks,
    random: prng(deps.random.int(0x7fffffff)),
    limits: raftLimits,
    quorum: majorityQuorum,
    restored: { ...restored, configuration: roster.configuration },
    ...(config.logOverflow === undefined ? {} : {
      memory: {
        overflow: config.logOverflow,
        residentBytes: config.logResidentBytes ?? defaultLogResidentBytes,
      },
    }),
  });
}

function removed(id: string, what: "start" | "go on"): StoreError {
  return new StoreError("MemberNotFound", `Cannot ${what}: ${id} was removed from the cluster`);
}
