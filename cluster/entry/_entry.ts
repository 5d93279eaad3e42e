import { buildLabels } from "../../api/version.ts";
import { collectProcess, createDisturbablePlatform } from "../../platform/deno/mod.ts";
import type { Component, Metrics, Platform, TlsIdentity } from "../../platform/mod.ts";
import { callControl } from "../control.ts";
import { decodeTable } from "../faults/keeper.ts";
import { applyTable, listenForFaults } from "../faults/listener.ts";
import { layout } from "../home.ts";
import { type ComponentPlan, indexOf, planOf, whoListens } from "../plan.ts";
import { type ClusterSpec, parseSpec } from "../spec.ts";
import { type ClusterTimers, timersOf } from "../timers.ts";
import { profileDirectory, profileOnSignal } from "./_profile.ts";

/** What every component's process knows when it starts. The working directory is the cluster's data directory. */
export interface Entry {
  readonly spec: ClusterSpec;
  readonly plan: ComponentPlan;
  /** `store-1` -> 1. */
  readonly index: number;
  readonly timers: ClusterTimers;
  readonly platform: Platform;
  readonly dataDirectory: string;
  /** Tells the supervisor a new role; a no-op when nobody supervises. */
  readonly reportRole: (role: string, detail?: string) => void;
}

/**
 * The life of a component's process: read the spec, start, report, stop on SIGTERM or SIGINT.
 * argv: the component's name.
 */
export async function runEntry(start: (entry: Entry) => Promise<Component> | Component): Promise<void> {
  const name = Deno.args[0] ?? "";
  const spec = parseSpec(Deno.readTextFileSync(layout.spec), layout.spec);
  const plan = planOf(spec).find((each) => each.name === name);
  if (plan === undefined) throw new Error(`No component "${name}" in ${layout.spec}`);
  const disturbable = createDisturbablePlatform({ component: name, nameOf: whoListens(spec) });
  const { platform } = disturbable;
  showProcess(platform.metrics);
  // Before anything is dialled: a component that starts again inside a partition stays inside it.
  applyTable(name, decodeTable(readFaults()), disturbable);
  if (profileDirectory !== undefined) await profileOnSignal(profileDirectory, name);
  const report = { ready: false, role: "", detail: "" };
  const send = () =>
    void callControl(platform.network, `unix:${layout.control}`, { op: "report", name, pid: Deno.pid, ...report });

  const component = await start({
    spec,
    plan,
    index: indexOf(name),
    timers: timersOf(spec.timers),
    platform,
    dataDirectory: Deno.cwd(),
    reportRole(role, detail = "") {
      if (role === report.role && detail === report.detail) return;
      report.role = role;
      report.detail = detail;
      if (report.ready) send();
    },
  });

  listenForFaults(name, disturbable, platform);

  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    try {
      await component.stop();
    } finally {
      Deno.exit(0);
    }
  };
  Deno.addSignalListener("SIGTERM", stop);
  Deno.addSignalListener("SIGINT", stop);
  await component.ready;
  report.ready = true;
  send();
}

/** What every component shows beside its own metrics. */
export function showProcess(metrics: Metrics): void {
  collectProcess(metrics);
  metrics.gauge("kubernetes_build_info", "The version of Kubernetes that is spoken.").set(1, buildLabels);
}

function readFaults(): string | null {
  try {
    return Deno.readTextFileSync(layout.faults);
  } catch {
    return null; // Nobody supervises.
  }
}

export function readPkiFile(file: string): string {
  return Deno.readTextFileSync(`${layout.pki}/${file}`);
}

export function hasPkiFile(file: string): boolean {
  try {
    return Deno.statSync(`${layout.pki}/${file}`).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** The certificate, key and authority files of `name` under `pki/`. */
export function readIdentity(name: string, authority = "ca"): TlsIdentity {
  return { cert: readPkiFile(`${name}.crt`), key: readPkiFile(`${name}.key`), ca: readPkiFile(`${authority}.crt`) };
}
