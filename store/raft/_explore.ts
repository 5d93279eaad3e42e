import { invariant } from "../../base/assert.ts";
import { utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { TestCluster } from "./_harness.ts";
import { isJoint, membersOf } from "./configuration.ts";
import type { RaftRule } from "./raft.ts";

function ok(holds: unknown, what: string): void {
  invariant(holds, what);
}

function equal<T>(actual: T, expected: T, what: string): void {
  invariant(actual === expected, `${what}: ${actual}, not ${expected}`);
}

function deepEqual<T>(actual: T, expected: T, what: string): void {
  equal(JSON.stringify(actual), JSON.stringify(expected), what);
}

/** For tests: what must hold after every step (paper figure 3). */
export class SafetyChecker {
  readonly #leaders = new Map<number, string>();
  readonly #applied: string[] = [];
  readonly #terms = new Map<string, number>();
  /** Of each leader of a term: what it knew to be committed. */
  readonly #commits = new Map<string, number>();

  check(cluster: TestCluster, restarted: ReadonlySet<string>): void {
    for (const [id, { raft, disk, applied }] of cluster.members) {
      const { role, term, committed } = raft.status();
      if (role === "leader") {
        const known = this.#leaders.get(term);
        ok(known === undefined || known === id, `Election Safety (§5.2): ${known} and ${id} lead term ${term}`);
        this.#leaders.set(term, id);
        // What a later leader could undo shows seldom; that it was committed by counting shows at once.
        const counted = committed > (this.#commits.get(`${id}@${term}`) ?? Infinity);
        ok(!counted || raft.termAt(committed) === term, `${id} commits an older term's entry by counting (§5.4.2)`);
        this.#commits.set(`${id}@${term}`, committed);
      }
      ok(term >= (this.#terms.get(id) ?? 0) || restarted.has(id), `terms never go back (§5.1): ${id}`);
      ok(disk.hardState.term <= term, `${id} knows the term it saved`);
      this.#terms.set(id, term);
      for (const [i, command] of applied.entries()) {
        this.#applied[i] ??= command;
        equal(command, this.#applied[i], `State Machine Safety (§5.4.3): command ${i} at ${id}`);
      }
    }
  }

  get commands(): readonly string[] {
    return this.#applied;
  }
}

/** Log Matching (§5.3): equal index and term mean equal entries, here and in everything before. */
function checkLogMatching(cluster: TestCluster): void {
  const seen = new Map<string, string>();
  for (const { disk } of cluster.members.values()) {
    let chain = "";
    for (const entry of disk.entries) {
      chain = `${entry.term}:${entry.data.join(",")}`;
      const key = `${entry.index}@${entry.term}`;
      const known = seen.get(key);
      ok(known === undefined || known === chain, `Log Matching (§5.3) at ${key}`);
      seen.set(key, chain);
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
): { commands: number; terms: number; changes: number } {
  const random = prng(seed);
  const size = initial + joiners;
  const ids = Array.from({ length: size }, (_, i) => `${i + 1}`);
  const limits = { maxInflightAppends: 1 + random.int(4), maxAppendBytes: random.int(12) };
  const [members, joining] = [ids.slice(0, initial), ids.slice(initial)];
  const cluster = new TestCluster({
    members,
    joining,
    seed,
    limits,
    electionTicks: 6,
    heartbeatTicks: 1,
    ...(without === undefined ? {} : { without }),
  });
  const checker = new SafetyChecker();
  const rates = { drop: random.int(30), duplicate: random.int(10), restart: random.int(3), compact: random.int(6) };
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
    } else if (draw < 70 + rates.compact) cluster.compact(id, random.int(3));
    else if (draw < 82 && joiners > 0 && raft.status().role === "leader") {
      const kinds = ["addVoter", "addLearner", "remove"] as const;
      const changes = Array.from({ length: 1 + random.int(3) }, () => ({
        kind: kinds[random.int(3)] ?? "remove",
        id: ids[random.int(size)] ?? "1",
      }));
      if (raft.proposeChange(changes, utf8("")).ok) changed++;
    }
    cluster.process(id);
    if (random.int(100) < 80) {
      const chosen = new Set(cluster.network.filter(() => random.int(100) < 60));
      cluster.deliver((message) => chosen.has(message));
    }
    if (random.int(100) < rates.duplicate) cluster.network.push(...cluster.network.slice(0, 2));
    const lost = new Set(cluster.network.filter(() => random.int(100) < rates.drop));
    cluster.drop((message) => lost.has(message));
    checker.check(cluster, restarted);
    checkLogMatching(cluster);
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
  return { commands: checker.commands.length, terms: leader.status().term, changes: changed };
}
