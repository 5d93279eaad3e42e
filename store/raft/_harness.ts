import { must } from "../../base/assert.ts";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { type Configuration, decodeConfiguration, isJoint, noConfiguration, votersOnly } from "./configuration.ts";
import { type RaftLimits, raftLimits } from "./limits.ts";
import type { Entry, HardState, MemberId, Message, Ready, SnapshotPoint } from "./messages.ts";
import { majorityQuorum, type Quorum } from "./quorum.ts";
import { Raft } from "./raft.ts";
import type { RaftRule, RaftStatus } from "./types.ts";

/** For tests: what a member's disk holds. */
interface TestDisk {
  hardState: HardState;
  snapshot: SnapshotPoint;
  snapshotData: string[];
  /** At the snapshot; at index 0 the one the member was first started with. */
  configuration: Configuration;
  entries: Entry[];
}

/** For tests: a core with a disk and a state machine that lists the commands it applied. */
interface TestMember {
  raft: Raft;
  readonly disk: TestDisk;
  applied: string[];
  appliedIndex: number;
  readonly reads: string[];
}

/** Far more than any exchange takes. */
const roundsMax = 1000;

export interface TestClusterOptions {
  readonly members: readonly MemberId[];
  /** Members that start without a configuration, to be added. */
  readonly joining?: readonly MemberId[];
  readonly electionTicks?: number;
  readonly heartbeatTicks?: number;
  readonly seed?: number;
  readonly quorum?: Quorum;
  readonly limits?: Partial<RaftLimits>;
  readonly without?: RaftRule;
  /** Called before each `ready()` and with what it gave: between the two the core hands out and adopts what it committed. */
  readonly watch?: CoreWatch;
}

export interface CoreWatch {
  before(id: MemberId): void;
  after(id: MemberId, ready: Ready, before: RaftStatus): void;
}

/** Several cores and the messages between them, moved by hand. Everything that happens is noted in `trace`. */
export class TestCluster {
  readonly members = new Map<MemberId, TestMember>();
  network: Message[] = [];
  trace: string[] = [];
  readonly #options: TestClusterOptions;

