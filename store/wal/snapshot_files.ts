import { type Disk, DiskError } from "../../platform/mod.ts";
import type { SnapshotPoint } from "../raft/messages.ts";
import { snapshotsKept, writeChunkBytes } from "./limits.ts";
import { crc32 } from "../../platform/crc32.ts";
import { decodeSnapshot, encodeSnapshotHeader, snapshotHeaderBytes } from "./snapshot_codec.ts";

const namePattern = /^snapshot-([0-9]{16})-([0-9]{16})$/;

/** State machine snapshots as files. One becomes valid only with its mark in the log, which comes after it. */
export class SnapshotFiles {
  readonly #disk: Disk;
  readonly #directory: string;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  #path(point: SnapshotPoint): string {
    return `${this.#directory}/snapshot-${digits(point.index)}-${digits(point.term)}`;
  }

  /** Durable under its final name when it resolves. @param parts made when they are asked for @return the bytes of them */
  async write(point: SnapshotPoint, parts: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<number> {
    const path = this.#path(point);
    const temporary = `${path}.tmp`;
    const file = await this.#disk.open(temporary, { create: true, truncate: true });
    try {
      let checksum = 0;
      let length = 0;
      let unsynced = 0;
      for await (const part of parts) {
        for (let at = 0; at < part.length; at += writeChunkBytes) {
          const chunk = part.subarray(at, at + writeChunkBytes);
          checksum = crc32(chunk, checksum);
          await file.writeAt(snapshotHeaderBytes + length, chunk);
          length += chunk.length;
          unsynced += chunk.length;
          if (unsynced < writeChunkBytes) continue;
          await file.sync(); // the log's own syncs share the file system's journal: they wait for one chunk, never for all
          unsynced = 0;
        }
      }
      await file.writeAt(0, encodeSnapshotHeader(point, length, checksum));
      await file.sync();
      file.close();
      await this.#disk.rename(temporary, path);
      await this.#disk.syncDirectory(this.#directory);
      return length;
    } catch (error) {
      file.close();
      await this.#disk.remove(temporary).catch(() => {}); // half a snapshot only takes up space
      throw error;
    }
  }

  /** Null: missing or damaged. */
  async read(point: SnapshotPoint): Promise<Uint8Array | null> {
    try {
      const content = decodeSnapshot(await this.#disk.readFile(this.#path(point)));
      const same = content !== null && content.point.index === point.index && content.point.term === point.term;
      return same ? content.data : null;
    } catch (error) {
      if (error instanceof DiskError && error.kind === "notFound") return null;
      throw error;
    }
  }

  /** Removes what a crash left half-written. Only before the first `write`. */
  async clean(): Promise<void> {
    for (const name of await this.#disk.list(this.#directory)) {
      if (name.startsWith("snapshot-") && name.endsWith(".tmp")) await this.#disk.remove(`${this.#directory}/${name}`);
    }
  }

  /** Newest first. */
  async list(): Promise<SnapshotPoint[]> {
    const points: SnapshotPoint[] = [];
    for (const name of await this.#disk.list(this.#directory)) {
      const [, index, term] = namePattern.exec(name) ?? [];
      if (index !== undefined && term !== undefined) points.push({ index: Number(index), term: Number(term) });
    }
    return points.sort((a, b) => b.index - a.index || b.term - a.term);
  }

  /** Removes all but the newest few up to `newest`. @return the oldest one kept */
  async prune(newest: SnapshotPoint): Promise<SnapshotPoint> {
    const marked = (await this.list()).filter((point) => point.index <= newest.index);
    for (const point of marked.slice(snapshotsKept)) await this.#disk.remove(this.#path(point));
    return marked.slice(0, snapshotsKept).at(-1) ?? newest;
  }
}

export function digits(value: number): string {
  return String(value).padStart(16, "0");
}
