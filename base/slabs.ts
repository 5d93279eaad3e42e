import { invariant } from "./assert.ts";

/** The first slab of a length, and the largest: each is as large as all before it, so that few values take little. */
const firstSlabBytes = 8 * 1024;
const largestSlabBytes = 256 * 1024;
/** Lengths of cells: multiples of this up to eight of it, then eight steps to each doubling. */
const smallestStep = 16;
const bitsOfFirstSteps = 7;
/** Longer ones get a buffer of their own. */
const largestCell = 32 * 1024;

interface Slab {
  readonly bytes: Uint8Array;
  readonly cells: number;
  /** Numbers of cells that were given back. */
  readonly free: number[];
  /** Cells from here on were never taken. */
  fresh: number;
  used: number;
}

/** Slabs of cells of one length. */
interface SizeClass {
  readonly cellBytes: number;
  /** What is laid out. */
  bytes: number;
  /** Those with a free cell: the oldest is filled first, so that the younger ones may become empty. */
  readonly open: Set<Slab>;
}

/** Bytes in a slab. */
export class SlabPlace {
  readonly length: number;
  readonly #sizeClass: SizeClass;
  /** Null: nobody needs it any more. */
  #slab: Slab | null;
  readonly #cell: number;

  constructor(sizeClass: SizeClass, slab: Slab, cell: number, length: number) {
    this.#sizeClass = sizeClass;
    this.#slab = slab;
    this.#cell = cell;
    this.length = length;
  }

  get held(): boolean {
    return this.#slab !== null;
  }

  /** A copy: the cell may soon be another's. */
  read(): Uint8Array {
    return this.view().slice();
  }

  /** The bytes themselves, until the place is released. */
  view(): Uint8Array {
    const slab = this.#slab;
    invariant(slab !== null, "a place is read before it is released");
    const from = this.#cell * this.#sizeClass.cellBytes;
    return slab.bytes.subarray(from, from + this.length);
  }

  /** The cell is free again. */
  release(): void {
    const slab = this.#slab;
    if (slab === null) return;
    this.#slab = null;
    const { open } = this.#sizeClass;
    slab.used--;
    slab.free.push(this.#cell);
    open.add(slab);
    // An empty one goes, unless its cells are the only ones to be had.
    if (slab.used > 0 || open.size === 1) return;
    open.delete(slab);
    this.#sizeClass.bytes -= slab.bytes.length;
  }
}

/**
 * Memory for byte strings that live long and end one by one, by whoever put them there. To the engine's collector a value
 * with a buffer of its own is three objects and an allocation, and one that is old is garbage until the next collection of
 * the whole heap; a cell is taken again at once.
 */
export class Slabs {
  readonly #classes = new Map<number, SizeClass>();

  /** What is laid out, free cells included, for values that share slabs. */
  get bytes(): number {
    let bytes = 0;
    for (const sizeClass of this.#classes.values()) bytes += sizeClass.bytes;
    return bytes;
  }

  /** Copies. */
  put(bytes: Uint8Array): SlabPlace {
    const sizeClass = this.#classFor(bytes.length);
    const slab = slabWithRoom(sizeClass);
    const cell = slab.free.pop() ?? slab.fresh++;
    slab.used++;
    if (slab.used === slab.cells) sizeClass.open.delete(slab);
    slab.bytes.set(bytes, cell * sizeClass.cellBytes);
    return new SlabPlace(sizeClass, slab, cell, bytes.length);
  }

  /** What was put is still there for those who hold a place. */
  clear(): void {
    this.#classes.clear();
  }

  #classFor(length: number): SizeClass {
    const cellBytes = cellBytesFor(length);
    const known = this.#classes.get(cellBytes);
    if (known !== undefined) return known;
    const sizeClass: SizeClass = { cellBytes, bytes: 0, open: new Set() };
    // One for each of the many lengths of large values would stay for ever.
    if (length <= largestCell) this.#classes.set(cellBytes, sizeClass);
    return sizeClass;
  }
}

function slabWithRoom(sizeClass: SizeClass): Slab {
  const { cellBytes, bytes, open } = sizeClass;
  for (const slab of open) return slab;
  const cells = Math.max(1, Math.floor(Math.min(Math.max(firstSlabBytes, bytes), largestSlabBytes) / cellBytes));
  const slab: Slab = { bytes: new Uint8Array(cellBytes * cells), cells, free: [], fresh: 0, used: 0 };
  sizeClass.bytes += slab.bytes.length;
  open.add(slab);
  return slab;
}

/** At most an eighth more than `length`, but for the shortest. */
function cellBytesFor(length: number): number {
  if (length > largestCell) return length;
  // How often eight of the smallest steps must be doubled to reach beyond `length - 1`.
  const doublings = Math.max(0, 32 - Math.clz32(Math.max(0, length - 1)) - bitsOfFirstSteps);
  const step = smallestStep << Math.max(0, doublings - 1);
  return Math.max(1, Math.ceil(length / step)) * step;
}
