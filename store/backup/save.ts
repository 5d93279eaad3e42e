import type { Clock, Disk } from "../../platform/mod.ts";
import { pagesAt, revisionOf } from "../pages.ts";
import { type Store, StoreError } from "../types.ts";
import { type BackupHeader, type BackupLease, type BackupSummary, BackupWriter } from "./format.ts";

/** A compaction may overtake a slow backup; then it begins again at the revision of that moment. */
const attempts = 3;
/** Of a lease that ended while its keys were being read: they must end in the restored store too. */
const endedLeaseTtlSeconds = 60;

/**
 * Saves what the store holds at one revision, page by page, so that no member stops for it and none holds a copy. The
 * file appears under its name only when it is whole and durable; one that is there already is never written over.
 */
export async function saveBackup(
  store: Store,
  target: { readonly path: string; readonly clusterId: string; readonly note: string },
  deps: { readonly disk: Disk; readonly clock: Clock },
): Promise<BackupSummary> {
  const { disk, clock } = deps;
  const { path, clusterId, note } = target;
  if (await disk.stat(path) !== null) throw new StoreError("InvalidArgument", `Cannot save to ${path}: it exists`);
  const temporary = `${path}.part`;
  for (let attempt = 1;; attempt++) {
    try {
      const file = await disk.open(temporary, { create: true, truncate: true });
      let written;
      try {
        written = await writeAll(store, new BackupWriter(file), { clusterId, note, savedAtMs: clock.now() });
      } finally {
        file.close();
      }
      await disk.rename(temporary, path);
      await disk.syncDirectory(path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".");
      return written;
    } catch (error) {
      await disk.remove(temporary).catch(() => {}); // what failed first says more
      const overtaken = error instanceof StoreError && error.code === "Compacted" && attempt < attempts;
      if (!overtaken) throw error;
    }
  }
}

async function writeAll(
  store: Store,
  writer: BackupWriter,
  about: Omit<BackupHeader, "revision">,
): Promise<BackupSummary> {
  const revision = await revisionOf(store);
  const header = { ...about, revision };
  await writer.header(header);
  const leases = new Set<bigint>();
  for await (const page of pagesAt(store, revision)) {
    for (const { lease } of page) if (lease !== 0n) leases.add(lease);
    await writer.pairs(page);
  }
  return { ...header, ...await writer.end(await leasesOf(store, leases)) };
}

/** Every lease there is, and those that the pairs name but that have ended since. */
async function leasesOf(store: Store, named: ReadonlySet<bigint>): Promise<BackupLease[]> {
  const found: BackupLease[] = [];
  for (const id of new Set([...await store.leases(), ...named])) {
    const { ttlSeconds, grantedTtlSeconds } = await store.leaseTimeToLive(id);
    const ended = ttlSeconds < 0;
    if (!ended || named.has(id)) found.push({ id, ttlSeconds: ended ? endedLeaseTtlSeconds : grantedTtlSeconds });
  }
  return found;
}
