import type { Address, Component, Platform, Random, Timer, TlsIdentity } from "../platform/mod.ts";
import type { Tracer } from "../platform/tracing/mod.ts";
import { type CompactionPolicy, defaultCompaction } from "./auto_compaction.ts";
import { type Consensus, createMachine, type MachineRule, StoreFront } from "./front.ts";
import { HashCheck } from "./hash_check.ts";
import { storeLimits } from "./limits.ts";
import { showStatus } from "./member_metrics.ts";
import { createMembership } from "./membership.ts";
import type { CommandResult } from "./mvcc/command.ts";
import type { Mvcc } from "./mvcc/mvcc.ts";
import { decodeNote, noteKind } from "./notes.ts";
import { Overflow, type OverflowFiles } from "../base/overflow.ts";
import { Slabs } from "../base/slabs.ts";
import { type Replica, type ReplicaTesting, startReplica } from "./replica/mod.ts";
import { ClientServer } from "./serve.ts";
import { SpaceWarden } from "./space_warden.ts";
import type { Store, StoreStatus } from "./types.ts";
import { decodeCommand, encodeCommand, WireError } from "./wire.ts";

export interface MemberConfig {
  readonly clusterId: string;
  readonly id: string;
  /** Where members listen; when the data directory is new and `join` is not set also who belongs to the cluster. */
  readonly members: readonly { readonly id: string; readonly peerAddress: Address; readonly clientAddress: Address }[];
  /** A new data directory belongs to a member that was, or will be, added to a running cluster. */
  readonly join?: boolean;
  readonly dataDirectory: string;
  /** Required unless the addresses are unix sockets. */
  readonly tls?: TlsIdentity;
  readonly timers: { readonly tickMs: number; readonly heartbeatTicks: number; readonly electionTicks: number };
  /** What the leader does when nobody else compacts. Default: it keeps 100,000 revisions. */
  readonly compaction?: CompactionPolicy;
  /** Applied entries between two snapshots. */
  readonly snapshotEntries?: number;
  /** A segment of the log is laid out whole, in zeros, before it is written. Default 16 MiB. */
  readonly segmentBytes?: number;
  /** Between two comparisons of the members' data by the leader (etcd: corrupt-check-time); 0: none. Default 10 s. */
  readonly hashCheckIntervalMs?: number;
  /** Data of log entries kept in memory, the newest; older ones are on the disk. Default 256 KiB. */
  readonly logResidentBytes?: number;
  /** Values of superseded versions kept in memory, the newest; older ones are on the disk. Default 4 MiB. */
  readonly historyResidentBytes?: number;
  /**
   * What is left of leases longer than this survives a change of leaders (etcd: experimental-enable-lease-checkpoint, with
   * -persist). Absent: a new leader gives every lease its whole TTL again, etcd's default.
   */
  readonly leaseCheckpointIntervalMs?: number;
  /** Above so many bytes puts are refused and the NoSpace alarm goes on. Default 2 GiB. */
  readonly quotaBytes?: number;
}

/** Only tests pass this. */
export interface MemberTesting extends ReplicaTesting {
  readonly withoutInMachine?: MachineRule;
  /** Hands out the data, so that a test can spoil them. */
  readonly onData?: (mvcc: Mvcc) => void;
}

export interface Member extends Component {
  /** This member's own door. Writes only while it leads: others reject with NotLeader. */
  readonly store: Store;
  status(): StoreStatus;
  /** Equal on members that have applied the same entries. Costs a whole snapshot. */
  stateHash(): string;
  /** Settles, with the reason, when the member stopped itself: its disk failed or a bug showed. Restart the process. */
  readonly failed: Promise<Error>;
}

/**
 * One member of the replicated store: log, machine, watches and leases, and a server for clients. Ready when it listens;
 * whether it can serve depends on the others.
 * @throws StoreError or DiskError when the data directory cannot be used, NetworkError when an address cannot
 */
