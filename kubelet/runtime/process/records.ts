import { fromUtf8, utf8 } from "../../../base/bytes.ts";
import type { Disk } from "../../../platform/mod.ts";
import { listIfPresent, readIfPresent, replaceFile } from "../../files.ts";
import type { ContainerConfig, RuntimeContainer, Sandbox } from "../types.ts";
import type { ProcessId } from "./proc.ts";

/**
 * What the process runtime writes down, so that the next kubelet finds its containers:
 *
 *     pods/UID/sandbox-ATTEMPT.json                  a Sandbox
 *     pods/UID/containers/NAME/ATTEMPT/
 *       container.json                               a RuntimeContainer, and its config
 *       process.json                                 {pid, startTime}: the leader of the container's process group
 *       exit                                         its exit code, written by the container's own shell
 *       stdout, stderr                               raw output; log, log.N, log.state: the CRI log made of it
 *       root/                                        what the container sees as $SAUROPOD_ROOT
 */
export interface StoredContainer {
  readonly container: RuntimeContainer;
  readonly config: ContainerConfig;
}

export interface StoredPods {
  readonly sandboxes: Sandbox[];
  readonly containers: { stored: StoredContainer; process: ProcessId | null; directory: string }[];
}

export function podDirectory(root: string, uid: string): string {
  return `${root}/pods/${uid}`;
}

export function containerDirectory(root: string, uid: string, name: string, attempt: number): string {
  return `${podDirectory(root, uid)}/containers/${name}/${attempt}`;
}

function encode(value: unknown): Uint8Array {
  return utf8(JSON.stringify(value));
}

export async function saveSandbox(disk: Disk, root: string, sandbox: Sandbox): Promise<void> {
  await disk.mkdir(podDirectory(root, sandbox.podUid));
  await replaceFile(disk, `${podDirectory(root, sandbox.podUid)}/sandbox-${sandbox.attempt}.json`, encode(sandbox));
}

export async function saveContainer(disk: Disk, directory: string, stored: StoredContainer): Promise<void> {
  await replaceFile(disk, `${directory}/container.json`, encode(stored));
}

export async function saveProcess(disk: Disk, directory: string, process: ProcessId): Promise<void> {
  await replaceFile(disk, `${directory}/process.json`, encode(process));
}

/** The exit code that the container's shell left, or null. */
export async function readExitCode(disk: Disk, directory: string): Promise<number | null> {
  const text = fromUtf8(await readIfPresent(disk, `${directory}/exit`) ?? new Uint8Array(0)).trim();
  return /^\d{1,3}$/.test(text) ? Number(text) : null;
}

/** Null for what is missing or cut short: a crash while it was written; the pod then starts anew. */
async function decode(disk: Disk, path: string): Promise<Record<string, unknown> | null> {
  const bytes = await readIfPresent(disk, path);
  if (bytes === null) return null;
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}

function isSandbox(value: Record<string, unknown> | null): value is Record<string, unknown> & Sandbox {
  return value !== null && typeof value.id === "string" && typeof value.podUid === "string" &&
    typeof value.ip === "string" && Number.isInteger(value.attempt);
}

function isStoredContainer(
  value: Record<string, unknown> | null,
): value is Record<string, unknown> & StoredContainer {
  if (value === null || typeof value.config !== "object" || value.config === null) return false;
  const container = value.container;
  return typeof container === "object" && container !== null && "id" in container && "sandboxId" in container &&
    "state" in container && "attempt" in container;
}

export async function readPods(disk: Disk, root: string): Promise<StoredPods> {
  const found: StoredPods = { sandboxes: [], containers: [] };
  for (const uid of await listIfPresent(disk, `${root}/pods`)) {
    const directory = podDirectory(root, uid);
    for (const name of await listIfPresent(disk, directory)) {
      if (!/^sandbox-\d+\.json$/.test(name)) continue;
      const sandbox = await decode(disk, `${directory}/${name}`);
      if (isSandbox(sandbox)) found.sandboxes.push(sandbox);
    }
    for (const name of await listIfPresent(disk, `${directory}/containers`)) {
      for (const attempt of await listIfPresent(disk, `${directory}/containers/${name}`)) {
        const path = `${directory}/containers/${name}/${attempt}`;
        const stored = await decode(disk, `${path}/container.json`);
        if (!isStoredContainer(stored)) continue;
        const process = await decode(disk, `${path}/process.json`);
        const known = typeof process?.pid === "number" && typeof process.startTime === "string";
        found.containers.push({
          stored: { container: stored.container, config: stored.config },
          process: known ? { pid: Number(process.pid), startTime: String(process.startTime) } : null,
          directory: path,
        });
      }
    }
  }
  return found;
}
