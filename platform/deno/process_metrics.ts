import { procStatField } from "../../base/proc_stat.ts";
import type { Metrics } from "../mod.ts";

/** Linux counts times for user space in hundredths of a second, whatever its own tick (USER_HZ). */
const ticksPerSecond = 100;

/** Shows this process as every Prometheus client does: `process_*`, read when somebody asks. */
export function collectProcess(metrics: Metrics): void {
  const cpu = metrics.counterView("process_cpu_seconds_total", "User and system CPU time, in seconds.");
  const resident = metrics.gauge("process_resident_memory_bytes", "Resident memory, in bytes.");
  const virtual = metrics.gauge("process_virtual_memory_bytes", "Virtual memory, in bytes.");
  const start = metrics.gauge("process_start_time_seconds", "When the process was started, seconds since the epoch.");
  const openFds = metrics.gauge("process_open_fds", "Open file descriptors.");
  const maxFds = metrics.gauge("process_max_fds", "File descriptors that may be open.");
  // Neither moves while the process lives.
  start.set(startedAtSeconds());
  const limit = descriptorLimit();
  if (limit !== null) maxFds.set(limit);
  metrics.onCollect(() => {
    resident.set(Deno.memoryUsage().rss);
    const stat = readStat();
    if (stat === null) return;
    cpu.set(stat.cpuSeconds);
    virtual.set(stat.virtualBytes);
    openFds.set(openDescriptors());
  });
}

/** Of /proc/self/stat; null where there is no /proc. @see proc(5) */
function readStat(): { cpuSeconds: number; virtualBytes: number; startedTicks: number } | null {
  const stat = readProc("self/stat");
  if (stat === null) return null;
  const field = (number: number): number => Number(procStatField(stat, number) || NaN);
  return {
    cpuSeconds: (field(14) + field(15)) / ticksPerSecond,
    virtualBytes: field(23),
    startedTicks: field(22),
  };
}

function startedAtSeconds(): number {
  const bootedAt = Number(/^btime (\d+)$/m.exec(readProc("stat") ?? "")?.[1] ?? NaN);
  const stat = readStat();
  // Elsewhere the runtime's own start has to do, some milliseconds after the process's.
  if (stat === null || Number.isNaN(bootedAt)) return performance.timeOrigin / 1000;
  return bootedAt + stat.startedTicks / ticksPerSecond;
}

function descriptorLimit(): number | null {
  const soft = /^Max open files\s+(\d+|unlimited)/m.exec(readProc("self/limits") ?? "")?.[1];
  if (soft === undefined) return null;
  return soft === "unlimited" ? Infinity : Number(soft);
}

function openDescriptors(): number {
  let count = 0;
  for (const _ of Deno.readDirSync("/proc/self/fd")) count++;
  return count;
}

function readProc(file: string): string | null {
  try {
    return Deno.readTextFileSync(`/proc/${file}`);
  } catch {
    return null;
  }
}
