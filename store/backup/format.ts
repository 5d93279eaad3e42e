import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import { crc32c } from "../../base/crc32c.ts";
import type { Disk, DiskFile } from "../../platform/mod.ts";
import { storeLimits } from "../limits.ts";
import { type KeyValue, type LeaseId, StoreError } from "../types.ts";
import {
  asArray,
  asInteger,
  asLease,
  asPair,
  asText,
  leaseField,
  pack,
  pairFields,
  unpack,
  WireError,
} from "../wire.ts";

/**
 * A backup in a file: the live pairs and the leases of one revision.
 *
 *     "sauropod-backup\n", then blocks: length u32 | checksum u32 | payload (msgpack array)
 *
 * A checksum (CRC-32C) goes on from the block before it, so that blocks can be neither lost, swapped nor mixed from two
 * files; the last block is an end, so that a torn file shows. Kinds: 0 header, 1 pairs, 2 leases, 3 end.
 */
const magic = utf8("sauropod-backup\n");
const formatVersion = 1;
const blockHeadBytes = 8;
/** Pairs are written once they have grown to this; one pair may be larger. */
const blockBytes = 1024 * 1024;

export interface BackupHeader {
  readonly clusterId: string;
  readonly revision: number;
  readonly savedAtMs: number;
  /** What whoever saved it wants to find again. */
  readonly note: string;
}

export interface BackupLease {
  readonly id: LeaseId;
  readonly ttlSeconds: number;
}

export type BackupBlock =
  | { readonly kind: "pairs"; readonly pairs: readonly KeyValue[] }
  | { readonly kind: "leases"; readonly leases: readonly BackupLease[] };

export interface BackupSummary extends BackupHeader {
  readonly pairs: number;
  readonly leases: number;
  readonly fileBytes: number;
}

/** Writes blocks behind each other. The file is whole only after `end`. */
export class BackupWriter {
  readonly #file: DiskFile;
  #offset = 0;
  #checksum = 0;
  #pairs = 0;
  #leases = 0;
  #waiting: KeyValue[] = [];
  #waitingBytes = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  async header({ clusterId, revision, savedAtMs, note }: BackupHeader): Promise<void> {
    await this.#write(magic);
    await this.#block([0, formatVersion, clusterId, revision, savedAtMs, note]);
  }

  async pairs(pairs: readonly KeyValue[]): Promise<void> {
    for (const kv of pairs) {
      this.#waiting.push(kv);
      this.#waitingBytes += kv.key.length + kv.value.length;
      if (this.#waitingBytes >= blockBytes) await this.#flush();
    }
  }

  /** @return bytes of the file, which is synced */
  async end(leases: readonly BackupLease[]): Promise<{ pairs: number; leases: number; fileBytes: number }> {
    await this.#flush();
    this.#leases = leases.length;
    await this.#block([2, leases.map(({ id, ttlSeconds }) => [leaseField(id), ttlSeconds])]);
    await this.#block([3, this.#pairs, this.#leases]);
    await this.#file.sync();
    return { pairs: this.#pairs, leases: this.#leases, fileBytes: this.#offset };
  }

  async #flush(): Promise<void> {
    const pairs = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#pairs += pairs.length;
    if (pairs.length > 0) await this.#block([1, pairs.map(pairFields)]);
  }

  async #block(fields: readonly unknown[]): Promise<void> {
    const payload = pack(fields);
    this.#checksum = crc32c(payload, this.#checksum);
    const head = new Uint8Array(blockHeadBytes);
    const view = new DataView(head.buffer);
    view.setUint32(0, payload.length);
    view.setUint32(4, this.#checksum);
    await this.#write(concatBytes([head, payload]));
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#file.writeAt(this.#offset, bytes);
    this.#offset += bytes.length;
  }
}

/**
 * Reads a backup to its end, checking every byte, and hands out its blocks on the way.
 * @throws StoreError InvalidArgument for a file that is no backup, Corrupt for one that is torn or damaged
 */
export async function readBackup(
  disk: Disk,
  path: string,
  take: (block: BackupBlock) => void = () => {},
): Promise<BackupSummary> {
  const blocks = backupBlocks(disk, path);
  for (;;) {
    const { done, value } = await blocks.next();
    if (done === true) return value;
    take(value);
  }
}

