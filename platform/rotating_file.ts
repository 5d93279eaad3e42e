import type { Disk, DiskFile } from "./mod.ts";

/** A file that is only ever added to. Grown to `maxBytes`, it becomes `path.1`, in the place of the one before it. */
export class RotatingFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #maxBytes: number;
  #file: DiskFile | null = null;
  #size = 0;

  /** Nothing is opened before there is something to add. */
  constructor(disk: Disk, path: string, maxBytes: number) {
    this.#disk = disk;
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /** One at a time. What is added is not durable. @throws DiskError */
  async append(bytes: Uint8Array): Promise<void> {
    const file = await this.#open();
    await file.writeAt(this.#size, bytes);
    this.#size += bytes.length;
  }

  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  async #open(): Promise<DiskFile> {
    if (this.#file !== null && this.#size < this.#maxBytes) return this.#file;
    if (this.#file !== null) {
      this.close();
      await this.#disk.rename(this.#path, `${this.#path}.1`);
    }
    this.#file = await this.#disk.open(this.#path, { create: true });
    this.#size = await this.#file.size();
    return this.#file;
  }
}
