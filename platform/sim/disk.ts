import { Arena } from "./arena.ts";
import type { Prng } from "../../base/prng.ts";
import { type Disk, DiskError, type DiskErrorKind, type DiskFile, type Scratch } from "../mod.ts";
import { DirectoryNode, FileNode, type FileOperation, type Node } from "./disk_state.ts";
import type { Life } from "./life.ts";

/** Read by every call; change it at any time. Rates are shares of calls, times are virtual milliseconds. */
export interface DiskFaults {
  readErrorRate: number;
  writeErrorRate: number;
  /** A failed sync also leaves earlier writes undurable for ever. */
  syncErrorRate: number;
  /** Share of syncs that take up to `syncSpikeMs`. */
  syncSpikeRate: number;
  syncSpikeMs: number;
  /** Bytes that all files together may hold. */
  capacityBytes: number;
}

const readLatencyMs = 0.05;
const writeLatencyMs = 0.1;
const syncLatencyMs = 0.5;

function pathParts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

function failure(kind: DiskErrorKind, message: string): DiskError {
  return new DiskError(kind, message);
}

/** One machine's disk: it survives crashes, the handles on it do not. */
export class SimDisk {
  readonly faults: DiskFaults = {
    readErrorRate: 0,
    writeErrorRate: 0,
    syncErrorRate: 0,
    syncSpikeRate: 0,
    syncSpikeMs: 0,
    capacityBytes: Infinity,
  };
  readonly #root = new DirectoryNode();
  readonly #arena = new Arena();
  readonly #random: Prng;

  constructor(random: Prng) {
    this.#random = random;
  }

  /** Loses or tears what was not synced; with `keep`, only what the process had not handed over yet. */
  crash(keep = false): void {
    this.#root.crash(this.#random, keep ? "kept" : null);
  }

  /** Damages what is stored: bit `bit` of the byte at `offset`. */
  flipBit(path: string, offset: number, bit = 0): void {
    this.#file(path).flipBit(offset, bit);
  }

  /** What a reader would see now, without waiting. */
  peek(path: string): Uint8Array | null {
    const node = this.#find(path);
    return node?.kind === "file" ? node.current.slice(0, node.current.length) : null;
  }

  /** The disk as a process sees it. */
  mount(life: Life): Disk {
    const disk: Disk = {
      open: (path, options) => this.#soon(life, "open", () => this.#open(life, path, options)),
      readFile: (path) => this.#soon(life, "read file", () => this.#readFile(path)),
      async writeFileAtomic(path, bytes) {
        const temporary = `${path}.tmp`;
        const file = await disk.open(temporary, { create: true, truncate: true });
        try {
          await file.writeAt(0, bytes);
          await file.sync();
        } finally {
          file.close();
        }
        await disk.rename(temporary, path);
        await disk.syncDirectory(pathParts(path).slice(0, -1).join("/"));
      },
      rename: (from, to) => this.#soon(life, "rename", () => this.#rename(from, to)),
      remove: (path, options) => this.#soon(life, "remove", () => this.#remove(path, options?.recursive ?? false)),
      mkdir: (path) => this.#soon(life, "mkdir", () => this.#mkdir(path)),
      list: (path) => this.#soon(life, "list", () => [...this.#directory(path).entries.keys()].sort()),
      stat: (path) => this.#soon(life, "stat", () => this.#stat(path)),
      syncDirectory: (path) => this.#soon(life, "sync directory", () => this.#directory(path).sync(), syncLatencyMs),
      openScratch: () => this.#openScratch(),
    };
    return disk;
  }

  /** Outside of what can be listed: nothing of it survives the process. */
  #openScratch(): Scratch {
    const parts: { readonly at: number; readonly bytes: Uint8Array }[] = [];
    let size = 0;
    return {
      append: (bytes) => {
        const { capacityBytes, writeErrorRate } = this.faults;
        if (writeErrorRate > 0 && this.#random.next() < writeErrorRate) throw failure("io", "scratch: injected");
        if (capacityBytes !== Infinity && size + bytes.length > capacityBytes - this.#usedBytes()) {
          throw failure("noSpace", "scratch: no space left on device");
        }
        parts.push({ at: size, bytes: bytes.slice() });
        size += bytes.length;
        return size - bytes.length;
      },
      read: (offset, length) => {
        const part = parts.findLast(({ at }) => at <= offset);
        if (part === undefined || offset + length > part.at + part.bytes.length) {
          throw failure("io", "scratch: nothing was written there in one piece");
        }
        return part.bytes.slice(offset - part.at, offset - part.at + length);
      },
      close: () => void (parts.length = 0),
    };
  }

