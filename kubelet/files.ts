import type { Disk } from "../platform/mod.ts";

/**
 * Replaces a file so that readers see the old or the new content. Not synced: what the kubelet writes down serves the
 * next kubelet on a machine that still runs; a machine that crashed has no containers left to find.
 */
export async function replaceFile(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  const file = await disk.open(temporary, { create: true, truncate: true });
  try {
    await file.writeAt(0, bytes);
  } finally {
    file.close();
  }
  await disk.rename(temporary, path);
}

/** Null when the file is missing. */
export async function readIfPresent(disk: Disk, path: string): Promise<Uint8Array | null> {
  try {
    return await disk.readFile(path);
  } catch (error) {
    if (await disk.stat(path) === null) return null;
    throw error;
  }
}

/** Names in a directory; none when it is missing. */
export async function listIfPresent(disk: Disk, path: string): Promise<string[]> {
  return await disk.stat(path) === null ? [] : await disk.list(path);
}

/**
 * A path of a container made safe to append to a directory: `/etc/config`. Null when it would leave the directory.
 */
export function innerPath(path: string): string | null {
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..") || path.includes("\0")) return null;
  return parts.map((part) => `/${part}`).join("");
}
