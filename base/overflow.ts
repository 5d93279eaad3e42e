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
  readonly file: OverflowFile;
  /** What was given to the file; the rest is in the buffer. */
  written: number;
  buffer: Uint8Array;
  buffered: number;
  /** Places in it that are still needed. */
  places: number;
}

/** Bytes in an overflow. */
export class Place {
  readonly length: number;
  readonly #part: Part;
  readonly #offset: number;

  constructor(part: Part, offset: number, length: number) {
    this.#part = part;
    this.#offset = offset;
    this.length = length;
    part.places++;
  }

  /** From the disk, each time. */
  read(): Uint8Array {
    const { file, written, buffer } = this.#part;
    if (this.#offset < written) return file.read(this.#offset, this.length);
    return buffer.slice(this.#offset - written, this.#offset - written + this.length);
  }

  /** Nobody will read it again. Once. */
  release(): void {
    this.#part.places--;
  }
}

/**
 * Memory that lies in files: what must be there and is hardly ever read. It outlives nothing: a new process fills its own
 * from snapshot and log. Files are given back oldest first, since what comes first mostly goes first.
 */
export class Overflow {
  readonly #files: OverflowFiles;
  readonly #parts: Part[] = [];

  constructor(files: OverflowFiles) {
    this.#files = files;
  }

  /** Null: the disk does not take it. */
  put(bytes: Uint8Array): Place | null {
    try {
      const part = this.#partFor(bytes.length);
      const place = new Place(part, part.written + part.buffered, bytes.length);
      if (bytes.length > part.buffer.length) {
        try {
          part.file.append(bytes);
        } catch {
          place.release();
          return null;
        }
        part.written += bytes.length;
      } else {
        part.buffer.set(bytes, part.buffered);
        part.buffered += bytes.length;
      }
      return place;
    } catch {
      return null;
    }
  }

  clear(): void {
    for (const part of this.#parts.splice(0)) part.file.close();
  }

  #partFor(length: number): Part {
    const last = this.#parts.at(-1);
    if (last !== undefined && last.written + last.buffered < this.#files.fileBytes) {
      if (last.buffered + length > last.buffer.length) flush(last);
      return last;
    }
    if (last !== undefined) {
      flush(last);
      last.buffer = new Uint8Array(0);
    }
    for (let i = this.#parts.length - 1; i >= 0; i--) {
      if (this.#parts[i]?.places === 0) this.#parts.splice(i, 1)[0]?.file.close();
    }
    const buffer = new Uint8Array(Math.min(bufferBytes, this.#files.fileBytes));
    const part: Part = { file: this.#files.open(), written: 0, buffer, buffered: 0, places: 0 };
    this.#parts.push(part);
    return part;
  }
}

function flush(part: Part): void {
  if (part.buffered === 0) return;
  part.file.append(part.buffer.subarray(0, part.buffered));
  part.written += part.buffered;
  part.buffered = 0;
}