  constructor(options: TestClusterOptions) {
    this.#options = options;
    for (const id of this.#ids) {
      const disk: TestDisk = {
        hardState: { term: 0, vote: null, commit: 0 },
        snapshot: { index: 0, term: 0 },
        snapshotData: [],
        configuration: options.members.includes(id) ? votersOnly(options.members) : noConfiguration,
        entries: [],
      };
      this.members.set(id, this.#start(id, disk));
    }
  }

  get #ids(): readonly MemberId[] {
    return [...this.#options.members, ...this.#options.joining ?? []];
  }

  #start(id: MemberId, disk: TestDisk): TestMember {
    const { electionTicks = 10, heartbeatTicks = 2, seed = 1, quorum = majorityQuorum } = this.#options;
    const { hardState, snapshot, entries, configuration } = disk;
    const random = prng(seed * 1000 + this.#ids.indexOf(id));
    const limits = { ...raftLimits, ...this.#options.limits };
    const restored = { hardState, snapshot, entries, configuration };
    const { without } = this.#options;
    const broken = without === undefined ? {} : { without };
    const raft = new Raft({ id, electionTicks, heartbeatTicks, random, limits, quorum, restored, ...broken });
    return { raft, disk, applied: [...disk.snapshotData], appliedIndex: snapshot.index, reads: [] };
  }

  member(id: MemberId): TestMember {
    return must(this.members.get(id), `no member ${id}`);
  }

  /** The process dies and starts again from its disk; what it had not handed out is gone. */
  restart(id: MemberId): void {
    this.members.set(id, this.#start(id, this.member(id).disk));
  }

  /** Does what `ready()` asks until it asks for nothing. @return whether it asked for anything */
  process(id: MemberId): boolean {
    const member = this.member(id);
    for (let round = 0;; round++) {
      if (round > roundsMax) throw new Error(`${id} does not come to rest`);
      const { watch } = this.#options;
      watch?.before(id);
      const status = watch === undefined ? null : member.raft.status();
      const ready = member.raft.ready();
      if (status !== null) watch?.after(id, ready, status);
      for (const message of ready.messages) this.#send(message);
      for (const read of ready.reads) {
        member.reads.push(`${read.context}@${read.index}`);
        this.trace.push(`${id} may answer read ${read.context} at index ${read.index}`);
      }
      for (const entry of ready.committed) {
        member.appliedIndex = entry.index;
        if (entry.kind === "command") member.applied.push(fromUtf8(entry.data));
        this.trace.push(`${id} applies ${formatEntry(entry)}`);
      }
      if (ready.save !== null) {
        const { hardState, snapshot, entries, messages } = ready.save;
        const { disk } = member;
        if (hardState !== null) {
          if (hardState.term !== disk.hardState.term || hardState.vote !== disk.hardState.vote) {
            this.trace.push(`${id} saves term=${hardState.term} vote=${hardState.vote ?? "-"}`);
          }
          disk.hardState = hardState;
        }
        if (snapshot !== null) {
          disk.snapshot = snapshot.point;
          disk.snapshotData = JSON.parse(fromUtf8(snapshot.data));
          disk.configuration = snapshot.configuration;
          disk.entries = [];
          member.applied = [...disk.snapshotData];
          member.appliedIndex = snapshot.point.index;
          this.trace.push(`${id} restores snapshot ${snapshot.point.index}@${snapshot.point.term}`);
        }
        const first = entries[0];
        if (first !== undefined) {
          disk.entries = [...disk.entries.filter((entry) => entry.index < first.index), ...entries];
          this.trace.push(`${id} saves ${entries.map(formatEntry).join(" ")}`);
        }
        member.raft.advance(ready.save);
        for (const message of messages) this.#send(message);
      }
      const idle = ready.messages.length + ready.committed.length + ready.reads.length === 0 && ready.save === null;
      if (idle) return round > 0;
    }
  }

  #send(message: Message): void {
    if (message.kind !== "snapshot") return void this.network.push(message);
    const { snapshotData, configuration } = this.member(message.from).disk;
    this.network.push({ ...message, content: { data: utf8(JSON.stringify(snapshotData)), configuration } });
  }

  /**
   * Delivers what is on the wire now and `wanted`; answers stay on the wire.
   * @param busy a member for which this holds takes in what it is sent and does nothing about it yet
   */
  deliver(wanted: (message: Message) => boolean, busy: (id: MemberId) => boolean = () => false): void {
    const batch = this.network.filter(wanted);
    this.network = this.network.filter((message) => !wanted(message));
    for (const message of batch) {
      this.trace.push(formatMessage(message));
      this.member(message.to).raft.step(message);
      if (message.kind === "snapshot") this.member(message.from).raft.snapshotSent(message.to, true);
    }
    for (const id of new Set(batch.flatMap((message) => [message.to, message.from]))) if (!busy(id)) this.process(id);
  }

  /** A transport notices a snapshot that did not arrive, and says so. */
  drop(wanted: (message: Message) => boolean): number {
    const before = this.network.length;
    for (const message of this.network) {
      if (message.kind === "snapshot" && wanted(message)) {
        this.member(message.from).raft.snapshotSent(message.to, false);
      }
    }
    this.network = this.network.filter((message) => !wanted(message));
    return before - this.network.length;
  }

  /** Delivers among `ids` until nothing moves; messages to others stay. */
  stabilize(ids: readonly MemberId[] = [...this.members.keys()]): void {
    const inside = (message: Message) => ids.includes(message.from) && ids.includes(message.to);
    for (const id of ids) this.process(id);
    for (let round = 0; this.network.some(inside); round++) {
      if (round > roundsMax) throw new Error("the members do not come to rest");
      this.deliver(inside);
    }
  }

  /** A snapshot of what `id` has applied goes to its disk, and the log before it is forgotten. */
  compact(id: MemberId, retain: number): void {
    const member = this.member(id);
    const index = member.appliedIndex;
    const point = { index, term: must(member.raft.termAt(index), "applied entries have a term") };
    member.disk.snapshot = point;
    member.disk.snapshotData = [...member.applied];
    member.disk.configuration = member.raft.status().configuration;
    member.disk.entries = member.disk.entries.filter((entry) => entry.index > index);
    member.raft.compact(point, retain);
  }
}

export function formatEntry(entry: Entry): string {
  return `${entry.index}@${entry.term}=${entryText(entry)}`;
}

function entryText(entry: Entry): string {
  switch (entry.kind) {
    case "noop":
      return "noop";
    case "command":
      return fromUtf8(entry.data);
    case "config":
      return formatConfiguration(decodeConfiguration(entry.data).configuration);
  }
}

/** `{1 2 3}`; in a joint change `{3 4}&{1 2}`; learners behind `~`, those to be behind `~~`. */
export function formatConfiguration(configuration: Configuration): string {
  const { voters, outgoing, learners, learnersNext } = configuration;
  const old = isJoint(configuration) ? `&{${outgoing.join(" ")}}` : "";
  const learning = learners.length > 0 ? `~{${learners.join(" ")}}` : "";
  const next = learnersNext.length > 0 ? `~~{${learnersNext.join(" ")}}` : "";
  return `{${voters.join(" ")}}${old}${learning}${next}`;
}

export function formatMessage(message: Message): string {
  const head = `${message.from}->${message.to} ${message.kind} term=${message.term}`;
  switch (message.kind) {
    case "preVote":
    case "vote":
      return `${head} last=${message.lastIndex}@${message.lastTerm}${message.transfer ? " transfer" : ""}`;
    case "preVoteAnswer":
    case "voteAnswer":
      return `${head} ${message.granted ? "granted" : "refused"}`;
    case "append": {
      const entries = message.entries.map(formatEntry).join(" ");
      return `${head} prev=${message.prevIndex}@${message.prevTerm} commit=${message.commit} [${entries}]`;
    }
    case "appendAccepted":
      return `${head} match=${message.match}`;
    case "appendRefused":
      return `${head} prev=${message.prevIndex} hint=${message.hintIndex}@${message.hintTerm}`;
    case "heartbeat":
      return `${head} commit=${message.commit} read=${message.readSequence}`;
    case "commit":
      return `${head} commit=${message.commit}`;
    case "heartbeatAnswer":
      return `${head} read=${message.readSequence}${message.wantsCommits ? "" : " wants no commits"}`;
    case "snapshot":
      return `${head} ${message.point.index}@${message.point.term}`;
    case "readIndex":
      return `${head} context=${message.context}`;
    case "readIndexAnswer":
      return `${head} context=${message.context} index=${message.index}`;
    case "timeoutNow":
      return head;
  }
}
