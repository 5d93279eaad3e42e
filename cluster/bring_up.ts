import type { Node } from "../api/gen/types.ts";
import { nodes as nodeResource, serviceAccounts } from "../api/resources.ts";
import type { Platform } from "../platform/mod.ts";
import { adminClient } from "./api_access.ts";
import type { ComponentStatus } from "./control.ts";
import { fetchDependencies } from "./dependencies.ts";
import { CliError, exitCode } from "./errors.ts";
import { removeKubeconfig, writeKubeconfig } from "./kubeconfig_file.ts";
import { askStatus, failureDetails, launchSupervisor, removeData, stopProcesses } from "./lifecycle.ts";
import { planOf } from "./plan.ts";
import { AlreadyThereError, provision, type UpRequest } from "./provision.ts";
import { type ClusterSpec, requireSpec } from "./spec.ts";

/** What happens on the way up, for whoever shows it. */
export type Progress =
  | { readonly kind: "ready"; readonly name: string; readonly detail: string; readonly elapsedMs: number }
  | { readonly kind: "notReady"; readonly name: string; readonly detail: string }
  /** A line of a failing component's log. */
  | { readonly kind: "log"; readonly line: string };

export interface BringUpOptions {
  readonly waitMs: number;
  readonly onProgress: (progress: Progress) => void;
}

const pollMs = 25;
/** A component that died this often before all were ready will not recover by itself. */
const restartsMax = 6;

/**
 * Makes and starts a cluster; resolves when every node is Ready. What fails half-way is taken away again, unless
 * `retain` asks to keep it. `mergeKubeconfig`: also make it the user's current context.
 */
export async function createCluster(
  request: UpRequest,
  options: BringUpOptions & {
    readonly retain: boolean;
    readonly mergeKubeconfig: boolean;
    /** Puts data into the new cluster's directory before anything runs. */
    readonly seed?: (spec: ClusterSpec) => Promise<void>;
  },
  platform: Platform,
): Promise<ClusterSpec> {
  const startedAt = performance.now();
  try {
    const spec = await provision(request);
    await options.seed?.(spec);
    await fetchDependencies();
    await launchSupervisor(spec.name, platform);
    await waitReady(spec, startedAt, options, platform);
    await writeKubeconfig(spec, { merge: options.mergeKubeconfig });
    return spec;
  } catch (error) {
    if (!(error instanceof AlreadyThereError) && !options.retain) await removeCluster(request.name, platform);
    throw error;
  }
}

/** Starts a stopped (or killed) cluster again: same objects, same addresses. A running one is only waited for. */
export async function resumeCluster(name: string, options: BringUpOptions, platform: Platform): Promise<ClusterSpec> {
  const startedAt = performance.now();
  const spec = await requireSpec(name);
  if (await askStatus(name, platform) === null) {
    await stopProcesses(name, platform);
    await fetchDependencies();
    await launchSupervisor(name, platform);
  }
  await waitReady(spec, startedAt, options, platform);
  await writeKubeconfig(spec, { merge: true });
  return spec;
}

/** Ends the processes, removes the kubeconfig's entry and the data, also of a half-made cluster. Idempotent. */
export async function removeCluster(name: string, platform: Platform): Promise<void> {
  await stopProcesses(name, platform);
  await removeKubeconfig(name);
  await removeData(name);
}

/** Tells as each component and then the nodes become ready; throws when that takes too long. */
async function waitReady(
  spec: ClusterSpec,
  startedAt: number,
  options: BringUpOptions,
  platform: Platform,
): Promise<void> {
  const deadline = startedAt + options.waitMs;
  await waitForComponents(spec, startedAt, deadline, options, platform);
  if (spec.storeOnly === true) return;
  const client = adminClient(spec, platform);
  const wanted = spec.workers + spec.hollowNodes;
  const seconds = Math.round(options.waitMs / 1000);
  for (;;) {
    const list = await client.list<Node>(nodeResource).catch(() => null);
    const ready = list?.items.filter(isReady).length ?? 0;
    // Without it no pod can be created: the first command after `up` may be `kubectl run`.
    const account = await client.get(serviceAccounts, "default", "default").then(() => true, () => false);
    if (ready >= wanted && account) break;
    if (performance.now() > deadline) {
      const missing = ready < wanted
        ? `Only ${ready} of ${wanted} nodes were Ready after ${seconds} s`
        : `The ServiceAccount default/default did not exist after ${seconds} s`;
      const component = ready < wanted ? "kubelet-worker-1" : "controller-manager-0";
      throw new CliError(exitCode.notReady, missing, {
        hint: `see deno task cluster logs ${component}; more time: --wait 120s`,
      });
    }
    await platform.timers.sleep(pollMs);
  }
  const elapsedMs = performance.now() - startedAt;
  options.onProgress({ kind: "ready", name: "nodes", detail: `${wanted} of ${wanted} Ready`, elapsedMs });
}

async function waitForComponents(
  spec: ClusterSpec,
  startedAt: number,
  deadline: number,
  options: BringUpOptions,
  platform: Platform,
): Promise<void> {
  const announced = new Set<string>();
  const wanted = new Set(planOf(spec).filter((plan) => plan.late !== true).map((plan) => plan.name));
  for (;;) {
    const components = (await askStatus(spec.name, platform))?.components ?? [];
    for (const component of components) {
      if (!component.ready || announced.has(component.name)) continue;
      announced.add(component.name);
      const elapsedMs = performance.now() - startedAt;
      options.onProgress({ kind: "ready", name: component.name, detail: component.address, elapsedMs });
    }
    if (components.filter((each) => each.ready && wanted.has(each.name)).length === wanted.size) return;
    const broken = components.find((each) => !each.ready && each.restarts >= restartsMax);
    if (broken !== undefined || performance.now() > deadline) {
      throw await notReady(spec, components, broken?.name ?? null, options);
    }
    await platform.timers.sleep(pollMs);
  }
}

function isReady(node: Readonly<Node>): boolean {
  return node.status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false;
}

async function notReady(
  spec: ClusterSpec,
  components: readonly ComponentStatus[],
  broken: string | null,
  options: BringUpOptions,
): Promise<CliError> {
  for (const { name, state, ready } of components) {
    if (!ready) options.onProgress({ kind: "notReady", name, detail: state });
  }
  for (const line of await failureDetails(spec, components)) options.onProgress({ kind: "log", line });
  return broken === null
    ? new CliError(exitCode.notReady, `Not all components were ready after ${Math.round(options.waitMs / 1000)} s`, {
      hint: "more time: --wait 120s; to look at what was left: --retain",
    })
    : new CliError(exitCode.failed, `${broken} keeps ending`, { hint: "its last lines are above; --retain keeps all" });
}
