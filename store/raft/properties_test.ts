import { deepEqual, equal, ok } from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { TestOverflow } from "../../base/_overflow.ts";
import { TestCluster } from "./_harness.ts";
import { explore, SafetyChecker } from "./_explore.ts";
import { votersOnly } from "./configuration.ts";
import { raftLimits } from "./limits.ts";
import { RaftLog } from "./log.ts";
import { majorityQuorum } from "./quorum.ts";
import { Raft } from "./raft.ts";

Deno.test("the properties of paper figure 3 hold while members are added, promoted, demoted and removed at random", () => {
  let changes = 0;
  for (let seed = 1; seed <= 120; seed++) changes += explore({ seed, initial: 1 + (seed % 3) * 2, joiners: 3 }).changes;
  ok(changes > 300, `${changes} changes`);
});

Deno.test("the properties of paper figure 3 hold in 400 random runs of 3 and 5 members, and quiet brings agreement", () => {
  let commands = 0;
  let terms = 0;
  let reads = 0;
  for (let seed = 1; seed <= 400; seed++) {
    const run = explore({ seed, initial: seed % 4 === 0 ? 5 : 3 });
    commands += run.commands;
    terms += run.terms;
    reads += run.reads;
  }
  const did = `${commands} commands, ${terms} terms, ${reads} reads`;
  ok(commands > 400 * 5 && terms > 400 * 2 && reads > 400 * 2, `the runs did something: ${did}`);
});

Deno.test("a quorum that is wrong on purpose is caught by the same checks", () => {
  const broken = { ...majorityQuorum, committed: (matches: readonly number[]) => Math.max(...matches) };
  const cluster = new TestCluster({ members: ["1", "2", "3"], quorum: broken });
  cluster.member("1").raft.campaign();
  cluster.stabilize();
  cluster.member("1").raft.propose(utf8("a"));
  cluster.process("1");
  cluster.drop(() => true);
  const checker = new SafetyChecker();
  checker.check(cluster, new Set());
  cluster.member("2").raft.peerConnectionLost("1");
  cluster.member("3").raft.peerConnectionLost("1");
  cluster.stabilize(["2", "3"]);
  const winner = ["2", "3"].find((id) => cluster.member(id).raft.status().role === "leader") ?? "";
  cluster.member(winner).raft.propose(utf8("b"));
  cluster.stabilize(["2", "3"]);
  let caught = "";
  try {
    checker.check(cluster, new Set());
  } catch (error) {
    caught = String(error);
  }
  ok(caught.includes("State Machine Safety"), caught);
});

function single(random = prng(1)): Raft {
  return new Raft({
    id: "1",
    electionTicks: 10,
    heartbeatTicks: 1,
    random,
    limits: raftLimits,
    quorum: majorityQuorum,
    restored: {
      hardState: { term: 3, vote: "2", commit: 0 },
      snapshot: { index: 0, term: 0 },
      entries: [],
      configuration: votersOnly(["1", "2", "3"]),
    },
  });
}

Deno.test("tick() campaigns after a timeout drawn from [electionTicks, 1.5 x electionTicks), differently each time (§5.2)", () => {
  const counts = new Map<number, number>();
  for (let seed = 0; seed < 400; seed++) {
    const raft = single(prng(seed));
    raft.step({ kind: "heartbeat", from: "2", to: "1", term: 3, commit: 0, readSequence: 0 });
    let ticks = 0;
    while (raft.status().role === "follower") {
      raft.tick();
      ticks++;
    }
    counts.set(ticks, (counts.get(ticks) ?? 0) + 1);
  }
  deepEqual([...counts.keys()].toSorted((a, b) => a - b), [10, 11, 12, 13, 14]);
});

Deno.test("a member that has heard no leader since its start asks for pre-votes early, three times", () => {
  for (let seed = 0; seed < 100; seed++) {
    const raft = single(prng(seed));
    const campaigns: number[] = [];
    for (let tick = 1; tick <= 60; tick++) {
      raft.tick();
      const asked = raft.ready().messages.some((message) => message.kind === "preVote");
      if (asked) campaigns.push(tick);
    }
    const gaps = campaigns.map((tick, i) => tick - (campaigns[i - 1] ?? 0));
    ok(gaps.slice(0, 3).every((gap) => gap >= 3 && gap < 8), `early: ${gaps}`);
    ok(gaps.slice(3).every((gap) => gap >= 10 && gap < 15), `then as ever: ${gaps}`);
  }
});

Deno.test("a vote that was given before a restart is not given to another member after it (§5.2)", () => {
  const raft = single();
  const ask = { kind: "vote", to: "1", term: 3, lastIndex: 9, lastTerm: 3, transfer: false } as const;
  raft.step({ ...ask, from: "3" });
  raft.step({ ...ask, from: "2" });
  const answers = raft.ready().save?.messages.map((message) =>
    message.kind === "voteAnswer" ? `${message.to} ${message.granted}` : ""
  );
  deepEqual(answers, ["3 false", "2 true"]);
});

