import { procStatField } from "../base/proc_stat.ts";

/** Finding and ending processes by pid, guarded against a pid that the kernel has given to someone else. */

/** A process, named so that a later holder of the same pid is not mistaken for it. */
export interface ProcessId {
  readonly pid: number;
  /** Clock ticks since boot (field 22 of /proc/PID/stat); "" where there is no /proc. */
  readonly startTime: string;
}

/** The process with this pid, or null when there is none (or only a zombie). */
export function identify(pid: number): ProcessId | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    if (["Z", "X"].includes(procStatField(stat, 3))) return null;
    return { pid, startTime: procStatField(stat, 22) };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound && hasProc()) return null;
  }
  return signalProcess(pid, 0) ? { pid, startTime: "" } : null;
}

function hasProc(): boolean {
  try {
    Deno.statSync("/proc/self/stat");
    return true;
  } catch {
    return false;
  }
}

export function isAlive(process: ProcessId): boolean {
  const now = identify(process.pid);
  return now !== null && (process.startTime === "" || now.startTime === process.startTime);
}

/** False when there is no such process. A negative pid names a process group. Signal 0 only asks. */
export function signalProcess(pid: number, signal: Deno.Signal | 0): boolean {
  try {
    // Deno's types know names only; its runtime takes 0 as kill(2) does.
    Deno.kill(pid, signal as Deno.Signal);
    return true;
  } catch {
    return false;
  }
}

/** SIGTERM to all (each is a process group's leader), SIGKILL to those still there after `graceMs`. */
export async function endProcesses(processes: readonly ProcessId[], graceMs: number): Promise<void> {
  const signalAll = (signal: Deno.Signal) => {
    for (const process of processes) {
      if (isAlive(process) && !signalProcess(-process.pid, signal)) signalProcess(process.pid, signal);
    }
  };
  signalAll("SIGTERM");
  if (await allGone(processes, graceMs)) return;
  signalAll("SIGKILL");
  await allGone(processes, graceMs);
}

async function allGone(processes: readonly ProcessId[], withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    if (!processes.some(isAlive)) return true;
    if (performance.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Memory that belongs to this process: its proportional share of what it maps (PSS), in bytes; 0 where unknown. */
export function residentBytes(pid: number): number {
  try {
    const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
    const match = /^Pss:\s+(\d+) kB/m.exec(rollup);
    return match === null ? 0 : Number(match[1]) * 1024;
  } catch {
    return 0;
  }
}