  #soon<T>(life: Life, label: string, work: () => T, latencyMs = readLatencyMs): Promise<T> {
    return new Promise((resolve, reject) => {
      life.schedule(latencyMs * (0.5 + this.#random.next()), label, () => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  #find(path: string): Node | null {
    let node: Node = this.#root;
    for (const part of pathParts(path)) {
      const next: Node | undefined = node.kind === "directory" ? node.entries.get(part) : undefined;
      if (next === undefined) return null;
      node = next;
    }
    return node;
  }

  #directory(path: string): DirectoryNode {
    const node = this.#find(path);
    if (node === null) throw failure("notFound", `No such directory: ${path}`);
    if (node.kind !== "directory") throw failure("io", `Not a directory: ${path}`);
    return node;
  }

  #file(path: string): FileNode {
    const node = this.#find(path);
    if (node === null) throw failure("notFound", `No such file: ${path}`);
    if (node.kind !== "file") throw failure("io", `Is a directory: ${path}`);
    return node;
  }

  #place(path: string): { in: DirectoryNode; name: string } {
    const parts = pathParts(path);
    const name = parts.pop();
    if (name === undefined) throw failure("io", `Not a file name: ${path}`);
    return { in: this.#directory(parts.join("/")), name };
  }

  #open(life: Life, path: string, options: { create?: boolean; truncate?: boolean }): DiskFile {
    if (this.#find(path) === null && options.create) {
      const place = this.#place(path);
      place.in.link(place.name, new FileNode());
    }
    const node = this.#file(path);
    if (options.truncate && node.current.length > 0) node.apply({ kind: "truncate", length: 0 });
    return new SimFile({
      path,
      node,
      life,
      faults: this.faults,
      random: this.#random,
      arena: this.#arena,
      usedBytes: () => this.#usedBytes(),
    });
  }

  #usedBytes(node: Node = this.#root): number {
    if (node.kind === "file") return node.current.length;
    let sum = 0;
    for (const child of node.entries.values()) sum += this.#usedBytes(child);
    return sum;
  }

  #readFile(path: string): Uint8Array {
    if (this.#random.next() < this.faults.readErrorRate) throw failure("io", `Cannot read ${path}: injected`);
    const node = this.#file(path);
    return node.current.slice(0, node.current.length);
  }

  #rename(from: string, to: string): void {
    const [source, target] = [this.#place(from), this.#place(to)];
    const node = source.in.entries.get(source.name);
    if (node === undefined) throw failure("notFound", `No such file: ${from}`);
    const replaced = target.in.entries.get(target.name);
    if (replaced?.kind === "directory" && (node.kind === "file" || replaced.entries.size > 0)) {
      throw failure("io", `Cannot rename over a directory: ${to}`);
    }
    DirectoryNode.rename(source, target, node);
  }

  #remove(path: string, recursive: boolean): void {
    const node = this.#find(path);
    if (node === null) return;
    if (node.kind === "directory" && node.entries.size > 0) {
      if (!recursive) throw failure("io", `Directory not empty: ${path}`);
      for (const name of [...node.entries.keys()]) this.#remove(`${path}/${name}`, true);
    }
    const place = this.#place(path);
    place.in.unlink(place.name);
  }

  #mkdir(path: string): void {
    let node: Node = this.#root;
    for (const part of pathParts(path)) {
      if (node.kind !== "directory") throw failure("alreadyExists", `Is a file: ${path}`);
      let next: Node | undefined = node.entries.get(part);
      if (next === undefined) {
        next = new DirectoryNode();
        node.link(part, next);
      }
      node = next;
    }
    if (node.kind !== "directory") throw failure("alreadyExists", `Is a file: ${path}`);
  }

  #stat(path: string): { size: number; isDirectory: boolean } | null {
    const node = this.#find(path);
    if (node === null) return null;
    return node.kind === "file" ? { size: node.current.length, isDirectory: false } : { size: 4096, isDirectory: true };
  }
}

