import {
  type BackupSummary,
  connectStore,
  readBackup,
  readState,
  type RestoredState,
  saveBackup,
  seedMember,
  StoreError,
} from "../../store/mod.ts";
import { DiskError, type Platform } from "../../platform/mod.ts";
import { CliError, exitCode } from "../errors.ts";
import { dataDirectory } from "../home.ts";
import { askStatus, toolPlatform } from "../lifecycle.ts";
import { storeClientAddresses, storeMembers, storeName } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";
import { note, print, progress } from "./output.ts";
import { up, type UpOptions } from "./up.ts";

/** `cluster snapshot`: the whole content of the store as one file, and clusters that begin with it. */

type Output = "text" | "json";

const slicePrefix = "slice ";

export async function snapshotSave(spec: ClusterSpec, file: string, output: Output): Promise<void> {
  const platform = toolPlatform();
  requireOwnStore(spec);
  if (await askStatus(spec.name, platform) === null) {
    throw new CliError(exitCode.notReady, `Cluster "${spec.name}" does not run`, {
      hint: `deno task cluster start --name ${spec.name}`,
    });
  }
  const path = absolute(file);
  Deno.chdir(dataDirectory(spec.name)); // the stores' sockets are named relative to it
  const store = connectStore({ endpoints: storeClientAddresses(spec) }, platform);
  try {
    const target = { path, clusterId: spec.clusterId, note: `${slicePrefix}${spec.slice}` };
    const summary = await told(() => saveBackup(store, target, platform));
    if (output === "json") print(json(path, summary));
    else print(`Saved ${summary.pairs} keys of revision ${summary.revision} to ${path} (${summary.fileBytes} bytes)`);
  } finally {
    store.close();
  }
}

export async function snapshotStatus(file: string, output: Output): Promise<void> {
  const path = absolute(file);
  const summary = await told(() => readBackup(toolPlatform().disk, path));
  if (output === "json") return print(json(path, summary));
  print([
    `file       ${path}, ${summary.fileBytes} bytes, whole`,
    `saved      ${new Date(summary.savedAtMs).toISOString()}`,
    `cluster    ${summary.clusterId}`,
    `revision   ${summary.revision}`,
    `keys       ${summary.pairs}`,
    `leases     ${summary.leases}`,
  ].join("\n"));
}

/** Makes a new cluster of any size and starts it. */
export async function snapshotRestore(file: string, options: UpOptions): Promise<void> {
  const platform = toolPlatform();
  const path = absolute(file);
  // Read before anything is made: a file that is no good must leave nothing behind.
  const restored = await told(() => readState(platform.disk, path));
  await up({ ...options, seed: (spec) => seed(spec, restored, platform) });
  announce(restored);
}

/** Puts the snapshot in place of what a stopped cluster's stores hold. */
export async function snapshotReplace(spec: ClusterSpec, file: string): Promise<void> {
  const platform = toolPlatform();
  requireOwnStore(spec);
  const path = absolute(file);
  if (await askStatus(spec.name, platform) !== null) {
    throw new CliError(exitCode.failed, `Cannot replace the data of cluster "${spec.name}": it runs`, {
      hint: `deno task cluster stop --name ${spec.name}`,
    });
  }
  const restored = await told(() => readState(platform.disk, path));
  const aside: string[] = [];
  for (const number of storeMembers(spec)) {
    const directory = storeDirectory(spec, storeName(number));
    await platform.disk.remove(`${directory}.before`, { recursive: true });
    if (await platform.disk.stat(directory) === null) continue;
    await platform.disk.rename(directory, `${directory}.before`);
    aside.push(directory);
  }
  try {
    await seed(spec, restored, platform);
  } catch (error) {
    for (const directory of aside) {
      await platform.disk.remove(directory, { recursive: true });
      await platform.disk.rename(`${directory}.before`, directory);
    }
    throw error;
  }
  for (const directory of aside) await platform.disk.remove(`${directory}.before`, { recursive: true });
  announce(restored);
  progress(`Next: deno task cluster start --name ${spec.name}`);
}

async function seed(spec: ClusterSpec, restored: RestoredState, platform: Platform): Promise<void> {
  const { clusterId, slice } = spec;
  const memberIds = storeMembers(spec).map(storeName);
  await told(() =>
    Promise.all(memberIds.map((id) => {
      const member = { clusterId, id, memberIds, dataDirectory: storeDirectory(spec, id) };
      return seedMember(member, restored, platform.disk);
    }))
  );
  if (restored.summary.note !== `${slicePrefix}${slice}`) {
    note(`Services keep their cluster IPs, which are not of this cluster's addresses (127.${slice}): make them again`);
  }
}

function requireOwnStore(spec: ClusterSpec): void {
  if (spec.store === undefined) return;
  throw new CliError(
    exitCode.failed,
    `The store of cluster "${spec.name}" is an etcd, which has snapshots of its own`,
    {
      hint: "etcdctl snapshot save FILE",
    },
  );
}

function storeDirectory(spec: ClusterSpec, member: string): string {
  return `${dataDirectory(spec.name)}/data/${member}`;
}

function announce({ summary, revision }: RestoredState): void {
  progress(`Restored ${summary.pairs} keys of revision ${summary.revision}; revisions go on from ${revision}`);
}

function absolute(file: string): string {
  return file.startsWith("/") ? file : `${Deno.cwd()}/${file}`;
}

function json(file: string, summary: BackupSummary): string {
  const { clusterId, revision, savedAtMs, pairs, leases, fileBytes } = summary;
  const savedAt = new Date(savedAtMs).toISOString();
  return JSON.stringify({ file, clusterId, revision, savedAt, keys: pairs, leases, fileBytes }, null, 2);
}

/** What a user can act on is a sentence, not a stack. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof StoreError || error instanceof DiskError)) throw error;
    throw new CliError(exitCode.failed, error.message, { cause: error });
  }
}
