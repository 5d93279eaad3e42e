import type { Platform } from "../../platform/mod.ts";
import { CliError, exitCode } from "../errors.ts";
import { endProcesses, identify, signalProcess } from "../processes.ts";
import type { FaultRecord } from "./analysis.ts";
import { callEtcd, etcdRegisters, watchEtcd } from "./etcd_registers.ts";
import type { Scenario } from "./faults.ts";
import * as limits from "./limits.ts";
import type { Subject } from "./subject.ts";
import { replayWatch } from "./watchers.ts";

/** Milliseconds. */
export interface EtcdTimers {
  readonly heartbeatMs: number;
  readonly electionMs: number;
}

interface EtcdMember {
  readonly name: string;
  readonly url: string;
  readonly peerUrl: string;
  process: Deno.ChildProcess | null;
  stopped: boolean;
}

/** As our supervisor: at once. */
const restartMs = 20;
const graceMs = 2_000;

/** The version of the etcd on this machine, or null: none. */
export async function etcdVersion(): Promise<string | null> {
  try {
    const { stdout } = await new Deno.Command("etcd", { args: ["--version"], stderr: "null" }).output();
    return /etcd Version: (\S+)/.exec(new TextDecoder().decode(stdout))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** Three etcd processes on loopback, in a directory of their own that goes with them, through their JSON gateways. */
export async function etcdSubject(title: string, timers: EtcdTimers, platform: Platform): Promise<Subject> {
  const directory = await Deno.makeTempDir({ prefix: "sauropod-etcd-" });
  const ports = freePorts(6);
  const members: EtcdMember[] = [0, 1, 2].map((i) => ({
    name: `etcd-${i}`,
    url: `http://127.0.0.1:${ports[i]}`,
    peerUrl: `http://127.0.0.1:${ports[i + 3]}`,
    process: null,
    stopped: false,
  }));
  const prefix = "/chaos/";
  const paused = new Set<EtcdMember>();
  let exits = 0;
  const rotated = (i: number) => [...members.slice(i), ...members.slice(0, i)].map((each) => each.url);

  function launch(member: EtcdMember): void {
    const cluster = members.map((each) => `${each.name}=${each.peerUrl}`).join(",");
    const { heartbeatMs, electionMs } = timers;
    const child = new Deno.Command("etcd", {
      args: [
        ...["--name", member.name, "--data-dir", `${directory}/${member.name}`],
        ...["--listen-client-urls", member.url, "--advertise-client-urls", member.url],
        ...["--listen-peer-urls", member.peerUrl, "--initial-advertise-peer-urls", member.peerUrl],
        ...["--initial-cluster", cluster, "--initial-cluster-state", "new"],
        ...["--heartbeat-interval", `${heartbeatMs}`, "--election-timeout", `${electionMs}`, "--log-level", "error"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    member.process = child;
    void child.status.then(async () => {
      exits++;
      if (member.stopped || member.process !== child) return;
      await platform.timers.sleep(restartMs);
      if (!member.stopped) launch(member);
    });
  }

  async function leader(): Promise<EtcdMember | null> {
    const answers = await Promise.all(members.map(async (member) => ({ member, ...statusOf(await ask(member)) })));
    return answers.find((each) => each.leads)?.member ?? null;
  }

  /** @throws CliError after {@linkcode limits.recoveryMaxMs}, with what was waited for */
  async function until<T>(words: string, what: () => Promise<T | null>, signal: AbortSignal | null): Promise<T> {
    const deadline = platform.clock.monotonic() + limits.recoveryMaxMs;
    for (;;) {
      signal?.throwIfAborted();
      const found = await what();
      if (found !== null) return found;
      if (platform.clock.monotonic() > deadline) {
        const message = `${title}: ${words} within ${limits.recoveryMaxMs / 1_000} s`;
        throw new CliError(exitCode.notReady, message, { hint: `the members exited ${exits} times` });
      }
      await platform.timers.sleep(limits.leaderPollMs);
    }
  }

  const ask = (member: EtcdMember) =>
    callEtcd(member.url, "/v3/maintenance/status", {}, limits.etcdStatusMs).catch(() => null);

  const allReady = () =>
    until("not all members knew a leader", async () => {
      const answers = await Promise.all(members.map(ask));
      return answers.every((answer) => statusOf(answer).knowsLeader) ? true : null;
    }, null);

  async function close(): Promise<void> {
    for (const member of paused) if (member.process !== null) signalProcess(member.process.pid, "SIGCONT");
    for (const member of members) member.stopped = true;
    await endProcesses(
      members.flatMap((each) => each.process === null ? [] : identify(each.process.pid) ?? []),
      graceMs,
    );
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }

  try {
    for (const member of members) launch(member);
    await allReady();
  } catch (error) {
    await close();
    throw error;
  }

  return {
    title,
    timers: `heartbeat ${timers.heartbeatMs} ms, election ${timers.electionMs} ms`,
    clients: members.map((_, i) => etcdRegisters(rotated(i), prefix)),
    async awaitRecovery() {
      await allReady();
    },
    async watchers() {
      const { header } = await callEtcd(members[0]?.url ?? "", "/v3/kv/range", { key: btoa(prefix) });
      const from = String((header as { revision?: string }).revision ?? "0");
      return members.map((_, i) => ({
        from,
        open: watchEtcd(rotated(i), prefix),
        relist: () => Promise.resolve(from),
      }));
    },
    async inject(scenario: Scenario, _draw, signal): Promise<FaultRecord> {
      const target = await until("nobody led", leader, signal);
      const struck = target.process;
      const at = platform.clock.monotonic();
      const pid = struck?.pid ?? 0;
      // One that was killed is started again at once, and its log is as good as anybody's: it may well be the next.
      const successor = async () => {
        const found = await leader();
        return found === target && target.process === struck ? null : found;
      };
      if (scenario === "pause-leader") paused.add(target);
      signalProcess(pid, scenario === "pause-leader" ? "SIGSTOP" : "SIGKILL");
      try {
        const next = await until(`nobody led after ${target.name} was hit`, successor, signal);
        const newLeader = { at: platform.clock.monotonic(), name: next.name };
        const leftMs = at + limits.pauseMs - platform.clock.monotonic();
        if (scenario === "pause-leader" && leftMs > 0) await platform.timers.sleep(leftMs, signal);
        return { target: target.name, at, newLeader, notes: [] };
      } finally {
        if (paused.delete(target)) signalProcess(pid, "SIGCONT");
      }
    },
    probes: () => Promise.resolve(null),
    replay: (from, until) => replayWatch(watchEtcd(rotated(0), prefix), from, until, platform.timers),
    close,
  };
}

/** What a member says of itself; null: it said nothing. */
function statusOf(answer: Readonly<Record<string, unknown>> | null): { leads: boolean; knowsLeader: boolean } {
  const leader = answer?.leader;
  const self = (answer?.header as { member_id?: string } | undefined)?.member_id;
  const knowsLeader = leader !== undefined && leader !== "0";
  return { leads: knowsLeader && leader === self, knowsLeader };
}

/** All held until each has one, so that they differ. */
function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((each) => (each.addr as Deno.NetAddr).port);
  for (const each of listeners) each.close();
  return ports;
}