interface OpenedFile {
  readonly path: string;
  readonly node: FileNode;
  readonly life: Life;
  readonly faults: DiskFaults;
  readonly random: Prng;
  readonly arena: Arena;
  readonly usedBytes: () => number;
}

/** An open file. Calls take effect one after the other, each when its latency has passed. */
class SimFile implements DiskFile {
  readonly path: string;
  readonly #node: FileNode;
  readonly #life: Life;
  readonly #faults: DiskFaults;
  readonly #random: Prng;
  readonly #arena: Arena;
  readonly #usedBytes: () => number;
  #closed = false;

  constructor({ path, node, life, faults, random, arena, usedBytes }: OpenedFile) {
    this.path = path;
    this.#node = node;
    this.#life = life;
    this.#faults = faults;
    this.#random = random;
    this.#arena = arena;
    this.#usedBytes = usedBytes;
  }

  writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    const operation: FileOperation = { kind: "write", offset, bytes: this.#arena.copy(bytes) };
    return this.#queue("write", writeLatencyMs, () => this.#write(operation), operation);
  }

  readAt(offset: number, length: number): Promise<Uint8Array> {
    return this.#queue("read", readLatencyMs, () => {
      if (this.#random.next() < this.#faults.readErrorRate) throw failure("io", `Cannot read ${this.path}: injected`);
      return this.#node.current.slice(offset, offset + length);
    });
  }

  size(): Promise<number> {
    return this.#queue("size", readLatencyMs, () => this.#node.current.length);
  }

  truncate(length: number): Promise<void> {
    const operation: FileOperation = { kind: "truncate", length };
    return this.#queue("truncate", writeLatencyMs, () => this.#node.apply(operation), operation);
  }

  sync(): Promise<void> {
    const { syncSpikeRate, syncSpikeMs } = this.#faults;
    const spikeMs = syncSpikeRate > 0 && this.#random.next() < syncSpikeRate ? syncSpikeMs * this.#random.next() : 0;
    return this.#queue("sync", syncLatencyMs + spikeMs, () => {
      if (this.#random.next() >= this.#faults.syncErrorRate) return this.#node.sync();
      this.#node.syncFailed();
      throw failure("io", `Cannot sync ${this.path}: injected`);
    });
  }

  close(): void {
    this.#closed = true;
  }

  #write(operation: FileOperation & { kind: "write" }): void {
    if (this.#random.next() < this.#faults.writeErrorRate) {
      throw failure("io", `Cannot write ${this.path}: injected`);
    }
    const growth = Math.max(0, operation.offset + operation.bytes.length - this.#node.current.length);
    // Counting every file on every write would be slow; without a limit nobody needs to know.
    const room = this.#faults.capacityBytes === Infinity ? Infinity : this.#faults.capacityBytes - this.#usedBytes();
    if (growth === 0 || growth <= room) return this.#node.apply(operation); // a full disk takes what was laid out before
    const fitting = Math.max(0, operation.bytes.length - (growth - Math.max(0, room)));
    this.#node.apply({ ...operation, bytes: operation.bytes.subarray(0, fitting) });
    throw failure("noSpace", `Cannot write ${this.path}: no space left on device`);
  }

  #queue<T>(label: string, latencyMs: number, work: () => T, operation?: FileOperation): Promise<T> {
    if (this.#closed) return Promise.reject(failure("io", `Cannot ${label} ${this.path}: closed`));
    const node = this.#node;
    const now = this.#life.nowMs;
    node.busyUntilMs = Math.max(now, node.busyUntilMs) + latencyMs * (0.5 + this.#random.next());
    if (operation !== undefined) node.inFlight.push(operation);
    return new Promise((resolve, reject) => {
      this.#life.schedule(node.busyUntilMs - now, label, () => {
        if (operation !== undefined) node.inFlight.shift();
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}
