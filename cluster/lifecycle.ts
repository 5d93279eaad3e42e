import { createDenoPlatform } from "../platform/deno/mod.ts";
import type { Platform } from "../platform/mod.ts";
import { callControl, type ComponentStatus, type ControlRequest, type ControlResponse } from "./control.ts";
import { CliError, exitCode } from "./errors.ts";
import type { ToldResult } from "./faults/keeper.ts";
import type { FaultChange } from "./faults/table.ts";
import { dataDirectory, layout, readTextIfPresent } from "./home.ts";
import { releaseSlice } from "./slices.ts";
import { planOf } from "./plan.ts";
import { endProcesses, identify, isAlive, type ProcessId, signalProcess } from "./processes.ts";
import type { ClusterSpec } from "./spec.ts";

/** Starting, watching and ending a cluster's processes from outside: what the CLI and the SDK share. */

const stopGraceMs = 6_000;
const supervisorStartMs = 10_000;

/** The platform of a short-lived program: it logs nothing below errors. */
export function toolPlatform(): Platform {
  return createDenoPlatform({ component: "cluster", logLevel: "error" });
}

/** sockaddr_un.sun_path less the final NUL. */
const unixPathBytesMax = 107;

/**
 * Asks the cluster's supervisor. Where the home directory is too long for a unix socket's path, this process moves into
 * the data directory for the time of the call.
 */
async function ask(name: string, request: ControlRequest, platform: Platform): Promise<ControlResponse | null> {
  const directory = dataDirectory(name);
  const path = `${directory}/${layout.control}`;
  if (new TextEncoder().encode(path).length <= unixPathBytesMax) {
    return await callControl(platform.network, `unix:${path}`, request);
  }
  const before = Deno.cwd();
  Deno.chdir(directory);
  try {
    return await callControl(platform.network, `unix:${layout.control}`, request);
  } finally {
    Deno.chdir(before);
  }
}

/** How every component stands; null when no supervisor answers. */
export async function askStatus(
  name: string,
  platform: Platform,
): Promise<{ supervisorPid: number; components: readonly ComponentStatus[] } | null> {
  const answer = await ask(name, { op: "status" }, platform);
  return answer?.op === "status" ? answer : null;
}

/**
 * Changes what is broken on purpose (null: only asks); resolves when the components know of it.
 * @throws CliError when no supervisor answers
 */
export async function askFaults(name: string, change: FaultChange | null, platform: Platform): Promise<ToldResult> {
  const answer = await ask(name, { op: "faults", change }, platform);
  if (answer?.op === "faults") return answer;
  throw new CliError(exitCode.notReady, answer?.op === "refused" ? answer.reason : `Cluster "${name}" does not run`, {
    hint: `deno task cluster start --name ${name}`,
  });
}

/** The supervisor brings what runs to what the spec says now. @throws CliError when none answers */
export async function askReload(name: string, platform: Platform): Promise<void> {
  const answer = await ask(name, { op: "reload" }, platform);
  if (answer?.op === "done") return;
  throw new CliError(exitCode.notReady, answer?.op === "refused" ? answer.reason : `Cluster "${name}" does not run`);
}

/** Starts the detached supervisor and waits until it answers. */
export async function launchSupervisor(name: string, platform: Platform): Promise<void> {
  const directory = dataDirectory(name);
  await Deno.mkdir(`${directory}/${layout.run}`, { recursive: true, mode: 0o700 });
  await Deno.mkdir(`${directory}/${layout.logs}`, { recursive: true, mode: 0o700 });
  const root = new URL("../", import.meta.url);
  const log = `${directory}/${layout.logs}/supervisor.log`;
  const child = new Deno.Command("sh", {
    args: [
      "-c",
      'log=$1; shift; exec "$@" >>"$log" 2>&1',
      "sh",
      log,
      Deno.execPath(),
      "run",
      "--allow-all",
      "--no-prompt",
      "--no-check",
      "--quiet",
      "--v8-flags=--optimize-for-size", // it waits nearly always, and 30 MB do for it instead of 40
      `--config=${new URL("deno.json", root).pathname}`,
      new URL("cluster/entry/supervisor.ts", root).pathname,
      directory,
    ],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    detached: true,
  }).spawn();
  child.unref();
  const deadline = performance.now() + supervisorStartMs;
  while (await askStatus(name, platform) === null) {
    if (performance.now() > deadline || identify(child.pid) === null) {
      throw new CliError(exitCode.failed, "The supervisor did not start", { hint: `see ${log}` });
    }
    await platform.timers.sleep(10);
  }
}