export async function startMember(
  config: MemberConfig,
  platform: Platform & { readonly tracer?: Tracer },
  testing: MemberTesting = {},
): Promise<Member> {
  const own = config.members.find((member) => member.id === config.id);
  await platform.disk.mkdir(config.dataDirectory);
  const overflowFiles: OverflowFiles = {
    open: () => platform.disk.openScratch(config.dataDirectory),
    fileBytes: storeLimits.overflowFileBytes,
  };
  const residentBytes = config.historyResidentBytes ?? storeLimits.historyResidentBytes;
  const overflow = new Overflow(overflowFiles);
  const logOverflow = new Overflow(overflowFiles);
  const clearOverflows = () => {
    overflow.clear();
    logOverflow.clear();
  };
  const machine = createMachine(decodeCommand, testing.withoutInMachine, {
    slabs: new Slabs(),
    overflow,
    residentBytes,
    valueBytesMin: Math.min(storeLimits.overflowValueBytesMin, residentBytes),
    sharesCommands: true,
  });
  const replica = await startReplica<CommandResult>({ logOverflow, ...config }, machine.machine, platform, testing)
    .catch((error) => {
      clearOverflows();
      throw error;
    });
  testing.onData?.(machine.mvcc);
  const electionMs = config.timers.tickMs * config.timers.electionTicks;
  const front = new StoreFront({
    machine,
    consensus: consensusOf(config.id, replica, platform.random),
    deps: platform,
    config: {
      compaction: config.compaction ?? defaultCompaction,
      leaseExtensionMs: electionMs,
      ...(config.leaseCheckpointIntervalMs === undefined
        ? {}
        : { leaseCheckpointIntervalMs: config.leaseCheckpointIntervalMs }),
      quotaBytes: config.quotaBytes ?? storeLimits.databaseBytesMax,
    },
  });
  const hashCheck = new HashCheck({
    id: config.id,
    mvcc: machine.mvcc,
    members: () => replica.members().map((member) => member.id),
    connected: (member) => replica.connected(member),
    appliedIndex: () => replica.status().appliedIndex,
    tell: (member, note) => replica.tell(member, note),
    raise: (member) => front.raiseAlarm("Corrupt", member),
    timers: platform.timers,
    log: platform.log,
    intervalMs: config.hashCheckIntervalMs ?? storeLimits.hashCheckIntervalMs,
  });
  const warden = new SpaceWarden({
    id: config.id,
    leaderId: () => replica.status().leaderId,
    raised: () => machine.mvcc.alarms.list().some(({ memberId, kind }) => memberId === config.id && kind === "NoSpace"),
    raise: (member) => front.raiseAlarm("NoSpace", member),
    tell: (member, note) => replica.tell(member, note),
    timers: platform.timers,
  });
  const server = new ClientServer({ front, timers: platform.timers, log: platform.log });
  const listenOptions = config.tls === undefined ? {} : { tls: config.tls };
  const listener = await platform.network.frames
    .listen(own?.clientAddress ?? "", listenOptions, (connection) => server.accept(connection))
    .catch(async (error) => {
      server.close();
      front.close();
      await replica.stop();
      clearOverflows();
      throw error;
    });

  let leaderless: Timer | null = null;
  const onLeader = (leaderId: string | null) => {
    front.setLeading(leaderId === config.id);
    hashCheck.setLeading(leaderId === config.id);
    server.leaderChanged();
    leaderless?.cancel();
    // Cut off from the others it would go on serving watches that see nothing: let their owners go elsewhere.
    leaderless = leaderId !== null ? null : platform.timers.schedule(
      electionMs * storeLimits.leaderlessElections,
      () => front.closeWatches(`Member ${config.id} has lost the leader`),
    );
  };
  const unsubscribe = replica.onLeaderChange(onLeader);
  const unsubscribeFull = replica.onDiskFull(() => warden.full());
  const unsubscribeTold = replica.onTold((from, note) => {
    try {
      const { kind, fields } = decodeNote(note);
      if (kind === noteKind.noSpace) front.raiseAlarm("NoSpace", from);
      else hashCheck.heard(from, kind, fields);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      platform.log.warn("a note that cannot be read", { member: from });
    }
  });
  onLeader(replica.status().leaderId);

  let closing: Promise<void> | null = null;
  const close = async () => {
    unsubscribe();
    unsubscribeFull();
    unsubscribeTold();
    hashCheck.close();
    warden.close();
    leaderless?.cancel();
    front.close();
    server.close();
    await listener.close();
    clearOverflows(); // nobody is left to read what is old
  };
  const failed = replica.failed.then(async (error) => {
    await (closing ??= close());
    return error;
  });
  const stop = async () => {
    // Leadership first, with the clients still there: they hear of the new leader and lose nothing.
    await replica.stop();
    await (closing ??= close());
  };
  showStatus(platform.metrics, () => front.statusNow());
  let stopping: Promise<void> | null = null;
  return {
    ready: Promise.resolve(),
    store: front,
    status: () => front.statusNow(),
    stateHash: () => machine.machine.stateHash(),
    failed,
    stop: () => stopping ??= stop(),
  };
}

function consensusOf(id: string, replica: Replica<CommandResult>, random: Random): Consensus {
  return {
    propose: (command, encoded, onPlaced) => replica.propose(encoded ?? encodeCommand(command), onPlaced),
    readIndex: () => replica.readIndex(),
    watched: () => replica.watched(),
    snapshot: () => replica.snapshot(),
    leads: () => replica.status().leaderId === id,
    status: () => {
      const { leaderId, term, appliedIndex, commitIndex, isLearner } = replica.status();
      return { memberId: id, leaderId: leaderId ?? "", term, appliedIndex, commitIndex, isLearner };
    },
    membership: createMembership(id, replica, random),
  };
}
