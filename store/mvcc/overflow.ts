import type { KeyValue, LeaseId, Revision } from "../types.ts";

/** What bytes overflow to. Fits the platform's `Scratch`; this room imports none. Methods throw when the disk does not. */
export interface OverflowFile {
  append(bytes: Uint8Array): number;
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

export interface OverflowOptions {
  readonly openFile: () => OverflowFile;
  /** Values of the history that stay in memory, the newest ones. Values of living keys always do. */
  readonly residentBytes: number;
  /** Shorter values stay where they are. */
  readonly valueBytesMin: number;
  /** A file is given back as a whole, once nothing in it is needed any more. */
  readonly fileBytes: number;
  /** Commands come out of log entries that stay as they are: a value that is most of its entry shares its bytes. */
  readonly sharesCommands?: boolean;
}

/** Written in one go. */
const bufferBytes = 256 * 1024;

interface Part {
  readonly file: OverflowFile;
  /** What was given to the file; the rest is in the buffer. */
  written: number;
  buffer: Uint8Array;
  buffered: number;
  /** Values in it that are still needed. */
  values: number;
}

/** A version whose value lies in the overflow: an index entry of a hundred bytes instead of the value. */
export class OverflownVersion implements KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly version: number;
  readonly lease: LeaseId;
  readonly #part: Part;
  readonly #offset: number;
  readonly #length: number;

  constructor(kv: KeyValue, part: Part, offset: number) {
    this.key = kv.key;
    this.createRevision = kv.createRevision;
    this.modRevision = kv.modRevision;
    this.version = kv.version;
    this.lease = kv.lease;
    this.#part = part;
    this.#offset = offset;
    this.#length = kv.value.length;
  }

  get valueLength(): number {
    return this.#length;
  }

  /** Reads it back, each time. */
  get value(): Uint8Array {
    const { file, written, buffer } = this.#part;
    if (this.#offset < written) return file.read(this.#offset, this.#length);
    return buffer.slice(this.#offset - written, this.#offset - written + this.#length);
  }

  /** It was compacted away. */
  release(): void {
    this.#part.values--;
  }
}

/** The version as readers get it: bytes of its own, whatever becomes of the overflow. */
export function resident(kv: KeyValue): KeyValue {
  if (!(kv instanceof OverflownVersion)) return kv;
  const { key, value, createRevision, modRevision, version, lease } = kv;
  return { key, value, createRevision, modRevision, version, lease };
}

export function valueLength(kv: KeyValue): number {
  return kv instanceof OverflownVersion ? kv.valueLength : kv.value.length;
}

/**
 * Values of superseded versions, in files: watches that start in the past and reads at old revisions still find them,
 * and memory holds only what is read all the time. It outlives nothing: a new process fills its own from snapshot and log.
 */
export class Overflow {
  readonly options: OverflowOptions;
  readonly #parts: Part[] = [];

  constructor(options: OverflowOptions) {
    this.options = options;
  }

  /** Null: the value is short, or the disk does not take it, and it stays in memory. */
  take(kv: KeyValue): OverflownVersion | null {
    const { value } = kv;
    if (value.length < this.options.valueBytesMin || kv instanceof OverflownVersion) return null;
    try {
      const part = this.#partFor(value.length);
      const offset = part.written + part.buffered;
      if (value.length > part.buffer.length) {
        part.file.append(value);
        part.written += value.length;
      } else {
        part.buffer.set(value, part.buffered);
        part.buffered += value.length;
      }
      part.values++;
      return new OverflownVersion(kv, part, offset);
    } catch {
      return null;
    }
  }

  clear(): void {
    for (const part of this.#parts.splice(0)) part.file.close();
  }

  #partFor(length: number): Part {
    const last = this.#parts.at(-1);
    if (last !== undefined && last.written + last.buffered < this.options.fileBytes) {
      if (last.buffered + length > last.buffer.length) flush(last);
      return last;
    }
    if (last !== undefined) {
      flush(last);
      last.buffer = new Uint8Array(0);
    }
    this.#giveBack();
    const buffer = new Uint8Array(bufferBytes);
    const part: Part = { file: this.options.openFile(), written: 0, buffer, buffered: 0, values: 0 };
    this.#parts.push(part);
    return part;
  }

  /** Versions are superseded and compacted in the same order, more or less: it is the oldest files that are free. */
  #giveBack(): void {
    for (let i = this.#parts.length - 1; i >= 0; i--) {
      if (this.#parts[i]?.values === 0) this.#parts.splice(i, 1)[0]?.file.close();
    }
  }
}

function flush(part: Part): void {
  if (part.buffered === 0) return;
  part.file.append(part.buffer.subarray(0, part.buffered));
  part.written += part.buffered;
  part.buffered = 0;
}
