import { Overflow, type OverflowFile } from "./overflow.ts";

/** For tests: what would lie on a disk lies here, and is counted. */
export class TestOverflow {
  open = 0;
  reads = 0;
  /** The disk takes nothing. */
  full = false;
  readonly overflow: Overflow;

  constructor(fileBytes: number) {
    this.overflow = new Overflow({ open: () => this.#openFile(), fileBytes });
  }

  #openFile(): OverflowFile {
    let content: number[] = [];
    this.open++;
    let closed = false;
    return {
      append: (bytes) => {
        if (this.full) throw new Error("full");
        content = [...content, ...bytes];
        return content.length - bytes.length;
      },
      read: (offset, length) => {
        if (closed || offset + length > content.length) throw new Error("there is nothing there");
        this.reads++;
        return new Uint8Array(content.slice(offset, offset + length));
      },
      close: () => {
        if (!closed) this.open--;
        closed = true;
      },
    };
  }
}