/** Ends every process of the cluster, also those that a killed supervisor left behind. Idempotent. */
export async function stopProcesses(name: string, platform: Platform): Promise<void> {
  const directory = dataDirectory(name);
  if (!await Deno.stat(directory).then((info) => info.isDirectory, () => false)) return;
  const answered = await ask(name, { op: "shutdown" }, platform);
  const supervisor = parseProcess(await readTextIfPresent(`${directory}/${layout.supervisorPid}`));
  if (supervisor !== null) {
    // After an answer it ends by itself; SIGKILL only for one that hangs or that never heard the request.
    if (answered !== null) await waitGone(supervisor, platform);
    await endProcesses([supervisor], stopGraceMs);
  }
  await endProcesses(await recordedProcesses(directory), stopGraceMs);
  await sweepContainers(directory);
  for (const entry of [layout.state, layout.supervisorPid]) await Deno.remove(`${directory}/${entry}`).catch(() => {});
  await removeSockets(`${directory}/${layout.run}`);
}

async function waitGone(process: ProcessId, platform: Platform): Promise<void> {
  const deadline = performance.now() + stopGraceMs;
  while (isAlive(process) && performance.now() < deadline) await platform.timers.sleep(10);
}

function parseProcess(text: string | null): ProcessId | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return null;
    const { pid, startTime } = value as Record<string, unknown>;
    return typeof pid === "number" && typeof startTime === "string" ? { pid, startTime } : null;
  } catch {
    return null;
  }
}

async function recordedProcesses(directory: string): Promise<ProcessId[]> {
  const text = await readTextIfPresent(`${directory}/${layout.state}`);
  if (text === null) return [];
  try {
    const value: unknown = JSON.parse(text);
    const list = (value as { components?: unknown }).components;
    return Array.isArray(list) ? list.flatMap((each) => parseProcess(JSON.stringify(each)) ?? []) : [];
  } catch {
    return [];
  }
}

/**
 * Containers of the `process` runtime outlive their kubelet on purpose; a stopped cluster must not leave them. Every
 * process of a container carries its cluster's data directory in its environment, so that also a child that left the
 * container's process group is found.
 */
async function sweepContainers(directory: string): Promise<void> {
  const marker = `SAUROPOD_CONTAINER_OF=${directory}\0`;
  const found: ProcessId[] = [];
  for (const pid of runningPids()) {
    try {
      if (!Deno.readTextFileSync(`/proc/${pid}/environ`).includes(marker)) continue;
    } catch {
      continue; // Gone, or another user's.
    }
    const process = identify(pid);
    if (process !== null) found.push(process);
  }
  for (const { pid } of found) signalProcess(pid, "SIGKILL");
  await endProcesses(found, stopGraceMs);
}

/** Every process but this one; none where there is no /proc. */
function runningPids(): number[] {
  try {
    return [...Deno.readDirSync("/proc")].map((entry) => Number(entry.name))
      .filter((pid) => Number.isSafeInteger(pid) && pid !== Deno.pid);
  } catch {
    return [];
  }
}

async function removeSockets(directory: string): Promise<void> {
  try {
    for await (const entry of Deno.readDir(directory)) {
      if (entry.name.endsWith(".sock")) await Deno.remove(`${directory}/${entry.name}`).catch(() => {});
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** Removes everything the cluster has on disk and frees its addresses. Idempotent. */
export async function removeData(name: string): Promise<void> {
  await Deno.remove(dataDirectory(name), { recursive: true }).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
  await releaseSlice(name);
}

/** The last lines of the logs of components that keep dying, for an error message. */
export async function failureDetails(spec: ClusterSpec, components: readonly ComponentStatus[]): Promise<string[]> {
  const lines: string[] = [];
  const known = new Set(planOf(spec).map((plan) => plan.name));
  for (const component of components) {
    if (component.ready || !known.has(component.name)) continue;
    const text = await readTextIfPresent(`${dataDirectory(spec.name)}/${layout.logs}/${component.name}.log`) ?? "";
    lines.push(`--- ${component.name} (${component.state}, ${component.restarts} restarts)`);
    lines.push(...text.trimEnd().split("\n").slice(-20));
    if (lines.length > 60) break;
  }
  return lines;
}
