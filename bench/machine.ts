import { procStatField } from "../base/proc_stat.ts";

/** What a figure means nothing without. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryMb: number;
  readonly os: string;
  readonly deno: string;
  readonly v8: string;
  /** Of this repository; with `-dirty` when files differ from it. */
  readonly commit: string;
  /** 1, 5 and 15 minutes, before the run: what else the machine was doing. */
  readonly loadAverage: readonly number[];
}

export async function describeMachine(): Promise<Machine> {
  const cpuinfo = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  return {
    cpu: /^model name\s*:\s*(.*)$/m.exec(cpuinfo)?.[1] ?? "unknown",
    cores: navigator.hardwareConcurrency,
    memoryMb: Math.round(Deno.systemMemoryInfo().total / 1e6),
    os: `${Deno.build.os} ${Deno.osRelease()}`,
    deno: Deno.version.deno,
    v8: Deno.version.v8,
    commit: await commit(),
    loadAverage: Deno.loadavg().map((each) => Math.round(each * 100) / 100),
  };
}

async function commit(): Promise<string> {
  const git = async (...args: string[]) => {
    const cwd = new URL(".", import.meta.url).pathname;
    const { code, stdout } = await new Deno.Command("git", { args, cwd, stderr: "null" }).output();
    if (code !== 0) throw new Error("not a git checkout");
    return new TextDecoder().decode(stdout).trim();
  };
  try {
    const hash = await git("rev-parse", "--short=12", "HEAD");
    return await git("status", "--porcelain", "--untracked-files=no") === "" ? hash : `${hash}-dirty`;
  } catch {
    return "unknown";
  }
}

/** User and system time of a process so far, seconds; 0 once it has gone. */
export function cpuSeconds(pid: number): number {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    return (Number(procStatField(stat, 14)) + Number(procStatField(stat, 15))) / clockTicksPerSecond;
  } catch {
    return 0;
  }
}

/** USER_HZ: 100 on every Linux that Deno runs on. */
const clockTicksPerSecond = 100;
