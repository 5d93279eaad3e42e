import { type Disk, DiskError, type DiskErrorKind, type DiskFile, type Scratch } from "../mod.ts";

/** A write of up to this goes to the page cache at once: a trip to another thread and back costs ten times the copy. */
const directWriteBytes = 256 * 1024;
/**
 * A sync after at most so many written bytes runs on this thread, which costs half of what the trip to another one and
 * back costs (docs/adr/0020), as long as the disk is quick. After one that took longer than `slowSyncMs` the next
 * `patientSyncs` run on another thread: a disk that is busy or ill must not stop the event loop again and again.
 */
const directSyncBytes = 256 * 1024;
const slowSyncMs = 2;
const patientSyncs = 64;
/**
 * What a scratch file has held for so long is sent to the disk, one file after the other. Left to the kernel, all that the
 * last half minute left goes at once, and every sync waits behind it: 240 ms were seen (docs/adr/0032). Most of what is
 * written to a scratch file under load is needed for a shorter time, and so never sent.
 */
const scratchRestMs = 8_000;
const fileMode = 0o600;
const directoryMode = 0o700;

function kindOf(error: unknown): DiskErrorKind {
  if (error instanceof Deno.errors.NotFound) return "notFound";
  if (error instanceof Deno.errors.AlreadyExists) return "alreadyExists";
  if (error instanceof Deno.errors.PermissionDenied || error instanceof Deno.errors.NotCapable) return "permission";
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return code === "ENOSPC" || code === "EDQUOT" ? "noSpace" : "io";
}

function diskError(error: unknown, doing: string): DiskError {
  if (error instanceof DiskError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new DiskError(kindOf(error), `Cannot ${doing}: ${message}`, { cause: error });
}

async function mapped<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw diskError(error, doing);
  }
}

function directoryOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "." : slash === 0 ? "/" : path.slice(0, slash);
}

async function writeAll(file: Deno.FsFile, bytes: Uint8Array): Promise<void> {
  let at = 0;
  while (at < bytes.length) at += await file.write(at === 0 ? bytes : bytes.subarray(at));
}

/** Deno has no pwrite: the offset is state of the descriptor, so all calls on one file queue behind each other. */
class DenoFile implements DiskFile {
  readonly path: string;
  readonly #file: Deno.FsFile;
  #tail: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #closed = false;
  /** Where the descriptor stands, to spare an append its seek; -1 when unknown. */
  #position = 0;
  /** Written since the last sync. */
  #unsyncedBytes = 0;
  /** Syncs to come that must not run on this thread. */
  #patientSyncs = 0;

  constructor(path: string, file: Deno.FsFile) {
    this.path = path;
    this.#file = file;
  }

  #enqueue<T>(doing: string, work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new DiskError("io", `Cannot ${doing} ${this.path}: closed`));
    this.#queued++;
    const result = this.#tail.then(() => mapped(`${doing} ${this.path}`, work)).finally(() => {
      this.#queued--;
      if (this.#closed && this.#queued === 0) this.#file.close();
    });
    this.#tail = result.catch(() => {}); // a failed call fails its caller, not the next call
    return result;
  }

  async #seek(offset: number): Promise<void> {
    if (offset !== this.#position) await this.#file.seek(offset, Deno.SeekMode.Start);
    this.#position = -1;
  }

  writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    if (this.#queued === 0 && !this.#closed && bytes.length <= directWriteBytes) return this.#writeNow(offset, bytes);
    return this.#enqueue("write", async () => {
      await this.#seek(offset);
      await writeAll(this.#file, bytes);
      this.#position = offset + bytes.length;
      this.#unsyncedBytes += bytes.length;
    });
  }

  async #writeNow(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      if (offset !== this.#position) this.#file.seekSync(offset, Deno.SeekMode.Start);
      this.#position = -1;
      for (let at = 0; at < bytes.length;) at += this.#file.writeSync(at === 0 ? bytes : bytes.subarray(at));
      this.#position = offset + bytes.length;
      this.#unsyncedBytes += bytes.length;
    } catch (error) {
      throw diskError(error, `write ${this.path}`);
    }
  }

  readAt(offset: number, length: number): Promise<Uint8Array> {
    return this.#enqueue("read", async () => {
      await this.#seek(offset);
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const count = await this.#file.read(bytes.subarray(filled));
        if (count === null) break;
        filled += count;
      }
      this.#position = offset + filled;
      return filled === length ? bytes : bytes.slice(0, filled);
    });
  }

  size(): Promise<number> {
    return this.#enqueue("stat", async () => (await this.#file.stat()).size);
  }

  truncate(length: number): Promise<void> {
    return this.#enqueue("truncate", () => this.#file.truncate(length));
  }

  sync(): Promise<void> {
    const direct = this.#queued === 0 && !this.#closed && this.#patientSyncs === 0 &&
      this.#unsyncedBytes <= directSyncBytes;
    if (direct) return this.#syncNow();
    return this.#enqueue("sync", async () => {
      const began = performance.now();
      this.#unsyncedBytes = 0;
      await this.#file.syncData();
      this.#noticeSync(performance.now() - began);
    });
  }

  async #syncNow(): Promise<void> {
    try {
      const began = performance.now();
      this.#unsyncedBytes = 0;
      this.#file.syncDataSync();
      this.#noticeSync(performance.now() - began);
    } catch (error) {
      throw diskError(error, `sync ${this.path}`);
    }
  }

  #noticeSync(tookMs: number): void {
    this.#patientSyncs = tookMs > slowSyncMs ? patientSyncs : Math.max(0, this.#patientSyncs - 1);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#queued === 0) this.#file.close();
  }
}

