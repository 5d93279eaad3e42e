import type { OverflowFile, OverflowOptions } from "./overflow.ts";

/** For tests: what would lie on a disk lies here, and is counted. */
export class TestOverflow {
  open = 0;
  reads = 0;
  /** The disk takes nothing. */
  full = false;
  readonly options: OverflowOptions;

  constructor(bounds: Omit<OverflowOptions, "openFile">) {
    this.options = { ...bounds, openFile: () => this.#openFile() };
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
