import { invariant } from "./assert.ts";

/** What bytes overflow to. Fits the platform's `Scratch`; cores import none. Methods throw when the disk does not. */
export interface OverflowFile {
  append(bytes: Uint8Array): number;
  read(offset: number, length: number): Uint8Array;
  close(): void;
}

export interface OverflowFiles {
  readonly open: () => OverflowFile;
  /** One is given back as a whole, once nothing in it is needed any more. */
  readonly fileBytes: number;
}

/** Written in one go. */
const bufferBytes = 256 * 1024;

interface Part {
  readonly owner: Overflow;
  readonly file: OverflowFile;
  /** What was given to the file; the rest is in the buffer. */
  written: number;
  buffer: Uint8Array;
  buffered: number;
  /** Places in it that are still needed, and their bytes. */
  places: number;
  needed: number;
  /** Its places are to move elsewhere. */
  leaving: boolean;
}

/** Bytes in an overflow. */
export class Place {
  readonly length: number;
  /** Null: nobody needs it any more. */
  #part: Part | null;
  #offset: number;

  constructor(part: Part, offset: number, length: number) {
    this.#part = part;
    this.#offset = offset;
    this.length = length;
    part.places++;
    part.needed += length;
  }

  /** From the disk, each time. */
  read(): Uint8Array {
    const part = this.#part;
    invariant(part !== null, "a place is read before it is released");
    const { file, written, buffer } = part;
    if (this.#offset < written) return file.read(this.#offset, this.length);
    return buffer.slice(this.#offset - written, this.#offset - written + this.length);
  }

  /** Nobody will read it again. */
  release(): void {
    const part = this.#part;
    if (part === null) return;
    this.#part = null;
    part.places--;
    part.needed -= this.length;
    part.owner.emptied(part);
  }

  /** Goes to another file when its own is to be given back and the disk takes it. @return the bytes that moved */
  move(): number {
    const part = this.#part;
    if (part === null || !part.leaving) return 0;
    const copy = part.owner.put(this.read());
    if (copy === null) return 0;
    this.release();
    this.#part = copy.#part;
    this.#offset = copy.#offset;
    return this.length;
  }
}

/**
 * Memory that lies in files: what must be there and is hardly ever read. It outlives nothing: a new process fills its own
 * from snapshot and log. A file is given back once nothing in it is needed; one that a few places keep has gaps until
 * they are moved ({@linkcode Overflow.leave}).
 */
export class Overflow {
  readonly #files: OverflowFiles;
  readonly #parts = new Set<Part>();
  /** The one that is added to. */
  #current: Part | null = null;

  constructor(files: OverflowFiles) {
    this.#files = files;
  }

  /** In files and buffers, and not needed any more. */
  get gapBytes(): number {
    let bytes = 0;
    for (const { written, buffered, needed } of this.#parts) bytes += written + buffered - needed;
    return bytes;
  }

  /** Null: the disk does not take it. */
  put(bytes: Uint8Array): Place | null {
    try {
      const part = this.#partFor(bytes.length);
      const offset = part.written + part.buffered;
      if (bytes.length > part.buffer.length) {
        part.file.append(bytes);
        part.written += bytes.length;
      } else {
        part.buffer.set(bytes, part.buffered);
        part.buffered += bytes.length;
      }
      return new Place(part, offset, bytes.length);
    } catch {
      return null;
    }
  }

  /** From now on the places in files with gaps move when they are told to, and nothing is added to those files. */
  leave(): void {
    for (const part of this.#parts) part.leaving = part.needed < part.written + part.buffered;
    if (this.#current?.leaving === true) this.#current = null;
  }

  /** A place in it was released. */
  emptied(part: Part): void {
    if (part.places > 0 || !this.#parts.has(part)) return;
    if (part === this.#current && part.written === 0) {
      part.buffered = 0; // nothing of it is on the disk
      return;
    }
    if (part === this.#current) this.#current = null;
    this.#parts.delete(part);
    part.file.close();
  }

  clear(): void {
    for (const part of this.#parts) {
      part.leaving = false;
      part.file.close();
    }
    this.#parts.clear();
    this.#current = null;
  }

  #partFor(length: number): Part {
    const current = this.#current;
    if (current !== null && current.written + current.buffered < this.#files.fileBytes) {
      if (current.buffered + length > current.buffer.length) flush(current);
      return current;
    }
    if (current !== null) {
      flush(current);
      current.buffer = new Uint8Array(0);
    }
    const part: Part = {
      owner: this,
      file: this.#files.open(),
      written: 0,
      buffer: new Uint8Array(Math.min(bufferBytes, this.#files.fileBytes)),
      buffered: 0,
      places: 0,
      needed: 0,
      leaving: false,
    };
    this.#parts.add(part);
    return this.#current = part;
  }
}

function flush(part: Part): void {
  if (part.buffered === 0) return;
  part.file.append(part.buffer.subarray(0, part.buffered));
  part.written += part.buffered;
  part.buffered = 0;
}
