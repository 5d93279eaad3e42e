import { procStatField } from "../../base/proc_stat.ts";
import type { Platform } from "../../platform/mod.ts";
import type { ComponentStatus } from "../control.ts";
import { CliError, exitCode } from "../errors.ts";
import { signalProcess } from "../processes.ts";
import type { ClusterSpec } from "../spec.ts";
import { ok } from "./output.ts";
import { componentStatuses } from "./status.ts";

/**
 * The one component that `target` names: its name (`store-1`), or a kind (`store`) narrowed by `leader`, or a kind of
 * which there is one. Exported for its test.
 */
export function selectComponent(
  components: readonly ComponentStatus[],
  target: string,
  leader: boolean,
): ComponentStatus {
  const named = components.filter((each) => each.name === target || each.kind === target);
  if (named.length === 0) {
    const kinds = [...new Set(components.map((each) => each.kind))].join(", ");
    throw new CliError(exitCode.notReady, `No component "${target}"`, {
      hint: `kinds: ${kinds}; names: cluster status`,
    });
  }
  const candidates = leader ? named.filter((each) => each.role === "leader") : named;
  if (candidates.length === 0) {
    throw new CliError(exitCode.notReady, `No ${target} leads now`, { hint: "try again in a moment" });
  }
  const running = candidates.filter((each) => each.pid !== null);
  const first = running[0];
  if (first === undefined) throw new CliError(exitCode.notReady, `${target} is not running`);
  return first;
}

/** SIGKILLs one component; the supervisor restarts it. */
export async function chaosKill(
  spec: ClusterSpec,
  options: { target: string; leader: boolean },
  platform: Platform,
): Promise<void> {
  const component = selectComponent(await componentStatuses(spec, platform), options.target, options.leader);
  if (component.pid === null || !signalProcess(component.pid, "SIGKILL")) {
    throw new CliError(exitCode.notReady, `${component.name} is not running`);
  }
  const role = component.role === "" ? "" : ` (${component.role})`;
  ok(`killed ${component.name}${role}, pid ${component.pid}`);
}

/** SIGSTOPs one component: its connections stay open and say nothing. The supervisor goes on counting it. */
export async function chaosPause(
  spec: ClusterSpec,
  options: { target: string; leader: boolean },
  platform: Platform,
): Promise<void> {
  const component = selectComponent(await componentStatuses(spec, platform), options.target, options.leader);
  if (component.pid === null || !signalProcess(component.pid, "SIGSTOP")) {
    throw new CliError(exitCode.notReady, `${component.name} is not running`);
  }
  ok(`paused ${component.name}, pid ${component.pid}; cluster chaos resume ${component.name} lets it go on`);
}

/** SIGCONTs one component, or all of them. @param target null: every component of the cluster */
export async function chaosResume(spec: ClusterSpec, target: string | null, platform: Platform): Promise<void> {
  const all = await componentStatuses(spec, platform);
  const chosen = target === null ? all : [selectComponent(all, target, false)];
  for (const { name, pid } of chosen) {
    if (pid === null || (target === null && !isStopped(pid))) continue;
    // Harmless to one that runs.
    signalProcess(pid, "SIGCONT");
    ok(`resumed ${name}, pid ${pid}`);
  }
}

/** Whether the process is stopped by a signal (state T of /proc/PID/stat). Where there is no /proc: assume so. */
function isStopped(pid: number): boolean {
  try {
    return procStatField(Deno.readTextFileSync(`/proc/${pid}/stat`), 3) === "T";
  } catch {
    return true;
  }
}
