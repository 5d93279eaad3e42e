import type { Node } from "../../api/gen/types.ts";
import { nodes as nodeResource } from "../../api/resources.ts";
import type { Platform } from "../../platform/mod.ts";
import { adminClient } from "../api_access.ts";
import type { ComponentStatus } from "../control.ts";
import { CliError, exitCode } from "../errors.ts";
import { writeKubeconfig } from "../kubeconfig_file.ts";
import { askStatus, failureDetails, launchSupervisor, removeData, stopProcesses, toolPlatform } from "../lifecycle.ts";
import { balancerUrl, planOf } from "../plan.ts";
import { AlreadyThereError, provision, type UpRequest } from "../provision.ts";
import { checkName, type ClusterSpec, readSpec, requireSpec } from "../spec.ts";
import { fetchDependencies } from "../dependencies.ts";
import { bad, note, ok, print, progress } from "./output.ts";
import { statusJson, statusTable } from "./status.ts";

export interface UpOptions extends UpRequest {
  readonly waitMs: number;
  readonly output: "text" | "json";
  /** Keep what was made when it fails, to look at. */
  readonly retain: boolean;
}

const pollMs = 25;
/** A component that died this often before all were ready will not recover by itself. */
const restartsMax = 6;

/** Makes and starts a cluster; returns when every node is Ready, or takes everything away again. */
export async function up(options: UpOptions): Promise<void> {
  const startedAt = performance.now();
  checkName(options.name);
  const platform = toolPlatform();
  let spec: ClusterSpec | null = null;
  const undo = async () => {
    if (options.retain) return;
    if (spec !== null) await stopProcesses(spec.name, platform);
    await removeData(options.name);
  };
  const disarm = onInterrupt(async () => {
    progress("Interrupted: taking the cluster away again");
    await undo();
  });
  try {
    spec = await provision(options);
    await fetchDependencies();
    await launchSupervisor(spec.name, platform);
    await waitReady(spec, { platform, startedAt, waitMs: options.waitMs });
    await writeKubeconfig(spec);
  } catch (error) {
    if (!(error instanceof AlreadyThereError)) await undo();
    throw error;
  } finally {
    disarm();
  }
  await report(spec, platform, options.output, performance.now() - startedAt);
}

/** Starts a stopped (or killed) cluster again: same objects, same addresses. */
export async function start(name: string, options: { waitMs: number; output: "text" | "json" }): Promise<void> {
  const startedAt = performance.now();
  const spec = await requireSpec(name);
  const platform = toolPlatform();
  const status = await askStatus(name, platform);
  if (status === null) {
    await stopProcesses(name, platform);
    await fetchDependencies();
    await launchSupervisor(name, platform);
  }
  await waitReady(spec, { platform, startedAt, waitMs: options.waitMs });
  await writeKubeconfig(spec);
  await report(spec, platform, options.output, performance.now() - startedAt);
}

async function report(spec: ClusterSpec, platform: Platform, output: "text" | "json", tookMs: number): Promise<void> {
  if (output === "json") return print(JSON.stringify(await statusJson(spec, platform), null, 2));
  const { text, memory } = await statusTable(spec, platform);
  print(text);
  progress(
    `Ready in ${(tookMs / 1000).toFixed(2)} s, ${memory}. kubectl context: sauropod-${spec.name} (${
      balancerUrl(spec)
    })`,
  );
  progress("Next: kubectl get nodes -o wide   or, without kubectl: deno task cluster kubectl -- get nodes -o wide");
}

/** Prints a line as each component and then each node becomes ready; throws when that takes too long. */
async function waitReady(
  spec: ClusterSpec,
  options: { platform: Platform; startedAt: number; waitMs: number },
): Promise<void> {
  const { platform, startedAt } = options;
  const deadline = startedAt + options.waitMs;
  const announced = new Set<string>();
  const elapsed = () => `${Math.round(performance.now() - startedAt)} ms`;
  for (;;) {
    const status = await askStatus(spec.name, platform);
    const components = status?.components ?? [];
    for (const component of components) {
      if (!component.ready || announced.has(component.name)) continue;
      announced.add(component.name);
      ok(`${component.name.padEnd(22)} ${component.address.padEnd(34)} ${elapsed()}`);
    }
    const broken = components.find((each) => !each.ready && each.restarts >= restartsMax);
    if (broken !== undefined || performance.now() > deadline) {
      throw await notReady(spec, components, broken?.name ?? null, options.waitMs);
    }
    if (components.length === planOf(spec).length && components.every((each) => each.ready)) break;
    await platform.timers.sleep(pollMs);
  }
  const client = adminClient(spec, platform);
  const wanted = spec.workers + spec.hollowNodes;
  for (;;) {
    const list = await client.list<Node>(nodeResource).catch(() => null);
    const ready = list?.items.filter(isReady) ?? [];
    if (ready.length >= wanted) break;
    if (performance.now() > deadline) {
      throw new CliError(
        exitCode.notReady,
        `Only ${ready.length} of ${wanted} nodes were Ready after ${Math.round(options.waitMs / 1000)} s`,
        { hint: "see deno task cluster logs kubelet-worker-1; more time: --wait 120s" },
      );
    }
    await platform.timers.sleep(pollMs);
  }
  ok(`${"nodes".padEnd(22)} ${`${wanted} of ${wanted} Ready`.padEnd(34)} ${elapsed()}`);
}

function isReady(node: Node): boolean {
  return node.status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false;
}

async function notReady(
  spec: ClusterSpec,
  components: readonly ComponentStatus[],
  broken: string | null,
  waitMs: number,
): Promise<CliError> {
  for (const component of components) if (!component.ready) bad(`${component.name} ${component.state}`);
  for (const line of await failureDetails(spec, components)) note(line);
  return broken === null
    ? new CliError(exitCode.notReady, `Not all components were ready after ${Math.round(waitMs / 1000)} s`, {
      hint: "more time: --wait 120s; to look at what was left: --retain",
    })
    : new CliError(exitCode.failed, `${broken} keeps ending`, { hint: "its last lines are above; --retain keeps all" });
}

/** Runs `body` on Ctrl-C, then exits with 130. Call the result to disarm. */
export function onInterrupt(body: () => Promise<void>): () => void {
  let running = false;
  const handler = () => {
    if (running) return;
    running = true;
    body().catch((error) => progress(String(error))).finally(() => Deno.exit(exitCode.interrupted));
  };
  Deno.addSignalListener("SIGINT", handler);
  Deno.addSignalListener("SIGTERM", handler);
  return () => {
    Deno.removeSignalListener("SIGINT", handler);
    Deno.removeSignalListener("SIGTERM", handler);
  };
}

/** The spec, or null; for verbs that are idempotent. */
export function findSpec(name: string): Promise<ClusterSpec | null> {
  return readSpec(checkName(name));
}
