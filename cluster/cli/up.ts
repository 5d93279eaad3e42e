import { type BringUpOptions, createCluster, type Progress, removeCluster, resumeCluster } from "../bring_up.ts";
import { exitCode } from "../errors.ts";
import { toolPlatform } from "../lifecycle.ts";
import { balancerUrl } from "../plan.ts";
import type { UpRequest } from "../provision.ts";
import { checkName, type ClusterSpec, readSpec } from "../spec.ts";
import { bad, note, ok, print, progress } from "./output.ts";
import { statusJson, statusTable } from "./status.ts";

export interface UpOptions extends UpRequest {
  readonly waitMs: number;
  readonly output: "text" | "json";
  /** Keep what was made when it fails, to look at. */
  readonly retain: boolean;
  readonly seed?: (spec: ClusterSpec) => Promise<void>;
}

/** `cluster up`: one line a component, then the table of what runs. */
export async function up(options: UpOptions): Promise<void> {
  const startedAt = performance.now();
  const platform = toolPlatform();
  // Ctrl-C takes away what this run makes, never a cluster that was there before it.
  const isNew = await readSpec(checkName(options.name)) === null;
  const disarm = onInterrupt(async () => {
    if (!isNew || options.retain) return;
    progress("Interrupted: taking the cluster away again");
    await removeCluster(options.name, platform);
  });
  try {
    const spec = await createCluster(options, { ...options, mergeKubeconfig: true, onProgress: show }, platform);
    await report(spec, options.output, performance.now() - startedAt);
  } finally {
    disarm();
  }
}

/** `cluster start`. */
export async function start(
  name: string,
  options: Pick<BringUpOptions, "waitMs"> & { output: "text" | "json" },
): Promise<void> {
  const startedAt = performance.now();
  const spec = await resumeCluster(checkName(name), { ...options, onProgress: show }, toolPlatform());
  await report(spec, options.output, performance.now() - startedAt);
}

function show(event: Progress): void {
  if (event.kind === "ready") {
    ok(`${event.name.padEnd(22)} ${event.detail.padEnd(34)} ${Math.round(event.elapsedMs)} ms`);
  } else if (event.kind === "notReady") bad(`${event.name} ${event.detail}`);
  else note(event.line);
}

async function report(spec: ClusterSpec, output: "text" | "json", tookMs: number): Promise<void> {
  const platform = toolPlatform();
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

/** Runs `body` on Ctrl-C, then exits with 130. Call the result to disarm. */
function onInterrupt(body: () => Promise<void>): () => void {
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