/** As {@linkcode readBackup}, a block when it is asked for; what is wrong with the file shows as late as it is met. */
export async function* backupBlocks(disk: Disk, path: string): AsyncGenerator<BackupBlock, BackupSummary> {
  const file = await disk.open(path, {});
  try {
    return yield* new BackupReader(file, path).blocks();
  } finally {
    file.close();
  }
}

class BackupReader {
  readonly #file: DiskFile;
  readonly #path: string;
  #offset = magic.length;
  #checksum = 0;

  constructor(file: DiskFile, path: string) {
    this.#file = file;
    this.#path = path;
  }

  async *blocks(): AsyncGenerator<BackupBlock, BackupSummary> {
    if (fromUtf8(await this.#file.readAt(0, magic.length)) !== fromUtf8(magic)) {
      throw new StoreError("InvalidArgument", `Cannot read ${this.#path}: it is not a snapshot of a Sauropod store`);
    }
    const first = this.#offset;
    const header = await this.#next((fields) => this.#header(fields, first));
    let pairs = 0;
    let leases = 0;
    for (;;) {
      const at = this.#offset;
      const block = await this.#next(blockOf);
      if (block.kind === "end") {
        if (block.pairs !== pairs || block.leases !== leases) throw this.#damaged(at);
        if ((await this.#file.readAt(this.#offset, 1)).length > 0) throw this.#damaged(this.#offset);
        return { ...header, pairs, leases, fileBytes: this.#offset };
      }
      if (block.kind === "pairs") pairs += block.pairs.length;
      else leases += block.leases.length;
      yield block;
    }
  }

  async #next<T>(decode: (fields: readonly unknown[]) => T): Promise<T> {
    const at = this.#offset;
    const head = await this.#file.readAt(at, blockHeadBytes);
    if (head.length < blockHeadBytes) throw this.#torn(at + head.length);
    const view = new DataView(head.buffer, head.byteOffset, head.length);
    const length = view.getUint32(0);
    if (length > storeLimits.messageBytesMax) throw this.#damaged(at);
    const payload = await this.#file.readAt(at + blockHeadBytes, length);
    if (payload.length < length) throw this.#torn(at + blockHeadBytes + payload.length);
    this.#checksum = crc32c(payload, this.#checksum);
    if (this.#checksum !== view.getUint32(4)) throw this.#damaged(at);
    this.#offset = at + blockHeadBytes + length;
    try {
      return decode(unpack(payload));
    } catch (error) {
      throw error instanceof StoreError ? error : this.#damaged(at, error);
    }
  }

  #header(fields: readonly unknown[], at: number): BackupHeader {
    if (fields[0] !== 0) throw this.#damaged(at);
    if (fields[1] !== formatVersion) {
      const message = `its format is version ${String(fields[1])}, this program reads ${formatVersion}`;
      throw new StoreError("InvalidArgument", `Cannot read ${this.#path}: ${message}`);
    }
    return {
      clusterId: asText(fields[2]),
      revision: asInteger(fields[3]),
      savedAtMs: asInteger(fields[4]),
      note: asText(fields[5]),
    };
  }

  #torn(bytes: number): StoreError {
    return new StoreError(
      "Corrupt",
      `Cannot read ${this.#path}: it ends after ${bytes} bytes, before the snapshot does`,
    );
  }

  #damaged(at: number, cause?: unknown): StoreError {
    return new StoreError("Corrupt", `Cannot read ${this.#path}: it is damaged at byte ${at}`, { cause });
  }
}

type EndBlock = { readonly kind: "end"; readonly pairs: number; readonly leases: number };

function blockOf(fields: readonly unknown[]): BackupBlock | EndBlock {
  if (fields[0] === 3) return { kind: "end", pairs: asInteger(fields[1]), leases: asInteger(fields[2]) };
  if (fields[0] === 1) return { kind: "pairs", pairs: asArray(fields[1]).map((each) => asPair(each, true)) };
  if (fields[0] !== 2) throw new WireError(`Unknown block ${String(fields[0])}`);
  const leases = asArray(fields[1]).map((each) => {
    const [id, ttlSeconds] = asArray(each);
    return { id: asLease(id), ttlSeconds: asInteger(ttlSeconds) };
  });
  return { kind: "leases", leases };
}