function mappedNow<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskError(error, doing);
  }
}

/** Runs one after the other. Nothing in a scratch file need outlive its process, so a failure is nobody's. */
type WriteBack = (sync: () => Promise<void>) => void;

function createWriteBack(): WriteBack {
  let tail = Promise.resolve();
  return (sync) => void (tail = tail.then(sync).catch(() => {}));
}

function openScratch(directory: string, writeBack: WriteBack): Scratch {
  const file = mappedNow(`open a scratch file in ${directory}`, () => {
    const path = Deno.makeTempFileSync({ dir: directory, prefix: "scratch-", suffix: ".tmp" });
    const opened = Deno.openSync(path, { read: true, write: true });
    Deno.removeSync(path); // the space is free as soon as the descriptor is closed, however that comes about
    return opened;
  });
  let size = 0;
  let closed = false;
  let rest: ReturnType<typeof setTimeout> | null = null;
  function rested(): void {
    rest = null;
    writeBack(async () => closed ? undefined : await file.syncData());
  }
  function written(): void {
    if (rest !== null) return;
    rest = setTimeout(rested, scratchRestMs);
    Deno.unrefTimer(rest);
  }
  return {
    append(bytes) {
      return mappedNow("write a scratch file", () => {
        file.seekSync(size, Deno.SeekMode.Start);
        for (let at = 0; at < bytes.length;) at += file.writeSync(at === 0 ? bytes : bytes.subarray(at));
        size += bytes.length;
        written();
        return size - bytes.length;
      });
    },
    read(offset, length) {
      return mappedNow("read a scratch file", () => {
        file.seekSync(offset, Deno.SeekMode.Start);
        const bytes = new Uint8Array(length);
        for (let filled = 0; filled < length;) {
          const count = file.readSync(filled === 0 ? bytes : bytes.subarray(filled));
          if (count === null) throw new DiskError("io", `Cannot read a scratch file: it ends at ${offset + filled}`);
          filled += count;
        }
        return bytes;
      });
    },
    close() {
      closed = true;
      if (rest !== null) clearTimeout(rest);
      file.close();
    },
  };
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await Deno.open(path);
  try {
    await directory.sync();
  } finally {
    directory.close();
  }
}

async function writeFileAtomic(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  // A crashed process may have left the name behind, with whatever mode it liked.
  await Deno.remove(temporary).catch(ignoreMissing);
  const file = await Deno.open(temporary, { write: true, createNew: true, mode: fileMode });
  try {
    await writeAll(file, bytes);
    await file.syncData();
  } finally {
    file.close();
  }
  await Deno.rename(temporary, path);
  await syncDirectory(directoryOf(path));
}

function ignoreMissing(error: unknown): void {
  if (!(error instanceof Deno.errors.NotFound)) throw error;
}

async function list(path: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(path)) names.push(entry.name);
  return names.sort();
}

async function stat(path: string): Promise<{ size: number; isDirectory: boolean } | null> {
  try {
    const info = await Deno.stat(path);
    return { size: info.size, isDirectory: info.isDirectory };
  } catch (error) {
    ignoreMissing(error);
    return null;
  }
}

/** The machine's disk. `writeFileAtomic` goes through `PATH.tmp`; calls for one path queue behind each other. */
export function createDisk(): Disk {
  const atomicTails = new Map<string, Promise<void>>();
  const writeBack = createWriteBack();
  return {
    open(path, options) {
      return mapped(`open ${path}`, async () => {
        const { create = false, truncate = false } = options;
        return new DenoFile(path, await Deno.open(path, { read: true, write: true, create, truncate, mode: fileMode }));
      });
    },
    readFile: (path) => mapped(`read ${path}`, () => Deno.readFile(path)),
    writeFileAtomic(path, bytes) {
      const before = atomicTails.get(path) ?? Promise.resolve();
      const result = before.then(() => mapped(`write ${path}`, () => writeFileAtomic(path, bytes)));
      const tail = result.catch(() => {}).then(() => {
        if (atomicTails.get(path) === tail) atomicTails.delete(path);
      });
      atomicTails.set(path, tail);
      return result;
    },
    rename: (from, to) => mapped(`rename ${from} to ${to}`, () => Deno.rename(from, to)),
    remove: (path, options) =>
      mapped(
        `remove ${path}`,
        () => Deno.remove(path, { recursive: options?.recursive ?? false }).catch(ignoreMissing),
      ),
    mkdir: (path) => mapped(`make directory ${path}`, () => Deno.mkdir(path, { recursive: true, mode: directoryMode })),
    list: (path) => mapped(`list ${path}`, () => list(path)),
    stat: (path) => mapped(`stat ${path}`, () => stat(path)),
    syncDirectory: (path) => mapped(`sync directory ${path}`, () => syncDirectory(path)),
    openScratch: (directory) => openScratch(directory, writeBack),
  };
}
