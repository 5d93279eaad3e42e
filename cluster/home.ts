import { CliError, exitCode } from "./errors.ts";

/** Where clusters live: `$SAUROPOD_HOME`, else `~/.sauropod`; one directory a cluster, plus the register of slices. */
export function homeDirectory(): string {
  const explicit = Deno.env.get("SAUROPOD_HOME");
  if (explicit !== undefined && explicit !== "") return explicit;
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE");
  if (home === undefined || home === "") {
    throw new CliError(exitCode.failed, "Cannot find a home directory: neither SAUROPOD_HOME nor HOME is set", {
      hint: "export SAUROPOD_HOME=/a/writable/directory",
    });
  }
  return `${home}/.sauropod`;
}

export function dataDirectory(name: string): string {
  return `${homeDirectory()}/${name}`;
}

/** Paths inside one cluster's data directory. Sockets are named relative to it: a unix path holds 107 bytes at most. */
export const layout = {
  spec: "cluster.json",
  /** Held by whoever changes the spec. */
  specLock: "cluster.lock",
  kubeconfig: "kubeconfig",
  pki: "pki",
  /** What the apiservers were told: files in Kubernetes's own formats, read at every start. */
  config: "config",
  run: "run",
  logs: "logs",
  state: "run/state.json",
  control: "run/control.sock",
  /** What is broken on purpose; empty when nothing is. */
  faults: "run/faults.json",
  supervisorPid: "run/supervisor.pid",
} as const;

/** Creates the home directory, or says why it cannot be written. */
export async function ensureHome(): Promise<string> {
  const home = homeDirectory();
  try {
    await Deno.mkdir(home, { recursive: true, mode: 0o700 });
    const probe = await Deno.makeTempFile({ dir: home, prefix: ".probe-" });
    await Deno.remove(probe);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(exitCode.failed, `Cannot write to the data directory ${home}: ${reason}`, {
      hint: "make it writable, or set SAUROPOD_HOME to a directory that is",
      cause,
    });
  }
  return home;
}

/** Runs `body` while holding an exclusive lock on a file in `directory`. The lock ends with the process. */
export async function withLock<T>(path: string, body: () => Promise<T>): Promise<T> {
  using file = await Deno.open(path, { create: true, write: true, mode: 0o600 });
  await file.lock(true);
  try {
    return await body();
  } finally {
    await file.unlock();
  }
}

/** Readers see the old or the new text, never half. */
export async function writeTextAtomic(path: string, text: string, mode = 0o600): Promise<void> {
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    await Deno.writeTextFile(temporary, text, { mode });
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw error;
  }
}

/** The file's text, or null when it does not exist. */
export async function readTextIfPresent(path: string): Promise<string | null> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
