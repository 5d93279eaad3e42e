import { invariant } from "../../base/assert.ts";
import { utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { TestCluster } from "./_harness.ts";
import { isJoint, membersOf } from "./configuration.ts";
import type { Entry, Ready } from "./messages.ts";
import { majority } from "./quorum.ts";
import type { RaftRule, RaftStatus } from "./types.ts";

function ok(holds: unknown, what: string): void {
  invariant(holds, what);
}

function equal<T>(actual: T, expected: T, what: string): void {
  invariant(actual === expected, `${what}: ${actual}, not ${expected}`);
}

function deepEqual<T>(actual: T, expected: T, what: string): void {
  equal(JSON.stringify(actual), JSON.stringify(expected), what);
}

/** For tests: what must hold after every step (paper figure 3), and between a core's inputs and its `ready()`. */
export class SafetyChecker {
  readonly #leaders = new Map<number, string>();
  readonly #applied: string[] = [];
  readonly #terms = new Map<string, number>();
  /** Of each leader of a term: what it knew to be committed. */
  readonly #commits = new Map<string, number>();
  /** Reads asked for and not answered: what somebody knew to be committed at that moment. */
  readonly #reads = new Map<number, number>();
  /** The highest index that anybody knew to be committed. */
  #committed = 0;
  /** Reads that were answered. */
  answered = 0;

  check(cluster: TestCluster, restarted: ReadonlySet<string>): void {
    for (const [id, { raft, disk, applied }] of cluster.members) {
      const { role, term, committed } = raft.status();
      this.#committed = Math.max(this.#committed, committed);
      if (role === "leader") {
        const known = this.#leaders.get(term);
        ok(known === undefined || known === id, `Election Safety (§5.2): ${known} and ${id} lead term ${term}`);
        this.#leaders.set(term, id);
      }
      ok(term >= (this.#terms.get(id) ?? 0) || restarted.has(id), `terms never go back (§5.1): ${id}`);
      ok(disk.hardState.term <= term, `${id} knows the term it saved`);
      this.#terms.set(id, term);
      for (const [i, command] of applied.entries()) {
        this.#applied[i] ??= command;
        equal(command, this.#applied[i], `State Machine Safety (§5.4.3): command ${i} at ${id}`);
      }
    }
    for (const [id, { disk }] of cluster.members) {
      let changes = 0;
      for (const { index, kind } of disk.entries) if (kind === "config" && index > this.#committed) changes++;
      ok(changes <= 1, `${id} holds ${changes} uncommitted changes of members (thesis §4.1)`);
    }
  }

  /** What a core is about to hand out as committed. Its configuration is still the one that this was decided in. */
  beforeReady(cluster: TestCluster, id: string): void {
    const { raft } = cluster.member(id);
    const { role, term, committed, configuration } = raft.status();
    this.#committed = Math.max(this.#committed, committed);
    if (role !== "leader") return;
    const known = this.#commits.get(`${id}@${term}`);
    this.#commits.set(`${id}@${term}`, committed);
    if (known === undefined || committed <= known) return;
    // What a later leader could undo shows seldom; that it was committed by too little shows at once.
    equal(raft.termAt(committed), term, `${id} commits an older term's entry by counting (§5.4.2)`);
    for (const half of [configuration.voters, configuration.outgoing]) {
      const holders = half.filter((voter) => {
        const { disk } = cluster.member(voter);
        return disk.snapshot.index >= committed || disk.entries.some((e) => e.index === committed && e.term === term);
      });
      ok(
        half.length === 0 || holders.length >= majority(half.length),
        `${id} commits ${committed} with ${holders.length} of ${half.length} (thesis §4.3)`,
      );
    }
  }

  afterReady(id: string, ready: Ready, { role }: RaftStatus): void {
    const campaigns = role === "candidate" || role === "preCandidate";
    const adopted = ready.committed.some((entry) => entry.kind === "config");
    ok(!campaigns || !adopted, `${id} campaigned before it adopted a committed change (etcd-io/raft #469)`);
    for (const { context, index } of ready.reads) {
      const floor = this.#reads.get(context) ?? 0;
      ok(index >= floor, `${id} answers a read at ${index}: ${floor} was committed when it was asked (thesis §6.4)`);
      this.answered++;
    }
  }

  asked(context: number): void {
    this.#reads.set(context, this.#committed);
  }

  get commands(): readonly string[] {
    return this.#applied;
  }
}

/** Log Matching (§5.3): equal index and term mean equal entries, on every disk and at any time. */
class LogMatching {
  readonly #known = new Map<string, string>();
  /** Entries that were looked at: disks share them. */
  readonly #seen = new WeakSet<Entry>();

  check(cluster: TestCluster): void {
    for (const { disk } of cluster.members.values()) {
      for (const entry of disk.entries) {
        if (this.#seen.has(entry)) continue;
        this.#seen.add(entry);
        const key = `${entry.index}@${entry.term}`;
        const text = `${entry.kind} ${entry.data.join(",")}`;
        const known = this.#known.get(key);
        ok(known === undefined || known === text, `Log Matching (§5.3) at ${key}`);
        this.#known.set(key, text);
      }
    }
  }
}

/** What a run may be made of. */
export interface Exploration {
  readonly seed: number;
  /** Voters at the start. */
  readonly initial: number;
  /** Members that can be added; with any, members change all the time. */
  readonly joiners?: number;
  readonly without?: RaftRule;
}

/**
 * One run of cores alone: random ticks, deliveries, losses, duplicates, restarts, compactions, changes of members; then
 * quiet, and all must agree. Throws what is wrong.
 */
export function explore(
  { seed, initial, joiners = 0, without }: Exploration,
): { commands: number; terms: number; changes: number; reads: number } {
  const random = prng(seed);
  const size = initial + joiners;
  const ids = Array.from({ length: size }, (_, i) => `${i + 1}`);
  const limits = { maxInflightAppends: 1 + random.int(4), maxAppendBytes: random.int(12) };
  const [members, joining] = [ids.slice(0, initial), ids.slice(initial)];
  const checker = new SafetyChecker();
  const matching = new LogMatching();
  const cluster: TestCluster = new TestCluster({
    members,
    joining,
    seed,
    limits,
    electionTicks: 6,
    heartbeatTicks: 1,
    watch: {
      before: (id) => checker.beforeReady(cluster, id),
      after: (id, ready, before) => checker.afterReady(id, ready, before),
    },
    ...(without === undefined ? {} : { without }),
  });
  const rates = { drop: random.int(30), duplicate: random.int(10), restart: random.int(3), compact: random.int(6) };
  // A member that is busy takes messages in and acts on them later: in some runs, all the time.
  const busyShare = random.int(3) === 0 ? random.int(60) : 0;
  const busy = () => random.int(100) < busyShare;
  const acknowledged: string[] = [];
  let next = 0;
  let changed = 0;
  for (let round = 0; round < 400; round++) {
    const restarted = new Set<string>();
    const id = ids[random.int(size)] ?? "1";
    const { raft } = cluster.member(id);
    const draw = random.int(100);
    if (draw < 45) raft.tick();
    else if (draw < 60) raft.propose(utf8(`c${next++}`));
    else if (draw < 64) raft.peerConnectionLost(ids[random.int(size)] ?? "1");
    else if (draw < 66) raft.transferLeadership(ids[random.int(size)] ?? "1");
    else if (draw < 66 + rates.restart) {
      cluster.restart(id);
      restarted.add(id);
      if (random.int(2) === 0) cluster.member(id).raft.campaign(); // before it has applied what it knows to be committed
    } else if (draw < 70 + rates.compact) {
      cluster.process(id); // a snapshot is of what is applied
      cluster.compact(id, random.int(3));
    } else if (draw < 82 && joiners > 0 && raft.status().role === "leader") {
      const kinds = ["addVoter", "addLearner", "remove"] as const;
      const changes = Array.from({ length: 1 + random.int(3) }, () => ({
        kind: kinds[random.int(3)] ?? "remove",
        id: ids[random.int(size)] ?? "1",
      }));
      if (raft.proposeChange(changes, utf8("")).ok) changed++;
    } else if (draw >= 82 && draw < 90) {
      const reader = random.int(2) === 0
        ? id
        : ids.find((each) => cluster.member(each).raft.status().role === "leader");
      checker.asked(round);
      cluster.member(reader ?? id).raft.readIndex(round);
      cluster.process(reader ?? id);
    }
    if (!busy()) cluster.process(id);
    if (random.int(100) < 80) {
      const chosen = new Set(cluster.network.filter(() => random.int(100) < 60));
      cluster.deliver((message) => chosen.has(message), busy);
    }
    if (random.int(100) < rates.duplicate) cluster.network.push(...cluster.network.slice(0, 2));
    const lost = new Set(cluster.network.filter(() => random.int(100) < rates.drop));
    cluster.drop((message) => lost.has(message));
    checker.check(cluster, restarted);
    matching.check(cluster);
    for (const { applied } of cluster.members.values()) {
      if (applied.length > acknowledged.length) acknowledged.push(...applied.slice(acknowledged.length));
    }
  }
  for (let i = 0; i < 60; i++) {
    for (const id of ids) cluster.member(id).raft.tick();
    cluster.stabilize();
    checker.check(cluster, new Set());
  }
  const leaders = ids.filter((id) => cluster.member(id).raft.status().role === "leader");
  equal(leaders.length, 1, `one leader when quiet, seed ${seed}`);
  const leader = cluster.member(leaders[0] ?? "").raft;
  leader.propose(utf8("last"));
  for (let i = 0; i < 3; i++) {
    cluster.stabilize();
    for (const id of ids) cluster.member(id).raft.tick();
  }
  checker.check(cluster, new Set());
  const { configuration } = leader.status();
  equal(isJoint(configuration), false, `a joint configuration is left, seed ${seed}`);
  for (const id of membersOf(configuration)) {
    deepEqual(cluster.member(id).applied, checker.commands, `all converge, seed ${seed}, member ${id}`);
    deepEqual(cluster.member(id).raft.status().configuration, configuration, `one configuration, seed ${seed}`);
  }
  deepEqual(checker.commands.slice(0, acknowledged.length), acknowledged, "Leader Completeness (§5.4)");
  equal(checker.commands.at(-1), "last", `the last command is applied, seed ${seed}`);
  return { commands: checker.commands.length, terms: leader.status().term, changes: changed, reads: checker.answered };
}
