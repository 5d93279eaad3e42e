import { fromUtf8 } from "../../../base/bytes.ts";
import { procStatField } from "../../../base/proc_stat.ts";
import type { Disk, Processes } from "../../../platform/mod.ts";

/** A process, told apart from a later one with the same number by when it started. */
export interface ProcessId {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. "" where there is no /proc. */
  readonly startTime: string;
}

/** State letter and start time of /proc/PID/stat; null when the process has gone. */
async function statOf(disk: Disk, pid: number): Promise<{ state: string; startTime: string } | null> {
  let text: string;
  try {
    text = fromUtf8(await disk.readFile(`/proc/${pid}/stat`));
  } catch {
    return null;
  }
  return { state: procStatField(text, 3), startTime: procStatField(text, 22) };
}

export async function identify(disk: Disk, pid: number): Promise<ProcessId> {
  return { pid, startTime: (await statOf(disk, pid))?.startTime ?? "" };
}

/** A zombie has ended: only its parent has not looked yet. */
export async function isAlive(disk: Disk, process: ProcessId): Promise<boolean> {
  const stat = await statOf(disk, process.pid);
  return stat !== null && stat.startTime === process.startTime && stat.state !== "Z" && stat.state !== "X";
}

/** Every process whose environment holds `NAME=value`. Another user's processes are not seen. */
export async function processesWith(disk: Disk, name: string, value: string): Promise<number[]> {
  const wanted = `${name}=${value}\0`;
  const found: number[] = [];
  let names: string[];
  try {
    names = await disk.list("/proc");
  } catch {
    return found;
  }
  for (const pid of names) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      if (`\0${fromUtf8(await disk.readFile(`/proc/${pid}/environ`))}`.includes(`\0${wanted}`)) found.push(Number(pid));
    } catch {
      continue; // Gone meanwhile, or another user's.
    }
  }
  return found;
}

/**
 * Runs a program that says nothing and waits for its end.
 * @returns its exit code
 */
export async function run(processes: Processes, program: string, args: readonly string[]): Promise<number> {
  const child = processes.spawn(program, { args, env: { PATH: defaultPath }, cwd: "/", stdin: "null" });
  await Promise.all([child.stdout.cancel(), child.stderr.cancel()]);
  return (await child.exited).code;
}

export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Signals processes that are not our children (a negative number: a whole group). The shell's own `kill` does it; one
 * that has gone is not an error.
 */
export async function signal(processes: Processes, targets: readonly number[], name: string): Promise<void> {
  if (targets.length === 0) return;
  await run(processes, "/bin/sh", [
    "-c",
    'name=$1; shift; kill -s "$name" -- "$@"',
    "sh",
    name,
    ...targets.map(String),
  ]);
}
