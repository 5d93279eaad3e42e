import type { Prng } from "../../base/prng.ts";

/** The unit in which a torn write is kept or lost: what disks promise to write whole. */
export const sectorBytes = 512;

/** Bytes that grow at the end, in amortised constant time. */
export class GrowingBytes {
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2, 4096));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, offset);
    this.#length = Math.max(this.#length, end);
  }

  truncate(length: number): void {
    if (length > this.#length) return this.write(this.#length, new Uint8Array(length - this.#length));
    this.#bytes.fill(0, length, this.#length); // growing again must show zeros, not the old content
    this.#length = length;
  }

  slice(from: number, to: number): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.#bytes.subarray(Math.min(from, this.#length), Math.min(to, this.#length)));
  }

  copy(): GrowingBytes {
    const copy = new GrowingBytes();
    copy.write(0, this.#bytes.subarray(0, this.#length));
    return copy;
  }
}

export type FileOperation =
  | { readonly kind: "write"; readonly offset: number; readonly bytes: Uint8Array }
  | { readonly kind: "truncate"; readonly length: number };

function applyOperation(to: GrowingBytes, operation: FileOperation): void {
  if (operation.kind === "write") to.write(operation.offset, operation.bytes);
  else to.truncate(operation.length);
}

/** What a crash leaves of operations that were not synced. */
export type Fate = "lost" | "kept" | "mixed";

function drawFate(random: Prng): Fate {
  const draw = random.int(4);
  return draw === 0 ? "lost" : draw === 1 ? "kept" : "mixed";
}

/** Applies the part of a write that reached the platter: nothing, all, a prefix, or any of its sectors. */
function applyTorn(to: GrowingBytes, offset: number, bytes: Uint8Array, random: Prng): void {
  switch (random.int(4)) {
    case 0:
      return;
    case 1:
      return to.write(offset, bytes);
    case 2:
      return to.write(offset, bytes.subarray(0, random.int(bytes.length + 1)));
    default:
      for (let at = 0; at < bytes.length;) {
        const size = Math.min(bytes.length - at, sectorBytes - ((offset + at) % sectorBytes));
        if (random.int(2) === 0) to.write(offset + at, bytes.subarray(at, at + size));
        at += size;
      }
  }
}

export class FileNode {
  readonly kind = "file";
  /** What readers see. */
  current = new GrowingBytes();
  /** What a crash cannot take. */
  #durable = new GrowingBytes();
  #unsynced: FileOperation[] = [];
  /** Operations handed to the disk and not done, in order; the first may be half way. */
  readonly inFlight: FileOperation[] = [];
  busyUntilMs = 0;

  apply(operation: FileOperation): void {
    applyOperation(this.current, operation);
    this.#unsynced.push(operation);
  }

  sync(): void {
    for (const operation of this.#unsynced) applyOperation(this.#durable, operation);
    this.#unsynced = [];
  }

  /** After a failed fsync Linux marks the pages clean: readers go on seeing them, no later sync writes them. */
  syncFailed(): void {
    this.#unsynced = [];
  }

  /** What survives is on the platter. @param decided null: drawn */
  crash(random: Prng, decided: Fate | null): void {
    const started = this.inFlight[0];
    if (started !== undefined) this.#unsynced.push(started);
    this.inFlight.length = 0;
    this.busyUntilMs = 0;
    const fate = decided ?? drawFate(random);
    for (const operation of this.#unsynced) {
      if (fate === "lost") break;
      if (fate === "kept") applyOperation(this.#durable, operation);
      else if (operation.kind === "write") applyTorn(this.#durable, operation.offset, operation.bytes, random);
      else if (random.int(2) === 0) applyOperation(this.#durable, operation);
    }
    this.#unsynced = [];
    this.current = this.#durable.copy();
  }

  /** Flips one bit, on the platter too. */
  flipBit(offset: number, bit: number): void {
    for (const content of [this.current, this.#durable]) {
      const byte = content.slice(offset, offset + 1)[0];
      if (byte !== undefined) content.write(offset, new Uint8Array([byte ^ (1 << bit)]));
    }
  }
}

export type Node = FileNode | DirectoryNode;

/** A change of names that has happened for readers and may not survive a crash. */
interface NameChange {
  applied: boolean;
  /** Every directory whose entries it changes; syncing one of them makes the whole change durable. */
  readonly directories: readonly DirectoryNode[];
  readonly change: (entriesOf: (directory: DirectoryNode) => Map<string, Node>) => void;
}

export class DirectoryNode {
  readonly kind = "directory";
  entries = new Map<string, Node>();
  #durable = new Map<string, Node>();
  #unsynced: NameChange[] = [];

  static record(directories: readonly DirectoryNode[], change: NameChange["change"]): void {
    change((directory) => directory.entries);
    const record: NameChange = { applied: false, directories, change };
    for (const directory of new Set(directories)) directory.#unsynced.push(record);
  }

  link(name: string, node: Node): void {
    DirectoryNode.record([this], (entriesOf) => void entriesOf(this).set(name, node));
  }

  unlink(name: string): void {
    DirectoryNode.record([this], (entriesOf) => void entriesOf(this).delete(name));
  }

  /** Atomic, also between two directories. */
  static rename(from: { in: DirectoryNode; name: string }, to: { in: DirectoryNode; name: string }, node: Node): void {
    DirectoryNode.record([from.in, to.in], (entriesOf) => {
      if (entriesOf(from.in).get(from.name) === node) entriesOf(from.in).delete(from.name);
      entriesOf(to.in).set(to.name, node);
    });
  }

  /** Makes every change so far durable, and with it what the other directory of a rename was waiting for. */
  sync(): void {
    const changes = this.#unsynced;
    this.#unsynced = [];
    for (const record of changes) {
      for (const other of record.directories) if (other !== this) other.sync();
      if (record.applied) continue;
      record.applied = true;
      record.change((directory) => directory.#durable);
    }
  }

  /** Decides which changes survive, here and below, then tears the files. `seen` guards against two names for one node. */
  crash(random: Prng, decided: Fate | null, seen: Set<Node> = new Set()): void {
    seen.add(this);
    const before = [...this.entries.values(), ...this.#durable.values()];
    const fate = decided ?? drawFate(random);
    for (const record of this.#unsynced) {
      if (record.applied || fate === "lost" || (fate === "mixed" && random.int(2) === 0)) continue;
      record.applied = true;
      record.change((directory) => directory.#durable);
    }
    this.#unsynced = [];
    for (const node of before) {
      if (seen.has(node)) continue;
      if (node.kind === "directory") node.crash(random, decided, seen);
      else {
        seen.add(node);
        node.crash(random, decided);
      }
    }
    this.entries = new Map(this.#durable);
  }
}