Deno.test("a vote is refused to a candidate whose log is older (§5.4.1)", () => {
  const raft = new Raft({
    id: "1",
    electionTicks: 10,
    heartbeatTicks: 1,
    random: prng(1),
    limits: raftLimits,
    quorum: majorityQuorum,
    restored: {
      hardState: { term: 2, vote: null, commit: 0 },
      snapshot: { index: 0, term: 0 },
      configuration: votersOnly(["1", "2", "3"]),
      entries: [{ index: 1, term: 1, kind: "noop", data: utf8("") }, {
        index: 2,
        term: 2,
        kind: "noop",
        data: utf8(""),
      }],
    },
  });
  const ask = { kind: "vote", from: "2", to: "1", transfer: false } as const;
  const granted = (term: number, lastIndex: number, lastTerm: number): boolean | undefined => {
    raft.step({ ...ask, term, lastIndex, lastTerm });
    const { save } = raft.ready();
    if (save === null) return undefined;
    raft.advance(save);
    const [answer] = save.messages;
    return answer?.kind === "voteAnswer" ? answer.granted : undefined;
  };
  equal(granted(3, 9, 1), false, "longer, but of an older term");
  equal(granted(4, 1, 2), false, "same term, shorter");
  equal(granted(5, 2, 2), true, "equal");
});

Deno.test("the vote and the term leave only with the save that holds them (paper figure 2, persistent state)", () => {
  const raft = single();
  raft.step({ kind: "vote", from: "2", to: "1", term: 7, lastIndex: 0, lastTerm: 0, transfer: false });
  const { messages, save } = raft.ready();
  deepEqual(messages, []);
  deepEqual(save?.hardState, { term: 7, vote: "2", commit: 0 });
  equal(save?.messages.length, 1);
});

Deno.test("propose() is refused beyond the uncommitted bounds, and taken again once they commit", () => {
  const cluster = new TestCluster({ members: ["1", "2", "3"], limits: { maxUncommittedBytes: 10 } });
  cluster.member("1").raft.campaign();
  cluster.stabilize();
  const { raft } = cluster.member("1");
  equal(raft.propose(utf8("123456")).ok, true);
  deepEqual(raft.propose(utf8("123456")), { ok: false, reason: "full" });
  cluster.stabilize();
  equal(raft.propose(utf8("123456")).ok, true);
});

Deno.test("entries that a newer leader replaced before they were saved are not acknowledged to the older one", () => {
  const raft = single();
  const head = { kind: "append", to: "1", prevIndex: 0, prevTerm: 0, commit: 0 } as const;
  const noop = (index: number, term: number) => ({ index, term, kind: "noop", data: utf8("") } as const);
  raft.step({ ...head, from: "2", term: 3, entries: [noop(1, 3), noop(2, 3)] });
  raft.step({ ...head, from: "3", term: 4, entries: [noop(1, 4)] });
  const { save } = raft.ready();
  deepEqual(save?.entries.map(({ index, term }) => `${index}@${term}`), ["1@4"]);
  const accepted = save?.messages.flatMap((message) => message.kind === "appendAccepted" ? [message] : []);
  deepEqual(accepted?.map(({ to, term, match }) => `${to} ${term} ${match}`), ["3 4 1"]);
});

Deno.test("RaftLog keeps the newest data in memory; older entries read the same from the overflow, and are given back", () => {
  const files = new TestOverflow(400);
  const log = new RaftLog({ index: 0, term: 0 }, [], 0, { overflow: files.overflow, residentBytes: 100 });
  const dataOf = (index: number) => `command ${index}`.padEnd(20, ".");
  const append = (count: number) => {
    for (let i = 0; i < count; i++) {
      const index = log.lastIndex + 1;
      log.append({ index, term: 1, kind: "command", data: utf8(dataOf(index)) });
    }
  };
  const settle = () => {
    log.markStable(log.unstable());
    log.commitTo(log.lastIndex);
    while (log.takeCommitted(7).length > 0);
  };
  append(100);
  equal(files.open, 0, "nothing leaves memory before it is handed out and durable");
  settle();
  append(1);
  settle();
  ok(files.open > 3, `${files.open} files`);
  for (let index = 1; index <= log.lastIndex; index++) {
    equal(fromUtf8(log.entry(index)?.data ?? utf8("")), dataOf(index));
  }
  deepEqual(log.slice(3, 45).map(({ index }) => index), [3, 4]);
  ok(files.reads > 80);
  log.compactTo(90);
  append(60);
  settle();
  ok(files.open <= 4, `${files.open} files are open`);
  for (let index = 91; index <= log.lastIndex; index++) {
    equal(fromUtf8(log.entry(index)?.data ?? utf8("")), dataOf(index));
  }
  log.restore({ index: 500, term: 2 }, { data: utf8(""), configuration: votersOnly(["1"]) });
  log.markSnapshotStable({ index: 500, term: 2 });
  append(60);
  settle();
  equal(fromUtf8(log.entry(510)?.data ?? utf8("")), dataOf(510));
});
