import { BugError, must } from "../../base/assert.ts";
import { utf8 } from "../../base/bytes.ts";
import { formatConfiguration, formatEntry, TestCluster } from "./_harness.ts";
import type { ConfigurationChange } from "./configuration.ts";
import type { MemberId, Message } from "./messages.ts";

/**
 * Runs a data-driven test: blocks of commands, `----`, and the trace they give; blocks are parted by an empty line and
 * lines that begin with `#` are comments. Answers the text with every trace replaced by what really happened.
 */
export function runScript(text: string): string {
  const state: ScriptState = { cluster: null };
  const blocks = text.replace(/\n+$/, "").split(/\n\n+/);
  return blocks.map((block) => runBlock(state, block)).join("\n\n") + "\n";
}

interface ScriptState {
  cluster: TestCluster | null;
}

function runBlock(state: ScriptState, block: string): string {
  const lines = block.split("\n");
  const bar = lines.indexOf("----");
  const input = bar < 0 ? lines : lines.slice(0, bar);
  const commands = input.filter((line) => !line.startsWith("#") && line.trim() !== "");
  if (commands.length === 0) return block;
  const output: string[] = [];
  for (const line of commands) output.push(...runCommand(state, line));
  return [...input, "----", ...(output.length === 0 ? ["ok"] : output)].join("\n");
}

function runCommand(state: ScriptState, line: string): string[] {
  const [name = "", ...rest] = line.trim().split(/\s+/);
  const named = new Map(rest.filter((arg) => arg.includes("=")).map((arg) => arg.split("=") as [string, string]));
  const args = rest.filter((arg) => !arg.includes("="));
  const number = (key: string, otherwise: number) => Number(named.get(key) ?? otherwise);
  if (name === "cluster") {
    state.cluster = new TestCluster({
      members: args,
      joining: named.get("joining")?.split(",") ?? [],
      electionTicks: number("election", 10),
      heartbeatTicks: number("heartbeat", 2),
      limits: {
        ...(named.has("inflight") ? { maxInflightAppends: number("inflight", 0) } : {}),
        ...(named.has("bytes") ? { maxAppendBytes: number("bytes", 0) } : {}),
      },
    });
    return [];
  }
  const cluster = must(state.cluster, "the first command is `cluster`");
  cluster.trace = [];
  const id = args[0] ?? "";
  switch (name) {
    case "campaign":
      cluster.member(id).raft.campaign();
      cluster.process(id);
      break;
    case "tick":
      for (let i = 0; i < Number(args[1] ?? 1); i++) {
        cluster.member(id).raft.tick();
        cluster.process(id);
      }
      break;
    case "propose": {
      const result = cluster.member(id).raft.propose(utf8(args[1] ?? ""));
      if (!result.ok) cluster.trace.push(`${id} cannot propose: ${result.reason}`);
      cluster.process(id);
      break;
    }
    case "change": {
      const result = cluster.member(id).raft.proposeChange(args.slice(1).map(parseChange), utf8(""));
      if (!result.ok) cluster.trace.push(`${id} cannot change the configuration: ${result.reason}`);
      cluster.process(id);
      break;
    }
    case "configuration":
      for (const member of args) {
        cluster.trace.push(`${member} ${formatConfiguration(cluster.member(member).raft.status().configuration)}`);
      }
      break;
    case "read": {
      const asked = cluster.member(id).raft.readIndex(Number(args[1]));
      if (!asked) cluster.trace.push(`${id} knows no leader to ask`);
      cluster.process(id);
      break;
    }
    case "want":
      cluster.member(id).raft.wantCommits(args[1] === "commits");
      cluster.process(id);
      break;
    case "lost":
      cluster.member(id).raft.peerConnectionLost(args[1] ?? "");
      cluster.process(id);
      break;
    case "transfer":
      cluster.member(id).raft.transferLeadership(args[1] ?? "");
      cluster.process(id);
      break;
    case "deliver":
      cluster.deliver(matcher(args));
      break;
    case "drop":
      cluster.trace.push(`dropped ${cluster.drop(matcher(args))}`);
      break;
    case "stabilize":
      cluster.stabilize(args.length > 0 ? args : undefined);
      break;
    case "compact":
      cluster.compact(id, number("retain", 0));
      break;
    case "restart":
      cluster.restart(id);
      break;
    case "status":
      for (const member of args) cluster.trace.push(formatStatus(cluster, member));
      break;
    case "progress":
      cluster.trace.push(formatProgress(cluster, id, args[1] ?? ""));
      break;
    case "machine":
      cluster.trace.push(`${id} applied [${cluster.member(id).applied.join(" ")}]`);
      break;
    case "wire":
      cluster.trace.push(`${cluster.network.length} messages on the wire`);
      break;
    default:
      throw new BugError(`unknown command: ${line}`);
  }
  return cluster.trace;
}

/** `+4` adds a voter or promotes a learner, `~4` adds a learner or demotes a voter, `-4` removes. */
function parseChange(text: string): ConfigurationChange {
  const kinds = { "+": "addVoter", "~": "addLearner", "-": "remove" } as const;
  const kind = kinds[text[0] as keyof typeof kinds];
  if (kind === undefined) throw new BugError(`no change of configuration: ${text}`);
  return { kind, id: text.slice(1) };
}

/** `1->2`, `*->2`, `1->*`, with an optional message kind behind; nothing means everything. */
function matcher(args: readonly string[]): (message: Message) => boolean {
  const [link = "*->*", kind] = args;
  const [from, to] = link.split("->");
  return (message) =>
    (from === "*" || message.from === from) && (to === "*" || message.to === to) &&
    (kind === undefined || message.kind === kind);
}

function formatStatus(cluster: TestCluster, id: MemberId): string {
  const { role, term, leader, committed, firstIndex, lastIndex } = cluster.member(id).raft.status();
  const log = cluster.member(id).disk.entries
    .map((entry) => entry.kind === "noop" ? `${entry.index}@${entry.term}` : formatEntry(entry));
  const span = `log ${firstIndex}..${lastIndex}`;
  return `${id} ${role} term=${term} leader=${leader ?? "-"} commit=${committed} ${span} disk [${log.join(" ")}]`;
}

function formatProgress(cluster: TestCluster, leader: MemberId, member: MemberId): string {
  const progress = must(cluster.member(leader).raft.progress(member), `${leader} has no progress of ${member}`);
  const { state, match, next, paused, inflight } = progress;
  return `${leader} sees ${member}: ${state} match=${match} next=${next} inflight=${inflight}${
    paused ? " paused" : ""
  }`;
}
