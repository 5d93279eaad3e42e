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
      if (member.stopped || member.process !== child) return;
      await platform.timers.sleep(restartMs);
      if (!member.stopped) launch(member);
    });
  }

  /** Who leads, as `asked` says. */
  async function leader(asked: readonly EtcdMember[]): Promise<EtcdMember | null> {
    const answers = await Promise.all(asked.map(async (member) => {
      const status = await callEtcd(member.url, "/v3/maintenance/status", {}, limits.etcdStatusMs).catch(() => null);
      return { member, id: (status?.header as { member_id?: string } | undefined)?.member_id, leads: status?.leader };
    }));
    return answers.find((each) => each.id !== undefined && each.leads === each.id)?.member ?? null;
  }

  async function until<T>(what: () => Promise<T | null>, signal: AbortSignal | null): Promise<T> {
    const deadline = platform.clock.monotonic() + limits.recoveryMaxMs;
    for (;;) {
      signal?.throwIfAborted();
      const found = await what();
      if (found !== null) return found;
      if (platform.clock.monotonic() > deadline) throw new CliError(exitCode.failed, `${title} did not come back`);
      await platform.timers.sleep(limits.leaderPollMs);
    }
  }

  async function isHealthy(member: EtcdMember): Promise<boolean> {
    const status = await callEtcd(member.url, "/v3/maintenance/status", {}, limits.etcdStatusMs).catch(() => null);
    return status !== null && status.leader !== undefined && status.leader !== "0";
  }

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
    await until(async () => (await Promise.all(members.map(isHealthy))).every((it) => it) ? true : null, null);
  } catch (error) {
    await close();
    throw error;
  }

  return {
    title,
    timers: `heartbeat ${timers.heartbeatMs} ms, election ${timers.electionMs} ms`,
    clients: members.map((_, i) => etcdRegisters(rotated(i), prefix)),
    async awaitRecovery() {
      await until(async () => (await Promise.all(members.map(isHealthy))).every((it) => it) ? true : null, null);
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
      const target = await until(() => leader(members), signal);
      const others = members.filter((each) => each !== target);
      const at = platform.clock.monotonic();
      const pid = target.process?.pid ?? 0;
      if (scenario === "pause-leader") paused.add(target);
      signalProcess(pid, scenario === "pause-leader" ? "SIGSTOP" : "SIGKILL");
      try {
        const next = await until(() => leader(others), signal);
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

/** All held until each has one, so that they differ. */
function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map((each) => (each.addr as Deno.NetAddr).port);
  for (const each of listeners) each.close();
  return ports;
}
