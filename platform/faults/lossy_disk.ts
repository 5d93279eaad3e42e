import type { Disk, DiskFile } from "../mod.ts";
import { unsyncedBytesMax } from "./limits.ts";

interface Unsynced {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * A disk whose page cache dies with the process: bytes reach the real disk at `sync()`, so a SIGKILL is a power failure.
 * (On an honest disk the kernel survives the process and writes everything.) What a power failure spares stays spared
 * here: names, whole-file writes, files that were closed, and what lay unsynced beyond {@linkcode unsyncedBytesMax}.
 *
 * @param options.skipSync the bug: `sync()` says that all is durable and does nothing. A file's beginning is synced all
 * the same, so that what is lost is records, not the file.
 */
export function lossyDisk(disk: Disk, options: { readonly skipSync: boolean }): Disk {
  return {
    ...disk,
    open: async (path, openOptions) => lossyFile(await disk.open(path, openOptions), options.skipSync),
  };
}

function lossyFile(file: DiskFile, skipSync: boolean): DiskFile {
  const unsynced: Unsynced[] = [];
  let unsyncedBytes = 0;
  // Reading the overlay and writing it out must not interleave.
  let tail: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = tail.then(work);
    tail = result.catch(() => {});
    return result;
  }

  async function writeOut(downTo: number): Promise<void> {
    while (unsyncedBytes > downTo) {
      const oldest = unsynced.shift();
      if (oldest === undefined) return;
      unsyncedBytes -= oldest.bytes.length;
      await file.writeAt(oldest.offset, oldest.bytes);
    }
    if (downTo === 0) { for (const { offset, bytes } of unsynced.splice(0)) await file.writeAt(offset, bytes); }
  }

  function endOf(): number {
    return unsynced.reduce((end, { offset, bytes }) => Math.max(end, offset + bytes.length), 0);
  }

  return {
    path: file.path,
    writeAt(offset, bytes) {
      const copy = bytes.slice();
      return inTurn(async () => {
        unsynced.push({ offset, bytes: copy });
        unsyncedBytes += copy.length;
        await writeOut(unsyncedBytesMax);
      });
    },
    readAt: (offset, length) =>
      inTurn(async () => {
        const below = await file.readAt(offset, length);
        const available = Math.max(below.length, Math.min(length, endOf() - offset));
        const bytes = new Uint8Array(Math.max(0, available));
        bytes.set(below);
        for (const each of unsynced) {
          const from = Math.max(offset, each.offset);
          const to = Math.min(offset + bytes.length, each.offset + each.bytes.length);
          if (from < to) bytes.set(each.bytes.subarray(from - each.offset, to - each.offset), from - offset);
        }
        return bytes;
      }),
    size: () => inTurn(async () => Math.max(await file.size(), endOf())),
    truncate: (length) =>
      inTurn(async () => {
        await writeOut(0);
        await file.truncate(length);
      }),
    sync: () =>
      inTurn(async () => {
        if (skipSync && !unsynced.some((each) => each.offset === 0)) return;
        await writeOut(0);
        await file.sync();
      }),
    close() {
      void inTurn(async () => {
        await writeOut(0);
        file.close();
      }).catch(() => {});
    },
  };
}
