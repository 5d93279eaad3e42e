import { removeCluster } from "../bring_up.ts";
import { homeDirectory } from "../home.ts";
import { askStatus, stopProcesses, toolPlatform } from "../lifecycle.ts";
import { balancerUrl } from "../plan.ts";
import { checkName, readSpec, requireSpec } from "../spec.ts";
import { ok, print, progress, table } from "./output.ts";

/** Names of the directories that hold a cluster, sorted. */
async function clusterNames(): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const entry of Deno.readDir(homeDirectory())) {
      if (entry.isDirectory && !entry.name.startsWith(".") && await readSpec(entry.name) !== null) {
        names.push(entry.name);
      }
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return names.sort();
}

/** Ends a cluster and removes all it made. @param name null: every cluster */
export async function down(name: string | null): Promise<void> {
  const platform = toolPlatform();
  for (const each of name === null ? await clusterNames() : [checkName(name)]) {
    const directory = `${homeDirectory()}/${each}`;
    const exists = await Deno.stat(directory).then((info) => info.isDirectory, () => false);
    if (!exists) {
      progress(`No cluster named "${each}": nothing to remove`);
      continue;
    }
    await removeCluster(each, platform);
    ok(`removed ${each}`);
  }
}

/** Ends the processes, keeps the data: `start` resumes. */
export async function stop(name: string): Promise<void> {
  const spec = await requireSpec(name);
  await stopProcesses(spec.name, toolPlatform());
  ok(`stopped ${spec.name}; deno task cluster start --name ${spec.name} resumes it`);
}

export async function list(output: "text" | "json"): Promise<void> {
  const platform = toolPlatform();
  const rows: { name: string; state: string; controlPlanes: number; workers: number; apiServer: string }[] = [];
  for (const name of await clusterNames()) {
    const spec = await readSpec(name);
    if (spec === null) continue;
    const status = await askStatus(name, platform);
    const state = status === null ? "Stopped" : status.components.every((each) => each.ready) ? "Ready" : "NotReady";
    rows.push({
      name,
      state,
      controlPlanes: spec.controlPlanes,
      workers: spec.workers + spec.hollowNodes,
      apiServer: balancerUrl(spec),
    });
  }
  if (output === "json") return print(JSON.stringify(rows, null, 2));
  if (rows.length === 0) return progress("No clusters. deno task cluster up makes one");
  print(table(
    ["NAME", "STATE", "CONTROL-PLANES", "NODES", "API"],
    rows.map((row) => [row.name, row.state, String(row.controlPlanes), String(row.workers), row.apiServer]),
  ));
}
