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
