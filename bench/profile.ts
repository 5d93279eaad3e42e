import type { LiveCluster } from "./live_cluster.ts";

/** One frame of V8's `.cpuprofile`, as far as it is read here. */
interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  readonly children?: readonly number[];
}

interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

export interface HotFrame {
  readonly name: string;
  /** In the function itself. */
  readonly selfMs: number;
  /** In it and what it called. */
  readonly totalMs: number;
}

const writeWaitMs = 30_000;

/** Starts profiles in every component's process; the result stops them and waits until all are written. */
export async function profileCluster(cluster: LiveCluster, directory: string): Promise<() => Promise<string[]>> {
  const pids = [...await cluster.pids()].filter(([name]) => name !== "supervisor");
  const toggle = () => {
    for (const [, pid] of pids) Deno.kill(pid, "SIGUSR2");
  };
  toggle();
  return async () => {
    toggle();
    const files = pids.map(([name]) => `${directory}/${name}.cpuprofile`);
    const deadline = performance.now() + writeWaitMs;
    for (const file of files) {
      while (!isWhole(file) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return files.filter(isWhole);
  };
}

function isWhole(file: string): boolean {
  try {
    JSON.parse(Deno.readTextFileSync(file));
    return true;
  } catch {
    return false;
  }
}

/** The functions in which a process spent its time, by their own; idle time is left out. */
export function hotFrames(profile: CpuProfile, count: number): { busyMs: number; frames: HotFrame[] } {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const self = new Map<string, number>();
  const total = new Map<string, number>();
  let busy = 0;
  for (const [i, id] of profile.samples.entries()) {
    const ms = (profile.timeDeltas[i] ?? 0) / 1_000;
    const leaf = byId.get(id);
    if (leaf === undefined || leaf.callFrame.functionName === "(idle)") continue;
    busy += ms;
    const own = nameOf(leaf);
    self.set(own, (self.get(own) ?? 0) + ms);
    const seen = new Set<string>();
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const node = byId.get(at);
      if (node === undefined) break;
      seen.add(nameOf(node));
    }
    for (const name of seen) total.set(name, (total.get(name) ?? 0) + ms);
  }
  const frames = [...self].map(([name, selfMs]) => ({ name, selfMs, totalMs: total.get(name) ?? 0 }))
    .sort((a, b) => b.selfMs - a.selfMs).slice(0, count);
  return { busyMs: busy, frames };
}

function nameOf({ callFrame }: ProfileNode): string {
  const { functionName, url, lineNumber } = callFrame;
  const file = url.replace(/^.*\/(?=[^/]+\/[^/]+$)/, "");
  return `${functionName === "" ? "(anonymous)" : functionName} ${file}${url === "" ? "" : `:${lineNumber + 1}`}`;
}

if (import.meta.main) {
  const [file = "", count = "40"] = Deno.args;
  const profile = JSON.parse(Deno.readTextFileSync(file)) as CpuProfile;
  const { busyMs, frames } = hotFrames(profile, Number(count));
  console.log(`${busyMs.toFixed(0)} ms busy`);
  for (const { name, selfMs, totalMs } of frames) {
    console.log(`${selfMs.toFixed(0).padStart(7)} self ${totalMs.toFixed(0).padStart(7)} total  ${name}`);
  }
}
